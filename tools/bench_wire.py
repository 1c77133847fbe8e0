"""Times the wire room: request decode + response encode of the messages that a busy broker handles.

    python -m tools.bench_wire [--rounds 20000]

Prints microseconds, the best of five runs, for the decode, the encode and their sum, and the milliseconds that the
first use of the version took (import of the messages and compilation).
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from chronik.wire.apis import APIS, ApiKey
from chronik.wire.header import RequestHeader, decode_header, decode_request, encode_request, encode_response

Case = tuple[str, ApiKey, int, Callable[[], tuple[Any, Any]]]

TOPIC_IDS = [bytes([number]) * 16 for number in range(10)]
BATCH = bytes(1000)


def api_versions() -> tuple[Any, Any]:
    from chronik.wire.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse

    keys = [ApiVersion(key, 0, 5) for key in range(55)]
    return ApiVersionsRequest("client", "1.0"), ApiVersionsResponse(api_keys=keys)


def metadata() -> tuple[Any, Any]:
    from chronik.wire.messages import metadata as m

    partitions = [m.MetadataResponsePartition(0, p, 0, 0, [0], [0], []) for p in range(3)]
    topics = [m.MetadataResponseTopic(0, f"topic-{n}", TOPIC_IDS[n], False, partitions) for n in range(10)]
    response = m.MetadataResponse(0, [m.MetadataResponseBroker(0, "localhost", 9092)], "cluster", 0, topics)
    return m.MetadataRequest([m.MetadataRequestTopic(bytes(16), f"topic-{n}") for n in range(10)]), response


def produce() -> tuple[Any, Any]:
    from chronik.wire.messages import produce as m

    request = m.ProduceRequest(
        None, -1, 30000, [m.TopicProduceData("topic", TOPIC_IDS[0], [m.PartitionProduceData(0, memoryview(BATCH))])]
    )
    parts = [m.PartitionProduceResponse(0, 0, 1234)]
    return request, m.ProduceResponse([m.TopicProduceResponse("topic", TOPIC_IDS[0], parts)])


def fetch() -> tuple[Any, Any]:
    from chronik.wire.messages import fetch as m

    wanted = [m.FetchPartition(p, 0, 1234, -1, -1, 1 << 20) for p in range(5)]
    request = m.FetchRequest(topics=[m.FetchTopic("topic", TOPIC_IDS[0], wanted)], max_wait_ms=500, min_bytes=1)
    found = [m.PartitionData(p, 0, 1240, 1240, 0, aborted_transactions=None, records=BATCH * 2) for p in range(5)]
    return request, m.FetchResponse(responses=[m.FetchableTopicResponse("topic", TOPIC_IDS[0], found)])


def offset_commit() -> tuple[Any, Any]:
    from chronik.wire.messages import offset_commit as m

    wanted = [m.OffsetCommitRequestPartition(p, 1234, committed_metadata="") for p in range(5)]
    request = m.OffsetCommitRequest(
        "group", 3, "member-1", topics=[m.OffsetCommitRequestTopic("topic", TOPIC_IDS[0], wanted)]
    )
    done = [m.OffsetCommitResponsePartition(p, 0) for p in range(5)]
    return request, m.OffsetCommitResponse(topics=[m.OffsetCommitResponseTopic("topic", TOPIC_IDS[0], done)])


CASES: list[Case] = [
    ("ApiVersions v3, 55 keys", ApiKey.API_VERSIONS, 3, api_versions),
    ("Metadata v12, 10 topics x 3", ApiKey.METADATA, 12, metadata),
    ("Produce v9, 1 partition", ApiKey.PRODUCE, 9, produce),
    ("Fetch v12, 5 partitions", ApiKey.FETCH, 12, fetch),
    ("OffsetCommit v8, 5 partitions", ApiKey.OFFSET_COMMIT, 8, offset_commit),
]


def measure(rounds: int) -> Iterator[tuple[str, float, float, float]]:
    """(case, decode us, encode us, first use ms) of each case."""
    for name, key, version, make in CASES:
        started = perf_counter()
        APIS[key].request_decoder(version)
        APIS[key].response_encoder(version)
        first_ms = (perf_counter() - started) * 1e3
        request, response = make()
        frame = b"".join(encode_request(RequestHeader(key, version, 1, "client-1"), request))[4:]

        def decode(frame: bytes = frame) -> None:
            header, pos = decode_header(frame)
            decode_request(header, frame, pos)

        def encode(key: int = key, version: int = version, response: Any = response) -> None:
            encode_response(key, version, 1, response)

        decode_us, encode_us = (min(timeit.repeat(f, number=rounds)) / rounds * 1e6 for f in (decode, encode))
        yield name, decode_us, encode_us, first_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20000)
    print(f"{'':32}{'decode':>9}{'encode':>9}{'sum':>9}{'first use':>13}")
    for name, decode_us, encode_us, first_ms in measure(parser.parse_args().rounds):
        print(f"{name:32}{decode_us:6.2f} us{encode_us:6.2f} us{decode_us + encode_us:6.2f} us{first_ms:10.2f} ms")


if __name__ == "__main__":
    main()
