"""SaslHandshake, API key 17: versions 0-1, never flexible.

- 0: raw SASL tokens follow without Kafka headers
- 1: tokens travel in SaslAuthenticate
"""

from __future__ import annotations

from chronik.wire.schema import INT16, STRING, array, message


@message
class SaslHandshakeRequest:
    """What the client sends."""

    mechanism: str = STRING()


@message
class SaslHandshakeResponse:
    """What the client gets."""

    error_code: int = INT16()
    mechanisms: list[str] = array(STRING)
