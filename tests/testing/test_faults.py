"""Fault rules: what each kind does to a request, where the errors stand, and how clients take them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chronik import Broker
from chronik.api import HANDLERS
from chronik.errors import ErrorCode
from chronik.server.hosted import HostedBroker
from chronik.wire.apis import APIS, ApiKey
from chronik.wire.messages.describe_cluster import DescribeClusterRequest
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from chronik.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from chronik.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from chronik.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from chronik.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from chronik.wire.schema import STRING, Scalar, fields_of
from tests.broker_process import wait_until
from tests.cli.commands import batch_of
from tests.kafka_python import kafka
from tests.raw_client import RawClient

TIMEOUT_S = 30.0
INJECTED = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
SERVED = [
    (ApiKey(handler.API), version)
    for handler in HANDLERS
    for version in range(handler.VERSIONS[0], handler.VERSIONS[1] + 1)
]


@pytest.fixture(scope="module")
def session() -> Iterator[HostedBroker]:
    with Broker(topics={"t": 2}).in_thread() as hosted:
        yield hosted


@pytest.fixture
def broker(session: HostedBroker) -> HostedBroker:
    session.reset()
    return session


@pytest.fixture
def client(broker: HostedBroker) -> Iterator[RawClient]:
    with connected(broker) as raw:
        yield raw


def connected(broker: HostedBroker, client_id: str = "raw") -> RawClient:
    host, _, port = broker.bootstrap_servers.rpartition(":")
    return RawClient(host, int(port), client_id=client_id)


def produce_request(*values: bytes, acks: int = -1, partitions: tuple[int, ...] = (0,)) -> ProduceRequest:
    data = [PartitionProduceData(partition, memoryview(batch_of(values))) for partition in partitions]
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=[TopicProduceData("t", partition_data=data)])


def values_of(broker: HostedBroker) -> list[bytes | None]:
    return [record.value for record in broker.records("t")]


# The shape of errors


def filled(cls: type[Any], version: int) -> Any:
    """A request with one element in every list, and names that are no default."""
    made = cls()
    for spec in fields_of(cls):
        kind = spec.wire.of
        if not spec.wire.versions.has(version):
            continue
        if spec.wire.is_array:
            value = "named" if kind is STRING else 5
            setattr(made, spec.name, [value if isinstance(kind, Scalar) else filled(kind, version)])
        elif kind is STRING:
            setattr(made, spec.name, "named")
    return made


def error_codes(message: Any, version: int) -> list[int]:
    found = []
    for spec in fields_of(type(message)):
        value = getattr(message, spec.name)
        if not spec.wire.versions.has(version):
            continue
        if spec.name.endswith("error_code") and spec.name != "topic_config_error_code":
            found.append(value)
        elif not isinstance(spec.wire.of, Scalar):
            elements = value if spec.wire.is_array else [value]
            found += [
                code for element in elements or () if element is not None for code in error_codes(element, version)
            ]
    return found


@pytest.mark.parametrize(
    ("key", "version"), SERVED, ids=lambda value: value.name if isinstance(value, ApiKey) else None
)
def test_every_api_can_fail_in_every_version(
    key: ApiKey, version: int, client: RawClient, broker: HostedBroker
) -> None:
    """The reply is well formed, as another codec finds too, and says the error once, and nowhere else that all is well
    with what was asked for."""
    rule = broker.fail(key.name, INJECTED.name)
    request = filled(APIS[key].request, version)
    if key is ApiKey.PRODUCE:
        request.acks = 1
    response = client.ask(request, version)
    codes = error_codes(response, version)
    if key is ApiKey.FETCH:  # whose own error is one of sessions
        codes = codes[1:] if version >= 7 else codes
    elif key is ApiKey.METADATA and version >= 13:
        codes = codes[:-1]
    assert codes
    assert set(codes) == {INJECTED}
    assert rule.hits == 1


def test_error_stands_at_every_partition_that_was_asked_for(client: RawClient, broker: HostedBroker) -> None:
    broker.fail("Produce", "NOT_LEADER_OR_FOLLOWER")
    (topic,) = client.ask(produce_request(b"x", partitions=(1, 0, 9)), 9).responses
    assert topic.name == "t"
    assert [answered.index for answered in topic.partition_responses] == [1, 0, 9]
    for answered in topic.partition_responses:
        assert (answered.error_code, answered.base_offset) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
        assert answered.error_message == "NOT_LEADER_OR_FOLLOWER, because a fault rule says so."
    assert values_of(broker) == []
    broker.fail("ListOffsets", "LEADER_NOT_AVAILABLE")
    asked = [ListOffsetsPartition(partition_index=1), ListOffsetsPartition(partition_index=0)]
    (listed,) = client.ask(ListOffsetsRequest(topics=[ListOffsetsTopic("t", asked)]), 7).topics
    assert [(found.partition_index, found.error_code, found.offset) for found in listed.partitions] == [
        (1, ErrorCode.LEADER_NOT_AVAILABLE, -1),
        (0, ErrorCode.LEADER_NOT_AVAILABLE, -1),
    ]


def test_error_of_a_group_stands_at_the_group(client: RawClient, broker: HostedBroker) -> None:
    broker.fail("OffsetFetch", "NOT_COORDINATOR")
    assert client.ask(OffsetFetchRequest(group_id="g"), 6).error_code == ErrorCode.NOT_COORDINATOR
    groups = [OffsetFetchRequestGroup(group_id="a"), OffsetFetchRequestGroup(group_id="b")]
    answered = client.ask(OffsetFetchRequest(groups=groups), 8)
    assert [(found.group_id, found.error_code, found.topics) for found in answered.groups] == [
        ("a", ErrorCode.NOT_COORDINATOR, []),
        ("b", ErrorCode.NOT_COORDINATOR, []),
    ]


def test_failed_metadata_still_tells_the_broker(client: RawClient, broker: HostedBroker) -> None:
    """Or clients would know nobody to ask again; a topic that is not there is not created."""
    broker.fail("Metadata", "LEADER_NOT_AVAILABLE", times=2)
    answered = client.ask(MetadataRequest(topics=None), 9)
    assert len(answered.brokers) == 1
    assert [(topic.name, topic.error_code, topic.partitions) for topic in answered.topics] == [("t", 5, [])]
    answered = client.ask(MetadataRequest(topics=[MetadataRequestTopic(name="new")]), 9)
    assert [(topic.name, topic.error_code) for topic in answered.topics] == [("new", 5)]
    assert broker.topics == {"t": 2}


def test_failed_fetch_tells_all_partitions_of_the_session(client: RawClient, broker: HostedBroker) -> None:
    """An incremental fetch names none of them (KIP-227)."""
    partitions = [FetchPartition(partition=number, partition_max_bytes=1000) for number in (0, 1)]
    opened = client.ask(FetchRequest(session_epoch=0, topics=[FetchTopic("t", partitions=partitions)]), 11)
    assert opened.session_id > 0
    broker.fail("Fetch", "NOT_LEADER_OR_FOLLOWER", times=1)
    failed = client.ask(FetchRequest(session_id=opened.session_id, session_epoch=1), 11)
    assert [found.error_code for found in failed.responses[0].partitions] == [6, 6]
    assert failed.error_code == 0
    went_on = client.ask(FetchRequest(session_id=opened.session_id, session_epoch=2), 11)
    assert [found.error_code for found in went_on.responses[0].partitions] == [0, 0]
    broker.fail("Fetch", "FETCH_SESSION_ID_NOT_FOUND", times=1)
    assert client.ask(FetchRequest(session_id=opened.session_id, session_epoch=3), 11).error_code == 70


def test_failed_produce_without_acks_closes_the_connection(client: RawClient, broker: HostedBroker) -> None:
    broker.fail("Produce", "NOT_LEADER_OR_FOLLOWER")
    client.send(produce_request(b"x", acks=0), 9, answered=False)
    client.assert_closed()
    assert values_of(broker) == []


# Which requests are struck


def test_rule_strikes_so_many_times_after_so_many(client: RawClient, broker: HostedBroker) -> None:
    rule = broker.fail("describe-cluster", 14, after=2, times=3)
    codes = [client.ask(DescribeClusterRequest(), 0).error_code for _ in range(7)]
    assert codes == [0, 0, 14, 14, 14, 0, 0]
    assert rule.hits == 3
    assert repr(rule) == "<Rule fail DESCRIBE_CLUSTER: 3 hits>"


def test_rule_ends_with_its_block_or_when_it_is_cancelled(client: RawClient, broker: HostedBroker) -> None:
    def code() -> int:
        return int(client.ask(DescribeClusterRequest(), 0).error_code)

    with broker.fail("DescribeCluster", "REQUEST_TIMED_OUT"):
        assert code() == 7
    assert code() == 0
    rule = broker.fail("DescribeCluster", "REQUEST_TIMED_OUT")
    broker.fail("DescribeCluster", "NOT_CONTROLLER")
    assert code() == 7
    rule.cancel()
    rule.cancel()
    assert code() == 41
    broker.clear_faults()
    assert code() == 0


def test_rule_for_one_client_leaves_others_alone(client: RawClient, broker: HostedBroker) -> None:
    broker.fail("DescribeCluster", "REQUEST_TIMED_OUT", client_id="slow")
    with connected(broker, "slow") as slow:
        assert slow.ask(DescribeClusterRequest(), 0).error_code == 7
    assert client.ask(DescribeClusterRequest(), 0).error_code == 0


@pytest.mark.parametrize("end", ["restart", "crash"])
def test_rules_outlive_a_restart(broker: HostedBroker, end: str) -> None:
    broker.fail("DescribeCluster", "REQUEST_TIMED_OUT")
    getattr(broker, end)()
    with connected(broker) as client:
        assert client.ask(DescribeClusterRequest(), 0).error_code == 7
        broker.reset()
        assert client.ask(DescribeClusterRequest(), 0).error_code == 0


@pytest.mark.parametrize(
    ("api", "error", "message"),
    [
        ("Prodce", "NOT_LEADER_OR_FOLLOWER", "There is no API 'Prodce'; there are Produce, Fetch,"),
        ("Produce", "NOT_LEADER", "There is no error 'NOT_LEADER'; did you mean NOT_LEADER"),
        ("Produce", "NONE", "NONE is no error"),
        ("Produce", 999, "999 is not a valid ErrorCode"),
    ],
)
def test_unknown_names_are_refused(broker: HostedBroker, api: str, error: str | int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        broker.fail(api, error)


def test_rule_that_never_strikes_is_refused(broker: HostedBroker) -> None:
    for times, after in ((0, 0), (-1, 0), (1, -1)):
        with pytest.raises(ValueError, match="strikes at least once"):
            broker.delay(ms=1, times=times, after=after)


def test_no_rule_costs_nothing(broker: HostedBroker) -> None:
    """Without rules the server has the very handlers; with one, only those of its API are others."""
    assert broker._broker._server is not None
    server = broker._broker._server
    plain = {int(handler.API): handler for handler in HANDLERS}
    assert server.handlers == plain
    with broker.fail("Produce", "NOT_LEADER_OR_FOLLOWER"):
        assert {key for key, handler in server.handlers.items() if handler is not plain[key]} == {ApiKey.PRODUCE}
    wait_until(lambda: server.handlers == plain, TIMEOUT_S, "the handlers are the plain ones again")


# The other kinds


def test_disconnect_carries_nothing_out(client: RawClient, broker: HostedBroker) -> None:
    broker.disconnect("Produce")
    client.send(produce_request(b"lost"), 9)
    client.assert_closed()
    with connected(broker) as other:
        other.ask(produce_request(b"kept"), 9)
    assert values_of(broker) == [b"kept"]


def test_drop_carries_out_what_it_does_not_answer(broker: HostedBroker) -> None:
    rule = broker.drop(after=1, times=2)
    for request, version in (
        (produce_request(b"kept"), 9),
        (MetadataRequest(topics=[MetadataRequestTopic(name="made")]), 9),
    ):
        with connected(broker) as client:
            if rule.hits == 0:
                client.ask(DescribeClusterRequest(), 0)
            client.send(request, version)
            client.assert_closed()
    assert rule.hits == 2
    assert values_of(broker) == [b"kept"]
    assert broker.topics == {"t": 2, "made": 1}


def test_delay_keeps_order_and_bytes(client: RawClient, broker: HostedBroker) -> None:
    """The records lie in a buffer that other connections use meanwhile."""
    broker.delay("Produce", ms=30)
    client.send(produce_request(b"first" * 100), 9)
    client.send(produce_request(b"second" * 100), 9)
    with connected(broker) as other:
        for _ in range(20):
            other.ask(
                MetadataRequest(topics=[MetadataRequestTopic(name="t" * 200)], allow_auto_topic_creation=False), 9
            )
        assert values_of(broker) == []
    assert client.receive().responses[0].partition_responses[0].base_offset == 0
    assert client.receive().responses[0].partition_responses[0].base_offset == 1
    assert values_of(broker) == [b"first" * 100, b"second" * 100]


def test_delay_of_everything_lasts_at_least_so_long(client: RawClient, broker: HostedBroker) -> None:
    broker.delay(ms=40, times=2)
    began = time.monotonic()
    client.ask(DescribeClusterRequest(), 0)
    client.ask(DescribeClusterRequest(), 0)
    assert time.monotonic() - began >= 0.08


# Clients


def test_producer_retries_what_failed(broker: HostedBroker) -> None:
    rule = broker.fail("Produce", "NOT_LEADER_OR_FOLLOWER", times=3)
    producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap_servers, retry_backoff_ms=10)
    producer.send("t", b"x").get(TIMEOUT_S)
    producer.close()
    assert rule.hits == 3
    assert values_of(broker) == [b"x"]


def test_idempotent_producer_sends_again_what_was_not_answered(broker: HostedBroker) -> None:
    """And only once it is there: that is what sequence numbers are for."""
    rule = broker.drop("Produce", times=2)
    producer = kafka.KafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        retry_backoff_ms=10,
        reconnect_backoff_ms=10,
        enable_idempotence=True,
    )
    producer.send("t", b"x").get(TIMEOUT_S)
    producer.close()
    assert rule.hits == 2
    assert values_of(broker) == [b"x"]


def test_consumer_finds_its_coordinator_again(broker: HostedBroker) -> None:
    rules = [
        broker.fail("FindCoordinator", "COORDINATOR_NOT_AVAILABLE", times=1),
        broker.fail("JoinGroup", "NOT_COORDINATOR", times=1),
        broker.fail("SyncGroup", "REBALANCE_IN_PROGRESS", times=1),
        broker.fail("OffsetFetch", "COORDINATOR_LOAD_IN_PROGRESS", times=1),
        broker.fail("ListOffsets", "NOT_LEADER_OR_FOLLOWER", times=1),
        broker.fail("Fetch", "NOT_LEADER_OR_FOLLOWER", times=1),
        broker.fail("OffsetCommit", "COORDINATOR_LOAD_IN_PROGRESS", times=1),
    ]
    with connected(broker) as client:
        client.ask(produce_request(b"x"), 9)
    consumer = kafka.KafkaConsumer(
        "t",
        bootstrap_servers=broker.bootstrap_servers,
        group_id="g",
        auto_offset_reset="earliest",
        retry_backoff_ms=10,
        enable_auto_commit=False,
    )
    assert next(consumer).value == b"x"
    consumer.commit()
    consumer.close()
    assert [rule.hits for rule in rules] == [1] * len(rules)
    assert broker.committed("g")["t", 0] == 1


def test_rules_may_be_added_from_any_thread(client: RawClient, broker: HostedBroker) -> None:
    threads = [threading.Thread(target=broker.fail, args=("DescribeCluster", 7), kwargs={"times": 1}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [client.ask(DescribeClusterRequest(), 0).error_code for _ in range(9)] == [7] * 8 + [0]


def test_a_rule_strikes_what_a_connection_says_again(client: RawClient, broker: HostedBroker) -> None:
    def base_offset() -> int:
        (topic,) = client.ask(produce_request(b"x"), 9).responses
        (partition,) = topic.partition_responses
        return int(partition.base_offset) if partition.error_code == 0 else -partition.error_code

    assert [base_offset() for _ in range(3)] == [0, 1, 2]
    with broker.fail("Produce", INJECTED.name, times=2):
        assert [base_offset() for _ in range(3)] == [-INJECTED, -INJECTED, 3]
    assert base_offset() == 4
