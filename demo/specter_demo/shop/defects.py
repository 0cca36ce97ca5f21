"""Defects that a release of the shop may bring: a file names one, and a starting worker reads it."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import flask

from specter_core.errors import SpecterError

NONE = ""
NEW_ERROR = "new-error"
# One product page in so many has no price any more.
EVERY = 12


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


def introduce(app: flask.Flask, defect: str) -> None:
    """Give `app` the defect of this name, if any."""
    if defect:
        DEFECTS[defect](app)


def _new_error(app: flask.Flask) -> None:
    served = itertools.count(1)

    @app.before_request
    def discount() -> None:
        rule = flask.request.url_rule
        if rule is None or not rule.rule.startswith("/products/") or next(served) % EVERY:
            return
        number = (flask.request.view_args or {}).get("product_id")
        raise DiscountMissingError(f"product {number} is in the sale and has no discount")


DEFECTS: Mapping[str, Callable[[flask.Flask], None]] = {NEW_ERROR: _new_error}
