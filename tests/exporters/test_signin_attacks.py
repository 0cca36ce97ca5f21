"""Generated attacks are told apart, and from what customers do: forget, come in numbers, share addresses."""

import random
from collections.abc import Callable

import pytest

from specter_exporters.addresses import address_text
from specter_exporters.signin import Outcome, Rules, Settings, SignIns
from tests.exporters.signin_driving import FIREFOX, ManualClock, driven, exposed, suspected

Minute = Callable[[SignIns, random.Random], None]


def address(rng: random.Random) -> str:
    return f"{rng.randrange(1, 200)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"


def customers(signins: SignIns, rng: random.Random, people: int = 100) -> None:
    """A minute of people: one in eight mistypes a password once or twice first."""
    for _ in range(people):
        source, account = address(rng), f"customer-{rng.randrange(50_000)}"
        for _ in range(rng.choice([0, 0, 0, 0, 0, 0, 1, 2])):
            signins.attempt(source, account, "failed", user_agent=FIREFOX)
        signins.attempt(source, account, "success", user_agent=FIREFOX)


def after(
    minutes: int,
    attack: Minute | None = None,
    *,
    quiet: int = 30,
    settings: Settings | None = None,
    usual: Minute = customers,
) -> tuple[SignIns, ManualClock, set[str]]:
    """Run quiet minutes, then `minutes` of attack on top; return all that was suspected at a scrape.

    Nothing may be suspected in the quiet minutes.
    """
    signins, clock = driven(settings)
    rng = random.Random(7)
    seen: set[str] = set()
    for minute in range(quiet + minutes):
        usual(signins, rng)
        if minute >= quiet and attack is not None:
            attack(signins, rng)
        found = suspected(signins)
        assert minute >= quiet or not found
        seen |= found
        clock.sleep(60)
    return signins, clock, seen


def stuffing(signins: SignIns, rng: random.Random) -> None:
    """Leaked pairs, each once, from three addresses; one in fifty is right."""
    for _ in range(100):
        outcome: Outcome = "success" if rng.random() < 0.02 else "failed"
        signins.attempt(f"198.51.100.{rng.randrange(3)}", f"leaked-{rng.getrandbits(40)}", outcome)


def spraying(signins: SignIns, rng: random.Random) -> None:
    """One common password for many accounts, from a botnet."""
    for _ in range(100):
        signins.attempt(address(rng), f"employee-{rng.randrange(100_000)}", "failed")


def guessing(signins: SignIns, rng: random.Random) -> None:
    """One account, from many addresses."""
    for _ in range(10):
        signins.attempt(address(rng), "admin", "failed")


def forgotten(signins: SignIns, _rng: random.Random) -> None:
    """One person who tries every password of theirs: two a minute."""
    for _ in range(2):
        signins.attempt("203.0.113.5", "forgetful", "failed")


@pytest.mark.parametrize(
    ("attack", "kinds"),
    [
        (stuffing, {"credential_stuffing"}),
        (spraying, {"password_spraying"}),
        (guessing, {"account_guessing"}),
        (forgotten, set()),
        (customers, set()),  # twice as many people
    ],
)
def test_attacks_are_told_apart_and_from_people(attack: Minute, kinds: set[str]) -> None:
    assert after(10, attack)[2] == kinds


@pytest.mark.parametrize(
    ("attack", "kind", "minutes"),
    [
        (stuffing, "credential_stuffing", 1),
        # Four times the usual number of accounts a minute: the window has to show three times as many.
        (spraying, "password_spraying", 6),
    ],
)
def test_an_attack_is_noticed_within_minutes(attack: Minute, kind: str, minutes: int) -> None:
    assert after(minutes, attack)[2] == {kind}


def test_stuffing_from_one_network_is_seen_though_each_address_does_little() -> None:
    def attack(signins: SignIns, rng: random.Random) -> None:
        for _ in range(60):
            signins.attempt(f"198.51.100.{rng.randrange(256)}", f"leaked-{rng.getrandbits(40)}", "failed")

    signins, _, seen = after(5, attack)
    assert "credential_stuffing" in seen
    networks = dict(exposed(signins, "specter_auth_source_accounts").items())
    assert max(value for (grouping, _), value in networks.items() if grouping == "network") > 200
    addresses = [value for (grouping, _), value in networks.items() if grouping == "address"]
    assert max(addresses, default=0) < 20


def test_stuffing_from_an_ipv6_network_that_changes_its_address_each_time() -> None:
    def attack(signins: SignIns, rng: random.Random) -> None:
        for _ in range(30):
            signins.attempt(
                f"2001:db8:1:2::{rng.getrandbits(16):x}", f"leaked-{rng.getrandbits(40)}", "failed"
            )

    assert "credential_stuffing" in after(3, attack)[2]


def test_many_customers_behind_one_address_are_no_stuffing() -> None:
    def company(signins: SignIns, rng: random.Random) -> None:
        for _ in range(200):
            account = f"colleague-{rng.randrange(5000)}"
            if rng.random() < 0.15:
                signins.attempt("203.0.113.200", account, "failed")
            signins.attempt("203.0.113.200", account, "success")

    signins, _, seen = after(20, company)
    assert seen == set()
    assert exposed(signins, "specter_auth_suspected_breaches_total") == {(): 0}


def test_signing_in_that_is_broken_is_no_spraying() -> None:
    def broken(signins: SignIns, rng: random.Random) -> None:
        """Nobody gets in; everybody tries twice."""
        for _ in range(100):
            source, account = address(rng), f"customer-{rng.randrange(50_000)}"
            signins.attempt(source, account, "failed")
            signins.attempt(source, account, "failed")

    signins, clock = driven()
    rng = random.Random(7)
    for minute in range(60):
        (customers if minute < 40 else broken)(signins, rng)
        assert suspected(signins) == set(), minute
        clock.sleep(60)


def test_spraying_is_seen_also_before_anything_is_usual() -> None:
    def much(signins: SignIns, rng: random.Random) -> None:
        for _ in range(3):
            spraying(signins, rng)

    assert "password_spraying" in after(3, much, quiet=0)[2]


def test_a_suspicion_lasts_until_the_signs_were_away_for_a_while() -> None:
    rules = Rules(quiet_seconds=300)
    signins, clock, seen = after(10, stuffing, settings=Settings(rules=rules))
    assert seen == {"credential_stuffing"}
    rng, minutes = random.Random(8), 0
    while suspected(signins):
        customers(signins, rng)
        clock.sleep(60)
        minutes += 1
        assert minutes < 60
    # The window forgets in 8 to 10 minutes, and 5 quiet ones follow.
    assert 13 <= minutes <= 16


def test_an_attack_that_comes_and_goes_is_one_suspicion() -> None:
    signins, clock = driven()
    rng = random.Random(9)
    values = []
    for minute in range(60):
        customers(signins, rng)
        if minute >= 10 and minute % 6 == 0:
            stuffing(signins, rng)
        values.append("credential_stuffing" in suspected(signins))
        clock.sleep(60)
    assert values == [False] * 12 + [True] * 48


def test_a_spread_attack_hides_behind_no_decoys() -> None:
    rng = random.Random(7)
    signins, clock = driven()
    for _ in range(150):  # what is usual is known
        customers(signins, rng, 20)
        clock.sleep(12)
    for minute in range(4):
        for decoy in range(200):
            for _ in range(7):  # more failures than any other source, and too few for a guessed account
                signins.attempt(f"{20 + decoy}.1.1.1", f"decoy-{decoy}", "failed")
        for source in range(50):
            for number in range(4):
                signins.attempt(f"9.9.{source}.7", f"leaked-{source}-{minute}-{number}", "failed")
        customers(signins, rng, 100)
        clock.sleep(60)
    assert "password_spraying" in suspected(signins)


def test_a_success_after_a_run_of_failures_is_a_suspected_breach() -> None:
    signins, clock = driven()
    for number in range(30):
        signins.attempt("198.51.100.7", f"leaked-{number}", "failed")
        clock.sleep(2)
    signins.attempt("198.51.100.7", "leaked-30", "success")
    signins.attempt("203.0.113.9", "leaked-31", "success")
    (breach,) = signins.breaches(10)
    assert (breach.account, breach.kind, breach.failures, breach.accounts_tried) == (
        "leaked-30", "many_accounts", 30, 30,
    )  # fmt: skip
    assert breach.time == pytest.approx(1_700_000_060.0)
    assert breach.source == bytes([198, 51, 100, 7])
    assert exposed(signins, "specter_auth_suspected_breaches_total") == {(): 1}


def test_one_account_that_is_guessed_from_one_address_is_a_suspected_breach() -> None:
    signins, _ = driven()
    for _ in range(12):
        signins.attempt("198.51.100.7", "admin", "failed")
    signins.attempt("198.51.100.7", "admin", "success")
    (breach,) = signins.breaches(10)
    assert (breach.kind, breach.failures, breach.accounts_tried) == ("one_account", 12, 1)


def test_who_has_an_ipv6_network_hides_behind_none_of_its_addresses() -> None:
    signins, _ = driven()
    for number in range(30):
        signins.attempt(f"2001:db8:7:7::{number:x}", f"leaked-{number}", "failed")
    for number in range(12):
        signins.attempt(f"2001:db8:8:8::{number:x}", "admin", "failed")
        signins.attempt(f"2001:db8:9:{number:x}::1", f"forgetful-{number}", "failed")
    signins.attempt("2001:db8:7:7::beef", "leaked-30", "success")
    signins.attempt("2001:db8:8:8::beef", "admin", "success")
    signins.attempt("2001:db8:9:3::beef", "forgetful-3", "success")
    signins.attempt("::", "somebody", "success")
    guessed, leaked = signins.breaches(10)
    assert (leaked.account, leaked.kind, leaked.failures, leaked.accounts_tried) == (
        "leaked-30", "many_accounts", 30, 30,
    )  # fmt: skip
    assert (guessed.account, guessed.kind, guessed.failures) == ("admin", "one_account", 12)
    assert address_text(leaked.source) == "2001:db8:7:7::/64"


def test_a_password_that_came_back_to_mind_is_none() -> None:
    signins, _ = driven()
    for _ in range(9):
        signins.attempt("203.0.113.5", "forgetful", "failed")
    signins.attempt("203.0.113.5", "forgetful", "success")
    assert signins.breaches(10) == []


def test_failures_after_the_success_are_no_reason() -> None:
    signins, _ = driven()
    signins.attempt("198.51.100.7", "first", "success")
    for number in range(30):
        signins.attempt("198.51.100.7", f"leaked-{number}", "failed")
    assert signins.breaches(10) == []


def test_failures_before_the_window_are_no_reason() -> None:
    signins, clock = driven()
    for number in range(30):
        signins.attempt("198.51.100.7", f"leaked-{number}", "failed")
    clock.sleep(601)
    signins.attempt("198.51.100.7", "later", "success")
    assert signins.breaches(10) == []


def test_an_attacker_who_signs_in_to_an_account_of_their_own_in_between_is_seen() -> None:
    signins, clock = driven()
    for number in range(40):
        signins.attempt("198.51.100.7", f"leaked-{number}", "failed")
        signins.attempt("198.51.100.7", "attacker", "success")
        clock.sleep(1)
    signins.attempt("198.51.100.7", "victim", "success")
    assert {"victim", "attacker"} == {breach.account for breach in signins.breaches(10)}


def test_the_same_account_is_counted_once_a_window() -> None:
    signins, clock = driven()
    for _ in range(3):
        for number in range(30):
            signins.attempt("198.51.100.7", f"leaked-{number}", "failed")
        signins.attempt("198.51.100.7", "victim", "success")
        assert len(signins.breaches(10)) == 1
    clock.sleep(700)
    for number in range(30):
        signins.attempt("198.51.100.7", f"leaked-{number}", "failed")
    signins.attempt("198.51.100.7", "victim", "success")
    assert [breach.number for breach in signins.breaches(10)] == [2, 1]


def test_breaches_are_found_however_the_batches_fall() -> None:
    rng = random.Random(3)
    signins, clock = driven()
    expected = set()
    for _ in range(9000):
        customers(signins, rng, 1)
        outcome: Outcome = "success" if rng.random() < 0.01 else "failed"
        account = f"leaked-{rng.getrandbits(40)}"
        signins.attempt("198.51.100.7", account, outcome)
        if outcome == "success":
            expected.add(account)
        clock.sleep(0.05)
    found = {breach.account for breach in signins.breaches(1000)}
    assert len(expected) > 60
    assert found <= expected
    assert len(expected - found) <= 2  # before there was a run of ten


# --- requests ---


def visitors(signins: SignIns, rng: random.Random, requests: int = 300) -> None:
    for _ in range(requests):
        agent = "Mozilla/5.0 (compatible; Googlebot/2.1)" if rng.random() < 0.1 else FIREFOX
        signins.request(address(rng), agent)


def flood(signins: SignIns, _rng: random.Random) -> None:
    for _ in range(600):
        signins.request("198.51.100.9", FIREFOX)


def bots(signins: SignIns, rng: random.Random) -> None:
    for _ in range(700):
        signins.request(address(rng), rng.choice(["python-requests/2.32", "", "curl/8.5"]))


def rush(signins: SignIns, rng: random.Random) -> None:
    visitors(signins, rng, 2000)


@pytest.mark.parametrize(
    ("surge", "kinds"), [(flood, {"flood"}), (bots, {"bot_wave"}), (rush, set()), (None, set())]
)
def test_floods_and_bots_are_told_from_customers(surge: Minute | None, kinds: set[str]) -> None:
    assert after(10, surge, usual=visitors)[2] == kinds


def test_one_proxy_in_front_of_everything_is_no_flood() -> None:
    def behind_proxy(signins: SignIns, rng: random.Random) -> None:
        for _ in range(500):
            signins.request("10.0.0.1", FIREFOX)

    assert after(10, None, usual=behind_proxy)[2] == set()
