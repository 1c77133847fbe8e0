"""What every client has written, and how far it has read, is there after the broker was killed and started again."""

from __future__ import annotations

from tests.broker_process import BrokerProcess
from tests.clients.client_program import ClientProgram
from tests.clients.conftest import NamedClient

RECORD_COUNT = 25


def test_records_are_there_after_a_kill(
    broker: BrokerProcess, client: ClientProgram, named_client: NamedClient
) -> None:
    named_client("confluent-kafka").admin_create(broker.bootstrap, "orders", 2)
    client.produce(broker.bootstrap, "orders", RECORD_COUNT, prefix="before-")
    broker.kill()
    broker.start()
    client.produce(broker.bootstrap, "orders", RECORD_COUNT, prefix="after-")
    records = client.consume(broker.bootstrap, "orders", 2 * RECORD_COUNT)
    wanted = {f"{prefix}-value-{i}" for prefix in ("before", "after") for i in range(RECORD_COUNT)}
    assert {record.value for record in records} == wanted


def test_a_group_goes_on_where_it_was_after_a_restart(
    broker: BrokerProcess, client: ClientProgram, named_client: NamedClient
) -> None:
    creator = named_client("confluent-kafka")
    creator.admin_create(broker.bootstrap, "orders", 2)
    creator.produce(broker.bootstrap, "orders", RECORD_COUNT, prefix="before-")
    member = client.group(broker.bootstrap, "orders", "workers")
    member.wait_records(RECORD_COUNT)
    member.stop()
    broker.restart()
    creator.produce(broker.bootstrap, "orders", RECORD_COUNT, prefix="after-")
    second = client.group(broker.bootstrap, "orders", "workers").wait_records(RECORD_COUNT)
    assert {record.value for record in second} == {f"after-value-{i}" for i in range(RECORD_COUNT)}
