"""Defects that a release of the shop may bring: a file names one, and a starting worker reads it."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import flask

from specter_core.errors import SpecterError
from specter_demo.shop import goods
from specter_demo.shop.database_defects import Opener, connection_leak, lock_storm, slow_query
from specter_demo.shop.scripts import scripts_of

NONE = ""
NEW_ERROR = "new-error"
MEMORY_LEAK = "memory-leak"
FRONTEND_SLOW = "frontend-slow"
CONNECTION_LEAK = "connection-leak"
LOCK_STORM = "lock-storm"
SLOW_QUERY = "slow-query"
# One product page in so many has no price any more.
EVERY = 6
# Bytes that a catalog page leaves behind, and all that is kept: a demo should not end its machine.
KEPT = 192 * 1024
MOST_KEPT = 384 * 1024 * 1024


class DiscountMissingError(Exception):
    """A product is in the sale and has no discount."""


def read_defect(path: Path) -> str:
    """Return the defect that `path` names; `NONE` when there is no such file.

    Raises:
        SpecterError: there is no defect of this name.
    """
    try:
        name = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return NONE
    if name and name not in DEFECTS:
        raise SpecterError(f"{path}: expected one of {', '.join(DEFECTS)}, or nothing")
    return name


def introduce(app: flask.Flask, defect: str, opener: Opener) -> None:
    """Give `app` the defect of this name, if any; `opener` opens connections to the database."""
    if defect:
        DEFECTS[defect](app, opener)


def _new_error(app: flask.Flask, _opener: Opener) -> None:
    served = itertools.count(1)

    @app.before_request
    def discount() -> None:
        rule = flask.request.url_rule
        if rule is None or not rule.rule.startswith("/products/") or next(served) % EVERY:
            return
        number = (flask.request.view_args or {}).get("product_id")
        raise DiscountMissingError(f"product {number} is in the sale and has no discount")


def _memory_leak(app: flask.Flask, _opener: Opener) -> None:
    kept: list[bytes] = []

    @app.after_request
    def keep(response: flask.Response) -> flask.Response:
        rule = flask.request.url_rule
        if rule is not None and rule.rule == "/" and len(kept) < MOST_KEPT // KEPT:
            # Written and not only reserved, or it would be no resident memory.
            kept.append(b"\1" * KEPT)
        return response


def _frontend_slow(app: flask.Flask, _opener: Opener) -> None:
    scripts_of(app).block("suggestions", suggestions())


def suggestions() -> bytes:
    """Return a script that knows every product by name and looks through all of them at each interaction."""
    names = '","'.join(goods.product_name(number) for number in range(1, goods.PRODUCTS + 1))
    return SUGGESTIONS.replace("NAMES", f'"{names}"').encode()


# Names hold letters, digits and spaces only.
SUGGESTIONS = """const goods = [NAMES];
const suggest = () => {
  const typed = (document.querySelector("input[name=q]")?.value ?? "").toLowerCase();
  window.suggested = goods.map((name) => name.toLowerCase()).filter((name) => name.startsWith(typed)).sort();
};
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, suggest);
suggest();
"""
DEFECTS: Mapping[str, Callable[[flask.Flask, Opener], None]] = {
    NEW_ERROR: _new_error,
    MEMORY_LEAK: _memory_leak,
    FRONTEND_SLOW: _frontend_slow,
    CONNECTION_LEAK: connection_leak,
    LOCK_STORM: lock_storm,
    SLOW_QUERY: slow_query,
}
