"""A data directory with something of everything in it, as it is beside a running broker, after a crash, and closed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from chronik.batch.compression import Codec
from tests.broker_process import BrokerProcess
from tests.cli.client_commands import Commands
from tests.cli.commands import batch_of, commit, join, produce
from tests.raw_client import RawClient

ASSIGNMENT = bytes.fromhex("0001 00000001 0001 61 00000002 00000000 00000001 ffffffff")
"""ConsumerProtocolAssignment, version 1: partitions 0 and 1 of the topic a."""
PRODUCER_ID = 7
CHUNK_BYTES = 64 * 1024


class Filled(NamedTuple):
    """Three directories with the same content. `live` belongs to a running broker, the others are copies."""

    live: Path
    killed: Path
    closed: Path
    member_id: str
    broker: BrokerProcess


def fill(broker: BrokerProcess) -> str:
    """Topic a: every codec, keys, headers, bytes that are no text, a producer with sequences. Topic big: enough for
    several files. Groups g (a member, offsets) and h (offsets only). The member's id."""
    with RawClient(broker.host, broker.port) as client:
        for codec in Codec:
            produce(client, "a", 0, batch_of([b"one", b"two", b"three"], key=codec.name.encode(), codec=codec))
        headers = (("h", b"\xfe"), ("n", None))
        produce(client, "a", 1, batch_of([b"\xff\x00", None, "größer".encode()], headers=headers))
        for sequence in range(0, 12, 2):
            produce(client, "a", 2, batch_of([b"p", b"q"], producer_id=PRODUCER_ID, base_sequence=sequence))
        for number in range(12):
            value = b"%d" % number * 10_000
            produce(client, "big", number % 2, batch_of([value, value]))
        produce(client, "c", 0, batch_of([b"kept"], key=b"k"))
        commit(client, "h", "a", {0: 15, 2: 4})
        member_id = join(client, "g", ASSIGNMENT)
        commit(client, "h", "big", {0: 1})
    return member_id


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("filled")
    config = folder / "chronik.toml"
    config.write_text(f"store.chunk.bytes = {CHUNK_BYTES}\n")
    topics = ["--topic", "a:3", "--topic", "big:2", "--topic", "c:1:compact"]
    broker = BrokerProcess(folder / "broker", args=["--config", str(config), *topics])
    try:
        broker.start()
        member_id = fill(broker)
        broker.kill()
        killed = folder / "killed"
        shutil.copytree(broker.data_dir, killed)
        broker.start()
        assert broker.stop() == 0
        closed = folder / "closed"
        shutil.copytree(broker.data_dir, closed)
        broker.start()
        yield Filled(broker.data_dir, killed, closed, member_id, broker)
    finally:
        broker.close()
    assert broker.unexpected_errors() == []


@pytest.fixture(params=["live", "killed", "closed"])
def data_dir(filled: Filled, request: pytest.FixtureRequest) -> Path:
    """Each of the directories in turn."""
    found: Path = getattr(filled, request.param)
    return found


@pytest.fixture
def copy(filled: Filled, tmp_path: Path) -> Path:
    """A copy of the killed directory that a test may spoil."""
    shutil.copytree(filled.killed, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def commands(module_broker: BrokerProcess) -> Commands:
    """Client-side commands against the broker that the module's tests share."""
    return Commands(module_broker.bootstrap)
