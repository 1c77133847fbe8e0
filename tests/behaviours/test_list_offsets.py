"""Offsets by time, and the times that mean a place."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.list_offsets import ListOffsetsRequest
from tests.behaviours.batches import NOW_MS, New
from tests.behaviours.partition import EARLIEST, LATEST, Partition, new_partition
from tests.raw_client import RawClient

MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -3, -4, -5


@pytest.fixture
def partition(client: RawClient) -> Partition:
    return new_partition(client)


@pytest.fixture
def filled(partition: Partition) -> Partition:
    """Six records in two batches, 100 ms apart, the fourth of them out of order."""
    times = [NOW_MS + delta for delta in (0, 100, 200)], [NOW_MS + delta for delta in (150, 400, 500)]
    for stamps in times:
        partition.append(*(New(b"x", timestamp=stamp) for stamp in stamps))
    return partition


def found(partition: Partition, timestamp: int, version: int) -> tuple[int, int, int]:
    answer = partition.list_offset(timestamp, version=version)
    return answer.error_code, answer.offset, answer.timestamp


@pytest.mark.parametrize("version", range(1, 11))
def test_the_ends_of_a_log(partition: Partition, version: int) -> None:
    assert found(partition, LATEST, version) == found(partition, EARLIEST, version) == (0, 0, -1)
    partition.append(b"a", b"b", b"c")
    assert found(partition, LATEST, version) == (0, 3, -1)
    assert found(partition, EARLIEST, version) == (0, 0, -1)
    epoch = partition.list_offset(LATEST, version=version).leader_epoch
    assert epoch == (0 if version >= 4 else -1)


@pytest.mark.parametrize("version", [1, 7])
@pytest.mark.parametrize(
    ("after_ms", "offset", "at_ms"),
    [
        pytest.param(0, 0, 0, id="exactly the first"),
        pytest.param(100, 1, 100, id="exactly one in a batch"),
        pytest.param(101, 2, 200, id="between two"),
        pytest.param(201, 4, 400, id="past one that is out of order"),
        pytest.param(500, 5, 500, id="exactly the last"),
        pytest.param(-10_000, 0, 0, id="before the first"),
    ],
)
def test_a_time_finds_the_first_record_that_is_not_older(
    filled: Partition, after_ms: int, offset: int, at_ms: int, version: int
) -> None:
    assert found(filled, NOW_MS + after_ms, version) == (0, offset, NOW_MS + at_ms)


@pytest.mark.parametrize("version", [1, 5, 7])
def test_a_time_after_the_last_record_finds_nothing_and_is_no_error(filled: Partition, version: int) -> None:
    assert found(filled, NOW_MS + 501, version) == (0, -1, -1)
    assert filled.list_offset(NOW_MS + 501, version=version).leader_epoch == -1


def test_a_time_in_an_empty_log_finds_nothing(partition: Partition) -> None:
    assert found(partition, NOW_MS, 5) == found(partition, 0, 5) == (0, -1, -1)


@pytest.mark.parametrize("version", range(1, 11))
def test_the_greatest_timestamp_is_found_where_the_version_knows_it(partition: Partition, version: int) -> None:
    unsupported = (ErrorCode.UNSUPPORTED_VERSION, -1, -1)
    assert found(partition, MAX_TIMESTAMP, version) == ((0, -1, -1) if version >= 7 else unsupported)
    partition.append(*(New(b"x", timestamp=NOW_MS + delta) for delta in (5, 90, 10)))
    partition.append(New(b"x", timestamp=NOW_MS + 20))
    assert found(partition, MAX_TIMESTAMP, version) == ((0, 1, NOW_MS + 90) if version >= 7 else unsupported)


@pytest.mark.parametrize("version", range(1, 11))
def test_the_ends_of_tiers_are_known_from_their_versions_on(filled: Partition, version: int) -> None:
    unsupported = (ErrorCode.UNSUPPORTED_VERSION, -1, -1)
    assert found(filled, EARLIEST_LOCAL, version) == ((0, 0, -1) if version >= 8 else unsupported)
    # Nothing is moved to another tier.
    assert found(filled, LATEST_TIERED, version) == ((0, -1, -1) if version >= 9 else unsupported)


@pytest.mark.parametrize("timestamp", [-7, -100, -(2**63)])
def test_a_negative_time_without_a_meaning_is_refused(filled: Partition, timestamp: int) -> None:
    assert found(filled, timestamp, 10) == (ErrorCode.UNSUPPORTED_VERSION, -1, -1)


@pytest.mark.usefixtures("only_chronik")
def test_version_0_lists_offsets_newest_first(filled: Partition) -> None:
    """Kafka 4 has this version no more; clients of 0.10 and before know no other."""

    def listed(timestamp: int, most: int) -> list[int]:
        request = ListOffsetsRequest(replica_id=-1, topics=[filled.place.listed(timestamp, max_num_offsets=most)])
        (partition,) = filled.client.ask(request, 0).topics[0].partitions
        assert partition.error_code == 0
        return list(partition.old_style_offsets)

    assert listed(LATEST, 1) == [6]
    assert listed(LATEST, 10) == [6, 0]
    assert listed(EARLIEST, 10) == [0]
    assert listed(LATEST, 0) == []


def test_a_missing_partition_fails_alone(filled: Partition) -> None:
    missing = Partition(filled.client, filled.topic, 9)
    assert missing.list_offset(LATEST).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    asked = [missing.place.listed(LATEST), filled.place.listed(LATEST)]
    response = filled.client.ask(ListOffsetsRequest(replica_id=-1, topics=asked), 5)
    answers = {
        one.partition_index: (one.error_code, one.offset) for topic in response.topics for one in topic.partitions
    }
    assert answers == {9: (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1), 0: (0, 6)}
