"""Produce requests that say what an earlier one of their connection said, but for their correlation id and records.

A producer that does not wait for more records sends nothing else: one batch for one partition, over and over. What the
first of them was found to mean is kept by its connection, with the bytes in which its answers differ: the others are
not decoded, and their answers not encoded. That takes a third off a request of one record.

What is checked of a batch is what `chronik.api.produce` checks, by the same functions. Whatever is not plain (a batch
that would be refused or rewritten, a transaction, a full store) goes that module's way from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING

from chronik.api.produce import TOPIC_IDS_SINCE, ZSTD_SINCE
from chronik.api.produce_answer import refuse
from chronik.batch.compression import Codec
from chronik.batch.header import CODEC_MASK, TRANSACTIONAL_BIT
from chronik.broker.clock import now_ms
from chronik.errors import KafkaError
from chronik.log.access import Appended, AppendTerms
from chronik.log.validate import CheckedBatch, check_plain
from chronik.terms import Acks
from chronik.wire.header import CORRELATION_ID_END, Form
from chronik.wire.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from chronik.wire.primitives import Buffer, MalformedFrame, read_uvarint, uvarint

if TYPE_CHECKING:
    from chronik.broker.broker import Broker
    from chronik.broker.topics import Topic
    from chronik.terms import LogId

_SINCE = 5
"""The first version whose answers have the three numbers side by side."""
_FLEXIBLE_SINCE = 9
_NO_TAGS = b"\x00\x00\x00"
"""Behind the records of a flexible request: of the partition, the topic, the request."""
_SIZE = Struct(">i")
_NUMBERS = Struct(">qqq")
_UNLIKELY = _NUMBERS.pack(0x5B0F_66D1_93A2_7C48, 0x3C97_E4A5_1D60_B28F, 0x714E_29B8_C05D_F316)
"""Stands for base offset, log-append time and log start in the answer that is taken apart."""
_MOST_PATTERNS = 64
"""A connection keeps; there may be as many partitions."""

Ready = Callable[["Again", list[Buffer]], None]
"""Given an answer, as the buffers of its frame."""


class Pattern:
    """What requests that begin with the same bytes mean, and what is the same in their answers."""

    __slots__ = ("acks", "form", "generation", "index", "is_flexible", "log", "pack", "shared", "topic")

    def __init__(
        self, form: Form, topic: Topic, log: LogId, index: int, acks: Acks, generation: object, answer: bytes
    ) -> None:
        self.form = form
        self.topic = topic
        self.log = log
        self.index = index
        self.acks = acks
        self.generation = generation
        """Of the topics, when this one was looked up."""
        self.is_flexible = form.api_version >= _FLEXIBLE_SINCE
        at = answer.index(_UNLIKELY)
        end = at + len(_UNLIKELY)
        self.pack = Struct(f">4si{at - 8}sqqq{len(answer) - end}s").pack
        self.shared = answer[:4], answer[8:at], answer[end:]

    def records_in(self, frame: Buffer, at: int) -> memoryview | None:
        """The records of a request, whose size stands at `at`; None unless they are all that is left of it."""
        if self.is_flexible:
            size, at = read_uvarint(frame, at)
            size, end = size - 1, len(frame) - len(_NO_TAGS)
            if frame[end:] != _NO_TAGS:
                return None
        else:
            (size,), at, end = _SIZE.unpack_from(frame, at), at + _SIZE.size, len(frame)
        return memoryview(frame)[at:end] if size == end - at > 0 else None


class Repeats:
    """What a connection remembers of its Produce requests."""

    __slots__ = ("_end", "_patterns")

    def __init__(self) -> None:
        self._patterns: dict[bytes, Pattern] = {}
        """By the bytes from the correlation id to the size of the records."""
        self._end = 0
        """Where these ended the last time."""

    def begin(self, broker: Broker, form: Form, frame: Buffer, correlation_id: int, ready: Ready) -> Again | None:
        """The request, to be appended, if it says again what an earlier one said; None if that is to be seen."""
        end = self._end
        pattern = self._patterns.get(bytes(frame[CORRELATION_ID_END:end]))
        if pattern is None or pattern.form is not form or pattern.generation is not broker.topics.generation:
            return None
        try:
            records = pattern.records_in(frame, end)
        except (IndexError, StructError, MalformedFrame):
            return None
        if records is None or broker.store.room() is not None:
            return None
        now, config = now_ms(), pattern.topic.config
        header = check_plain(records, config, now)
        if header is None or header.attributes & TRANSACTIONAL_BIT:
            return None
        if header.attributes & CODEC_MASK == Codec.ZSTD and form.api_version < ZSTD_SINCE:
            return None
        terms = AppendTerms(pattern.topic.leader_epoch, now, config.segment_bytes, config.segment_ms)
        return Again(pattern, CheckedBatch(header, records), terms, correlation_id, ready)

    def learn(self, broker: Broker, form: Form, frame: Buffer, request: ProduceRequest) -> None:
        """Remember what the request means, if others may say the same."""
        if len(request.topic_data) != 1 or len(request.topic_data[0].partition_data) != 1:
            return
        (data,) = request.topic_data
        (partition,) = data.partition_data
        acks, version = request.acks, form.api_version
        if version < _SINCE or acks not in (Acks.ALL, Acks.LEADER) or request.transactional_id is not None:
            return
        if partition.records is None:
            return
        end = _end_of_front(frame, version, len(partition.records))
        front = bytes(frame[CORRELATION_ID_END:end])
        known, generation = self._patterns.get(front), broker.topics.generation
        if known is None or known.form is not form or known.generation is not generation:
            topic = broker.topics.by_id(data.topic_id) if version >= TOPIC_IDS_SINCE else broker.topics.get(data.name)
            log = None if topic is None else topic.log_of(partition.index)
            if topic is None or log is None:
                return
            answer = _answer(form, data, partition.index)
            known = Pattern(form, topic, log, partition.index, Acks(acks), generation, answer)
            if known.records_in(frame, end) != partition.records:
                return  # not as every client writes it
            if len(self._patterns) >= _MOST_PATTERNS:
                self._patterns.clear()
            self._patterns[front] = known
        self._end = end


def _end_of_front(frame: Buffer, version: int, records_bytes: int) -> int:
    """Where the size of the records begins in a request that ends with them."""
    if version < _FLEXIBLE_SINCE:
        return len(frame) - records_bytes - _SIZE.size
    return len(frame) - len(_NO_TAGS) - records_bytes - len(uvarint(records_bytes + 1))


def _answer(form: Form, data: TopicProduceData, index: int) -> bytes:
    """The frame of an answer, with `_UNLIKELY` for its numbers."""
    base_offset, log_append_time, log_start = _NUMBERS.unpack(_UNLIKELY)
    partition = PartitionProduceResponse(
        index=index, base_offset=base_offset, log_append_time_ms=log_append_time, log_start_offset=log_start
    )
    return b"".join(form.encode(0, _response(data, partition)))


def _response(topic: TopicProduceData | Topic, partition: PartitionProduceResponse) -> ProduceResponse:
    """What is told of the one partition."""
    told = TopicProduceResponse(name=topic.name, topic_id=topic.topic_id, partition_responses=[partition])
    return ProduceResponse(responses=[told])


class Again:
    """Such a request while it is carried out, and its place in the order of answers. Called by the store."""

    __slots__ = ("_batch", "_correlation_id", "_pattern", "_ready", "_terms", "answer", "form")

    def __init__(
        self, pattern: Pattern, batch: CheckedBatch, terms: AppendTerms, correlation_id: int, ready: Ready
    ) -> None:
        self.form = pattern.form
        self.answer: list[Buffer] | None = None
        self._pattern = pattern
        self._batch = batch
        self._terms = terms
        self._correlation_id = correlation_id
        self._ready = ready

    def append(self, broker: Broker) -> None:
        """Have the batch appended; the answer comes when that is as durable as the request asks for."""
        pattern = self._pattern
        broker.store.append(pattern.log, self._batch, self._terms, broker.durability[pattern.acks], self)

    def __call__(self, outcome: Appended | KafkaError) -> None:
        if isinstance(outcome, KafkaError):
            self._ready(self, self._refusal(outcome))
            return
        pattern = self._pattern
        size, front, rest = pattern.shared
        self._ready(self, [pattern.pack(size, self._correlation_id, front, *outcome, rest)])

    def _refusal(self, error: KafkaError) -> list[Buffer]:
        partition = PartitionProduceResponse(index=self._pattern.index)
        refuse(partition, error)
        return self.form.encode(self._correlation_id, _response(self._pattern.topic, partition))
