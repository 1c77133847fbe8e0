"""The ACLs, of which there are none without an authorizer, and what is kept of users."""

from __future__ import annotations

from tools.differ.script import Script, scenario

ANY, LITERAL, TOPIC, READ, ALLOW = 1, 3, 2, 3, 3
ACL = {
    "resource_type": TOPIC,
    "resource_name": "~t",
    "resource_pattern_type": LITERAL,
    "principal": "User:~a",
    "host": "*",
}
FILTER = {"resource_type_filter": ANY, "pattern_type_filter": ANY, "operation": ANY, "permission_type": ANY}


@scenario("DescribeAcls")
def described_acls(s: Script) -> None:
    s.ask("DescribeAcls", FILTER)
    s.ask("DescribeAcls", FILTER | {"resource_type_filter": TOPIC, "resource_name_filter": "~t"})
    s.ask("DescribeAcls", FILTER | {"resource_type_filter": 99})


@scenario("DescribeAcls")
def nonsense(s: Script) -> None:
    s.ask("DescribeAcls", FILTER | {"operation": 0})
    s.ask("DescribeAcls", FILTER | {"pattern_type_filter": 0})


@scenario("CreateAcls")
def created_acls(s: Script) -> None:
    good = ACL | {"operation": READ, "permission_type": ALLOW}
    s.ask("CreateAcls", creations=[good])
    s.ask("CreateAcls", creations=[good, good | {"principal": "nobody"}])
    s.ask("CreateAcls", creations=[good | {"operation": 99}])
    s.ask("CreateAcls", creations=[good | {"resource_name": ""}])
    s.ask("CreateAcls", creations=[])


@scenario("DeleteAcls")
def deleted_acls(s: Script) -> None:
    s.ask("DeleteAcls", filters=[FILTER])
    s.ask("DeleteAcls", filters=[FILTER, FILTER | {"resource_type_filter": TOPIC}])
    s.ask("DeleteAcls", filters=[])


@scenario("DeleteAcls")
def nonsense_deleted(s: Script) -> None:
    s.ask("DeleteAcls", filters=[FILTER | {"operation": 0}])
