"""DescribeUserScramCredentials, API key 50: version 0, flexible from 0.

- 0: the first
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, STRING, array, message


@message
class UserName:
    """An element of ``DescribeUserScramCredentialsRequest.users``."""

    name: str = STRING()


@message
class DescribeUserScramCredentialsRequest:
    """What the client sends."""

    users: list[UserName] | None = array(UserName, null="0+")


@message
class CredentialInfo:
    """An element of ``DescribeUserScramCredentialsResult.credential_infos``."""

    mechanism: int = INT8()
    iterations: int = INT32()


@message
class DescribeUserScramCredentialsResult:
    """An element of ``DescribeUserScramCredentialsResponse.results``."""

    user: str = STRING()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    credential_infos: list[CredentialInfo] = array(CredentialInfo)


@message
class DescribeUserScramCredentialsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    results: list[DescribeUserScramCredentialsResult] = array(DescribeUserScramCredentialsResult)
