"""Members of classic groups, made by hand: each call is one request over a connection of its own."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from chronik.errors import ErrorCode
from chronik.wire.messages.find_coordinator import FindCoordinatorRequest
from chronik.wire.messages.heartbeat import HeartbeatRequest
from chronik.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from chronik.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from chronik.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from chronik.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from chronik.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.behaviours.partition import SETTLED_S, Place
from tests.broker_process import wait_until
from tests.raw_client import RawClient

CONSUMER = "consumer"


def subscription(*topics: str, mark: bytes = b"") -> bytes:
    """What a consumer puts into its metadata: its topics, and bytes of its own. Kafka does not complete a rebalance of
    consumers whose metadata it cannot read."""
    names = b"".join(struct.pack(">h", len(topic)) + topic.encode() for topic in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", len(mark)) + mark


RANGE = {"range": subscription("orders")}


class Member:
    """One member. `join` and `sync` wait for their answers; `send_join` and `send_sync` do not, as others must speak
    first; `joined` and `synced` read the answers."""

    def __init__(
        self,
        client: RawClient,
        group_id: str,
        *,
        protocols: Mapping[str, bytes] = RANGE,
        instance_id: str | None = None,
        protocol_type: str = CONSUMER,
        session_timeout_ms: int = 30_000,
        rebalance_timeout_ms: int = 60_000,
        version: int = 9,
    ) -> None:
        self.client = client
        self.group_id = group_id
        self.protocols = dict(protocols)
        self.instance_id = instance_id
        self.protocol_type = protocol_type
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.version = version
        self.member_id = ""
        self.generation = -1
        self.reply = JoinGroupResponse()

    @property
    def is_leader(self) -> bool:
        return self.reply.leader == self.member_id

    def reserve(self) -> str:
        """Get a member id, where the version asks for that; the group waits for whoever has one."""
        if self.version >= 4 and not self.member_id and self.instance_id is None:
            first = self.ask_join()
            assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED, repr(ErrorCode(first.error_code))
            self.member_id = first.member_id
        return self.member_id

    def send_join(self) -> None:
        """Join, as the member that it is or as a new one."""
        self.reserve()
        self.client.send(self.join_request(), self.version)

    def joined(self, timeout_s: float | None = None) -> JoinGroupResponse:
        """The answer to `send_join`, which must be a success."""
        self.reply = self.client.receive(timeout_s)
        assert self.reply.error_code == 0, repr(ErrorCode(self.reply.error_code))
        self.member_id, self.generation = self.reply.member_id, self.reply.generation_id
        return self.reply

    def join(self) -> JoinGroupResponse:
        self.send_join()
        return self.joined()

    def ask_join(self) -> JoinGroupResponse:
        """One JoinGroup as the member is, whatever the answer."""
        response = self.client.ask(self.join_request(), self.version)
        assert isinstance(response, JoinGroupResponse)
        return response

    def join_request(self) -> JoinGroupRequest:
        return JoinGroupRequest(
            group_id=self.group_id,
            session_timeout_ms=self.session_timeout_ms,
            rebalance_timeout_ms=self.rebalance_timeout_ms if self.version >= 1 else -1,
            member_id=self.member_id,
            group_instance_id=self.instance_id if self.version >= 5 else None,
            protocol_type=self.protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=data) for name, data in self.protocols.items()],
        )

    def send_sync(self, assignments: Mapping[str, bytes] | None = None) -> None:
        """Sync; the leader gives everybody's assignments by member id."""
        given = [
            SyncGroupRequestAssignment(member_id=one, assignment=data) for one, data in (assignments or {}).items()
        ]
        request = SyncGroupRequest(
            group_id=self.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            protocol_type=self.protocol_type,
            protocol_name=self.reply.protocol_name,
            assignments=given,
        )
        self.client.send(request, 5)

    def synced(self, timeout_s: float | None = None) -> bytes:
        """The assignment that answers `send_sync`."""
        response = self.client.receive(timeout_s)
        assert response.error_code == 0, repr(ErrorCode(response.error_code))
        assert (response.protocol_type, response.protocol_name) == (self.protocol_type, self.reply.protocol_name)
        return bytes(response.assignment)

    def sync(self, assignments: Mapping[str, bytes] | None = None) -> bytes:
        self.send_sync(assignments)
        return self.synced()

    def ask_sync(self) -> SyncGroupResponse:
        """One SyncGroup without assignments, whatever the answer."""
        self.send_sync()
        response = self.client.receive()
        assert isinstance(response, SyncGroupResponse)
        return response

    def heartbeat(self, *, generation: int | None = None, member_id: str | None = None) -> int:
        """The error code of a heartbeat, of a wrong generation or member if asked."""
        request = HeartbeatRequest(
            group_id=self.group_id,
            generation_id=self.generation if generation is None else generation,
            member_id=self.member_id if member_id is None else member_id,
            group_instance_id=self.instance_id,
        )
        return int(self.client.ask(request, 4).error_code)

    def leave(self) -> int:
        """The error code of this member's leaving."""
        identity = MemberIdentity(member_id=self.member_id, group_instance_id=self.instance_id)
        response = self.client.ask(LeaveGroupRequest(group_id=self.group_id, members=[identity]), 5)
        assert response.error_code == 0
        return int(response.members[0].error_code)

    def commit(self, place: Place, offset: int, *, metadata: str | None = "", **changed: Any) -> int:
        """The error code of a commit by this member; `changed` are fields of the request."""
        given = {
            "generation_id_or_member_epoch": self.generation,
            "member_id": self.member_id,
            "group_instance_id": self.instance_id,
            **changed,
        }
        return commit(self.client, self.group_id, place, offset, metadata=metadata, **given)


def commit(
    client: RawClient,
    group_id: str,
    place: Place,
    offset: int,
    *,
    metadata: str | None = "",
    version: int = 8,
    **given: Any,
) -> int:
    """The error code of a commit; `given` are fields of the request, without any of which nobody in particular
    commits."""
    partition = OffsetCommitRequestPartition(
        partition_index=place.number, committed_offset=offset, committed_metadata=metadata
    )
    topic = OffsetCommitRequestTopic(name=place.topic, partitions=[partition])
    request = OffsetCommitRequest(group_id=group_id, topics=[topic], **given)
    (answer,) = client.ask(request, version).topics[0].partitions
    return int(answer.error_code)


def committed(client: RawClient, group_id: str, place: Place) -> tuple[int, int, str | None]:
    """Error, offset and metadata of OffsetFetch."""
    topic = OffsetFetchRequestTopic(name=place.topic, partition_indexes=[place.number])
    response = client.ask(OffsetFetchRequest(group_id=group_id, topics=[topic]), 7)
    assert response.error_code == 0
    (found,) = response.topics[0].partitions
    return found.error_code, found.committed_offset, found.metadata


def join_together(*members: Member) -> None:
    """One rebalance: new members join, and then those that are in the group. Nobody has synced after it."""
    new = [member for member in members if member.generation < 0]
    old = [member for member in members if member.generation >= 0]
    for member in new:
        member.reserve()
    for member in new:
        member.send_join()
    for member in old:
        wait_rebalance(member)
        member.send_join()
    for member in members:
        member.joined()
    assert len({member.generation for member in members}) == 1


def wait_rebalance(member: Member) -> None:
    """Wait until a heartbeat tells of a rebalance."""
    wait_until(lambda: member.heartbeat() == ErrorCode.REBALANCE_IN_PROGRESS, SETTLED_S, "there is no rebalance")


def sync_together(*members: Member) -> None:
    """The leader assigns to each member its id, as bytes, and everybody gets what is theirs."""
    (leader,) = (member for member in members if member.is_leader)
    leader.send_sync({member.member_id: member.member_id.encode() for member in members})
    for member in members:
        if member is not leader:
            member.send_sync()
    for member in members:
        assert member.synced() == member.member_id.encode()


def stable(*members: Member) -> None:
    """Bring the members into an empty group, which then is Stable: the first alone, the others in one rebalance."""
    members[0].join()
    if len(members) > 1:
        join_together(*members)
    sync_together(*members)


def settle_coordinator(client: RawClient) -> None:
    """Wait until groups are served, whichever their names are: Kafka loads its coordinator at first use."""
    for number in range(16):
        _settle(Member(client, f"nobody-{number}"))


def _settle(absent: Member) -> None:
    find = FindCoordinatorRequest(key=absent.group_id)
    wait_until(lambda: absent.client.ask(find, 2).error_code == 0, SETTLED_S, "there is no coordinator")
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    wait_until(
        lambda: absent.heartbeat(generation=1, member_id="x") == unknown, SETTLED_S, "the coordinator does not load"
    )
