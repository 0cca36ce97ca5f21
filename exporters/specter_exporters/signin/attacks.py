"""What is suspected of a window: rules over its numbers, and how a suspicion ends."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from specter_exporters.signin.pictures import FEW_TRIES, Heavy, RequestPicture, SignInPicture
from specter_exporters.signin.settings import Rules
from specter_exporters.signin.user_agents import MACHINES
from specter_exporters.signin.window import Usual

AttackKind = Literal["credential_stuffing", "password_spraying", "account_guessing"]
SurgeKind = Literal["flood", "bot_wave"]
ATTACK_KINDS: tuple[AttackKind, ...] = get_args(AttackKind)
SURGE_KINDS: tuple[SurgeKind, ...] = get_args(SurgeKind)

FLOOD_SHARE = 0.25
MACHINE_SHARE = 0.5


def attacks(picture: SignInPicture, usual: Usual, rules: Rules, scale: float = 1.0) -> dict[str, bool]:
    """Return for each kind of attack whether the window shows it.

    - credential_stuffing: one source (address or network) failed with `source_accounts` accounts, at least
      twice as many as it succeeded with (many customers behind one address succeed mostly).
    - password_spraying: apart from such sources, `spread_accounts` accounts failed, at most three times each,
      three times as many as usual, while there are at least half of the usual successes in the
      newest full pane (else signing in is broken). Before anything is usual: failures outnumber successes.
    - account_guessing: one account failed `account_failures` times, from whatever sources.

    Args:
        picture: the window.
        usual: what the hours before were like.
        rules: thresholds.
        scale: factor on the thresholds; below 1 to ask whether a suspicion still has reason.
    """
    many = rules.source_accounts * scale
    concentrated = [source for source in (*picture.addresses, *picture.networks) if _stuffs(source, many)]
    top = picture.top_accounts[0].failures if picture.top_accounts else 0
    return {
        "credential_stuffing": bool(concentrated),
        "password_spraying": _sprays(picture, usual, rules.spread_accounts * scale, many),
        "account_guessing": top >= rules.account_failures * scale,
    }


def _stuffs(source: Heavy, accounts: float) -> bool:
    return bool(source.key) and source.failed >= accounts and source.failed >= 2 * source.succeeded


def _sprays(picture: SignInPicture, usual: Usual, least: float, concentrated: float) -> bool:
    apart = [source for source in picture.addresses if _stuffs(source, concentrated)]
    accounts = picture.accounts - picture.often_accounts - sum(source.failed for source in apart)
    failures = picture.rare_failures - sum(source.failures for source in apart)
    if accounts < least or failures > FEW_TRIES * accounts:
        return False
    usual_accounts, usual_successes = usual.get("accounts"), usual.get("recent_successes")
    if usual_accounts is None or usual_successes is None:
        return failures >= picture.successes
    return accounts >= 3 * usual_accounts and picture.recent_successes >= 0.5 * usual_successes


def surges(picture: RequestPicture, usual: Usual, rules: Rules, scale: float = 1.0) -> dict[str, bool]:
    """Return for each kind of surge whether the window shows it; nothing before anything is usual.

    - flood: twice the usual requests, and one source (address or network) makes a quarter of them.
    - bot_wave: clients that are no browser and no app make half of the requests, and three times
      as many as usual.

    Many customers make neither: they come from many sources, with browsers.
    """
    usual_requests, usual_machines = usual.get("requests"), usual.get("machines")
    if usual_requests is None or usual_machines is None:
        return dict.fromkeys(SURGE_KINDS, False)
    requests, machines = picture.requests, machine_requests(picture)
    least = rules.surge_requests * scale
    heaviest = max(
        (count for key, count in (*picture.addresses[:2], *picture.networks[:2]) if key), default=0
    )
    return {
        "flood": requests >= max(least, 2 * scale * usual_requests)
        and heaviest >= FLOOD_SHARE * scale * requests,
        "bot_wave": machines >= max(least, 3 * scale * usual_machines)
        and machines >= MACHINE_SHARE * scale * requests,
    }


def machine_requests(picture: RequestPicture) -> int:
    """Return the requests of clients that are neither a browser nor an app."""
    return sum(picture.classes.get(name, 0) for name in MACHINES)


class Suspicions:
    """Which kinds are suspected: at once with the first sign, until half of it was away for a while.

    Args:
        kinds: all there are.
        quiet_seconds: how long the signs must have been away.
    """

    def __init__(self, kinds: tuple[str, ...], quiet_seconds: float) -> None:
        self._quiet = quiet_seconds
        self._last_sign: dict[str, float | None] = dict.fromkeys(kinds)

    def update(self, judge: Callable[[float], Mapping[str, bool]], now: float) -> None:
        """Judge at `now` (monotonic seconds); `judge` takes the scale of the thresholds."""
        strong, weak = judge(1.0), judge(0.5)
        for kind, last in self._last_sign.items():
            if strong[kind] or (last is not None and weak[kind]):
                self._last_sign[kind] = now
            elif last is not None and now - last >= self._quiet:
                self._last_sign[kind] = None

    @property
    def active(self) -> dict[str, bool]:
        """Each kind and whether it is suspected."""
        return {kind: last is not None for kind, last in self._last_sign.items()}
