"""What the recorder exposes: bounded, without a name, and right whatever the threads do."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from specter_exporters.signin import OUTCOMES, Settings, SignIns
from specter_exporters.signin.outcomes import OutcomeError
from specter_exporters.signin.recorder import BATCH, MAX_ACCOUNT
from tests.exporters.signin_driving import FIREFOX, NOON, ManualClock, driven, exposed

FAILURES = "specter_auth_source_failures"


def test_nothing_recorded_is_zero_and_not_absent() -> None:
    signins, _ = driven()
    assert exposed(signins, "specter_auth_attempts_total") == {(outcome,): 0 for outcome in OUTCOMES}
    assert exposed(signins, "specter_auth_suspected_breaches_total") == {(): 0}
    assert exposed(signins, FAILURES) == {("address", "other"): 0, ("network", "other"): 0}
    # Nobody watches requests here: unknown is not zero.
    assert exposed(signins, "specter_http_user_agent_requests_total") == {}
    signins.watch_requests()
    assert exposed(signins, "specter_http_user_agent_requests_total")["browser",] == 0


def test_attempts_are_counted_by_outcome_source_and_client() -> None:
    signins, _ = driven(Settings(show_addresses=True, top_min_failures=2))
    for account in ("ann", "bob", "cat"):
        signins.attempt("203.0.113.7", account, "failed", user_agent="curl/8.5.0")
    signins.attempt("203.0.113.8", "ann", "locked", user_agent=FIREFOX)
    signins.attempt("203.0.113.8", "ann", "blocked")
    signins.attempt("2001:db8::1", "dan", "failed")
    signins.attempt("203.0.113.9", "eve", "success", user_agent=FIREFOX)
    assert exposed(signins, "specter_auth_attempts_total") == {
        ("success",): 1, ("failed",): 4, ("locked",): 1, ("blocked",): 1,
    }  # fmt: skip
    assert exposed(signins, FAILURES) == {
        ("address", "203.0.113.7"): 3,
        ("address", "203.0.113.8"): 2,
        ("address", "other"): 1,
        ("network", "203.0.113.0/24"): 5,
        ("network", "other"): 1,
    }
    assert exposed(signins, "specter_auth_source_accounts") == {
        ("address", "203.0.113.7"): 3,
        ("address", "203.0.113.8"): 1,
        ("network", "203.0.113.0/24"): 3,
    }
    clients = exposed(signins, "specter_auth_user_agent_failures_total")
    assert {name: value for (name,), value in clients.items() if value} == {"script": 3, "browser": 1}
    for name, value in (
        ("failed_sources", 3), ("failed_accounts", 4), ("account_failures_max", 3),
        ("account_sources_max", 2),
    ):  # fmt: skip
        assert exposed(signins, f"specter_auth_{name}") == {(): value}, name


@pytest.mark.parametrize("accounts", [300, 20_000])
def test_of_many_accounts_that_failed_once_the_most_is_one(accounts: int) -> None:
    signins, _ = driven()
    for number in range(accounts):
        signins.attempt(f"10.{number % 250}.{number // 250}.1", f"u{number}", "failed")
    assert exposed(signins, "specter_auth_account_failures_max") == {(): 1}
    assert exposed(signins, "specter_auth_account_sources_max") == {(): 1}


def test_requests_are_counted_by_source_and_client() -> None:
    signins, _ = driven(Settings(show_addresses=True, top_min_requests=2))
    for _ in range(3):
        signins.request("203.0.113.7", FIREFOX)
    signins.request("203.0.113.8", None)
    signins.request("nonsense", "curl/8")
    assert exposed(signins, "specter_http_source_requests") == {
        ("address", "203.0.113.7"): 3,
        ("address", "other"): 2,
        ("network", "203.0.113.0/24"): 4,
        ("network", "other"): 1,
    }
    classes = exposed(signins, "specter_http_user_agent_requests_total")
    assert {name: value for (name,), value in classes.items() if value} == {
        "browser": 3,
        "empty": 1,
        "script": 1,
    }
    assert exposed(signins, "specter_http_sources") == {(): 3}


def test_captchas_and_lockouts_are_counted() -> None:
    signins, _ = driven()
    signins.captcha_challenge()
    signins.captcha_challenge()
    signins.captcha_success()
    signins.lockout()
    assert exposed(signins, "specter_auth_captcha_challenges_total") == {(): 2}
    assert exposed(signins, "specter_auth_captcha_successes_total") == {(): 1}
    assert exposed(signins, "specter_auth_lockouts_total") == {(): 1}


def test_failures_out_of_log_lines_count_at_their_time() -> None:
    signins, clock = driven()
    clock.sleep(10_000)
    now = clock.time()
    for number in range(6):
        signins.failed_signin("203.0.113.7", at=now - 300 + number)  # in the window
        signins.failed_signin("203.0.113.8", "ann", at=now - 4000)  # read late
        signins.failed_signin("203.0.113.9", "ann", at=now + 4000)  # a clock that is ahead
    assert exposed(signins, "specter_auth_attempts_total")["failed",] == 18
    assert sum(exposed(signins, FAILURES).values()) == 24  # twelve, by address and by network
    clock.sleep(301)
    assert sum(exposed(signins, FAILURES).values()) == 12


def test_series_of_sources_that_left_the_top_vanish() -> None:
    signins, clock = driven(Settings(show_addresses=True, top=1))
    for _ in range(6):
        signins.attempt("203.0.113.7", "ann", "failed")
    assert ("address", "203.0.113.7") in exposed(signins, FAILURES)
    for _ in range(9):
        signins.attempt("198.51.100.9", "ann", "failed")
    assert set(exposed(signins, FAILURES)) == {
        ("address", "198.51.100.9"), ("address", "other"), ("network", "198.51.100.0/24"),
        ("network", "other"),
    }  # fmt: skip
    clock.sleep(601)
    assert set(exposed(signins, FAILURES)) == {("address", "other"), ("network", "other")}
    assert exposed(signins, "specter_auth_attempts_total")["failed",] == 15


def test_a_source_keeps_its_label_while_its_rank_changes() -> None:
    signins, _ = driven()
    for _ in range(6):
        signins.attempt("203.0.113.7", "ann", "failed")
    (first,) = (
        source
        for grouping, source in exposed(signins, FAILURES)
        if grouping == "address" and source != "other"
    )
    for _ in range(9):
        signins.attempt("198.51.100.9", "ann", "failed")
    assert exposed(signins, FAILURES)["address", first] == 6


def test_an_unknown_outcome_is_refused() -> None:
    signins, _ = driven()
    with pytest.raises(OutcomeError, match="expected one of success, failed, locked, blocked"):
        signins.attempt("203.0.113.7", "ann", "fialed")  # type: ignore[arg-type]
    with pytest.raises(OutcomeError):
        signins.attempts(["203.0.113.7"], ["ann"], "fialed")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 sources, but 0 accounts"):
        signins.attempts(["203.0.113.7"], [], "failed")


def test_a_registry_takes_one_recorder() -> None:
    registry = CollectorRegistry()
    SignIns(registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        SignIns(registry)


SOURCES = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["203.0.113.7", "2001:db8::1", "::ffff:203.0.113.7"]),
    st.text(),
)
ATTEMPTS = st.lists(
    st.tuples(
        SOURCES, st.one_of(st.none(), st.text(max_size=300)), st.sampled_from(OUTCOMES), st.text(max_size=40)
    ),
    max_size=60,
)


@given(attempts=ATTEMPTS)
@settings(max_examples=60, deadline=None)
def test_any_input_is_counted_and_the_top_and_the_rest_make_the_whole(
    attempts: list[tuple[str, str | None, str, str]],
) -> None:
    signins, _ = driven(Settings(top_min_failures=1, top=3))
    for source, account, outcome, agent in attempts:
        signins.attempt(source, account, outcome, user_agent=agent)  # type: ignore[arg-type]
        signins.request(source, agent)
    counted = exposed(signins, "specter_auth_attempts_total")
    expected = Counter(outcome for _, _, outcome, _ in attempts)
    assert counted == {(outcome,): expected[outcome] for outcome in OUTCOMES}
    failures = len(attempts) - expected["success"]
    found = exposed(signins, FAILURES)
    for grouping in ("address", "network"):
        assert sum(value for (name, _), value in found.items() if name == grouping) == failures
    assert len(found) <= 2 * (3 + 1)
    requests = exposed(signins, "specter_http_user_agent_requests_total")
    assert sum(requests.values()) == len(attempts)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_no_address_and_no_account_is_exposed_in_the_clear(seed: int) -> None:
    rng = random.Random(seed)
    signins, _ = driven()
    addresses = [
        f"{rng.randrange(100, 256)}.{rng.randrange(100, 256)}.77.{rng.randrange(100, 256)}" for _ in range(5)
    ]
    addresses += [f"2001:db8:{rng.randrange(4096, 65536):x}::77" for _ in range(5)]
    accounts = [f"account-{rng.getrandbits(32)}@example.com" for _ in range(30)]
    for address in addresses:
        for account in accounts:
            signins.attempt(address, account, rng.choice(OUTCOMES), user_agent=f"agent of {account}")
        for _ in range(200):
            signins.request(address, f"agent of {address}")
    text = generate_latest(signins.registry).decode()
    for address in addresses:
        assert address not in text
        assert address.rpartition(".")[0] not in text or "." not in address
        assert "db8:" not in text
    assert "account-" not in text
    assert "agent of" not in text
    assert signins.breaches(1000)  # not because nothing had been found


def test_long_accounts_stay_different_and_short() -> None:
    signins, _ = driven()
    for number in range(12):
        signins.attempt("198.51.100.7", "x" * 5000 + str(number), "failed")
    signins.attempts(["198.51.100.7"], ["x" * 5000 + "12"], "failed")
    signins.attempt("198.51.100.7", "y" * 5000, "success")
    (breach,) = signins.breaches(5)
    assert breach.accounts_tried == 13
    assert len(breach.account) <= MAX_ACCOUNT


def test_threads_lose_and_double_nothing() -> None:
    signins, _ = driven(Settings(keep=64, track=16))
    threads, each = 8, 3 * BATCH
    start = threading.Barrier(threads + 1)

    def record(number: int) -> None:
        start.wait()
        for count in range(each):
            signins.attempt(f"10.{number}.{count % 200}.1", f"u{count}", "failed")
            if count % 4 == 0:
                signins.request(f"10.{number}.{count % 200}.1", FIREFOX)

    def scrape() -> None:
        start.wait()
        for _ in range(30):
            generate_latest(signins.registry)

    with ThreadPoolExecutor(threads + 1) as pool:
        work = [pool.submit(record, number) for number in range(threads)] + [pool.submit(scrape)]
        for each_work in work:
            each_work.result()
    assert exposed(signins, "specter_auth_attempts_total")["failed",] == threads * each
    assert exposed(signins, "specter_http_user_agent_requests_total")["browser",] == threads * each / 4
    assert sum(exposed(signins, FAILURES).values()) == 2 * threads * each


def test_what_waits_is_bounded_though_nobody_scrapes() -> None:
    signins, _ = driven()
    for number in range(5 * BATCH):
        signins.attempt("203.0.113.7", f"u{number}", "failed")
        assert len(signins._attempts) < BATCH
    assert exposed(signins, "specter_auth_attempts_total")["failed",] == 5 * BATCH


def test_attempts_that_waited_belong_to_the_pane_of_their_time() -> None:
    signins, clock = driven()
    for _ in range(6):
        signins.attempt("203.0.113.7", "ann", "failed")
    clock.sleep(599)
    signins.attempt("203.0.113.7", "ann", "failed")
    clock.sleep(2)  # the first scrape of all: six have left the window by now
    assert sum(exposed(signins, FAILURES).values()) == 2


def test_a_wall_clock_that_jumps_moves_no_window() -> None:
    class Jumping(ManualClock):
        def time(self) -> float:
            return NOON + (-7 if self.now else 1) * 86_400

    clock = Jumping()
    signins = SignIns(clock=clock)
    signins.attempt("203.0.113.7", "ann", "failed")
    clock.sleep(1)
    signins.attempt("203.0.113.7", "ann", "failed")
    assert sum(exposed(signins, FAILURES).values()) == 4


def test_the_key_is_in_no_repr() -> None:
    assert "swordfish" not in repr(Settings(secret=b"swordfish"))
