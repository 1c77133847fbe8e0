"""The raw client itself, against a real broker: what it promises to notice, it must notice."""

from __future__ import annotations

import pytest

from chronik.wire.apis import ApiKey
from chronik.wire.messages.api_versions import ApiVersionsRequest
from chronik.wire.messages.metadata import MetadataRequest
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory

NAMED = ApiVersionsRequest(client_software_name="raw", client_software_version="1")


def test_asks_in_every_header_version(module_broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(module_broker)
    keys = {entry.api_key for entry in client.ask(ApiVersionsRequest(), 0).api_keys}
    assert {entry.api_key for entry in client.ask(NAMED, 3).api_keys} == keys
    assert client.ask(MetadataRequest(topics=[]), 1).brokers == client.ask(MetadataRequest(topics=[]), 12).brokers


def test_reads_pipelined_responses_in_order(module_broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(module_broker)
    frames = client.frame(NAMED, 3) + client.frame(MetadataRequest(topics=[]), 9)
    client.write(frames, piece_bytes=7)
    assert client.receive().api_keys
    assert len(client.receive().brokers) == 1


def test_asks_through_kio_alone(module_broker: BrokerProcess, raw: RawFactory) -> None:
    from kio.schema.metadata.v12.request import MetadataRequest as KioMetadataRequest

    client = raw(module_broker)
    response = client.ask_kio(KioMetadataRequest(topics=(), include_topic_authorized_operations=False))
    assert [broker.port for broker in response.brokers] == [module_broker.port]


def test_notices_that_the_broker_closes(module_broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(module_broker)
    client.write(b"\x7f\xff\xff\xff")
    client.assert_closed()
    client = raw(module_broker)
    assert client.receives_nothing(0.05)
    client.write(b"\xff\xff\xff\xff")
    with pytest.raises(AssertionError, match="instead of answering"):
        client.read_reply()


def test_refuses_a_closing_that_is_an_answer(module_broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(module_broker)
    client.send(ApiVersionsRequest(), 0)
    with pytest.raises(AssertionError, match="answers instead"):
        client.assert_closed()


def test_sends_headers_made_by_hand(module_broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(module_broker, client_id=None)
    body = client.header(ApiKey.API_VERSIONS, 0, flexible=False)
    client.write(len(body).to_bytes(4, "big") + body)
    assert client.read_reply().rest[:2] == b"\0\0"
