"""DeleteTopics: by name, by id, what is refused, and that nothing is left of a deleted topic."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest
from confluent_kafka import KafkaException

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_topics import CreateTopicsRequest
from chronik.wire.messages.delete_topics import DeletableTopicResult, DeleteTopicsRequest, DeleteTopicState
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from chronik.wire.messages.metadata import MetadataRequest
from chronik.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from chronik.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from tests.api.topics import create_topic, fetch, metadata_of, produce, topic_of, try_produce
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import RawFactory
from tests.kafka_python import kafka
from tests.raw_client import RawClient

API = ApiKey.DELETE_TOPICS

NOBODY = bytes(16)
GONE_TIMEOUT_S = 20.0


def state(name: str | None = None, topic_id: bytes = NOBODY) -> DeleteTopicState:
    return DeleteTopicState(name=name, topic_id=topic_id)


def delete(client: RawClient, *states: DeleteTopicState, version: int = 6) -> list[DeletableTopicResult]:
    names = [each.name for each in states if each.name is not None]
    request = DeleteTopicsRequest(topics=list(states), topic_names=names, timeout_ms=60_000)
    response = client.ask(request, version)
    assert response.throttle_time_ms == 0
    results: list[DeletableTopicResult] = response.responses
    return results


def codes(results: list[DeletableTopicResult]) -> dict[tuple[str | None, bytes], int]:
    """By name and id; AssertionError when one is answered twice."""
    found = {(result.name, result.topic_id): result.error_code for result in results}
    assert len(found) == len(results), results
    return found


def is_gone(client: RawClient, name: str) -> bool:
    return metadata_of(client, name).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_deletes_in_every_version(client: RawClient, version: int) -> None:
    made = create_topic(client, partitions=2)
    (result,) = delete(client, state(made.name), version=version)
    assert (result.error_code, result.name, result.error_message) == (0, made.name, None)
    assert result.topic_id == (made.topic_id if version >= 6 else NOBODY)
    wait_until(lambda: is_gone(client, made.name), GONE_TIMEOUT_S, "the topic does not go")
    (again,) = delete(client, state(made.name), version=version)
    assert again.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert bool(again.error_message) == (version >= 5)


def test_a_deleted_topic_is_not_in_the_next_metadata(client: RawClient, only_chronik: None) -> None:
    made = create_topic(client)
    delete(client, state(made.name))
    assert is_gone(client, made.name)
    assert made.name not in {topic.name for topic in client.ask(MetadataRequest(topics=None), 9).topics}


def test_deletes_by_id(client: RawClient) -> None:
    made = create_topic(client)
    (result,) = delete(client, state(topic_id=made.topic_id))
    assert (result.error_code, result.name, result.topic_id) == (0, made.name, made.topic_id)
    wait_until(lambda: is_gone(client, made.name), GONE_TIMEOUT_S, "the topic does not go")
    (again,) = delete(client, state(topic_id=made.topic_id))
    assert (again.error_code, again.name) == (ErrorCode.UNKNOWN_TOPIC_ID, None)


def test_refuses_unknown_ids(client: RawClient) -> None:
    stranger = uuid.uuid4().bytes
    (result,) = delete(client, state(topic_id=stranger))
    assert (result.error_code, result.topic_id, result.name) == (ErrorCode.UNKNOWN_TOPIC_ID, stranger, None)
    assert result.error_message


@pytest.mark.parametrize("name", ["nobody", "", "a b"])
def test_refuses_unknown_names(client: RawClient, name: str) -> None:
    (result,) = delete(client, state(name))
    assert (result.error_code, result.topic_id) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, NOBODY)


def test_refuses_a_name_with_an_id(client: RawClient) -> None:
    made = create_topic(client)
    (result,) = delete(client, state(made.name, made.topic_id))
    assert (result.error_code, result.name, result.topic_id) == (
        ErrorCode.INVALID_REQUEST,
        made.name,
        made.topic_id,
    )
    assert not is_gone(client, made.name)


def test_refuses_neither_name_nor_id(client: RawClient) -> None:
    assert [result.error_code for result in delete(client, state(), state())] == [ErrorCode.INVALID_REQUEST] * 2


def test_answers_repetitions_once(client: RawClient) -> None:
    first, second = create_topic(client), create_topic(client)
    stranger = uuid.uuid4().bytes
    results = delete(
        client,
        *[state(first.name)] * 2,
        *[state(topic_id=second.topic_id)] * 3,
        *[state("nobody")] * 2,
        *[state(topic_id=stranger)] * 2,
    )
    assert codes(results) == {
        (first.name, NOBODY): ErrorCode.INVALID_REQUEST,
        (None, second.topic_id): ErrorCode.INVALID_REQUEST,
        ("nobody", NOBODY): ErrorCode.INVALID_REQUEST,
        (None, stranger): ErrorCode.INVALID_REQUEST,
    }
    assert not is_gone(client, first.name)
    assert not is_gone(client, second.name)


def test_refuses_a_topic_by_its_name_and_by_its_id(client: RawClient) -> None:
    made = create_topic(client)
    results = delete(client, state(made.name), state(topic_id=made.topic_id))
    assert codes(results) == {(made.name, made.topic_id): ErrorCode.INVALID_REQUEST}
    assert not is_gone(client, made.name)


def test_one_failure_does_not_stop_the_others(client: RawClient) -> None:
    by_name, by_id, both = (create_topic(client) for _ in range(3))
    stranger = uuid.uuid4().bytes
    results = delete(
        client,
        state(by_name.name),
        state("nobody"),
        state(topic_id=by_id.topic_id),
        state(topic_id=stranger),
        state(both.name, both.topic_id),
    )
    assert codes(results) == {
        (by_name.name, by_name.topic_id): 0,
        ("nobody", NOBODY): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        (by_id.name, by_id.topic_id): 0,
        (None, stranger): ErrorCode.UNKNOWN_TOPIC_ID,
        (both.name, both.topic_id): ErrorCode.INVALID_REQUEST,
    }


def test_an_empty_request_has_an_empty_answer(client: RawClient) -> None:
    assert delete(client) == []


def test_a_topic_made_again_starts_afresh(client: RawClient, only_chronik: None) -> None:
    made = create_topic(client)
    assert produce(client, made.name, [b"old"] * 3) == 0
    delete(client, state(made.name))
    assert try_produce(client, made.name, [b"lost"]).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert fetch(client, made.name, 0).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    (again,) = client.ask(CreateTopicsRequest(topics=[topic_of(made.name)]), 7).topics
    assert again.error_code == 0
    assert again.topic_id != made.topic_id
    assert fetch(client, made.name, 0).values == {}
    assert produce(client, made.name, [b"new"]) == 0
    assert fetch(client, made.name, 0).values == {0: b"new"}


def test_committed_offsets_of_a_deleted_topic_are_gone(client: RawClient, only_chronik: None) -> None:
    deleted, kept = create_topic(client), create_topic(client)

    def committed(name: str) -> int:
        request = OffsetFetchRequest(
            group_id="readers", topics=[OffsetFetchRequestTopic(name=name, partition_indexes=[0])]
        )
        (partition,) = client.ask(request, 5).topics[0].partitions
        assert isinstance(partition.committed_offset, int)
        return partition.committed_offset

    commit = OffsetCommitRequest(
        group_id="readers",
        generation_id_or_member_epoch=-1,
        topics=[
            OffsetCommitRequestTopic(
                name=made.name, partitions=[OffsetCommitRequestPartition(partition_index=0, committed_offset=7)]
            )
            for made in (deleted, kept)
        ],
    )
    client.ask(commit, 5)
    assert (committed(deleted.name), committed(kept.name)) == (7, 7)
    delete(client, state(deleted.name))
    client.ask(CreateTopicsRequest(topics=[topic_of(deleted.name)]), 7)
    assert (committed(deleted.name), committed(kept.name)) == (-1, 7)


def test_a_waiting_fetch_ends_with_its_topic(
    module_broker: BrokerProcess, raw: RawFactory, client: RawClient, only_chronik: None
) -> None:
    made = create_topic(client)
    waiting = raw(module_broker)
    wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)
    request = FetchRequest(
        max_wait_ms=60_000, min_bytes=1, max_bytes=1 << 20, topics=[FetchTopic(topic=made.name, partitions=[wanted])]
    )
    waiting.send(request, 11)
    assert waiting.receives_nothing(0.05)
    delete(client, state(made.name))
    (partition,) = waiting.receive(timeout_s=10).responses[0].partitions
    assert partition.error_code != 0


def test_a_deletion_survives_a_restart(broker: BrokerProcess, raw: RawFactory, only_chronik: None) -> None:
    client = raw(broker)
    deleted, kept = create_topic(client), create_topic(client)
    produce(client, deleted.name, [b"x" * 1000])
    delete(client, state(deleted.name))
    broker.kill()
    broker.start()
    client = raw(broker)
    assert is_gone(client, deleted.name)
    assert metadata_of(client, kept.name).topic_id == kept.topic_id


def test_kio_understands_the_answer(client: RawClient) -> None:
    from kio.schema.delete_topics.v6.request import DeleteTopicsRequest as KioRequest
    from kio.schema.delete_topics.v6.request import DeleteTopicState as KioState
    from kio.static.primitive import i32Timedelta

    made = create_topic(client)
    topics = KioState(name=None, topic_id=uuid.UUID(bytes=made.topic_id))
    timeout = i32Timedelta.parse(datetime.timedelta(seconds=60))
    (result,) = client.ask_kio(KioRequest(topics=(topics,), timeout=timeout)).responses
    assert (result.name, result.topic_id.bytes, result.error_code.value) == (made.name, made.topic_id, 0)


def test_admin_clients_delete(kafka_python: Any, librdkafka: Any, client: RawClient) -> None:
    theirs, ours = create_topic(client).name, create_topic(client).name
    kafka_python.delete_topics([theirs])
    wait_until(lambda: is_gone(client, theirs), GONE_TIMEOUT_S, "the topic does not go")
    with pytest.raises(kafka.errors.UnknownTopicOrPartitionError):
        kafka_python.delete_topics([theirs])
    futures = librdkafka.delete_topics([ours, "nobody"])
    futures[ours].result()
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        futures["nobody"].result()
    wait_until(lambda: is_gone(client, ours), GONE_TIMEOUT_S, "the topic does not go")
