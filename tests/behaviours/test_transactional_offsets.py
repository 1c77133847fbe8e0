"""Offsets that are committed with a transaction: who sees what, before and after its end."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.delete_groups import DeleteGroupsRequest
from chronik.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from chronik.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from tests.behaviours.members import Member
from tests.behaviours.partition import SETTLED_S, Place, create_topic, unique
from tests.behaviours.transactional import NONE, TransactionalProducer, settle_transactions
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import RawFactory
from tests.raw_client import RawClient

UNSTABLE = ErrorCode.UNSTABLE_OFFSET_COMMIT
NOTHING = -1


@pytest.fixture(scope="module", autouse=True)
def coordinating(module_broker: BrokerProcess) -> None:
    with RawClient(module_broker.host, module_broker.port) as client:
        settle_transactions(client)


@pytest.fixture
def place(client: RawClient) -> Place:
    return Place(create_topic(client, 3))


@pytest.fixture
def producer(client: RawClient) -> TransactionalProducer:
    return TransactionalProducer(client).begin()


@pytest.fixture
def group() -> str:
    return unique("group")


def committed(client: RawClient, group: str, place: Place, *, stable: bool = False) -> tuple[int, int]:
    """(offset, error) of OffsetFetch for one partition."""
    topic = OffsetFetchRequestTopic(name=place.topic, partition_indexes=[place.number])
    request = OffsetFetchRequest(group_id=group, topics=[topic], require_stable=stable)
    (found,) = client.ask(request, 7).topics[0].partitions
    return found.committed_offset, found.error_code


def all_committed(client: RawClient, group: str, *, stable: bool = False) -> dict[Place, tuple[int, int]]:
    """The same for everything that is stored."""
    answer = client.ask(OffsetFetchRequest(group_id=group, topics=None, require_stable=stable), 7)
    return {
        Place(topic.name, one.partition_index): (one.committed_offset, one.error_code)
        for topic in answer.topics
        for one in topic.partitions
    }


def commit_plainly(client: RawClient, group: str, place: Place, offset: int) -> None:
    partition = OffsetCommitRequestPartition(partition_index=place.number, committed_offset=offset)
    topic = OffsetCommitRequestTopic(name=place.topic, partitions=[partition])
    request = OffsetCommitRequest(group_id=group, topics=[topic])
    (answer,) = client.ask(request, 7).topics[0].partitions
    assert answer.error_code == NONE


def wait_stable_offset(client: RawClient, group: str, place: Place) -> int:
    wait_until(lambda: committed(client, group, place, stable=True)[1] == NONE, SETTLED_S, "the offset stays unstable")
    return committed(client, group, place, stable=True)[0]


def test_a_member_commits_in_its_generation(
    producer: TransactionalProducer, module_broker: BrokerProcess, raw: RawFactory, group: str, place: Place
) -> None:
    member = Member(raw(module_broker), group)
    assert member.join().error_code == NONE
    member.sync({member.member_id: b"all"})
    producer.add_group(group)

    def commit(generation: int, member_id: str, instance: str | None = None) -> ErrorCode:
        who: dict[str, Any] = {"generation_id": generation, "member_id": member_id, "group_instance_id": instance}
        return producer.commit_offset_once(group, place, 5, **who)

    assert commit(member.generation, member.member_id) is NONE
    assert commit(member.generation + 1, member.member_id) is ErrorCode.ILLEGAL_GENERATION
    assert commit(member.generation, "somebody") is ErrorCode.UNKNOWN_MEMBER_ID
    assert commit(member.generation, member.member_id, "instance") is ErrorCode.UNKNOWN_MEMBER_ID
    assert commit(-1, "") is NONE
    producer.commit()


@pytest.mark.parametrize("version", [0, 2, 3, 4, 5])
def test_offsets_become_valid_with_the_commit(
    producer: TransactionalProducer, client: RawClient, group: str, place: Place, version: int
) -> None:
    if version < 5:
        producer.add_group(group)
    producer.commit_offset(group, place, 5, version=version)
    assert committed(client, group, place) == (NOTHING, NONE)
    assert committed(client, group, place, stable=True) == (NOTHING, UNSTABLE)
    assert committed(client, group, place._replace(number=1), stable=True) == (NOTHING, NONE)
    producer.commit()
    # Never again the old one: either unstable still, or the new one.
    assert committed(client, group, place, stable=True) in [(NOTHING, UNSTABLE), (5, NONE)]
    assert wait_stable_offset(client, group, place) == 5
    assert committed(client, group, place) == (5, NONE)


def test_an_abort_leaves_the_offset_as_it_was(
    producer: TransactionalProducer, client: RawClient, group: str, place: Place
) -> None:
    commit_plainly(client, group, place, 3)
    producer.add_group(group)
    producer.commit_offset(group, place, 5)
    assert committed(client, group, place) == (3, NONE)
    assert all_committed(client, group, stable=True) == {place: (NOTHING, UNSTABLE)}
    assert all_committed(client, group) == {place: (3, NONE)}
    producer.abort()
    assert wait_stable_offset(client, group, place) == 3


def test_the_later_one_of_a_plain_and_a_transactional_commit_counts(
    producer: TransactionalProducer, client: RawClient, group: str, place: Place
) -> None:
    producer.add_group(group)
    producer.commit_offset(group, place, 5)
    commit_plainly(client, group, place, 100)
    assert committed(client, group, place) == (100, NONE)
    producer.commit()
    assert wait_stable_offset(client, group, place) == 100
    producer.add_group(group)
    commit_plainly(client, group, place, 200)
    producer.commit_offset(group, place, 6)
    producer.commit()
    assert wait_stable_offset(client, group, place) == 6


def test_the_group_must_be_in_the_transaction(producer: TransactionalProducer, group: str, place: Place) -> None:
    for version in (0, 1, 2, 3):
        error = producer.commit_offset_once(group, place, 5, version=version)
        assert error is ErrorCode.INVALID_TXN_STATE
    assert producer.commit_offset_once(group, place, 5, version=4) is ErrorCode.TRANSACTION_ABORTABLE
    assert producer.commit_offset_once(group, place, 5, version=5) is NONE
    producer.abort()


def test_what_does_not_exist_or_is_too_long_is_refused_by_itself(
    producer: TransactionalProducer, group: str, place: Place
) -> None:
    producer.add_group(group)
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert producer.commit_offset_once(group, Place(unique("unknown")), 5) is unknown
    assert producer.commit_offset_once(group, place._replace(number=9), 5) is unknown
    assert producer.commit_offset_once("", place, 5) is ErrorCode.INVALID_GROUP_ID
    nobody = producer.twin()
    nobody.transactional_id = ""
    assert nobody.commit_offset_once(group, place, 5) is ErrorCode.INVALID_REQUEST
    producer.abort()


def test_a_deleted_group_does_not_come_back_with_the_commit(
    producer: TransactionalProducer, client: RawClient, group: str, place: Place
) -> None:
    commit_plainly(client, group, place, 3)
    producer.add_group(group)
    producer.commit_offset(group, place, 5)
    (result,) = client.ask(DeleteGroupsRequest(groups_names=[group]), 2).results
    assert result.error_code == NONE
    producer.commit()
    producer.wait_idle()
    assert committed(client, group, place, stable=True) == (NOTHING, NONE)


def test_several_groups_may_be_in_one_transaction(
    producer: TransactionalProducer, client: RawClient, place: Place
) -> None:
    groups = [unique("group") for _ in range(3)]
    for number, group in enumerate(groups):
        producer.add_group(group)
        producer.commit_offset(group, place, number)
        producer.commit_offset(group, place._replace(number=1), number + 10)
    producer.commit()
    for number, group in enumerate(groups):
        assert wait_stable_offset(client, group, place) == number
        assert wait_stable_offset(client, group, place._replace(number=1)) == number + 10
