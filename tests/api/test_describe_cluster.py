"""DescribeCluster: one broker, the same as in Metadata."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_cluster import DescribeClusterRequest
from chronik.wire.messages.metadata import MetadataRequest
from tests.broker_process import BrokerProcess
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

API = ApiKey.DESCRIBE_CLUSTER

BROKERS, CONTROLLERS = 1, 2
ALL_OPERATIONS = 0x1FA0
NOT_ASKED = -(2**31)


def test_describes_the_broker_in_every_version(client: RawClient, module_broker: BrokerProcess, version: int) -> None:
    metadata = client.ask(MetadataRequest(topics=[]), 12)
    response = client.ask(DescribeClusterRequest(), version)
    assert (response.throttle_time_ms, response.error_code, response.error_message) == (0, 0, None)
    assert (response.cluster_id, response.controller_id) == (metadata.cluster_id, metadata.controller_id)
    (broker,) = response.brokers
    assert (broker.broker_id, broker.host, broker.port) == (
        metadata.controller_id,
        module_broker.host,
        module_broker.port,
    )
    assert (broker.rack, broker.is_fenced) == (None, False)
    assert response.cluster_authorized_operations == NOT_ASKED
    assert response.endpoint_type == BROKERS


def test_tells_authorized_operations_when_asked(client: RawClient, version: int) -> None:
    response = client.ask(DescribeClusterRequest(include_cluster_authorized_operations=True), version)
    assert response.cluster_authorized_operations == ALL_OPERATIONS


def test_there_are_no_fenced_brokers(client: RawClient) -> None:
    response = client.ask(DescribeClusterRequest(include_fenced_brokers=True), 2)
    assert [broker.is_fenced for broker in response.brokers] == [False]


@pytest.mark.parametrize("asked_version", [1, 2])
@pytest.mark.parametrize(
    ("endpoint_type", "error"),
    [
        (CONTROLLERS, ErrorCode.MISMATCHED_ENDPOINT_TYPE),
        (0, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
        (3, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
        (-1, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
    ],
)
def test_describes_nothing_but_brokers(
    client: RawClient, endpoint_type: int, error: ErrorCode, asked_version: int
) -> None:
    request = DescribeClusterRequest(endpoint_type=endpoint_type, include_cluster_authorized_operations=True)
    response = client.ask(request, asked_version)
    assert response.error_code == error
    assert response.error_message
    assert (response.brokers, response.cluster_id, response.controller_id) == ([], "", -1)
    assert response.cluster_authorized_operations == NOT_ASKED


def test_tells_the_advertised_address(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory(args=["--advertise", "kafka.example:19092"])
    broker.start()
    client = raw(broker)
    (described,) = client.ask(DescribeClusterRequest(), 2).brokers
    (listed,) = client.ask(MetadataRequest(topics=[]), 12).brokers
    assert (described.host, described.port) == (listed.host, listed.port) == ("kafka.example", 19092)


def test_kio_understands_the_answer(client: RawClient, module_broker: BrokerProcess) -> None:
    from kio.schema.describe_cluster.v2.request import DescribeClusterRequest as KioRequest

    request = KioRequest(include_cluster_authorized_operations=True, include_fenced_brokers=False)
    response = client.ask_kio(request)
    assert [(broker.host, broker.port) for broker in response.brokers] == [(module_broker.host, module_broker.port)]
    assert response.cluster_authorized_operations == ALL_OPERATIONS


def test_admin_clients_describe(
    kafka_python: Any, librdkafka: Any, client: RawClient, module_broker: BrokerProcess
) -> None:
    cluster_id = client.ask(MetadataRequest(topics=[]), 12).cluster_id
    theirs = kafka_python.describe_cluster()
    assert theirs["cluster_id"] == cluster_id
    assert [broker["port"] for broker in theirs["brokers"]] == [module_broker.port]
    ours = librdkafka.describe_cluster(include_authorized_operations=True).result()
    assert (ours.cluster_id, [node.port for node in ours.nodes]) == (cluster_id, [module_broker.port])
    assert len(ours.authorized_operations) == 7
    assert ours.controller.id == ours.nodes[0].id
