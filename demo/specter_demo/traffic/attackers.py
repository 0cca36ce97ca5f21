"""Attackers who try leaked passwords: one after the other on many accounts, from a few addresses."""

import random
from dataclasses import replace

from specter_demo.shop import goods
from specter_demo.traffic.visitors import Request, login

# For documentation (RFC 5737): nobody's.
ADDRESSES = tuple(f"203.0.113.{host}" for host in range(10, 15))
USER_AGENT = "python-requests/2.31.0"
# Customers who have the same password here as where it leaked.
REUSED = 0.005


class Attackers:
    """Credential stuffing, request by request."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def request(self) -> Request:
        """Return the next attempt."""
        customer = self._source.randint(1, goods.CUSTOMERS)
        reused = self._source.random() < REUSED
        password = goods.password(customer) if reused else f"leaked-{self._source.getrandbits(32):x}"
        return replace(
            login(customer, password), source=self._source.choice(ADDRESSES), user_agent=USER_AGENT
        )
