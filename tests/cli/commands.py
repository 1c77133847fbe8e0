"""`chronik` commands as processes of their own, and what a broker is filled with so that they can show something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chronik.batch.compression import Codec
from chronik.batch.records import Record, build_batch
from chronik.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from chronik.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from chronik.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from chronik.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.raw_client import RawClient

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT_S = 60.0
BASE_MS = int(time.time()) * 1000 - 3_600_000
"""The time of the first record of every batch: an hour ago, on a whole second."""


def chronik(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Whatever it is, it must not show a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "chronik", *arguments],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        timeout=TIMEOUT_S,
        check=False,
    )
    completed = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode()
    )
    assert "Traceback" not in completed.stderr, completed.stderr
    return completed


def dump(data_dir: Path, *arguments: str) -> str:
    """What `chronik dump` prints of a directory that is in order."""
    done = chronik("dump", "--data-dir", str(data_dir), *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def dump_json(data_dir: Path, *arguments: str) -> list[dict[str, Any]]:
    """The same as objects."""
    return [json.loads(line) for line in dump(data_dir, *arguments, "--output", "jsonl").splitlines()]


def verify(data_dir: Path) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of `chronik dump --verify`, and what it found."""
    done = chronik("dump", "--data-dir", str(data_dir), "--verify", "--output", "jsonl")
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def assert_one_sentence(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """That a command ended with this exit code and one line on stderr, which contains these parts."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for part in ("chronik: ", *parts):
        assert part in done.stderr


def produce(client: RawClient, topic: str, partition: int, batch: bytes) -> int:
    """Append a batch with acks=all; its base offset."""
    request = ProduceRequest(
        acks=-1,
        timeout_ms=10_000,
        topic_data=[TopicProduceData(topic, partition_data=[PartitionProduceData(partition, memoryview(batch))])],
    )
    answered = client.ask(request, 9).responses[0].partition_responses[0]
    assert answered.error_code == 0, answered
    return int(answered.base_offset)


def batch_of(
    values: Sequence[bytes | None],
    *,
    key: bytes | None = None,
    codec: Codec = Codec.NONE,
    producer_id: int = -1,
    base_sequence: int = -1,
    headers: tuple[tuple[str, bytes | None], ...] = (),
) -> bytes:
    """A batch of records that are a second apart."""
    records = [Record(index, index * 1000, key, value, headers) for index, value in enumerate(values)]
    return build_batch(
        records,
        BASE_MS,
        codec=codec,
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=base_sequence,
    )


def commit(client: RawClient, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Commit offsets as a consumer that is no member."""
    partitions = [
        OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset, committed_metadata="noted")
        for partition, offset in offsets.items()
    ]
    request = OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=-1,
        topics=[OffsetCommitRequestTopic(topic, partitions=partitions)],
    )
    answered = client.ask(request, 7)
    assert [found.error_code for found in answered.topics[0].partitions] == [0] * len(offsets)


def join(client: RawClient, group: str, assignment: bytes) -> str:
    """Become the only member of a group, with this assignment; the member id."""
    joined = client.ask(
        JoinGroupRequest(
            group_id=group,
            session_timeout_ms=30_000,
            rebalance_timeout_ms=30_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol("range", b"")],
        ),
        3,
    )
    assert joined.error_code == 0
    member: str = joined.member_id
    synced = client.ask(
        SyncGroupRequest(
            group, joined.generation_id, member, assignments=[SyncGroupRequestAssignment(member, assignment)]
        ),
        2,
    )
    assert synced.error_code == 0
    return member
