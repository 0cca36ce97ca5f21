"""Send the shop a short burst of ordinary requests and read what it measured."""

import http.client
import random
from dataclasses import replace

import requests

from specter_core.errors import SpecterError
from specter_demo.history.calibration import Calibration, calibrate
from specter_demo.history.views import views_of
from specter_demo.traffic.browsers import PageLoader, View
from specter_demo.traffic.client import ShopClient
from specter_demo.traffic.shape import ROUTES
from specter_demo.traffic.visitors import Request, Visitors
from specter_demo.traffic.vitals import Load

WARM_UP_ROUNDS = 9
REQUESTS = 600


def measure(shop_url: str, source: random.Random) -> Calibration:
    """Return the latencies of every route as the shop serves them now, and what its pages cost browsers.

    It takes about three seconds.

    Raises:
        SpecterError: the shop cannot be reached, or fails on a route that visitors use.
    """
    visitors, client = Visitors(source), ShopClient(shop_url)
    try:
        # The first requests open connections and fill caches: they are not how the shop usually is.
        _send(client, visitors, [*ROUTES] * WARM_UP_ROUNDS)
        before = _scrape(shop_url)
        mix = [route for route, share in ROUTES.items() for _ in range(round(share * REQUESTS))]
        source.shuffle(mix)
        _send(client, visitors, mix)
        calibration = _complete(calibrate(before, _scrape(shop_url)))
        return replace(calibration, views=views_of(lambda path: _load(shop_url, path), source))
    except (OSError, http.client.HTTPException) as error:  # requests' errors are OSErrors
        raise SpecterError(f"the shop at {shop_url} does not answer: {error}") from error
    finally:
        client.close()


def _complete(calibration: Calibration) -> Calibration:
    """Return `calibration`; a route without a past would stay unwatched, and nobody would know."""
    failed = sorted({*ROUTES} - {*calibration.routes})
    if failed:
        raise SpecterError(f"the shop serves only errors on {', '.join(failed)}; its log says why")
    return calibration


def _send(client: ShopClient, visitors: Visitors, routes: list[str]) -> None:
    for route in routes:
        client.send(visitors.request(route))


def _load(shop_url: str, path: str) -> Load:
    """Return what the page at `path` costs a browser; the answer's time is that of a warm shop."""
    found: list[View] = []
    client = ShopClient(shop_url, viewed=found.append)
    try:
        client.send(Request("GET", path, accept="text/html"))
    finally:
        client.close()
    with _session() as session:
        return PageLoader(session).load(found[0])


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy does not reach this machine's loopback address
    return session


def _scrape(shop_url: str) -> str:
    with _session() as session:
        answer = session.get(f"{shop_url}/metrics", timeout=5)
    answer.raise_for_status()
    return answer.text
