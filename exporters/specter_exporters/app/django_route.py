"""Django: tell the WSGI or ASGI middleware which route matched."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from specter_exporters.app.wsgi import ROUTE_KEY

GetResponse = Callable[[Any], Any]


def django_route(get_response: GetResponse) -> GetResponse:
    """Be an entry of Django's `MIDDLEWARE`, synchronous or asynchronous as its neighbours are.

    Leaves `resolver_match.route` where `WsgiMiddleware` or `AsgiMiddleware`, put
    around Django's application object, finds it.
    """
    if iscoroutinefunction(get_response):

        async def asynchronous(request: Any) -> Any:
            response = await cast("Awaitable[Any]", get_response(request))
            _note(request)
            return response

        return asynchronous

    def synchronous(request: Any) -> Any:
        response = get_response(request)
        _note(request)
        return response

    return synchronous


# How Django learns that it may pass either kind of `get_response`.
django_route.sync_capable = True  # type: ignore[attr-defined]
django_route.async_capable = True  # type: ignore[attr-defined]


def _note(request: Any) -> None:
    match = request.resolver_match
    if match is None:
        return
    carrier = request.environ if hasattr(request, "environ") else request.scope
    carrier[ROUTE_KEY] = f"/{match.route}"
