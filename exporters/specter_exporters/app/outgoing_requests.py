"""Measure the calls of `requests`."""

import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from specter_exporters.app.outgoing import Call, Outgoing


def measure_requests(target: requests.Session | ModuleType, outgoing: Outgoing) -> Callable[[], None]:
    """Measure every request of a session, or, given the module `requests`, of all sessions.

        measure_requests(session, Outgoing(recorder))

    Each hop of a redirect is a request to its own server. Adapters that are mounted
    later are measured too.

    Returns:
        what undoes it.
    """
    owner: Any = target.Session if isinstance(target, ModuleType) else target
    original = owner.get_adapter

    def get_adapter(*arguments: Any, **keywords: Any) -> BaseAdapter:
        return MeasuredAdapter(original(*arguments, **keywords), outgoing)

    kept = vars(owner).get("get_adapter")
    owner.get_adapter = get_adapter

    def undo() -> None:
        if kept is None:
            del owner.get_adapter
        else:
            owner.get_adapter = kept

    return undo


class MeasuredAdapter(BaseAdapter):
    """An adapter that measures what another one sends."""

    def __init__(self, inner: BaseAdapter, outgoing: Outgoing) -> None:
        super().__init__()
        self._inner = inner
        self._outgoing = outgoing

    def send(self, request: requests.PreparedRequest, *arguments: Any, **keywords: Any) -> requests.Response:
        """Send the request."""
        call = self._outgoing.call(request.method or "", urlsplit(request.url or "").hostname)
        try:
            response = self._inner.send(request, *arguments, **keywords)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response.status_code, response.headers)
        _follow_body(response, call)
        return response

    def close(self) -> None:
        """Close the other adapter."""
        self._inner.close()


def _follow_body(response: requests.Response, call: Call) -> None:
    """End the call with the body: read to its end, closed, failed, or forgotten.

    On the instances, by public methods: requests reads every body through `raw.stream`.
    """
    stream, close = getattr(response.raw, "stream", None), response.close
    if stream is None:  # an adapter of the user's own without urllib3's response
        call.finish()
        return

    def timed(*arguments: Any, **keywords: Any) -> Iterator[bytes]:
        chunks = stream(*arguments, **keywords)
        try:
            while True:
                call.wait()
                chunk = next(chunks, None)
                call.rest()
                if chunk is None:
                    break
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            call.failed(error)
            raise
        call.finish()

    def closing() -> None:
        close()
        call.finish()

    response.raw.stream = timed  # type: ignore[method-assign]
    response.close = closing  # type: ignore[method-assign]
    weakref.finalize(response, call.finish).atexit = False
