"""Style sheets and scripts, each at an address that holds its version, so that browsers keep them for good.

plotly.js comes from the plotly package, compressed once; nothing is fetched from elsewhere.
"""

import gzip
import importlib.metadata
import importlib.resources
import re
import threading
from dataclasses import dataclass
from hashlib import blake2b

from flask import Blueprint, Response, abort, request

PLOTLY = "plotly.min.js"
OWN = {
    "specter.css": "text/css; charset=utf-8",
    "plotly.css": "text/css; charset=utf-8",
    "overview.js": "text/javascript; charset=utf-8",
    "series.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_STYLE_ID = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    version: str
    kind: str


class Assets:
    """The files and their versions; plotly.js is read when first asked for."""

    def __init__(self) -> None:
        folder = importlib.resources.files("specter_detector.web") / "static"
        self._own = {name: _asset((folder / name).read_bytes(), kind) for name, kind in OWN.items()}
        self._lock = threading.Lock()
        self._plotly: _Asset | None = None
        self._style_ids: tuple[str, ...] = ()

    def url(self, name: str) -> str:
        """Return the address of the file `name`."""
        return f"/static/{self._version(name)}/{name}"

    def plotly_style_ids(self) -> tuple[str, ...]:
        """Return the ids under which plotly.js looks for style sheets of its maps before it adds them inline.

        Our policy forbids that, and we draw no maps: a page that has elements with these ids stays quiet.
        """
        self._plotly_js()
        return self._style_ids

    def blueprint(self) -> Blueprint:
        """Return the endpoint."""
        blueprint = Blueprint("assets", __name__, url_prefix="/static")

        @blueprint.get("/<version>/<name>")
        def static(version: str, name: str) -> Response:
            if name not in {PLOTLY, *self._own} or version != self._version(name):
                abort(404, "there is no such file in this version")
            return _served(self._own[name] if name in self._own else self._plotly_js())

        return blueprint

    def _version(self, name: str) -> str:
        return importlib.metadata.version("plotly") if name == PLOTLY else self._own[name].version

    def _plotly_js(self) -> _Asset:
        with self._lock:
            if self._plotly is None:
                file = importlib.resources.files("plotly") / "package_data" / PLOTLY
                script = file.read_bytes()
                self._style_ids = tuple(sorted({name.decode() for name in _STYLE_ID.findall(script)}))
                self._plotly = _asset(script, "text/javascript; charset=utf-8")
            return self._plotly


def _asset(body: bytes, kind: str) -> _Asset:
    return _Asset(gzip.compress(body, mtime=0), blake2b(body, digest_size=6).hexdigest(), kind)


def _served(asset: _Asset) -> Response:
    packed = request.accept_encodings.quality("gzip") > 0
    response = Response(asset.body if packed else gzip.decompress(asset.body), content_type=asset.kind)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = FOREVER
    return response
