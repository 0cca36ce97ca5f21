"""Route templates of Starlette and FastAPI, mounts included.

After routing, the scope holds the innermost route only: the path of the mounts
around it is in `root_path`, with the client's values in it. The template is found
by walking the outermost router's tree, once a route.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_KNOWN = 10_000


class RouteTemplates:
    """Find, and remember, the route template of a served ASGI scope."""

    def __init__(self) -> None:
        # By identity, because Starlette's routes are not hashable; kept, so that no id is used again.
        self._known: dict[int, tuple[object, str | None]] = {}

    def __call__(self, scope: Mapping[str, Any]) -> str:
        """Return the template, or an empty string when no route matched."""
        # Starlette before 1.0 leaves the endpoint only.
        target = scope.get("route") or scope.get("endpoint")
        if target is None:
            return ""
        known = self._known.get(id(target))
        if known is None:
            known = self._learn(scope, target)
        template = known[1]
        return _match(scope, target) if template is None else template

    def _learn(self, scope: Mapping[str, Any], target: object) -> tuple[object, str | None]:
        """Remember the template of `target`; None when it depends on the request."""
        router = scope.get("router")
        if router is None:
            templates = {str(getattr(target, "path", ""))}
        else:
            templates = {path for leaf, path in _templates(router.routes, "") if leaf is target}
        found = (target, templates.pop() if len(templates) == 1 else None)
        if len(self._known) < MAX_KNOWN:
            self._known[id(target)] = found
        return found


def _identities(route: object) -> tuple[object, ...]:
    """What a scope may name `route` by: itself, its endpoint, the application it mounts."""
    return (route, getattr(route, "endpoint", None) or getattr(route, "app", None))


def _templates(routes: Iterable[object], prefix: str) -> Iterator[tuple[object, str]]:
    """Yield (identity, template) of every route below `routes`.

    A mount that shows its routes and is itself the innermost route means that none
    of them matched: its template is empty.
    """
    for route in routes:
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        for identity in _identities(route):
            yield identity, "" if inner else path
        if inner:
            yield from _templates(inner, path)


def _match(scope: Mapping[str, Any], target: object) -> str:
    """Route the request again, for what is mounted twice or behind a mount that hides its routes."""
    router = scope.get("router")
    if router is None:
        return ""
    # Mounts have moved root_path; `app_root_path` is what it was before the first of them.
    original = {**scope, "root_path": scope.get("app_root_path", scope.get("root_path", ""))}
    return _matching(router.routes, original, target) or ""


def _matching(routes: Iterable[Any], scope: dict[str, Any], target: object) -> str | None:
    for route in routes:
        match, child_scope = route.matches(scope)
        if not match.value:
            continue
        path = str(getattr(route, "path", ""))
        inner = getattr(route, "routes", None)
        if any(identity is target for identity in _identities(route)):
            return "" if inner else path
        if inner is None:
            continue
        below = _matching(inner, {**scope, **child_scope}, target)
        if below is not None:
            return path + below
        if not inner:
            return path + str(getattr(target, "path", ""))
    return None
