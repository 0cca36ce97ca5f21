"""The sign-ins and requests of a service: taken in cheaply, counted in batches, judged in windows."""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import repeat

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from specter_core.clock import Clock, SystemClock
from specter_exporters.addresses import MAX_TEXT, AddressLabels
from specter_exporters.signin.breaches import Breach
from specter_exporters.signin.collector import Snapshot, families
from specter_exporters.signin.outcomes import OUTCOMES, Outcome, OutcomeError
from specter_exporters.signin.settings import Settings
from specter_exporters.signin.signins import Attempt, SignInCounter
from specter_exporters.signin.traffic import Request, RequestCounter
from specter_exporters.signin.user_agents import MAX_LENGTH, UserAgents

_KNOWN = frozenset(OUTCOMES)
BATCH = 2048
MAX_ACCOUNT = 128


class SignIns:
    """Count sign-ins and requests by source; a collector of `registry`, shared by all threads.

    What is recorded waits in a buffer of at most a few thousand entries and is counted when it is
    full, at a scrape, and when breaches are asked for: a call costs about a microsecond. Memory is
    fixed, whatever the number of addresses and accounts. Nothing is kept across a restart: counters
    begin at 0, as Prometheus expects, and the window is ten minutes.

    Args:
        registry: where to register; a fresh one by default.
        settings: what is held and shown.
        clock: wall and monotonic time.

    Raises:
        ValueError: the registry already holds metrics of these names.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.settings = Settings() if settings is None else settings
        self.labels = AddressLabels(self.settings.secret, show=self.settings.show_addresses)
        self._clock = SystemClock() if clock is None else clock
        self._monotonic = self._clock.monotonic
        self._agents = UserAgents(self.settings.app_user_agent)
        self._lock = threading.Lock()
        self._attempts: deque[Attempt] = deque()
        self._requests: deque[Request] = deque()
        self._signin_counter = SignInCounter(self.settings)
        self._request_counter: RequestCounter | None = None
        self._events: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self.registry.register(self)

    def attempt(
        self,
        source: str,
        account: str | None,
        outcome: Outcome,
        *,
        user_agent: str | None = None,
        at: float | None = None,
    ) -> None:
        """Record an attempt to sign in.

        Args:
            source: the client's address, see `TrustedProxies`; what is no address counts as `invalid`.
            account: the id of the account tried, None where it is unknown. It appears in no metric.
            outcome: `success`; `failed`, wrong credentials; `locked`, refused for the account is locked;
                `blocked`, refused unseen (rate limit, CAPTCHA). All but the first are failures.
            user_agent: the `User-Agent` header; None where it is unknown.
            at: Unix seconds, now by default. An attempt older than the window is only counted.

        Raises:
            OutcomeError: there is no such outcome.
        """
        if outcome not in _KNOWN:
            raise OutcomeError(f"outcome {outcome!r}: expected one of {', '.join(OUTCOMES)}")
        if account is not None and len(account) > MAX_ACCOUNT:
            account = _shortened(account)
        if user_agent is not None and len(user_agent) > MAX_LENGTH:
            user_agent = user_agent[:MAX_LENGTH]
        time = self._monotonic() if at is None else self._monotonic_at(at)
        buffer = self._attempts
        buffer.append((time, source[:MAX_TEXT], account, outcome, user_agent))
        if len(buffer) >= BATCH:
            self._count_if_full(buffer)

    def attempts(self, sources: Sequence[str], accounts: Sequence[str | None], outcome: Outcome) -> None:
        """Record attempts of now with one outcome, as long as each other: half the cost of single calls.

        Raises:
            OutcomeError: there is no such outcome.
            ValueError: the sequences differ in length.
        """
        if outcome not in _KNOWN:
            raise OutcomeError(f"outcome {outcome!r}: expected one of {', '.join(OUTCOMES)}")
        if len(sources) != len(accounts):
            raise ValueError(f"{len(sources)} sources, but {len(accounts)} accounts")
        now = self._monotonic()
        for start in range(0, len(sources), BATCH):
            part = slice(start, start + BATCH)
            shown = [source[:MAX_TEXT] for source in sources[part]]
            names = [
                _shortened(name) if name is not None and len(name) > MAX_ACCOUNT else name
                for name in accounts[part]
            ]
            self._attempts.extend(zip(repeat(now), shown, names, repeat(outcome), repeat(None)))
            self._count_if_full(self._attempts)

    def failed_signin(self, source: str, account: str | None = None, *, at: float | None = None) -> None:
        """Record a failure that was found somewhere else than in the service, in a log line for example."""
        self.attempt(source, account, "failed", at=at)

    def request(self, source: str, user_agent: str | None, *, at: float | None = None) -> None:
        """Record an HTTP request; see `attempt` for the arguments."""
        if user_agent is not None and len(user_agent) > MAX_LENGTH:
            user_agent = user_agent[:MAX_LENGTH]
        time = self._monotonic() if at is None else self._monotonic_at(at)
        buffer = self._requests
        buffer.append((time, source[:MAX_TEXT], user_agent))
        if len(buffer) >= BATCH:
            self._count_if_full(buffer)

    def captcha_challenge(self) -> None:
        """Count a CAPTCHA that was shown."""
        self._count_event("captcha_challenge")

    def captcha_success(self) -> None:
        """Count a CAPTCHA that was solved."""
        self._count_event("captcha_success")

    def lockout(self) -> None:
        """Count an account that was locked for its failures."""
        self._count_event("lockout")

    def refuse(self, reason: str) -> None:
        """Count events that an endpoint did not take; `reason` comes from a fixed set."""
        with self._lock:
            self._refused[reason] += 1

    def breaches(self, limit: int, before: int | None = None) -> list[Breach]:
        """Return up to `limit` suspected breaches with numbers below `before`, the newest first."""
        with self._lock:
            self._count()
            return self._signin_counter.breaches.page(limit, before)

    def collect(self) -> Iterable[Family]:
        """Yield the families of this moment; sources that left the top are gone."""
        with self._lock:
            self._count()
            requests = self._request_counter
            snapshot = Snapshot(
                signins=self._signin_counter.view(self._monotonic()),
                requests=None if requests is None else requests.view(self._monotonic()),
                events=Counter(self._events),
                refused=Counter(self._refused),
            )
        return families(snapshot, self.settings, self.labels)

    def describe(self) -> Iterable[Family]:
        """Yield the families, so that a registry refuses a second recorder."""
        return self.collect()

    def watch_requests(self) -> None:
        """Expose request metrics from now on, also while there is no request yet."""
        with self._lock:
            self._watch_requests()

    def _watch_requests(self) -> RequestCounter:
        if self._request_counter is None:
            self._request_counter = RequestCounter(self.settings, self._agents)
        return self._request_counter

    def _monotonic_at(self, time: float) -> float:
        return self._monotonic() - max(0.0, self._clock.time() - time)

    def _count_event(self, name: str) -> None:
        with self._lock:
            self._events[name] += 1

    def _count_if_full(self, buffer: "deque[Attempt] | deque[Request]") -> None:
        """Count, or leave it to the thread that counts already, unless it cannot keep up."""
        if len(buffer) < BATCH or not self._lock.acquire(blocking=len(buffer) >= 4 * BATCH):
            return
        try:
            self._count()
        finally:
            self._lock.release()

    def _count(self) -> None:
        """Count what waits. An append by another thread meanwhile stays for the next time."""
        now = self._monotonic()
        offset = self._clock.time() - now
        attempts = [self._attempts.popleft() for _ in range(len(self._attempts))]
        requests = [self._requests.popleft() for _ in range(len(self._requests))]
        self._signin_counter.count(attempts, self._agents, now, offset)
        if requests or self._request_counter is not None:
            self._watch_requests().count(requests, now)


def _shortened(account: str) -> str:
    """Return a long name in few characters, different for different names."""
    digest = blake2b(account.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{account[: MAX_ACCOUNT - 20]}…{digest}"
