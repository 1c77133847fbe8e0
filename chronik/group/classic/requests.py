"""What members ask, as the rules need it: versions of the requests have become values and flags."""

from __future__ import annotations

from dataclasses import dataclass

Protocols = tuple[tuple[str, bytes], ...]
"""(name, metadata) in the member's order of preference."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A JoinGroup. What a version does not carry has these values: `rebalance_timeout_ms` is `session_timeout_ms` in
    version 0, `group_instance_id` is None below 5."""

    group_id: str
    member_id: str
    """"" for who has none yet."""
    group_instance_id: str | None
    client_id: str
    client_host: str
    """As DescribeGroups shows it: "/1.2.3.4"."""
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    requires_known_member_id: bool
    """From version 4 a new dynamic member is told its id first, and joins with it (KIP-394)."""
    supports_skip_assignment: bool
    """From version 9 a returning static leader can be told not to assign (KIP-814)."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A SyncGroup. `assignments` are (member id, assignment); only the leader's count."""

    group_id: str
    member_id: str
    group_instance_id: str | None
    generation: int
    protocol_type: str | None
    protocol_name: str | None
    requires_protocol: bool
    """From version 5 the protocol's type and name must be given; below they are None."""
    assignments: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class LeavingMember:
    """One member of a LeaveGroup. An administrator names a static member by its instance id and an empty member id."""

    member_id: str
    group_instance_id: str | None = None
