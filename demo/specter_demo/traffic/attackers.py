"""Attackers who try leaked passwords: one after the other on many accounts, from a few addresses."""

import json
import logging
import random
from dataclasses import replace
from pathlib import Path

from specter_demo.files import write_atomically
from specter_demo.shop import goods
from specter_demo.traffic.load import HIGHEST
from specter_demo.traffic.visitors import Request, login

logger = logging.getLogger(__name__)

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


def read_attack_rate(path: Path) -> float:
    """Return the attempts/s in `path`; 0 when there is no such file, or nothing of use in it."""
    try:
        rate = float(json.loads(path.read_text(encoding="utf-8"))["rate"])
    except FileNotFoundError:
        return 0.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning('%s: expected {"rate": NUMBER} (%s); nobody attacks', path, error)
        return 0.0
    if not 0.0 <= rate <= HIGHEST:
        logger.warning("%s: rate %g is not within 0 and %g; nobody attacks", path, rate, HIGHEST)
        return 0.0
    return rate


def write_attack_rate(path: Path, rate: float) -> None:
    """Write `rate` (attempts/s) for the generator, which reads it within a second.

    Raises:
        ValueError: it is not within 0 and `HIGHEST`.
    """
    if not 0.0 <= rate <= HIGHEST:
        raise ValueError(f"attack rate {rate:g}: expected 0 to {HIGHEST:g}")
    write_atomically(path, json.dumps({"rate": rate}) + "\n")
