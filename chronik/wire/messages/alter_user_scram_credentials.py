"""AlterUserScramCredentials, API key 51: version 0, flexible from 0.

- 0: the first
"""

from __future__ import annotations

from chronik.wire.schema import BYTES, INT8, INT16, INT32, STRING, array, message


@message
class ScramCredentialDeletion:
    """An element of ``AlterUserScramCredentialsRequest.deletions``."""

    name: str = STRING()
    mechanism: int = INT8()


@message
class ScramCredentialUpsertion:
    """An element of ``AlterUserScramCredentialsRequest.upsertions``."""

    name: str = STRING()
    mechanism: int = INT8()
    iterations: int = INT32()
    salt: bytes = BYTES()
    salted_password: bytes = BYTES()


@message
class AlterUserScramCredentialsRequest:
    """What the client sends."""

    deletions: list[ScramCredentialDeletion] = array(ScramCredentialDeletion)
    upsertions: list[ScramCredentialUpsertion] = array(ScramCredentialUpsertion)


@message
class AlterUserScramCredentialsResult:
    """An element of ``AlterUserScramCredentialsResponse.results``."""

    user: str = STRING()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")


@message
class AlterUserScramCredentialsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    results: list[AlterUserScramCredentialsResult] = array(AlterUserScramCredentialsResult)
