"""The pytest plugin: a real broker for tests, in a thread of the test process.

    @pytest.mark.chronik(topics={"orders": 3})
    def test_orders_are_shipped(chronik):
        ship_orders(chronik.bootstrap_servers)
        assert [record.value for record in chronik.records("shipments", at_least=1)] == [b"..."]

`chronik` is empty at the beginning of each test, but for the marker's topics. The broker behind it starts once in a
session, on a port and in a temporary directory of its own (so pytest-xdist's workers do not meet). Its settings are
those of the fixture `chronik_settings`, which a conftest.py may replace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chronik.server.hosted import HostedBroker

_MARKER = (
    "chronik(topics): the topics that the fixture `chronik` has: names, or numbers of partitions or configs by name"
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture(scope="session")
def chronik_settings() -> Mapping[str, Any]:
    """What the session's broker is made with: arguments of `chronik.Broker`."""
    return {}


@pytest.fixture(scope="session")
def chronik_session(chronik_settings: Mapping[str, Any]) -> Iterator[HostedBroker]:
    """The broker of the session, with whatever earlier tests have left in it."""
    from chronik import Broker

    with Broker(**chronik_settings).in_thread() as broker:
        yield broker


@pytest.fixture
def chronik(request: pytest.FixtureRequest, chronik_session: HostedBroker) -> Iterator[HostedBroker]:
    """The broker of the session, emptied, with the topics of `@pytest.mark.chronik(topics=...)`.

    What `chronik_settings` names as topics is there too. Fault rules end with the test.
    """
    topics: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("chronik"))):
        topics.update(_topics(marker))
    chronik_session.reset(topics)
    yield chronik_session
    if chronik_session.is_running:
        chronik_session.clear_faults()


def _topics(marker: pytest.Mark) -> Mapping[str, Any]:
    if marker.args or set(marker.kwargs) - {"topics"}:
        raise pytest.UsageError("The marker chronik takes topics=... and nothing else.")
    topics = marker.kwargs.get("topics", ())
    if isinstance(topics, str):
        topics = [topics]
    return topics if isinstance(topics, Mapping) else dict.fromkeys(topics)
