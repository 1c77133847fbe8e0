"""Appending: what is stored, what is answered for which acks, and what is refused."""

from __future__ import annotations

import time

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.api_versions import ApiVersionsRequest
from chronik.wire.messages.metadata import MetadataRequest
from tests.behaviours.batches import (
    LAST_OFFSET_DELTA_AT,
    NOW_MS,
    New,
    batch,
    changed,
    offsets_of,
    sized_batch,
    values,
)
from tests.behaviours.partition import Partition, Place, create_topic, new_partition, produce_request, unique
from tests.raw_client import RawClient

MAX_MESSAGE_BYTES = 1_048_588


@pytest.fixture
def partition(client: RawClient) -> Partition:
    return new_partition(client)


def test_what_was_produced_is_fetched(partition: Partition) -> None:
    headers = (("trace", b"\x00\x01"), ("source", b"raw"))
    first = [New(b"value-%d" % i, b"key-%d" % i, headers, NOW_MS + i * 10) for i in range(5)]
    second = [New(b"later", b"key", (), NOW_MS - 5)]
    partition.append(*first)
    partition.append(*second)
    found = partition.records()
    assert offsets_of(found) == list(range(6))
    assert [New(record.value, record.key, record.headers, record.timestamp) for record in found] == [*first, *second]


def test_base_offsets_count_records(partition: Partition) -> None:
    sizes = (3, 1, 7, 100)
    base_offsets = [partition.append(*values(size)) for size in sizes]
    assert base_offsets == [0, 3, 4, 11]
    assert partition.end == sum(sizes)


@pytest.mark.parametrize("version", range(3, 12))
def test_every_version_of_produce_appends(partition: Partition, version: int) -> None:
    answer = partition.produce(batch(b"x"), version=version)
    assert (answer.error_code, answer.base_offset, answer.log_append_time_ms) == (0, 0, -1)
    assert answer.log_start_offset == (0 if version >= 5 else -1)
    assert partition.end == 1


def test_acks_1_is_answered_and_there(partition: Partition) -> None:
    answer = partition.produce(batch(b"leader only"), acks=1)
    assert (answer.error_code, answer.base_offset) == (0, 0)
    assert [record.value for record in partition.records()] == [b"leader only"]


def test_acks_0_is_not_answered_and_there(partition: Partition) -> None:
    client = partition.client
    client.send(produce_request(partition.place.produced(batch(b"unheard")), acks=0), 9, answered=False)
    assert client.receives_nothing(0.2)
    # The raw client checks that the reply has the correlation id of this request.
    assert client.ask(ApiVersionsRequest(), 0).error_code == 0
    assert [record.value for record in partition.records()] == [b"unheard"]


def test_acks_0_that_fails_closes_the_connection(client: RawClient, other: RawClient) -> None:
    request = produce_request(Place(unique("missing")).produced(batch(b"x")), acks=0)
    client.send(request, 9, answered=False)
    client.assert_closed()
    assert other.ask(ApiVersionsRequest(), 0).error_code == 0


@pytest.mark.parametrize("acks", [2, -2, 32767])
def test_acks_of_no_meaning_are_refused(partition: Partition, acks: int) -> None:
    answer = partition.produce(batch(b"x"), acks=acks)
    assert (answer.error_code, answer.base_offset) == (ErrorCode.INVALID_REQUIRED_ACKS, -1)
    assert partition.end == 0


def test_a_missing_partition_fails_alone(client: RawClient) -> None:
    topic, missing = create_topic(client, 2), unique("missing")
    request = produce_request(
        Place(topic, 1).produced(batch(b"one")),
        Place(missing).produced(batch(b"no topic")),
        Place(topic, 2).produced(batch(b"no partition")),
        Place(topic, 0).produced(batch(b"zero")),
    )
    answers = {
        (answered.name, one.index): (one.error_code, one.base_offset)
        for answered in client.ask(request, 9).responses
        for one in answered.partition_responses
    }
    unknown = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
    assert answers == {(topic, 0): (0, 0), (topic, 1): (0, 0), (topic, 2): unknown, (missing, 0): unknown}
    assert [Partition(client, topic, number).records()[0].value for number in (0, 1)] == [b"zero", b"one"]
    listed = client.ask(MetadataRequest(topics=None), 9).topics
    assert missing not in {found.name for found in listed}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(New(b"value", None), id="null key"),
        pytest.param(New(None, b"key"), id="null value"),
        pytest.param(New(None, None), id="null key and value"),
        pytest.param(New(b"", b""), id="empty key and value"),
        pytest.param(New(b"v", b"k", ()), id="no headers"),
        pytest.param(New(b"v", b"k", (("h", b"1"), ("h", b"2"), ("h", b"1"))), id="one header key three times"),
        pytest.param(New(b"v", b"k", (("null", None), ("empty", b""), ("", b"nameless"))), id="null header"),
        pytest.param(New(bytes(range(256)), bytes(range(255, -1, -1)), (("\u00fc\u4e2d", b"\xff"),)), id="all bytes"),
    ],
)
def test_records_of_every_shape_come_back_exactly(partition: Partition, record: New) -> None:
    partition.append(record, New(b"neighbour", b"n"), record)
    found = [New(stored.value, stored.key, stored.headers, stored.timestamp) for stored in partition.records()]
    assert found == [record, New(b"neighbour", b"n"), record]


def test_a_batch_with_a_wrong_crc_is_refused(partition: Partition) -> None:
    good = batch(b"some value", b"another")
    bad = changed(good, len(good) - 3, b"X", sealed=False)
    answer = partition.produce(bad)
    assert (answer.error_code, answer.base_offset) == (ErrorCode.CORRUPT_MESSAGE, -1)
    assert partition.end == 0
    assert partition.produce(good).base_offset == 0


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(None, id="null"),
        pytest.param(b"", id="nothing"),
        pytest.param(batch(b"x") + batch(b"y"), id="two batches"),
        pytest.param(changed(batch(b"x"), 16, b"\x01"), id="magic 1"),
        pytest.param(changed(batch(b"x", b"y"), LAST_OFFSET_DELTA_AT, bytes(4)), id="more records than offsets"),
    ],
)
def test_what_is_not_one_good_batch_is_refused(partition: Partition, bad: bytes | None, on_kafka: bool) -> None:
    if bad is None and on_kafka:
        pytest.skip("Kafka does not answer at all")
    assert partition.produce(bad).error_code == ErrorCode.INVALID_RECORD
    assert partition.end == 0
    assert partition.append(b"good") == 0


def test_a_batch_may_have_max_message_bytes_and_no_more(partition: Partition) -> None:
    too_large = partition.produce(sized_batch(MAX_MESSAGE_BYTES + 1))
    assert (too_large.error_code, too_large.base_offset) == (ErrorCode.MESSAGE_TOO_LARGE, -1)
    assert partition.end == 0
    assert partition.produce(sized_batch(MAX_MESSAGE_BYTES)).error_code == 0
    assert partition.end == 1


def test_the_topics_own_max_message_bytes_counts(client: RawClient) -> None:
    partition = new_partition(client, configs={"max.message.bytes": "1000"})
    assert partition.produce(sized_batch(1001)).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert partition.produce(sized_batch(1000)).error_code == 0


def test_log_append_time_stamps_every_record(client: RawClient) -> None:
    partition = new_partition(client, configs={"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    records = [New(b"v%d" % i, timestamp=NOW_MS + i) for i in range(3)]
    answers = [partition.produce(batch(*records, codec=codec)) for codec in ("none", "gzip")]
    after = int(time.time() * 1000)
    for answer in answers:
        assert answer.error_code == 0
        assert before <= answer.log_append_time_ms <= after
    # Reading checks the CRC of each batch.
    found = partition.records()
    assert [record.timestamp for record in found[:3]] == [answers[0].log_append_time_ms] * 3
    assert [record.timestamp for record in found[3:]] == [answers[1].log_append_time_ms] * 3


def test_a_record_too_far_in_the_future_is_named(partition: Partition) -> None:
    now = int(time.time() * 1000)
    soon, late = now + 3_000_000, now + 4_200_000
    good, bad = New(b"good", timestamp=soon), New(b"bad", timestamp=late)
    answer = partition.produce(batch(good, bad, good, bad))
    assert (answer.error_code, answer.base_offset) == (ErrorCode.INVALID_TIMESTAMP, -1)
    assert [one.batch_index for one in answer.record_errors] == [1, 3]
    assert answer.error_message
    assert partition.end == 0
    assert partition.append(good, good) == 0


def test_pipelined_requests_are_appended_and_answered_in_order(partition: Partition) -> None:
    client = partition.client
    for number in range(100):
        client.send(produce_request(partition.place.produced(batch(b"%d" % number))), 9)
    answers = [client.receive().responses[0].partition_responses[0] for _ in range(100)]
    assert [answer.base_offset for answer in answers] == list(range(100))
    assert [record.value for record in partition.records()] == [b"%d" % number for number in range(100)]
