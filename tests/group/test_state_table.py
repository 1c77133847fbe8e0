"""Every cell of the table of states and requests: what a request is answered in a state, and where that leads.

The group's two members are the leader and a follower. In PreparingRebalance neither has joined again yet; in
CompletingRebalance neither has synced. In Empty and Dead they are former members.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import assert_never

import pytest

from chronik.errors import ErrorCode
from chronik.group.classic.replies import JoinReply, SyncReply
from chronik.group.classic.requests import LeavingMember
from chronik.group.classic.states import LEGAL_MOVES, ClassicGroupState
from tests.group.world import GROUP, RANGE_U, Call, Member, World, joined, stable_group

EMPTY = ClassicGroupState.EMPTY
PREPARING = ClassicGroupState.PREPARING_REBALANCE
COMPLETING = ClassicGroupState.COMPLETING_REBALANCE
STABLE = ClassicGroupState.STABLE
DEAD = ClassicGroupState.DEAD

OK = ErrorCode.NONE
UNKNOWN = ErrorCode.UNKNOWN_MEMBER_ID
REBALANCE = ErrorCode.REBALANCE_IN_PROGRESS
UNAVAILABLE = ErrorCode.COORDINATOR_NOT_AVAILABLE
PARKED = None

Outcome = ErrorCode | None
"""None: parked."""


@dataclass(frozen=True)
class Scene:
    """A group in some state."""

    world: World
    leader: Member
    follower: Member


def scene(state: ClassicGroupState) -> Scene:
    world = World()
    leader, follower = stable_group(world)
    match state:
        case ClassicGroupState.STABLE:
            pass
        case ClassicGroupState.PREPARING_REBALANCE:
            assert world.join(version=3).is_parked
        case ClassicGroupState.COMPLETING_REBALANCE:
            first = world.join(leader.member_id)
            follower = joined(world.join(follower.member_id))
            leader = joined(first)
        case ClassicGroupState.EMPTY:
            world.leave(LeavingMember(leader.member_id), LeavingMember(follower.member_id))
        case ClassicGroupState.DEAD:
            world.leave(LeavingMember(leader.member_id), LeavingMember(follower.member_id))
            # Decided, and not written down yet.
            assert world.coordinator.delete_group(GROUP, world.now_ms).changes
        case _:
            assert_never(state)
    assert world.state() is state
    return Scene(world, leader, follower)


def outcome(call: Call[JoinReply] | Call[SyncReply]) -> Outcome:
    return PARKED if call.is_parked else call.reply.error


def join_new(s: Scene) -> Outcome:
    return outcome(s.world.join(version=3))


def join_new_without_id(s: Scene) -> Outcome:
    return outcome(s.world.join())


def join_leader(s: Scene) -> Outcome:
    return outcome(s.world.join(s.leader.member_id))


def join_follower(s: Scene) -> Outcome:
    return outcome(s.world.join(s.follower.member_id))


def join_follower_with_new_metadata(s: Scene) -> Outcome:
    return outcome(s.world.join(s.follower.member_id, protocols=RANGE_U))


def sync_leader(s: Scene) -> Outcome:
    return outcome(s.world.sync(s.leader))


def sync_follower(s: Scene) -> Outcome:
    return outcome(s.world.sync(s.follower))


def heartbeat(s: Scene) -> Outcome:
    return s.world.heartbeat(s.follower)


def leave(s: Scene) -> Outcome:
    reply = s.world.leave(LeavingMember(s.follower.member_id))
    return reply.error if reply.error is not OK else reply.members[0].error


def commit(s: Scene) -> Outcome:
    return s.world.commit(s.follower)


def commit_from_outside(s: Scene) -> Outcome:
    return s.world.commit()


CELLS: dict[Callable[[Scene], Outcome], dict[ClassicGroupState, tuple[Outcome, ClassicGroupState]]] = {
    # The delay before the first rebalance is 0 here, so that a member alone is answered at once.
    join_new: {
        EMPTY: (OK, COMPLETING),
        PREPARING: (PARKED, PREPARING),
        COMPLETING: (PARKED, PREPARING),
        STABLE: (PARKED, PREPARING),
        DEAD: (UNAVAILABLE, DEAD),
    },
    join_new_without_id: {
        EMPTY: (ErrorCode.MEMBER_ID_REQUIRED, EMPTY),
        PREPARING: (ErrorCode.MEMBER_ID_REQUIRED, PREPARING),
        COMPLETING: (ErrorCode.MEMBER_ID_REQUIRED, COMPLETING),
        STABLE: (ErrorCode.MEMBER_ID_REQUIRED, STABLE),
        DEAD: (UNAVAILABLE, DEAD),
    },
    join_leader: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (PARKED, PREPARING),
        COMPLETING: (OK, COMPLETING),
        STABLE: (PARKED, PREPARING),
        DEAD: (UNAVAILABLE, DEAD),
    },
    join_follower: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (PARKED, PREPARING),
        COMPLETING: (OK, COMPLETING),
        STABLE: (OK, STABLE),
        DEAD: (UNAVAILABLE, DEAD),
    },
    join_follower_with_new_metadata: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (PARKED, PREPARING),
        COMPLETING: (PARKED, PREPARING),
        STABLE: (PARKED, PREPARING),
        DEAD: (UNAVAILABLE, DEAD),
    },
    sync_leader: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (REBALANCE, PREPARING),
        COMPLETING: (OK, STABLE),
        STABLE: (OK, STABLE),
        DEAD: (UNAVAILABLE, DEAD),
    },
    sync_follower: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (REBALANCE, PREPARING),
        COMPLETING: (PARKED, COMPLETING),
        STABLE: (OK, STABLE),
        DEAD: (UNAVAILABLE, DEAD),
    },
    heartbeat: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (REBALANCE, PREPARING),
        COMPLETING: (OK, COMPLETING),
        STABLE: (OK, STABLE),
        DEAD: (UNAVAILABLE, DEAD),
    },
    leave: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (OK, PREPARING),
        COMPLETING: (OK, PREPARING),
        STABLE: (OK, PREPARING),
        DEAD: (UNAVAILABLE, DEAD),
    },
    commit: {
        EMPTY: (UNKNOWN, EMPTY),
        PREPARING: (OK, PREPARING),
        COMPLETING: (REBALANCE, COMPLETING),
        STABLE: (OK, STABLE),
        DEAD: (UNAVAILABLE, DEAD),
    },
    commit_from_outside: {
        EMPTY: (OK, EMPTY),
        PREPARING: (UNKNOWN, PREPARING),
        COMPLETING: (UNKNOWN, COMPLETING),
        STABLE: (UNKNOWN, STABLE),
        DEAD: (UNAVAILABLE, DEAD),
    },
}


@pytest.mark.parametrize("request_of", CELLS, ids=lambda request_of: request_of.__name__)
@pytest.mark.parametrize("state", ClassicGroupState, ids=lambda state: state.value)
def test_cell(state: ClassicGroupState, request_of: Callable[[Scene], Outcome]) -> None:
    found = scene(state)
    answer, after = CELLS[request_of][state]
    assert request_of(found) is answer
    assert found.world.state() is after


def test_the_states_have_kafkas_names() -> None:
    names = [state.value for state in ClassicGroupState]
    assert names == ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"]


def test_every_state_has_its_moves() -> None:
    moves = dict(LEGAL_MOVES)
    assert moves == {
        EMPTY: {PREPARING, DEAD},
        PREPARING: {COMPLETING, EMPTY},
        COMPLETING: {STABLE, PREPARING},
        STABLE: {PREPARING},
        DEAD: {EMPTY},
    }


@pytest.mark.parametrize(("state", "target"), list(product(ClassicGroupState, ClassicGroupState)))
def test_a_group_refuses_other_moves(state: ClassicGroupState, target: ClassicGroupState) -> None:
    group = scene(state).world.group()
    if target in LEGAL_MOVES[state]:
        group.move_to(target)
        assert group.state is target
    else:
        with pytest.raises(AssertionError, match="moves from"):
            group.move_to(target)
        assert group.state is state


def test_parked_syncs_are_told_to_join_again_when_a_rebalance_begins() -> None:
    s = scene(COMPLETING)
    parked = s.world.sync(s.follower)
    assert s.world.join(version=3).is_parked
    assert parked.reply == SyncReply(REBALANCE)


CALLS: dict[str, Callable[[Scene], object]] = {
    "JoinGroup": join_new,
    "SyncGroup": sync_follower,
    "Heartbeat": heartbeat,
    "LeaveGroup": leave,
    "DeleteGroups": lambda s: s.world.delete(),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_group_that_is_being_written_down_refuses_further_calls(name: str) -> None:
    """It is for the runtime to let them wait. Commits are answered, and reading goes on."""
    s = scene(COMPLETING)
    s.world.holds = True
    assert s.world.sync(s.leader).is_parked
    with pytest.raises(RuntimeError, match="is being written down"):
        CALLS[name](s)
    assert commit(s) is REBALANCE
    assert s.world.coordinator.describe(GROUP).state == COMPLETING.value
    s.world.write_held()
    assert s.world.state() is STABLE
    assert sync_follower(s) is OK
