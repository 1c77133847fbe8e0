"""Which versions of which APIs are compared: those that both brokers serve."""

from __future__ import annotations

import struct

from tools.differ.codec import Message, api_names, versions
from tools.differ.runner import Broker

Served = dict[str, range]


def served(broker: Broker) -> Served:
    """What a broker says that it serves, by API name."""
    return ranges(broker.ask("ApiVersions", 3, {"client_software_name": "differ", "client_software_version": "1"}))


def ranges(reply: Message) -> Served:
    """The ranges in an ApiVersions response."""
    names = api_names()
    return {
        names[entry["api_key"]]: range(entry["min_version"], entry["max_version"] + 1) for entry in reply["api_keys"]
    }


def served_by(served: Served, request: bytes) -> bool:
    """Whether a request frame is of a version that is served."""
    key, version = struct.unpack_from(">hh", request)
    return version in served.get(api_names()[key], ())


REFUSED = {("Produce", 0), ("Produce", 1), ("Produce", 2)}
"""Advertised by both for the sake of librdkafka, and served by neither."""


def shared(kafka: Served, chronik: Served) -> dict[str, list[int]]:
    """The versions that both serve and kio can encode, by API, in the order of the API's keys."""
    return {
        api: found
        for api in kafka
        if api in chronik
        and (
            found := [
                version
                for version in kafka[api]
                if version in chronik[api] and version in versions(api) and (api, version) not in REFUSED
            ]
        )
    }
