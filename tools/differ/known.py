"""What differs for a reason. Each stands in docs/differences.md under its title; one that never happens is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tools.differ.script import Scenario

ANYTHING = object()
ABSENT = "(nothing)"
"""The value of a list's element that one side does not have, or of a field that says what it does by default."""


SMALL_WORLD = "a small world"
"""The name of random sequences."""


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant: in the field at `path` of an API's replies, or in what is below it. Lists are passed
    through as in `masks`; a long list of named things can have a name (`results.configs[log.dirs].value`)."""

    title: str
    api: str
    path: str = ""
    """Empty for the whole reply."""
    scenario: str = ""
    """Only in the scenario of this name."""
    kafka: Any = ANYTHING
    chronik: Any = ANYTHING
    """Only with these values."""
    since: int = 0
    until: int = 1000
    """Only in these versions of the API."""
    by_chance: bool = False
    """Whether a run can go by without it."""


KNOWN = (
    *(
        Known("Requests without sense", api, scenario=scenario)
        for api, scenario in (
            ("AlterConfigs", "replaced twice"),
            ("AlterPartitionReassignments", "nothing to reassign"),
            ("CreatePartitions", "nonsense"),
            ("DeleteAcls", "nonsense deleted"),
            ("DescribeAcls", "nonsense"),
            ("DescribeTopicPartitions", "nonsense"),
            ("Fetch", "nonsense"),
            ("IncrementalAlterConfigs", "nonsense"),
            ("JoinGroup", "metadata that cannot be read"),
            ("ListOffsets", "nonsense"),
            ("Metadata", "nonsense asked"),
            ("Produce", "null records"),
        )
    ),
    Known("Timeouts of zero", "CreateTopics", "topics", "impatience"),
    Known("Timeouts of zero", "DeleteTopics", "responses", "impatience deleting"),
    Known("Timeouts of zero", "ElectLeaders", "", "impatience electing"),
    Known("Topics that are made when they are asked for", "Metadata", "topics", "auto creation"),
    Known("Topics that are made when they are asked for", "Metadata", "topics", "good", until=3),
    Known("Topics that are made when they are asked for", "Metadata", "topics", "bad names", until=3),
    Known("Internal topics", "CreateTopics", "topics", "an internal topic"),
    Known("Internal topics", "DescribeTransactions", "transaction_states.topics", chronik=ABSENT),
    Known("Ids of topics that are only checked", "CreateTopics", "topics.topic_id", chronik=None),
    Known(
        "Config values in the answer to CreateTopics",
        "CreateTopics",
        "topics.configs",
        "configs with spaces and capitals",
    ),
    Known("Topics by id and by name in one Metadata request", "Metadata", "topics", "by id and by name"),
    Known("Partitions that are named twice", "Produce", "responses", "twice in one request"),
    Known("Partitions that are named twice", "ListOffsets", "topics.partitions.offset", "twice in one request"),
    Known("Partitions that are named twice", "Fetch", "responses", "twice in one request"),
    Known("The greatest timestamp of deleted records", "ListOffsets", "topics.partitions.offset", kafka=0, chronik=2),
    Known("Loggers and client metrics", "DescribeConfigs", "results", "of loggers and client metrics"),
    Known("Loggers and client metrics", "ListConfigResources", "config_resources", "loggers"),
    Known("Configs of the broker", "DescribeConfigs", "results.configs", "of the broker everything", chronik=ABSENT),
    *(
        Known("Configs of the broker", "DescribeConfigs", f"results.configs[{name}]", "of the broker everything")
        for name in (
            *("advertised.listeners", "inter.broker.listener.name", "listeners", "listener.security.protocol.map"),
            *("log.dirs", "offsets.topic.num.partitions", "transaction.state.log.num.partitions"),
            *("group.coordinator.rebalance.protocols", "sasl.enabled.mechanisms"),
        )
    ),
    Known(
        "The log's start beside an error",
        "Produce",
        "responses.partition_responses.log_start_offset",
        kafka=0,
        chronik=ABSENT,
    ),
    Known(
        "The time of a repeated batch",
        "Produce",
        "responses.partition_responses.log_append_time",
        kafka="time",
        chronik=ABSENT,
    ),
    Known("Batches that no producer sends", "Produce", "responses", "codecs that are not true"),
    Known("Batches that no producer sends", "Produce", "responses", "stamped by the producer"),
    Known("Batches that no producer sends", "Produce", "responses", "no producer"),
    Known("Batches that no producer sends", "Produce", "responses", "wrong in a transaction that is not open"),
    Known("Fetch sessions whose topic is gone", "Fetch", "responses", "session over a new topic of the name"),
    Known("Groups that nobody is in", "DescribeGroups", "groups.group_state", kafka="Empty", chronik="Dead"),
    Known("Groups that nobody is in", "ListGroups", "groups", SMALL_WORLD, by_chance=True),
    Known(
        *("Groups that nobody is in", "OffsetCommit", "topics.partitions.error_code", SMALL_WORLD),
        kafka="unknown_member_id",
        chronik="illegal_generation",
        by_chance=True,
    ),
    *(
        Known("Groups that nobody is in", api, path, SMALL_WORLD, chronik=chronik, by_chance=True)
        for api, path, chronik in (
            ("DeleteGroups", "results.error_code", "group_id_not_found"),
            ("OffsetDelete", "error_code", "group_id_not_found"),
            ("OffsetDelete", "topics", ABSENT),
        )
    ),
    Known("Static members that come back", "DescribeGroups", "groups.members.client_id", "static members"),
    Known("Static members that come back", "DescribeGroups", "groups.members.member_assignment", "static members"),
    Known("Static members that come back", "DescribeGroups", "groups.members.client_id", "a static member of two"),
    Known("Transactional ids of committed offsets", "TxnOffsetCommit", "topics", "committed offsets by another id"),
)


def known(scenario: Scenario, api: str, version: int, path: str, kafka: Any, chronik: Any) -> Known | None:
    """The declared reason of a difference, if it has one. That chronik does not answer is never meant."""
    if not path and isinstance(chronik, str):
        return None
    plain = plain_path(path)
    unnamed = re.sub(r"\[[^\]]*\]", "", plain)
    for one in KNOWN:
        if (
            one.api == api
            and any(_is_within(where, one.path) for where in (plain, unnamed))
            and one.scenario in ("", scenario.name)
            and one.kafka in (ANYTHING, kafka)
            and one.chronik in (ANYTHING, chronik)
            and one.since <= version <= one.until
        ):
            return one
    return None


def plain_path(path: str) -> str:
    """A path without the numbers of lists' elements."""
    return ".".join(part for part in path.split(".") if not part.isdigit())


def _is_within(path: str, outer: str) -> bool:
    return outer in ("", path) or path.startswith((f"{outer}.", f"{outer}["))
