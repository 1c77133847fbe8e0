"""A suite as users have them: 200 tests, each with a topic of its own that something is sent to and read from.

It is written to a file and run by pytest as a process, see test_sample_suite.py. Producers of kafka-python and
confluent-kafka live as long as the session, over all resets; everything else is made anew by each test. Most of the
time goes by while clients wait for nothing: a new consumer of kafka-python takes 0.1 s for its second Metadata request,
one of librdkafka as long before it asks for the first offset.
"""

from __future__ import annotations

from pathlib import Path

TESTS = 200

_HEAD = """
import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer, KafkaProducer


@pytest.fixture(scope="session")
def kafka_python(chronik_session):
    producer = KafkaProducer(bootstrap_servers=chronik_session.bootstrap_servers)
    yield producer
    producer.close()


@pytest.fixture(scope="session")
def confluent(chronik_session):
    return Producer({"bootstrap.servers": chronik_session.bootstrap_servers})


def consumed_with_kafka_python(chronik, topic):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=chronik.bootstrap_servers, group_id="readers", auto_offset_reset="earliest"
    )
    record = next(consumer)
    consumer.commit()
    consumer.close()
    return record.value


def consumed_with_confluent(chronik, topic):
    consumer = Consumer(
        {"bootstrap.servers": chronik.bootstrap_servers, "group.id": "readers", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    (message,) = consumer.consume(1, 10)
    consumer.commit(asynchronous=False)
    consumer.close()
    return message.value()


async def sent_and_consumed_with_aiokafka(chronik, topic, value):
    quick = {"bootstrap_servers": chronik.bootstrap_servers, "retry_backoff_ms": 5}
    async with AIOKafkaProducer(**quick) as producer:
        await producer.send_and_wait(topic, value)
    async with AIOKafkaConsumer(topic, group_id="readers", auto_offset_reset="earliest", **quick) as consumer:
        record = await consumer.getone()
        await consumer.commit()
        return record.value
"""

_TESTS = (
    """

@pytest.mark.chronik(topics=["{topic}"])
def test_{number}_is_sent(chronik, confluent):
    confluent.produce("{topic}", b"{number}")
    assert confluent.flush(10) == 0
    assert [record.value for record in chronik.records("{topic}")] == [b"{number}"]
    assert chronik.topics == {{"{topic}": 1}}
""",
    """

@pytest.mark.chronik(topics={{"{topic}": 3}})
def test_{number}_goes_round(chronik):
    assert asyncio.run(sent_and_consumed_with_aiokafka(chronik, "{topic}", b"{number}")) == b"{number}"
    assert sum(chronik.committed("readers").values()) == 1
""",
    """

@pytest.mark.chronik(topics=["{topic}"])
def test_{number}_is_consumed(chronik, kafka_python):
    kafka_python.send("{topic}", b"{number}").get(10)
    assert consumed_with_{client}(chronik, "{topic}") == b"{number}"
    assert chronik.committed("readers") == {{("{topic}", 0): 1}}
""",
)

_CLIENTS = ("kafka_python", "confluent")


def write_sample_suite(folder: Path) -> None:
    """Put the tests into `folder`."""
    tests = [
        _TESTS[number % len(_TESTS)].format(
            number=number, topic=f"orders-{number}", client=_CLIENTS[number // len(_TESTS) % len(_CLIENTS)]
        )
        for number in range(TESTS)
    ]
    (folder / "test_orders.py").write_text(_HEAD + "".join(tests), encoding="utf-8")
