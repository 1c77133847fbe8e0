"""Sending slices of files: everything arrives, in order, whatever the socket takes at a time."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chronik.server.file_sender import FileSender
from chronik.terms import FileSlice

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


class File:
    """What slices are of."""

    def __init__(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self.content = content
        self.descriptor = os.open(path, os.O_RDONLY)

    def slice(self, position: int, size: int) -> FileSlice:
        return FileSlice(self, position, size, 0)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    made = File(tmp_path / "file", random.Random(3).randbytes(3_000_000))
    yield made
    os.close(made.descriptor)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def pair() -> tuple[socket.socket, socket.socket]:
    sending, receiving = socket.socketpair()
    sending.setblocking(False)
    receiving.setblocking(False)
    return sending, receiving


async def received(connection: socket.socket, size: int, step: int = 100_000) -> bytes:
    loop, found = asyncio.get_running_loop(), bytearray()
    async with asyncio.timeout(20):
        while len(found) < size:
            found += await loop.sock_recv(connection, step)
    return bytes(found)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_everything_arrives_in_order(file: File, threads: ThreadPoolExecutor) -> None:
    chance = random.Random(4)
    for _ in range(20):
        parts: list[bytes | bytearray | FileSlice] = []
        for _ in range(chance.randint(1, 40)):
            size = chance.choice([1, 100, 70_000, 400_000])
            if chance.random() < 0.5:
                parts.append(bytearray(chance.randbytes(size)))
            else:
                parts.append(file.slice(chance.randint(0, 2_000_000), size))
        expected = b"".join(
            file.content[part.position : part.position + len(part)] if isinstance(part, FileSlice) else part
            for part in parts
        )
        sending, receiving = pair()
        before = descriptors()
        sent: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        FileSender(asyncio.get_running_loop(), threads, sending, parts, sent.set_result).go_on()
        assert await received(receiving, len(expected), chance.choice([10_000, 1_000_000])) == expected
        assert await sent is None
        assert descriptors() == before
        sending.close()
        receiving.close()


async def test_a_file_that_ends_too_early_is_an_error(file: File, threads: ThreadPoolExecutor) -> None:
    sending, receiving = pair()
    before = descriptors()
    sent: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
    part = file.slice(2_999_990, 20)
    FileSender(asyncio.get_running_loop(), threads, sending, [b"front", part], sent.set_result).go_on()
    assert isinstance(await sent, OSError)
    assert descriptors() == before
    assert await received(receiving, 15) == b"front" + file.content[-10:]
    sending.close()
    receiving.close()


async def test_a_connection_that_is_gone_is_an_error(file: File, threads: ThreadPoolExecutor) -> None:
    sending, receiving = pair()
    receiving.close()
    sent: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
    FileSender(asyncio.get_running_loop(), threads, sending, [file.slice(0, 1000)], sent.set_result).go_on()
    assert isinstance(await sent, ConnectionError)
    sending.close()


async def test_what_is_cancelled_leaves_no_descriptor(file: File, threads: ThreadPoolExecutor) -> None:
    """At once, while a thread sends, and while the loop waits for the socket."""
    for turns in (0, 1, 200):
        sending, receiving = pair()
        before = descriptors()
        ended: list[BaseException | None] = []
        sender = FileSender(asyncio.get_running_loop(), threads, sending, [file.slice(0, 3_000_000)], ended.append)
        sender.go_on()
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        sender.cancel()
        async with asyncio.timeout(20):
            while descriptors() != before:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        assert ended == []
        sending.close()
        receiving.close()
