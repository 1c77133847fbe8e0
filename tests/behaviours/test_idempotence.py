"""Idempotent producers (KIP-98): every batch once and in order, whatever is sent again."""

from __future__ import annotations

import itertools
import time

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from chronik.wire.messages.produce import PartitionProduceResponse
from tests.behaviours.batches import New, Producer, batch, values
from tests.behaviours.partition import SETTLED_S, Partition, create_topic, new_partition, produce_request, wait_usable
from tests.broker_process import BrokerProcess, wait_until
from tests.clients.conftest import NamedClient
from tests.conftest import RawFactory
from tests.raw_client import RawClient

MAX_SEQUENCE = 2**31 - 1
GAP = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)


def init_producer_id(client: RawClient, version: int = 4) -> InitProducerIdResponse:
    """Ask for an id until there is one: Kafka has none while it starts."""
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
    answers: list[InitProducerIdResponse] = []

    def answered() -> bool:
        answers.append(client.ask(request, version))
        return answers[-1].error_code != ErrorCode.COORDINATOR_LOAD_IN_PROGRESS

    wait_until(answered, SETTLED_S, "no producer id")
    return answers[-1]


def new_producer(client: RawClient) -> Producer:
    answer = init_producer_id(client)
    assert (answer.error_code, answer.producer_epoch) == (0, 0)
    return Producer(answer.producer_id)


class Writer:
    """Appends batches of one producer to one partition."""

    def __init__(self, partition: Partition, producer: Producer) -> None:
        self.partition, self.producer = partition, producer

    def send(self, sequence: int, count: int = 1, *, epoch: int | None = None) -> tuple[int, int]:
        """Error and base offset of a batch; its values tell its sequence."""
        return outcome(self.partition.produce(self.batch(sequence, count, epoch=epoch)))

    def batch(self, sequence: int, count: int = 1, *, epoch: int | None = None) -> bytes:
        producer = self.producer if epoch is None else self.producer._replace(epoch=epoch)
        # Kafka forgets a producer when it restarts a day or more after the timestamp of its last batch.
        now_ms = int(time.time() * 1000)
        records = [New(value, timestamp=now_ms) for value in values(count, f"s{sequence}")]
        return batch(*records, producer=producer, sequence=sequence)


def outcome(answer: PartitionProduceResponse) -> tuple[int, int]:
    return answer.error_code, answer.base_offset


@pytest.fixture
def writer(client: RawClient) -> Writer:
    return Writer(new_partition(client), new_producer(client))


@pytest.mark.parametrize("version", range(6))
def test_every_producer_gets_an_id_of_its_own(client: RawClient, version: int) -> None:
    answers = [init_producer_id(client, version) for _ in range(3)]
    assert {answer.error_code for answer in answers} == {answer.producer_epoch for answer in answers} == {0}
    ids = {answer.producer_id for answer in answers}
    assert len(ids) == 3
    assert min(ids) >= 0


def test_producer_ids_are_not_given_out_again_after_a_crash(broker: BrokerProcess, raw: RawFactory) -> None:
    ids = [new_producer(raw(broker)).producer_id for _ in range(3)]
    broker.kill()
    broker.start()
    ids += [new_producer(raw(broker)).producer_id for _ in range(3)]
    assert len(set(ids)) == 6


@pytest.mark.parametrize("name", ["java", "confluent-kafka"])
def test_an_idempotent_client_program_produces(
    module_broker: BrokerProcess, client: RawClient, named_client: NamedClient, name: str
) -> None:
    """Java's producer is idempotent unless it is told not to be; librdkafka's has to be asked."""
    topic = create_topic(client)
    config = {} if name == "java" else {"enable.idempotence": "true"}
    records = named_client(name).produce(module_broker.bootstrap, topic, 20, config=config)
    assert sorted(record.offset for record in records) == list(range(20))
    found = Partition(client, topic)
    assert found.end == 20


def test_a_batch_that_is_sent_again_is_there_once(writer: Writer) -> None:
    assert writer.send(0, 3) == (0, 0)
    assert writer.send(3, 2) == (0, 3)
    for _ in range(3):
        assert writer.send(0, 3) == (0, 0)
        assert writer.send(3, 2) == (0, 3)
    assert writer.partition.end == 5
    assert [record.value for record in writer.partition.records()] == [*values(3, "s0"), *values(2, "s3")]


def test_a_gap_in_the_sequence_is_refused(writer: Writer) -> None:
    assert writer.send(0, 2) == (0, 0)
    assert writer.send(3) == GAP
    assert writer.send(9) == GAP
    assert writer.partition.end == 2
    assert writer.send(2) == (0, 2)
    assert writer.send(3) == (0, 3)


def test_the_last_five_batches_are_remembered(writer: Writer) -> None:
    for sequence in range(8):
        assert writer.send(sequence) == (0, sequence)
    for sequence in (3, 7, 5, 4, 6, 3):
        assert writer.send(sequence) == (0, sequence)
    # The sixth last is not known any more, but it is known not to be new.
    assert writer.send(2) == GAP
    assert writer.partition.end == 8


def test_five_batches_in_flight_that_overtake_each_other_end_up_in_order(writer: Writer) -> None:
    client, partition = writer.partition.client, writer.partition

    def send_all(*sequences: int) -> list[tuple[int, int]]:
        for sequence in sequences:
            client.send(produce_request(partition.place.produced(writer.batch(sequence))), 9)
        return [outcome(client.receive().responses[0].partition_responses[0]) for _ in sequences]

    assert send_all(0, 2, 3, 1, 4) == [(0, 0), GAP, GAP, (0, 1), GAP]
    # The client does not know what became of any of them, and sends them all again.
    assert send_all(0, 1, 2, 3, 4) == [(0, offset) for offset in range(5)]
    assert [record.value for record in partition.records()] == [b"s%d-0" % sequence for sequence in range(5)]


def test_an_old_epoch_is_refused_and_a_new_one_begins_at_zero(writer: Writer) -> None:
    assert writer.send(0) == (0, 0)
    assert writer.send(1, epoch=1) == GAP
    assert writer.send(0, epoch=1) == (0, 1)
    assert writer.send(1) == (ErrorCode.INVALID_PRODUCER_EPOCH, -1)
    assert writer.send(0) == (ErrorCode.INVALID_PRODUCER_EPOCH, -1)
    assert writer.send(1, epoch=1) == (0, 2)
    assert writer.partition.end == 3


def test_the_sequence_wraps_to_zero(client: RawClient) -> None:
    writer = Writer(new_partition(client), new_producer(client))
    assert writer.send(MAX_SEQUENCE) == (0, 0)
    assert writer.send(0) == (0, 1)
    assert writer.send(MAX_SEQUENCE) == (0, 0)
    assert writer.send(1) == (0, 2)


def test_the_sequence_wraps_inside_a_batch(client: RawClient) -> None:
    writer = Writer(new_partition(client), new_producer(client))
    assert writer.send(MAX_SEQUENCE - 1, 4) == (0, 0)  # the last record has sequence 1
    assert writer.send(1) == GAP
    assert writer.send(2) == (0, 4)
    assert writer.send(MAX_SEQUENCE - 1, 4) == (0, 0)


def test_what_was_sent_before_a_crash_is_known_after_it(broker: BrokerProcess, raw: RawFactory, on_kafka: bool) -> None:
    """Of the five last batches Kafka knows one after a crash, which is all that a reader of its log can tell."""
    client = raw(broker)
    writer = Writer(new_partition(client), new_producer(client))
    offsets = itertools.count()
    for sequence in range(7):
        assert writer.send(sequence) == (0, next(offsets))
    broker.kill()
    broker.start()
    client = raw(broker)
    wait_usable(client, writer.partition.topic)
    again = Writer(writer.partition.over(client), writer.producer)
    for sequence in range(6 if on_kafka else 2, 7):
        assert again.send(sequence) == (0, sequence)
    assert again.send(8) == GAP
    assert again.send(7) == (0, 7)
    assert again.partition.end == 8


@pytest.mark.parametrize("sequence", [17, 0, MAX_SEQUENCE - 5])
def test_a_producer_that_is_not_known_may_begin_anywhere(client: RawClient, sequence: int) -> None:
    """Its state may have expired while it rested."""
    writer = Writer(new_partition(client), new_producer(client))
    assert writer.send(sequence, 2) == (0, 0)
    assert writer.send(sequence, 2) == (0, 0)
    assert writer.send(sequence + 3) == GAP
    assert writer.send(sequence + 2) == (0, 2)


def test_partitions_have_sequences_of_their_own(client: RawClient) -> None:
    topic, producer = create_topic(client, 2), new_producer(client)
    zero, one = (Writer(Partition(client, topic, number), producer) for number in range(2))
    assert zero.send(0, 5) == one.send(0) == (0, 0)
    assert one.send(1) == (0, 1)
    assert one.send(5) == GAP
    assert zero.send(5) == (0, 5)
