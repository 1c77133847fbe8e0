"""Which Produce requests are decoded: counted in a broker of this process, whose client is a real one."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.api import produce
from chronik.server.embedded import Broker
from tests.kafka_python import kafka

RECORDS = 20
PARTITIONS = 3


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that the handler was given."""
    requests: list[Any] = []
    handle = produce.handle

    def counted(context: Any, request: Any) -> Any:
        requests.append(request)
        return handle(context, request)

    monkeypatch.setattr(produce, "handle", counted)
    return requests


@pytest.mark.parametrize(("acks", "idempotent"), [(0, False), (1, False), ("all", False), ("all", True)])
def test_only_the_first_request_for_a_partition_is_decoded(decoded: list[Any], acks: Any, idempotent: bool) -> None:
    with Broker(topics={"t": PARTITIONS}).in_thread() as broker:
        producer = kafka.KafkaProducer(
            bootstrap_servers=broker.bootstrap_servers, acks=acks, enable_idempotence=idempotent, linger_ms=0
        )
        for number in range(RECORDS):
            producer.send("t", b"%d" % number, partition=number % PARTITIONS).get(20)
        producer.close()
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest", consumer_timeout_ms=20_000
        )
        consumer.assign([kafka.TopicPartition("t", number) for number in range(PARTITIONS)])
        found = sorted(int(next(consumer).value) for _ in range(RECORDS))
        consumer.close()
    assert found == list(range(RECORDS))
    assert len(decoded) == (RECORDS if acks == 0 else PARTITIONS)
