"""Whole frames: the request header, the response header, and the message behind them.

Requests have header v1, or v2 with a tag section where the version is flexible; v0 went with ControlledShutdown.
Responses have header v0, or v1 with a tag section where the version is flexible; ApiVersions is always answered with
v0, because its client cannot know yet what the server speaks (KIP-511).
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from chronik.wire.apis import APIS, ApiKey
from chronik.wire.decoding import Decoder
from chronik.wire.encoding import Encoder
from chronik.wire.primitives import Buffer, MalformedFrame, skip_tags

SIZE_BYTES = 4
"""The size prefix before every frame: i32, not counting itself."""

_FIXED = struct.Struct(">hhi")
_CLIENT_ID = struct.Struct(">h")
_RESPONSE = struct.Struct(">ii")

_request_decoders: dict[tuple[int, int], Decoder] = {}
_response_encoders: dict[tuple[int, int], tuple[Encoder, bool]] = {}


class RequestHeader(NamedTuple):
    """The front of every request; a null client id reads as ""."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str


def decode_header(frame: Buffer) -> tuple[RequestHeader, int]:
    """The header of a request frame (without its size prefix), and the position of the body.

    For a key or version that is not declared, the layout behind the correlation id is anyone's guess: the client id is
    then "" and the position that of the byte after the correlation id, so that the caller can still answer or refuse.
    """
    try:
        api_key, api_version, correlation_id = _FIXED.unpack_from(frame)
        api = APIS.get(api_key)
        if api is None or api_version not in api.versions:
            return RequestHeader(api_key, api_version, correlation_id, ""), _FIXED.size
        (length,) = _CLIENT_ID.unpack_from(frame, _FIXED.size)
        start = _FIXED.size + _CLIENT_ID.size
        pos = start + max(length, 0)
        if pos > len(frame):
            raise MalformedFrame("the client id passes the end of the frame")
        client_id = str(frame[start:pos], "utf-8")
        if api.is_flexible(api_version):
            pos = skip_tags(frame, pos + 1, frame[pos])
    except (IndexError, struct.error) as cut:
        raise MalformedFrame("the request header is cut short") from cut
    except UnicodeDecodeError as garbled:
        raise MalformedFrame("the client id is not UTF-8") from garbled
    return RequestHeader(api_key, api_version, correlation_id, client_id), pos


def decode_request(header: RequestHeader, frame: Buffer, pos: int) -> Any:
    """The request behind ``header`` in the same frame; ``APIS[header.api_key].request`` is its class.

    Records in it are views of the frame, everything else is copied. MalformedFrame also for a version not declared.
    """
    which = header.api_key, header.api_version
    decode = _request_decoders.get(which)
    if decode is None:
        decode = _request_decoders[which] = _api(header.api_key).request_decoder(header.api_version)
    return decode(frame, pos)


def encode_response(api_key: int, version: int, correlation_id: int, message: Any) -> list[Buffer]:
    """The buffers of a whole response frame, size prefix first.

    Large records stand in the list as they were given, not copied; they must stay unchanged until the frame was sent.
    """
    which = api_key, version
    found = _response_encoders.get(which)
    if found is None:
        api = _api(api_key)
        tagged = api.is_flexible(version) and api_key != ApiKey.API_VERSIONS
        found = _response_encoders[which] = (api.response_encoder(version), tagged)
    encode, tagged = found
    out = bytearray(9 if tagged else 8)
    done: list[Buffer] = []
    done.append(encode(message, out, done))
    _RESPONSE.pack_into(out, 0, sum(map(len, done)) - SIZE_BYTES, correlation_id)
    return done


def with_correlation_id(front: Buffer, correlation_id: int) -> bytearray:
    """A copy of a response frame's first buffer that answers another request of the same API and version."""
    copy = bytearray(front)
    copy[SIZE_BYTES : 2 * SIZE_BYTES] = correlation_id.to_bytes(4, "big", signed=True)
    return copy


def encode_request(header: RequestHeader, message: Any) -> list[Buffer]:
    """The buffers of a whole request frame, size prefix first: the client's side of ``decode_request``."""
    api = _api(header.api_key)
    client_id = header.client_id.encode()
    out = bytearray(SIZE_BYTES)
    out += _FIXED.pack(header.api_key, header.api_version, header.correlation_id)
    out += _CLIENT_ID.pack(len(client_id)) + client_id
    if api.is_flexible(header.api_version):
        out.append(0)
    done: list[Buffer] = []
    done.append(api.request_encoder(header.api_version)(message, out, done))
    out[:SIZE_BYTES] = (sum(map(len, done)) - SIZE_BYTES).to_bytes(SIZE_BYTES, "big")
    return done


def decode_response(api_key: int, version: int, frame: Buffer) -> tuple[int, Any]:
    """The correlation id and message of a response frame (without its size prefix)."""
    api = _api(api_key)
    try:
        correlation_id = int.from_bytes(frame[:4], "big", signed=True)
        pos = 4
        if api.is_flexible(version) and api_key != ApiKey.API_VERSIONS:
            pos = skip_tags(frame, pos + 1, frame[pos])
    except IndexError as cut:
        raise MalformedFrame("the response header is cut short") from cut
    if len(frame) < pos:
        raise MalformedFrame("the response header is cut short")
    return correlation_id, api.response_decoder(version)(frame, pos)


def _api(api_key: int) -> Any:
    api = APIS.get(api_key)
    if api is None:
        raise MalformedFrame(f"no API has the key {api_key} here")
    return api
