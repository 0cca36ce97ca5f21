"""What visitors ask for: a request of a route with the parameters a visitor would choose."""

import ipaddress
import json
import random
from dataclasses import dataclass, replace
from urllib.parse import quote_plus

from specter_demo.shop import goods

UNKNOWN_PRODUCTS = 0.01
WRONG_PASSWORDS = 0.015
# Set aside for benchmarks (RFC 2544): nobody's. Attackers come from elsewhere.
FIRST_ADDRESS = ipaddress.IPv4Address("198.18.0.0")
ADDRESSES = 1 << 17
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
)
FIRST_PAGES = (1, 1, 1, 1, 1, 2, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to the shop; `body` is JSON when there is one.

    `accept` is the kind of answer that is wanted, any when it is empty.
    `source` is the address that the load balancer in front of the shop adds to `X-Forwarded-For`.
    """

    method: str
    path: str
    body: bytes | None = None
    accept: str = ""
    source: str = ""
    user_agent: str = "specter-demo-traffic"


class Visitors:
    """Turns routes into requests; popular products are asked for more (Zipf's law)."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._builders = {
            "/": self._front,
            "/products/<int:product_id>": self._product,
            "/search": self._search,
            "/login": self._login,
            "/checkout": self._checkout,
            "/register": self._register,
            "/checkin": self._check_in,
        }

    def request(self, route: str) -> Request:
        """Return a request for `route`, a key of the traffic shape's `ROUTES`."""
        return from_anywhere(self._builders[route](), self._source)

    def _popular_product(self) -> int:
        # N ** u is distributed as 1/x: the first product is asked for most, the tail is long.
        return min(goods.PRODUCTS, int(goods.PRODUCTS ** self._source.random()))

    def _customer(self) -> int:
        return self._source.randint(1, goods.CUSTOMERS)

    def _front(self) -> Request:
        page = self._source.choice(FIRST_PAGES)
        return _page("/" if page == 1 else f"/?page={page}")

    def _product(self) -> Request:
        if self._source.random() < UNKNOWN_PRODUCTS:
            return _page(f"/products/{goods.PRODUCTS + self._source.randint(1, 1000)}")
        return _page(f"/products/{self._popular_product()}")

    def _search(self) -> Request:
        """The first word of a product's name and the beginning of its second, as one types."""
        name = goods.product_name(self._popular_product())
        first_word = name.index(" ") + 1
        typed = name[: self._source.randint(first_word + 2, len(name))]
        return Request("GET", f"/search?q={quote_plus(typed.lower())}")

    def _login(self) -> Request:
        customer = self._customer()
        wrong = self._source.random() < WRONG_PASSWORDS
        password = "forgotten" if wrong else goods.password(customer)
        return login(customer, password)

    def _checkout(self) -> Request:
        products = {self._popular_product() for _ in range(self._source.choice((1, 1, 1, 2, 2, 3)))}
        lines = [
            {"product_id": product, "quantity": self._source.choice((1, 1, 1, 2))}
            for product in sorted(products)
        ]
        return _post("/checkout", {"email": goods.email(self._customer()), "lines": lines})

    def _register(self) -> Request:
        address = f"visitor{self._source.getrandbits(64):x}@shop.example"
        return _post("/register", {"email": address, "password": f"demo-{self._source.getrandbits(32):x}"})

    def _check_in(self) -> Request:
        return _post("/checkin", {"email": goods.email(self._customer()), "mood": self._source.randint(1, 5)})


def from_anywhere(request: Request, source: random.Random) -> Request:
    """Return `request` with an address and a browser that `source` picks."""
    address = str(FIRST_ADDRESS + source.randrange(ADDRESSES))
    return replace(request, source=address, user_agent=source.choice(BROWSERS))


def login(customer: int, password: str) -> Request:
    """Return an attempt of customer number `customer` to sign in."""
    return _post("/login", {"email": goods.email(customer), "password": password})


def _page(path: str) -> Request:
    return Request("GET", path, accept="text/html")


def _post(path: str, body: object) -> Request:
    return Request("POST", path, json.dumps(body).encode())
