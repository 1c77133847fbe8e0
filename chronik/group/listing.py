"""What tools and operators see of groups: DescribeGroups and ListGroups."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.states import ClassicGroupState


class GroupType(Enum):
    """How a group's members are coordinated; the value is the name in ListGroups."""

    CLASSIC = "classic"


@dataclass(frozen=True, slots=True)
class MemberDescription:
    """A member. Its metadata is shown in a Stable group only; its assignment is the one that was in force last."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A group. A missing one is GROUP_ID_NOT_FOUND and Dead; below version 6 of DescribeGroups that is no error."""

    error: ErrorCode
    group_id: str
    state: str
    protocol_type: str = ""
    protocol_name: str = ""
    """"" unless the group is Stable."""
    members: tuple[MemberDescription, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group in a listing."""

    group_id: str
    protocol_type: str
    state: str
    group_type: GroupType


def describe(group_id: str, group: ClassicGroup | None) -> GroupDescription:
    if group is None:
        return GroupDescription(ErrorCode.GROUP_ID_NOT_FOUND, group_id, ClassicGroupState.DEAD.value)
    shown = group.protocol_name if group.state is ClassicGroupState.STABLE else None
    members = tuple(
        MemberDescription(
            member.member_id,
            member.group_instance_id,
            member.client_id,
            member.client_host,
            member.metadata_of(shown) or b"",
            member.assignment,
        )
        for member in group.members.values()
    )
    return GroupDescription(ErrorCode.NONE, group_id, group.state.value, group.protocol_type, shown or "", members)


def list_groups(
    groups: Iterable[ClassicGroup], states: Collection[str], types: Collection[str]
) -> tuple[ListedGroup, ...]:
    """The groups in one of these states and of one of these types, by name in any case; an empty filter passes all."""
    wanted_states = {state.strip().lower() for state in states}
    if types and GroupType.CLASSIC.value not in {group_type.lower() for group_type in types}:
        return ()
    return tuple(
        ListedGroup(group.group_id, group.protocol_type, group.state.value, GroupType.CLASSIC)
        for group in groups
        if not wanted_states or group.state.value.lower() in wanted_states
    )
