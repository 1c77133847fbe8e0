"""Which handler carries out a request, and how it is read and answered: looked up by its first four bytes."""

from __future__ import annotations

from collections.abc import Mapping

from chronik.api import Handler, produce
from chronik.wire.apis import ApiKey
from chronik.wire.header import Form, form_of, which

_WAITING = frozenset({ApiKey.FETCH, ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP})
"""Requests that may wait for what somebody else does: for records, or for the other members of a group."""


class Call:
    """What is done with the requests of one version of an API that is served."""

    __slots__ = ("form", "handler", "is_fetch", "is_produce", "is_waiting")

    def __init__(self, form: Form, handler: Handler) -> None:
        self.form = form
        self.handler = handler
        self.is_fetch = form.api_key == ApiKey.FETCH
        self.is_produce = handler is produce
        """Whether it need not be carried out by the handler where `chronik.api.produce_again` can."""
        self.is_waiting = form.api_key in _WAITING
        """Whether it may wait for what somebody else does."""


class Calls(dict[int, Call]):
    """The calls of a table of handlers (by API key), by the number that `chronik.wire.header.which` makes of API key
    and version. They are made at the first request of their kind; KeyError for one that is not served."""

    def __init__(self, handlers: Mapping[int, Handler]) -> None:
        super().__init__()
        self._handlers = {
            which(key, version): handler
            for key, handler in handlers.items()
            for version in range(handler.VERSIONS[0], handler.VERSIONS[1] + 1)
        }

    def __missing__(self, key_and_version: int) -> Call:
        handler = self._handlers[key_and_version]
        form = form_of(key_and_version)
        assert form is not None, "what is served is declared"
        call = self[key_and_version] = Call(form, handler)
        return call
