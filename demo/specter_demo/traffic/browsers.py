"""Visitors' browsers: they load what a page names, and tell the beacon what they measured."""

import json
import logging
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests

from specter_demo.traffic.page import blocking_scripts
from specter_demo.traffic.vitals import Load, device_of, measure

logger = logging.getLogger(__name__)

# One browser in so many reports: enough for a quantile, and a small share of the machine.
SHARE = 0.5
WAITING = 100
TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class View:
    """A page as a visitor got it.

    Attributes:
        url: of the page.
        user_agent: of the visitor.
        source: the visitor's address, as the load balancer in front of the shop knows it.
        html: the page.
        seconds: from the request to the first byte of the answer.
    """

    url: str
    user_agent: str
    source: str
    html: bytes
    seconds: float


class PageLoader:
    """Finds out what a page weighs; each script is loaded once, as its name changes with its text.

    Args:
        session: for the scripts; not for use by several threads at once.
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session
        self._sizes: dict[str, int] = {}

    def load(self, view: View) -> Load:
        """Return what `view` costs a browser that has visited nothing before.

        Raises:
            requests.RequestException: a script cannot be loaded.
        """
        scripts = blocking_scripts(view.html.decode("utf-8", errors="replace"))
        size = sum(self._size(urljoin(view.url, script)) for script in scripts)
        return Load(view.seconds, len(view.html), size)

    def _size(self, url: str) -> int:
        if url not in self._sizes:
            answer = self._session.get(url, timeout=TIMEOUT)
            if not answer.ok:
                # It went with its release: the page is drawn without it.
                return 0
            self._sizes[url] = len(answer.content)
        return self._sizes[url]


class Browsers:
    """Reports views from a thread of its own: no request to the shop waits for it.

    Args:
        beacon_url: base URL of the beacon; None where there is none, and nothing is reported.
        source: where chance comes from.
        count: takes `beacon` of a report that was taken, and `beacon failed` of any other.
        share: of the views that are reported.
    """

    def __init__(
        self,
        beacon_url: str | None,
        source: random.Random,
        count: Callable[[str], None],
        *,
        share: float = SHARE,
    ) -> None:
        self._share = 0.0 if beacon_url is None else share
        self._beacon = f"{beacon_url or ''}".rstrip("/") + "/beacon"
        self._source = source
        self._count = count
        self._session = requests.Session()
        # No proxy and no ~/.netrc on the way to this machine.
        self._session.trust_env = False
        self._loader = PageLoader(self._session)
        self._queue: queue.Queue[View] = queue.Queue(WAITING)
        self._stopping = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="browsers", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Let the thread finish what it is sending, for `timeout` seconds; drop what waits."""
        self._stopping.set()
        self._thread.join(timeout)

    def view(self, view: View) -> None:
        """Take a view, which is reported with the share's probability; where too many wait, it is not."""
        if self._source.random() < self._share:
            try:
                self._queue.put_nowait(view)
            except queue.Full:
                self._count("beacon failed")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                view = self._queue.get(timeout=0.25)
            except queue.Empty:
                continue
            problem = self._report(view)
            self._count("beacon failed" if problem else "beacon")
            if problem and not self._away:
                logger.warning("%s takes no measurements: %s", self._beacon, problem)
            self._away = bool(problem)

    def _report(self, view: View) -> str:
        """Tell the beacon of `view`; return what went wrong, empty for nothing."""
        try:
            measured = measurements(view, self._loader.load(view), self._source)
            # As the script of the page sends it, through the load balancer in front of the beacon.
            headers = {
                "Content-Type": "text/plain;charset=UTF-8",
                "Origin": "{0.scheme}://{0.netloc}".format(urlsplit(view.url)),
                "User-Agent": view.user_agent,
                "X-Forwarded-For": view.source,
            }
            answer = self._session.post(
                self._beacon, data=json.dumps(measured), headers=headers, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            return type(error).__name__
        return "" if answer.ok else f"status {answer.status_code}: {answer.text[:200]}"


def measurements(view: View, load: Load, source: random.Random) -> list[dict[str, object]]:
    """Return what the browser of `view` tells the beacon."""
    device = device_of(view.user_agent)
    identifier = f"{source.getrandbits(64):x}"
    page = urlsplit(view.url).path
    return [
        {"name": name, "value": value, "id": identifier, "page": page, "device": device.name}
        for name, value in measure(load, device, source).items()
    ]
