"""SaslAuthenticate, API key 36: versions 0-2, flexible from 2.

- 0: the first
- 1: session_lifetime_ms
- 2: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import BYTES, INT16, INT64, STRING, message


@message
class SaslAuthenticateRequest:
    """What the client sends."""

    auth_bytes: bytes = BYTES()


@message
class SaslAuthenticateResponse:
    """What the client gets."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    auth_bytes: bytes = BYTES()
    session_lifetime_ms: int = INT64("1+")
