"""One client's connection: frames in, answers out, both in order.

Requests are executed one at a time, in the order of their arrival, and answered in that order; only Produce requests
may follow each other while earlier ones still wait for an fsync. What arrives meanwhile is kept, up to a bound, above
which nothing more is read from the socket. A frame that makes no sense, or a handler that fails, closes this connection
only.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

from chronik.api import api_versions
from chronik.api.produce_again import Again, Repeats
from chronik.api.request import NO_RESPONSE, CloseConnection, Deferred, Memory, Peer, RequestContext
from chronik.server.file_sender import FileSender
from chronik.terms import FileSlice
from chronik.wire.apis import ApiKey
from chronik.wire.header import FRONT, Form, decode_header, form_of, which, with_correlation_id
from chronik.wire.primitives import Buffer, MalformedFrame

if TYPE_CHECKING:
    from chronik.broker.broker import Broker
    from chronik.server.listener import Server

SIZE_BYTES = 4
_SIZE = struct.Struct(">i")
API_KEY_BYTES = 2
GROW_BYTES = 2 * 1024 * 1024
"""A frame that claims to be larger than this gets its memory step by step, as its bytes really arrive."""
QUEUED_BYTES = 1024 * 1024
"""Waiting requests of one connection above which its socket is not read."""

_PRODUCE = ApiKey.PRODUCE.to_bytes(API_KEY_BYTES, "big")

_log = logging.getLogger(__name__)

Answer = list[Buffer]


class _Slot:
    """An answer's place in the order of answers."""

    __slots__ = ("answer", "connection", "correlation_id", "form")

    def __init__(self, connection: Connection, form: Form, correlation_id: int) -> None:
        self.connection = connection
        self.form = form
        self.correlation_id = correlation_id
        self.answer: Answer | None = None

    def __call__(self, response: Any) -> None:
        """What was deferred is there."""
        self.connection.produced(self, response)


class Connection(asyncio.BufferedProtocol):
    """See the module's docstring. Lives from `connection_made` to `connection_lost`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._broker = server.broker
        self._limit = server.broker.settings.socket_request_max_bytes
        self._transport: asyncio.Transport | None = None
        self._peer = Peer("", ("", 0))
        self._memory = Memory()
        self._repeats = Repeats()
        self._unsent_bytes = 0
        self._shared = server.read_buffer
        self._partial: bytearray | None = None
        """A frame that has begun to arrive (with its size in front), filled up to `_filled`."""
        self._filled = 0
        self._wanted = 0
        """The whole size of that frame; 0 while not even its size is known."""
        self._queue: deque[bytes | bytearray] = deque()
        self._queued_bytes = 0
        self._order: deque[_Slot | Again] = deque()
        self._produces = 0
        self._task: asyncio.Task[None] | None = None
        self._cancellable = False
        self._waiting = False
        """Whether the task's request may wait for what somebody else does."""
        self._reading_paused = False
        self._writing_paused = False
        self._closing = False
        self._held = False
        self._is_sending_files = False
        """Whether the answer that is under way has slices of files in it; nothing else is sent meanwhile."""
        self._unsent: Answer = []
        """That answer, until the transport has sent what came before it."""
        self._sender: FileSender | None = None
        """What sends it then."""
        self.used_at = server.loop.time()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: uvloop's transports have no base class.
        self._transport = cast("asyncio.Transport", transport)
        settings = self._broker.settings
        self._transport.set_write_buffer_limits(high=settings.max_output_bytes, low=0)
        peer = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        self._peer = Peer(str(peer[0]), settings.advertised or (str(local[0]), int(local[1])))
        if not self._server.admit(self):
            self._close("there are too many connections")
        elif self._server.is_held:
            self.hold()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._server.forget(self)
        self._queue.clear()
        self._order.clear()
        self._partial = None
        self._memory = Memory()
        self._repeats = Repeats()
        if self._task is not None and self._cancellable:
            self._task.cancel()
        self._unsent = []
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        self.resume_writing()

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self._transport is not None:
            self._unsent_bytes = self._transport.get_write_buffer_size()
            self._broker.unsent_bytes += self._unsent_bytes

    def resume_writing(self) -> None:
        if self._writing_paused:
            self._writing_paused = False
            self._broker.unsent_bytes -= self._unsent_bytes
            self._unsent_bytes = 0
            if self._unsent:
                self._send_files()
            self._continue()

    def eof_received(self) -> bool:
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        partial = self._partial
        if partial is None:
            return self._shared
        if self._filled == len(partial):
            # Larger than GROW_BYTES, and what was given is full: as much again.
            grown = bytearray(min(self._wanted, 2 * len(partial)))
            grown[: self._filled] = partial
            self._partial = partial = grown
        return memoryview(partial)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return
        self.used_at = self._server.loop.time()
        try:
            if self._partial is None:
                self._split(nbytes)
            else:
                self._fill(nbytes)
        except MalformedFrame as error:
            self._close(str(error))
        self._flush()

    # Frames

    def _split(self, nbytes: int) -> None:
        """Take whole frames out of what was read; keep the beginning of another."""
        shared, at = self._shared, 0
        while nbytes - at >= SIZE_BYTES and not self._closing:
            stop = at + SIZE_BYTES + self._checked_size(shared, at)
            if stop > nbytes:
                self._begin_partial(shared[at:nbytes], stop - at)
                return
            self._accept(shared[at + SIZE_BYTES : stop])
            at = stop
        if at < nbytes and not self._closing:
            self._begin_partial(shared[at:nbytes], 0)

    def _begin_partial(self, data: memoryview, wanted: int) -> None:
        self._wanted = wanted
        self._filled = len(data)
        size = min(wanted, max(GROW_BYTES, len(data))) if wanted else SIZE_BYTES
        self._partial = bytearray(size)
        self._partial[: self._filled] = data

    def _fill(self, nbytes: int) -> None:
        self._filled += nbytes
        partial = self._partial
        assert partial is not None
        if not self._wanted:
            if self._filled == SIZE_BYTES:
                wanted = SIZE_BYTES + self._checked_size(partial, 0)
                self._begin_partial(memoryview(partial), wanted)
                if wanted == SIZE_BYTES:
                    raise MalformedFrame("a frame is empty")
            return
        if self._filled == self._wanted:
            self._partial = None
            self._accept(memoryview(partial)[SIZE_BYTES:])

    def _checked_size(self, data: Buffer, at: int) -> int:
        size: int = _SIZE.unpack_from(data, at)[0]
        if not 0 <= size <= self._limit:
            raise MalformedFrame(f"a frame cannot have {size} bytes (socket.request.max.bytes is {self._limit})")
        return size

    # Requests

    def _accept(self, frame: memoryview) -> None:
        """Execute the request now, or keep a copy until its turn."""
        if self._queue or not self._may_begin(frame):
            self._queue.append(bytes(frame))
            self._queued_bytes += len(frame)
            if not self._reading_paused and (
                self._queued_bytes > QUEUED_BYTES or len(self._queue) >= self._broker.settings.max_requests_in_flight
            ):
                self._reading_paused = True
                assert self._transport is not None
                self._transport.pause_reading()
        else:
            self._execute(frame)

    def _may_begin(self, frame: Buffer) -> bool:
        if self._task is not None or self._writing_paused or self._is_sending_files:
            return False
        return self._produces == 0 or (
            self._produces < self._broker.settings.max_requests_in_flight and frame[:API_KEY_BYTES] == _PRODUCE
        )

    def _continue(self) -> None:
        """Execute what waits, as far as it may begin."""
        while self._queue and not (self._closing or self._held) and self._may_begin(self._queue[0]):
            frame = self._queue.popleft()
            self._queued_bytes -= len(frame)
            try:
                self._execute(frame)
            except MalformedFrame as error:
                self._close(str(error))
        if self._reading_paused and not self._queue and not self._closing:
            self._reading_paused = False
            assert self._transport is not None
            if not self._held:
                self._transport.resume_reading()

    def _execute(self, frame: Buffer) -> None:
        try:
            key_and_version, correlation_id, client_id_length = FRONT.unpack_from(frame)
            call = self._server.calls[key_and_version]
        except (struct.error, KeyError):
            self._refuse(frame)
            return
        form = call.form
        if call.is_produce:
            again = self._repeats.begin(self._broker, form, frame, correlation_id, self._produced_again)
            if again is not None:
                self._order.append(again)
                self._produces += 1
                again.append(self._broker)
                return
        client_id, pos = form.client_id(frame, client_id_length)
        request = self._decode_fetch(form, frame, pos) if call.is_fetch else form.decode(frame, pos)
        if call.is_produce:
            self._repeats.learn(self._broker, form, frame, request)
        slot = _Slot(self, form, correlation_id)
        self._order.append(slot)
        try:
            result = call.handler.handle(
                RequestContext(self._broker, self._peer, form.api_version, client_id, self._memory), request
            )
            if isinstance(result, Deferred):
                self._produces += 1
                result.when_ready(slot)
            elif isinstance(result, Coroutine):
                self._cancellable = call.is_fetch
                self._waiting = call.is_waiting
                self._task = self._server.loop.create_task(self._run(result, slot))
            else:
                self._answer(slot, result)
        except Exception as error:
            self._failed(form, error)

    def _decode_fetch(self, form: Form, frame: Buffer, pos: int) -> Any:
        """The same object for the same bytes."""
        memory, body = self._memory, bytes(frame[pos:])
        if body != memory.body or form.api_version != memory.version:
            memory.decoded(form.api_version, body, form.decode(frame, pos))
        return memory.request

    def _refuse(self, frame: Buffer) -> None:
        """What is not served: only ApiVersions can be answered, in its oldest form."""
        header, _ = decode_header(frame)
        if header.api_key != ApiKey.API_VERSIONS:
            raise MalformedFrame(f"API {header.api_key} is not served in version {header.api_version}")
        form = form_of(which(ApiKey.API_VERSIONS, 0))
        assert form is not None
        slot = _Slot(self, form, header.correlation_id)
        self._order.append(slot)
        self._answer(slot, api_versions.unsupported())

    async def _run(self, work: Coroutine[Any, Any, Any], slot: _Slot) -> None:
        try:
            response = await work
            if isinstance(response, Deferred):
                self._produces += 1
                response.when_ready(slot)
            else:
                self._answer(slot, response)
        except Exception as error:
            self._failed(slot.form, error)
        finally:
            self._task = None
            self._continue()
            self._flush()

    def produced(self, slot: _Slot, response: Any) -> None:
        """A deferred answer is there."""
        self._produces -= 1
        if self._closing:
            return
        try:
            self._answer(slot, response)
        except Exception as error:
            self._failed(slot.form, error)
        self._server.flush_soon(self)

    def _produced_again(self, slot: Again, answer: Answer) -> None:
        """The same."""
        self._produces -= 1
        if not self._closing:
            slot.answer = answer
            self._server.flush_soon(self)

    def after_tick(self) -> None:
        """Send what was answered in this tick of the loop, and go on with what waited for it."""
        if not self._closing:
            self._continue()
            self._flush()

    # Answers

    def _answer(self, slot: _Slot, response: Any) -> None:
        memory = self._memory
        if response is NO_RESPONSE:
            slot.answer = []
        elif response is memory.response and memory.encoded is not None:
            slot.answer = [with_correlation_id(memory.encoded[0], slot.correlation_id), *memory.encoded[1:]]
        else:
            slot.answer = slot.form.encode(slot.correlation_id, response)
            if response is memory.response:
                memory.encoded = list(slot.answer)

    def _flush(self) -> None:
        """Write the answers at the front of the order that are there."""
        order = self._order
        if not order or order[0].answer is None or self._is_sending_files:
            return
        out = order.popleft().answer
        assert out is not None
        while order and (answer := order[0].answer) is not None:
            out += answer
            order.popleft()
        if out and self._transport is not None and not self._transport.is_closing():
            if len(out) > 1 and any(isinstance(part, FileSlice) for part in out):
                self._begin_to_send_files(out)
            else:
                self._transport.writelines(out)
        if not order:
            self._server.settled()

    def _begin_to_send_files(self, out: Answer) -> None:
        """Send an answer past the transport, as soon as that has sent what it has."""
        transport = self._transport
        assert transport is not None
        self._is_sending_files = True
        self._unsent = out
        transport.set_write_buffer_limits(high=0, low=0)
        if not self._writing_paused:
            self._send_files()

    def _send_files(self) -> None:
        assert self._transport is not None
        out, self._unsent = self._unsent, []
        server, connection = self._server, self._transport.get_extra_info("socket")
        try:
            self._sender = FileSender(server.loop, server.threads, connection, out, self._files_sent)
        except OSError as error:  # there are too many open files
            self._files_sent(error)
        else:
            self._sender.go_on()

    def _files_sent(self, error: BaseException | None) -> None:
        self._sender = None
        self._is_sending_files = False
        self.used_at = self._server.loop.time()
        transport = self._transport
        assert transport is not None
        if error is not None:
            if not isinstance(error, ConnectionError):
                _log.error("An answer could not be sent, its connection is closed: %s", error)
            self.shut()
        elif not transport.is_closing():
            transport.set_write_buffer_limits(high=self._broker.settings.max_output_bytes, low=0)
            self._continue()
            self._flush()
            if self._closing and not self._is_sending_files:
                transport.close()
        if not self._order:
            self._server.settled()

    # Ends

    def _failed(self, form: Form, error: Exception) -> None:
        if isinstance(error, CloseConnection):
            self._close(str(error))
            return
        name = ApiKey(form.api_key).name
        _log.error("The handler of %s %d failed; its connection is closed.", name, form.api_version, exc_info=error)
        self._close(None)

    def _close(self, reason: str | None) -> None:
        """Close after what was answered so far has left."""
        if self._closing:
            return
        self._flush()
        self._closing = True
        if reason is not None:
            _log.warning("Connection from %s closed: %s.", self._peer.host, reason.rstrip("."))
        if self._transport is not None and not self._is_sending_files:
            self._transport.close()

    def close_idle(self) -> None:
        """Close because nothing was asked for too long; ignored while a request is being answered."""
        if self._task is None and not (self._order or self._closing or self._is_sending_files):
            self._closing = True
            if self._transport is not None:
                self._transport.close()

    @property
    def is_busy(self) -> bool:
        """Whether a request is still to be answered."""
        return bool(self._order or self._queue or self._is_sending_files) and not self._closing

    @property
    def is_answering(self) -> bool:
        """Whether an answer is to come that waits for nothing but the stores."""
        return bool(self._order) and not (self._closing or (self._task is not None and self._waiting))

    def shut(self) -> None:
        """Close at once, whatever is under way."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def cut(self) -> asyncio.Task[None] | None:
        """The same, and cancel the request that is being carried out: its task, which is not yet at its end."""
        self.shut()
        task = self._task
        if task is not None:
            task.cancel()
        return task

    @property
    def ends_by_itself(self) -> bool:
        """Whether the request that is being carried out ends when the store has told what it knows: it is a Fetch, or a
        Produce whose effects are there already."""
        return self._task is None or self._cancellable

    def hold(self) -> None:
        """Begin no request until `go_on`."""
        if not (self._held or self._closing) and self._transport is not None:
            self._held = True
            if not self._reading_paused:
                self._transport.pause_reading()

    def go_on(self, broker: Broker) -> None:
        """Ask this broker from now on."""
        self._broker.unsent_bytes -= self._unsent_bytes
        self._broker = broker
        broker.unsent_bytes += self._unsent_bytes
        if self._held and not self._closing and self._transport is not None:
            self._held = False
            if not self._reading_paused:
                self._transport.resume_reading()
            self._continue()
            self._flush()
