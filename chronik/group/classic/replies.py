"""What members are answered."""

from __future__ import annotations

from dataclasses import dataclass

from chronik.errors import ErrorCode

NO_GENERATION = -1
NO_LEADER = ""


@dataclass(frozen=True, slots=True)
class JoinedMember:
    """A member as the leader sees it; `metadata` is that of the chosen protocol."""

    member_id: str
    group_instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinReply:
    """The answer to a JoinGroup. With an error only `member_id` says something: with MEMBER_ID_REQUIRED it is the id to
    join with, otherwise the request's own, or "" if that is void."""

    error: ErrorCode
    member_id: str
    generation: int = NO_GENERATION
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = NO_LEADER
    skip_assignment: bool = False
    members: tuple[JoinedMember, ...] = ()
    """For the leader only."""


@dataclass(frozen=True, slots=True)
class SyncReply:
    """The answer to a SyncGroup."""

    error: ErrorCode
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The answer to a Heartbeat."""

    error: ErrorCode


@dataclass(frozen=True, slots=True)
class LeftMember:
    """What became of one member of a LeaveGroup; the ids are those of the request."""

    member_id: str
    group_instance_id: str | None
    error: ErrorCode


@dataclass(frozen=True, slots=True)
class LeaveReply:
    """The answer to a LeaveGroup. `members` follow the request, or there are none and `error` concerns the group.
    Versions 0-2 have one member and no list: its error is theirs."""

    error: ErrorCode
    members: tuple[LeftMember, ...] = ()
