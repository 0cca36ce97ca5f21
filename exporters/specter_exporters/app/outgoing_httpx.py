"""Measure the calls of `httpx`, synchronous and asynchronous."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from specter_exporters.app.outgoing import Call, Outgoing


def measure_httpx(client: httpx.Client | httpx.AsyncClient, outgoing: Outgoing) -> Callable[[], None]:
    """Measure every request of a client.

        measure_httpx(client, Outgoing(recorder))

    A request that is redirected or that signs in first is one call to the server it was made for.

    Returns:
        what undoes it.
    """
    owner: Any = client
    kept = vars(owner).get("send")
    original = owner.send

    def send(request: httpx.Request, *, stream: bool = False, **keywords: Any) -> httpx.Response:
        call = outgoing.call(request.method, request.url.host)
        try:
            response: httpx.Response = original(request, stream=stream, **keywords)
        except BaseException as error:
            call.failed(error)
            raise
        _answered(call, response, TimedStream if stream else None)
        return response

    async def send_async(request: httpx.Request, *, stream: bool = False, **keywords: Any) -> httpx.Response:
        call = outgoing.call(request.method, request.url.host)
        try:
            response: httpx.Response = await original(request, stream=stream, **keywords)
        except BaseException as error:
            call.failed(error)
            raise
        _answered(call, response, TimedAsyncStream if stream else None)
        return response

    owner.send = send_async if isinstance(client, httpx.AsyncClient) else send

    def undo() -> None:
        if kept is None:
            del owner.send
        else:
            owner.send = kept

    return undo


def _answered(call: Call, response: httpx.Response, timed: Callable[[Any, Call], Any] | None) -> None:
    call.answered(response.status_code, response.headers)
    if timed is None:
        call.finish()
    else:
        response.stream = timed(response.stream, call)


class TimedStream(httpx.SyncByteStream):
    """A body whose end is the end of its call."""

    def __init__(self, inner: httpx.SyncByteStream, call: Call) -> None:
        self._inner = inner
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._inner)
        try:
            while True:
                self._call.wait()
                chunk = next(chunks, None)
                self._call.rest()
                if chunk is None:
                    break
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self._call.failed(error)
            raise

    def close(self) -> None:
        """Close the body, which httpx does at its end too."""
        self._inner.close()
        self._call.finish()


class TimedAsyncStream(httpx.AsyncByteStream):
    """A body whose end is the end of its call."""

    def __init__(self, inner: httpx.AsyncByteStream, call: Call) -> None:
        self._inner = inner
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._inner)
        try:
            while True:
                self._call.wait()
                chunk = await anext(chunks, None)
                self._call.rest()
                if chunk is None:
                    break
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self._call.failed(error)
            raise

    async def aclose(self) -> None:
        """Close the body, which httpx does at its end too."""
        await self._inner.aclose()
        self._call.finish()
