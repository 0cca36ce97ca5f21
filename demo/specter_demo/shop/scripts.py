"""The scripts that the shop's pages load: a release may bring another."""

from pathlib import Path

import flask

ASSETS = "/assets/"
VITALS = Path(__file__).with_name("assets") / "vitals.js"
EXTENSION = "specter-demo-scripts"
# The name changes with the version, so browsers need not ask again.
CACHED = "public, max-age=31536000, immutable"


class Scripts:
    """What pages load, and where it is served.

    Args:
        version: of the shop; part of every script's name.

    Attributes:
        blocking: paths of the scripts without which a browser draws nothing, in their order.
        deferred: paths of those that wait until the page is there.
    """

    def __init__(self, version: str) -> None:
        self.blocking: list[str] = []
        self.deferred: list[str] = []
        self._version = version
        self._texts: dict[str, bytes] = {}

    def block(self, name: str, text: bytes) -> None:
        """Let every page wait for the script `name`."""
        self.blocking.append(self._add(name, text))

    def defer(self, name: str, text: bytes) -> None:
        """Let every page load the script `name` beside what is drawn."""
        self.deferred.append(self._add(name, text))

    def find(self, path: str) -> bytes | None:
        """Return the script that is served at `path`, None when there is none."""
        return self._texts.get(path)

    def _add(self, name: str, text: bytes) -> str:
        path = f"{ASSETS}{name}-{self._version}.js"
        self._texts[path] = text
        return path


def page_scripts(app: flask.Flask, version: str, beacon_url: str | None) -> Scripts:
    """Give the pages of `app` their scripts: the one that measures views where `beacon_url` takes them."""
    scripts = Scripts(version)
    if beacon_url is not None:
        scripts.defer("vitals", VITALS.read_bytes())
    beacon = None if beacon_url is None else f"{beacon_url.rstrip('/')}/beacon"
    app.extensions[EXTENSION] = scripts
    app.context_processor(lambda: {"scripts": scripts, "beacon": beacon})
    return scripts


def scripts_of(app: flask.Flask) -> Scripts:
    """Return the scripts that the pages of `app` load."""
    scripts: Scripts = app.extensions[EXTENSION]
    return scripts


def serve_scripts(app: flask.Flask, scripts: Scripts) -> None:
    """Let `app` serve `scripts`."""

    @app.get(f"{ASSETS}<name>")
    def script(name: str) -> flask.typing.ResponseReturnValue:
        text = scripts.find(ASSETS + name)
        if text is None:
            return flask.jsonify(error="no such script"), 404
        return flask.Response(text, mimetype="text/javascript", headers={"Cache-Control": CACHED})
