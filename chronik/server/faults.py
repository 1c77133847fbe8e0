"""Faults on demand: rules by which requests are refused, held up, cut off or left without an answer.

A rule puts itself in front of a handler by exchanging the server's table of handlers; a server without rules runs the
handlers themselves, and pays nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import Enum
from types import TracebackType
from typing import Any, Self, assert_never

from chronik.api import Handler
from chronik.api.error_reply import error_reply
from chronik.api.request import CloseConnection, Deferred, RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.server.listener import Server
from chronik.wire.apis import APIS, ApiKey
from chronik.wire.messages.produce import ProduceRequest


class FaultKind(Enum):
    """What a rule does to a request."""

    FAIL = "fail"
    """It is answered with an error, and nothing is done."""
    DELAY = "delay"
    """It is carried out later."""
    DISCONNECT = "disconnect"
    """Its connection is closed, and nothing is done."""
    DROP = "drop"
    """It is carried out, and its connection is closed instead of answering."""


class Rule:
    """One fault. Leaving it as a context manager cancels it."""

    def __init__(
        self,
        faults: Faults,
        kind: FaultKind,
        api: ApiKey | None,
        *,
        error: ErrorCode = ErrorCode.NONE,
        delay_s: float = 0.0,
        after: int = 0,
        times: int | None = None,
        client_id: str | None = None,
    ) -> None:
        if after < 0 or (times is not None and times < 1):
            raise ValueError("A rule strikes at least once, after no request or more: times >= 1, after >= 0.")
        self.kind = kind
        self.api = api
        """None: every API."""
        self.hits = 0
        """The requests that it has struck so far."""
        self.error = error
        self.delay_s = delay_s
        self._faults = faults
        self._passing = after
        self._left = times
        self._client_id = client_id

    def __repr__(self) -> str:
        api = "every API" if self.api is None else self.api.name
        return f"<Rule {self.kind.value} {api}: {self.hits} hits>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Let everything pass from now on."""
        self._faults.remove(self)

    def strikes(self, client_id: str) -> bool:
        """Whether the request of that client is struck; counts it, and ends the rule with its last one."""
        if self._client_id not in (None, client_id):
            return False
        if self._passing > 0:
            self._passing -= 1
            return False
        self.hits += 1
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._faults.remove(self)
        return True


class Faults:
    """The rules of one server. They outlive it: `install` puts them before the handlers of the next one."""

    def __init__(self, call: Callable[[Callable[[], None]], None]) -> None:
        """`call` runs something on the server's loop, and returns when that is done."""
        self._call = call
        self._rules: list[Rule] = []
        self._server: Server | None = None
        self._handlers: dict[int, Handler] = {}

    def install(self, server: Server) -> None:
        """Stand before the handlers of this server."""
        self._server, self._handlers = server, server.handlers
        self._apply()

    def add(self, rule: Rule) -> Rule:
        """Let a rule strike, if no older one does."""
        self._call(lambda: self._change([*self._rules, rule]))
        return rule

    def remove(self, rule: Rule) -> None:
        """Forget a rule. Idempotent."""
        self._call(lambda: self._change([other for other in self._rules if other is not rule]))

    def clear(self) -> None:
        """Forget all rules."""
        self._call(lambda: self._change([]))

    def first(self, api: ApiKey, client_id: str) -> Rule | None:
        """The first rule that strikes the request, and counts it."""
        for rule in self._rules:
            if rule.api in (None, api) and rule.strikes(client_id):
                return rule
        return None

    def _change(self, rules: list[Rule]) -> None:
        self._rules = rules
        self._apply()

    def _apply(self) -> None:
        if self._server is None:
            return
        apis = {rule.api for rule in self._rules}
        self._server.handlers = {
            key: _Faulty(self, handler) if handler.API in apis or None in apis else handler
            for key, handler in self._handlers.items()
        }


class _Faulty:
    """A handler behind rules."""

    def __init__(self, faults: Faults, handler: Handler) -> None:
        self.API = handler.API
        self.VERSIONS = handler.VERSIONS
        self._faults = faults
        self._handler = handler

    def handle(self, context: RequestContext, request: Any, /) -> Any:
        rule = self._faults.first(self.API, context.client_id)
        if rule is None:
            return self._handler.handle(context, request)
        match rule.kind:
            case FaultKind.FAIL:
                error = KafkaError(rule.error, f"{rule.error.name}, because a fault rule says so.")
                return error_reply(context, request, self.API, error)
            case FaultKind.DELAY:
                _keep(request)
                return self._later(rule.delay_s, context, request)
            case FaultKind.DISCONNECT:
                raise CloseConnection(f"a fault rule for {self.API.name}")
            case FaultKind.DROP:
                return self._unanswered(self._handler.handle(context, request))
            case _:
                assert_never(rule.kind)

    async def _later(self, delay_s: float, context: RequestContext, request: Any) -> Any:
        await asyncio.sleep(delay_s)
        result = self._handler.handle(context, request)
        return await result if isinstance(result, Coroutine) else result

    async def _unanswered(self, result: Any) -> Any:
        if isinstance(result, Coroutine):
            result = await result
        if isinstance(result, Deferred):
            answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            result.when_ready(lambda response: None if answered.done() else answered.set_result(None))
            await answered
        raise CloseConnection(f"a fault rule for {self.API.name}: it was carried out, and is not answered")


def _keep(request: Any) -> None:
    """Copy what is only valid while a request is being handled: the records in a frame's buffer."""
    if isinstance(request, ProduceRequest):
        for topic in request.topic_data:
            for data in topic.partition_data:
                data.records = None if data.records is None else memoryview(bytes(data.records))


def api_key(name: str | int) -> ApiKey:
    """An API by its name, in whatever spelling ("InitProducerId", "init_producer_id", "INIT-PRODUCER-ID"), or number.
    ValueError says which ones there are."""
    if isinstance(name, int):
        return ApiKey(name)
    folded = _folded(name)
    for key, api in APIS.items():
        if _folded(api.name) == folded:
            return ApiKey(key)
    raise ValueError(f"There is no API {name!r}; there are {', '.join(api.name for api in APIS.values())}.")


def error_code(name: str | int) -> ErrorCode:
    """An error by its name or number. ValueError if there is none, or if it is no error."""
    if isinstance(name, int):
        code = ErrorCode(name)
    elif (known := ErrorCode.__members__.get(name.upper())) is not None:
        code = known
    else:
        from difflib import get_close_matches  # only a mistake needs it

        close = get_close_matches(name.upper(), ErrorCode.__members__, 1)
        raise ValueError(f"There is no error {name!r}{f'; did you mean {close[0]}?' if close else '.'}")
    if code is ErrorCode.NONE:
        raise ValueError("NONE is no error.")
    return code


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
