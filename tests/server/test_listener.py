"""Where a broker listens when the system picks the port."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from chronik import Broker
from chronik.server import listener
from tests.api.configs import value_of
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

pytestmark = pytest.mark.anyio

BROKER = 4
STATIC = 4


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both loops: they bind in different ways."""
    return "asyncio", {"use_uvloop": request.param}


def has_address(host: str) -> bool:
    try:
        with closing(socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)):
            return True
    except OSError:
        return False


SECOND = "::1" if has_address("::1") else "127.0.0.2"
"""Another address of this machine than 127.0.0.1."""


def test_the_port_that_was_picked_is_described(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory()
    broker.start()
    assert value_of(raw(broker), BROKER, "0", "listeners") == (f"PLAINTEXT://{broker.bootstrap}", STATIC)


async def test_the_port_is_described_after_a_restart_and_a_reset_too() -> None:
    async with Broker(listen="localhost:0", num_partitions=2) as broker:
        for go_on in (broker.reset, broker.restart):
            await go_on()
            host, _, port = broker.bootstrap_servers.rpartition(":")
            found = await asyncio.to_thread(described_listeners, host, int(port))
            assert found == f"PLAINTEXT://localhost:{port}"


def described_listeners(host: str, port: int) -> str | None:
    with RawClient(host, port) as client:
        return value_of(client, BROKER, "0", "listeners")[0]


async def test_all_addresses_of_a_name_have_one_port() -> None:
    servers = await listener.bind(["127.0.0.1", SECOND], 0, asyncio.Protocol)
    bound = [made.getsockname()[:2] for server in servers for made in server.sockets]
    for server in servers:
        server.close()
    assert [host for host, _ in bound] == ["127.0.0.1", SECOND]
    assert len({port for _, port in bound}) == 1


async def test_a_port_that_is_taken_at_one_address_is_not_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, tried = asyncio.get_running_loop(), list[int]()
    create = loop.create_server

    async def create_server(
        protocol: Callable[[], asyncio.BaseProtocol], hosts: str | Sequence[str], port: int, **options: Any
    ) -> asyncio.Server:
        if port:
            tried.append(port)
        if len(tried) == 1:
            tried.append(0)
            raise OSError(errno.EADDRINUSE, "taken")
        return await create(protocol, hosts, port, **options)

    monkeypatch.setattr(loop, "create_server", create_server)
    servers = await listener.bind(["127.0.0.1", SECOND], 0, asyncio.Protocol)
    ports = {made.getsockname()[1] for server in servers for made in server.sockets}
    for server in servers:
        server.close()
    assert ports == {tried[-1]}
    assert len(tried) == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "fe80::1%lo"])
async def test_an_address_is_its_own(host: str) -> None:
    assert await listener._addresses_of(host) == [host]


async def test_a_name_has_each_of_its_addresses_once() -> None:
    found = await listener._addresses_of("localhost")
    assert found
    assert len(set(found)) == len(found)
    assert set(found) <= {"127.0.0.1", "::1"}
