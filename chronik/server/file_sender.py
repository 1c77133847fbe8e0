"""Answers with slices of files in them: the kernel copies these to the socket, past the transport.

A transport has no way to do that in order with what it sends itself, so it must have sent everything before, and gets
nothing more until the answer has left. The copying is done in a thread, as it waits for the disk where the kernel does
not have the bytes, and it lets the interpreter go. Whoever reads slowly costs no thread: as soon as the socket takes no
more, the loop waits for it.
"""

from __future__ import annotations

import os
import socket
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from chronik.terms import FileSlice
from chronik.wire.primitives import Buffer

_MOST_BUFFERS = 512
"""One system call takes no more."""


class FileSender:
    """Sends one answer. All methods on the loop's thread."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        threads: Executor,
        connection: socket.socket,
        out: Sequence[Buffer | FileSlice],
        done: Callable[[BaseException | None], None],
    ) -> None:
        """`done` is called once, unless it is cancelled: with None when everything was sent."""
        self._loop = loop
        self._threads = threads
        # Of its own, so that it is that socket's as long as a thread sends, and the loop can wait for it.
        self._descriptor = os.dup(connection.fileno())
        self._rest = deque(out)
        self._position = 0
        """What was sent already of the first one."""
        self._done = done
        self._is_waiting = False
        self._sending: Future[bool] | None = None
        self._cancelled = False

    def go_on(self) -> None:
        """Send until the socket takes no more."""
        if self._is_waiting:
            self._is_waiting = False
            self._loop.remove_writer(self._descriptor)
        self._sending = self._loop.run_in_executor(self._threads, self._send)
        self._sending.add_done_callback(self._sent)

    def cancel(self) -> None:
        """Send nothing more; the connection is gone."""
        self._cancelled = True
        if self._sending is None:
            self._close()

    def _close(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._loop.remove_writer(self._descriptor)
        os.close(self._descriptor)
        self._rest.clear()

    def _sent(self, sending: Future[bool]) -> None:
        self._sending = None
        # Asked for in any case, as an error that nobody asks for is logged.
        error = None if sending.cancelled() else sending.exception()
        if self._cancelled or sending.cancelled():
            self._close()
            return
        if error is not None or sending.result():
            self._close()
            self._done(error)
        else:
            self._is_waiting = True
            self._loop.add_writer(self._descriptor, self.go_on)

    def _send(self) -> bool:
        """In a thread: whether everything was sent. OSError when the connection or the file is broken."""
        rest = self._rest
        try:
            while rest and not self._cancelled:
                first = rest[0]
                if isinstance(first, FileSlice):
                    self._send_slice(first)
                else:
                    self._send_buffers(self._buffers())
        except BlockingIOError:
            return False
        return True

    def _send_slice(self, part: FileSlice) -> None:
        at = self._position
        sent = os.sendfile(self._descriptor, part.file.descriptor, part.position + at, part.size_bytes - at)
        if sent == 0:
            raise OSError("a file of the record store ends too early")
        if at + sent < part.size_bytes:
            self._position = at + sent
        else:
            self._position = 0
            self._rest.popleft()

    def _buffers(self) -> Sequence[Buffer]:
        """Those in front."""
        found: list[Buffer] = []
        for part in self._rest:
            if isinstance(part, FileSlice) or len(found) == _MOST_BUFFERS:
                break
            found.append(part)
        found[0] = memoryview(found[0])[self._position :]
        return found

    def _send_buffers(self, buffers: Sequence[Buffer]) -> None:
        sent = os.writev(self._descriptor, buffers)
        for buffer in buffers:
            if sent < len(buffer):
                self._position += sent
                return
            sent -= len(buffer)
            self._position = 0
            self._rest.popleft()
