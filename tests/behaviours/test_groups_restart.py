"""Groups when the broker stops, or is killed, and starts again."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from chronik.errors import ErrorCode
from tests.behaviours.batches import values
from tests.behaviours.members import Member, commit, committed, join_together, settle_coordinator, stable
from tests.behaviours.partition import Partition, Place, create_topic, wait_usable
from tests.broker_process import BrokerProcess
from tests.clients.conftest import NamedClient
from tests.conftest import RawFactory

RESUMED_S = 2.0
"""What a group may take to go on after the broker is back, on a machine that is not too busy."""

Ending = Callable[[BrokerProcess], object]
ENDINGS = [pytest.param(BrokerProcess.stop, id="stopped"), pytest.param(BrokerProcess.kill, id="killed")]


@pytest.mark.parametrize("end", ENDINGS)
def test_a_group_goes_on_where_it_was(broker: BrokerProcess, raw: RawFactory, end: Ending) -> None:
    settle_coordinator(raw(broker))
    place = Place(create_topic(raw(broker), 2))
    members = [Member(raw(broker), "group"), Member(raw(broker), "group", instance_id="static")]
    stable(*members)
    one, two = members
    assert one.commit(place, 17, metadata="kept") == 0
    assert commit(raw(broker), "another", place, 5) == 0
    end(broker)
    broker.start()
    client = raw(broker)
    wait_usable(client, place.topic, 2)
    settle_coordinator(client)
    for member in members:
        member.client = raw(broker)
        assert member.heartbeat() == 0
        assert member.sync() == member.member_id.encode()
    assert committed(client, "group", place) == (0, 17, "kept")
    assert committed(client, "another", place) == (0, 5, "")
    assert two.commit(Place(place.topic, 1), 8) == 0
    assert one.heartbeat(generation=one.generation - 1) == ErrorCode.ILLEGAL_GENERATION
    newcomer = Member(raw(broker), "group")
    generation = one.generation
    join_together(*members, newcomer)
    assert newcomer.generation == generation + 1


@pytest.mark.parametrize("end", ENDINGS)
def test_a_rebalance_that_was_under_way_is_forgotten(broker: BrokerProcess, raw: RawFactory, end: Ending) -> None:
    """Its members join again: what had not been decided is not remembered."""
    settle_coordinator(raw(broker))
    one, two = (Member(raw(broker), "group") for _ in range(2))
    stable(one)
    two.send_join()
    assert two.client.receives_nothing(0.1)
    end(broker)
    broker.start()
    settle_coordinator(raw(broker))
    one.client, two.client = raw(broker), raw(broker)
    assert one.heartbeat() == 0
    two.generation, two.member_id = -1, ""
    join_together(one, two)


@pytest.mark.parametrize("name", ["confluent-kafka", "kafka-python"])
def test_a_client_program_keeps_its_partitions_over_a_restart(
    broker: BrokerProcess, raw: RawFactory, named_client: NamedClient, name: str
) -> None:
    topic = create_topic(raw(broker), 2)
    member = named_client(name).group(broker.bootstrap, topic, "group")
    member.wait_assignment([0, 1])
    Partition(raw(broker), topic).append(*values(3, "before"))
    member.wait_records(3)
    broker.kill()
    broker.start()
    wait_usable(raw(broker), topic, 2)
    assigned = member.assignment_count
    Partition(raw(broker), topic, 1).append(*values(3, "after"))
    found = [record.value for record in member.wait_records(6)]
    assert sorted(value or "" for value in found) == sorted(
        value.decode() for value in [*values(3, "before"), *values(3, "after")]
    )
    assert member.assignment_count == assigned


@pytest.mark.usefixtures("only_chronik")
def test_a_group_resumes_soon_after_a_crash(broker: BrokerProcess, raw: RawFactory, named_client: NamedClient) -> None:
    """Kafka's takes as long as Kafka's start. The best of three: machines are shared, and the first is cold."""
    topic = create_topic(raw(broker))
    member = named_client("confluent-kafka").group(
        broker.bootstrap, topic, "group", config={"reconnect.backoff.max.ms": "200"}
    )
    member.wait_assignment([0])
    took_s = []
    for number in range(1, 4):
        broker.kill()
        began = time.monotonic()
        broker.start()
        Partition(raw(broker), topic).append(b"after")
        assert len(member.wait_records(number)) == number
        took_s.append(time.monotonic() - began)
    assert min(took_s) < RESUMED_S, took_s
