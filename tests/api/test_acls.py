"""DescribeAcls, CreateAcls and DeleteAcls: without an authorizer all of them say so, well formed in every version."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaException

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_acls import AclCreation, CreateAclsRequest
from chronik.wire.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from chronik.wire.messages.describe_acls import DescribeAclsRequest
from tests.kafka_python import kafka
from tests.librdkafka import admin
from tests.raw_client import RawClient

API = ApiKey.DESCRIBE_ACLS
"""The other two have the same versions."""

ANY, TOPIC, LITERAL, READ, ALLOW = 1, 2, 3, 3, 3


def test_describes_none_in_every_version(client: RawClient, version: int) -> None:
    everything = DescribeAclsRequest(
        resource_type_filter=ANY,
        resource_name_filter=None,
        pattern_type_filter=LITERAL if version == 0 else ANY,
        principal_filter=None,
        host_filter=None,
        operation=ANY,
        permission_type=ANY,
    )
    one = DescribeAclsRequest(
        resource_type_filter=TOPIC,
        resource_name_filter="topic",
        principal_filter="User:alice",
        host_filter="*",
        operation=READ,
        permission_type=ALLOW,
    )
    for request in (everything, one):
        response = client.ask(request, version)
        assert (response.throttle_time_ms, response.error_code) == (0, ErrorCode.SECURITY_DISABLED)
        assert response.error_message
        assert response.resources == []


def test_creates_none_in_every_version(client: RawClient, version: int) -> None:
    creation = AclCreation(
        resource_type=TOPIC,
        resource_name="topic",
        principal="User:alice",
        host="*",
        operation=READ,
        permission_type=ALLOW,
    )
    for count in (0, 1, 3):
        response = client.ask(CreateAclsRequest(creations=[creation] * count), version)
        assert response.throttle_time_ms == 0
        assert [result.error_code for result in response.results] == [ErrorCode.SECURITY_DISABLED] * count
        assert all(result.error_message for result in response.results)


def test_deletes_none_in_every_version(client: RawClient, version: int) -> None:
    one = DeleteAclsFilter(
        resource_type_filter=TOPIC,
        resource_name_filter=None,
        principal_filter=None,
        host_filter=None,
        operation=READ,
        permission_type=ALLOW,
    )
    for count in (0, 1, 3):
        response = client.ask(DeleteAclsRequest(filters=[one] * count), version)
        assert response.throttle_time_ms == 0
        results = response.filter_results
        assert [result.error_code for result in results] == [ErrorCode.SECURITY_DISABLED] * count
        assert all(result.error_message and result.matching_acls == [] for result in results)


def test_admin_clients_are_told(kafka_python: Any, librdkafka: Any) -> None:
    pattern = kafka.admin.ResourcePattern(kafka.admin.ResourceType.TOPIC, "topic")
    acl = kafka.admin.ACL(
        "User:alice", "*", kafka.admin.ACLOperation.READ, kafka.admin.ACLPermissionType.ALLOW, pattern
    )
    with pytest.raises(kafka.errors.SecurityDisabledError):
        kafka_python.describe_acls(acl)
    everything = admin.AclBindingFilter(
        admin.ResourceType.ANY,
        None,
        admin.ResourcePatternType.ANY,
        None,
        None,
        admin.AclOperation.ANY,
        admin.AclPermissionType.ANY,
    )
    # librdkafka keeps the error to itself.
    assert librdkafka.describe_acls(everything).result() == []
    binding = admin.AclBinding(
        *(admin.ResourceType.TOPIC, "topic", admin.ResourcePatternType.LITERAL),
        *("User:alice", "*", admin.AclOperation.READ, admin.AclPermissionType.ALLOW),
    )
    with pytest.raises(KafkaException, match="SECURITY_DISABLED"):
        librdkafka.create_acls([binding])[binding].result()
    with pytest.raises(KafkaException, match="SECURITY_DISABLED"):
        librdkafka.delete_acls([everything])[everything].result()
