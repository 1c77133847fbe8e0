"""One member of a classic group."""

from __future__ import annotations

from dataclasses import dataclass

from chronik.changes import MemberSaved
from chronik.group.classic.requests import JoinRequest, Protocols


@dataclass(slots=True)
class Member:
    """A member as of its last JoinGroup. `assignment` is the one that was written down last."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: Protocols
    assignment: bytes = b""
    is_new: bool = False
    """It has not been answered yet, so it cannot send heartbeats."""

    @classmethod
    def joining(cls, request: JoinRequest, member_id: str, *, assignment: bytes = b"", is_new: bool = False) -> Member:
        return cls(
            member_id,
            request.group_instance_id,
            request.client_id,
            request.client_host,
            request.session_timeout_ms,
            request.rebalance_timeout_ms,
            request.protocols,
            assignment,
            is_new,
        )

    @classmethod
    def from_saved(cls, saved: MemberSaved) -> Member:
        return cls(
            saved.member_id,
            saved.group_instance_id,
            saved.client_id,
            saved.client_host,
            saved.session_timeout_ms,
            saved.rebalance_timeout_ms,
            saved.protocols,
            saved.assignment,
        )

    def to_saved(self, assignment: bytes) -> MemberSaved:
        return MemberSaved(
            self.member_id,
            self.group_instance_id,
            self.client_id,
            self.client_host,
            self.session_timeout_ms,
            self.rebalance_timeout_ms,
            self.protocols,
            assignment,
        )

    def metadata_of(self, protocol_name: str | None) -> bytes | None:
        """Its metadata of that protocol; None when it does not offer it."""
        return next((metadata for name, metadata in self.protocols if name == protocol_name), None)
