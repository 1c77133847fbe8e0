"""A reply that says an error, for any request: where Kafka's reply to it has one, in the shape of its version.

The shape comes from the messages' declarations. A reply that has an error code of its own says it there; else its
elements do, one for each element of the request, under the same names and numbers. Nothing is done for the request.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from chronik.api import fetch, metadata
from chronik.api.request import CloseConnection, RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import Acks
from chronik.wire.apis import APIS, ApiKey
from chronik.wire.messages.fetch import FetchRequest
from chronik.wire.messages.metadata import MetadataRequest, MetadataResponse
from chronik.wire.schema import FieldSpec, Scalar, fields_of

_NAMES = frozenset(
    {
        *("topic", "name", "topic_id", "partition", "partition_index", "index", "partition_id"),
        *("group_id", "key", "transactional_id", "producer_id", "resource_type", "resource_name"),
        *("member_id", "group_instance_id"),
    }
)
"""Fields by which an element of a reply names what it is about, as the request did."""

_ABSENT = {
    "base_offset": -1,
    "committed_offset": -1,
    "low_watermark": -1,
    "producer_epoch": -1,
    "node_id": -1,
    "port": -1,
}
"""What stands in a reply where there is nothing to say, unless its declaration has it as the default."""

_CONFIG_ERROR = "topic_config_error_code"
"""Says why configs are not shown, not what became of the topic."""


def error_reply(
    context: RequestContext, request: Any, key: ApiKey, error: KafkaError
) -> Any | Coroutine[Any, Any, MetadataResponse]:
    """The reply, or what makes it. CloseConnection for a request that is not answered (Produce with acks=0)."""
    match key:
        case ApiKey.PRODUCE if request.acks == Acks.NONE:
            raise CloseConnection("a Produce request with acks=0 failed, which only a closed connection can tell")
        case ApiKey.FETCH:
            assert isinstance(request, FetchRequest)
            return fetch.refused(context, request, error)
        case ApiKey.METADATA:
            assert isinstance(request, MetadataRequest)
            return _metadata(context, request, error.code)
        case _:
            return _mirrored(APIS[key].response, request, context.version, error)


async def _metadata(context: RequestContext, request: MetadataRequest, code: ErrorCode) -> MetadataResponse:
    """The true reply, without which clients would know no broker, but for its topics."""
    request.allow_auto_topic_creation = False
    response = await metadata.handle(context, request)
    for topic in response.topics:
        topic.error_code = code
        topic.partitions = []
    return response


def _mirrored(shape: type, asked: Any, version: int, error: KafkaError) -> Any:
    """The struct of a reply, about a struct of the request."""
    made = shape()
    specs = [spec for spec in fields_of(shape) if spec.wire.versions.has(version)]
    says_it_itself = any(_is_error_code(spec) for spec in specs)
    for spec in specs:
        name = spec.name
        if _is_error_code(spec):
            setattr(made, name, error.code)
        elif name == "error_message":
            setattr(made, name, error.message)
        elif name in _NAMES and hasattr(asked, name):
            setattr(made, name, getattr(asked, name))
        elif name in _ABSENT:
            setattr(made, name, _ABSENT[name])
        elif not says_it_itself and spec.wire.is_array and _has_error_code(spec.wire.of, version):
            setattr(made, name, _elements(spec.wire.of, asked, version, error))
    return made


def _elements(shape: Any, asked: Any, version: int, error: KafkaError) -> list[Any]:
    """One element for each that the request has in its first list."""
    for spec in fields_of(type(asked)):
        if spec.wire.is_array and spec.wire.versions.has(version):
            elements = getattr(asked, spec.name) or ()
            if not isinstance(spec.wire.of, Scalar):
                return [_mirrored(shape, element, version, error) for element in elements]
            return [_named(shape, spec.wire.of, element, version, error) for element in elements]
    return []


def _named(shape: Any, kind: Scalar, name: Any, version: int, error: KafkaError) -> Any:
    """An element about something of which the request says only a name or a number."""
    made = _mirrored(shape, None, version, error)
    for spec in fields_of(shape):
        if spec.wire.of is kind and spec.wire.versions.has(version) and spec.name in _NAMES:
            setattr(made, spec.name, name)
            break
    return made


def _has_error_code(shape: Scalar | type, version: int) -> bool:
    if isinstance(shape, Scalar):
        return False
    specs = [spec for spec in fields_of(shape) if spec.wire.versions.has(version)]
    return any(_is_error_code(spec) or _has_error_code(spec.wire.of, version) for spec in specs)


def _is_error_code(spec: FieldSpec) -> bool:
    return spec.name.endswith("error_code") and spec.name != _CONFIG_ERROR
