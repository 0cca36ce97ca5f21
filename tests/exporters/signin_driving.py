"""What the tests of the sign-in exporter share: a clock that is set, and what is exposed."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from specter_exporters.signin import Settings, SignIns

NOON = 1_700_000_000.0
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class ManualClock:
    """Stands still until told; wall and monotonic time go together."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return NOON + self.now

    def monotonic(self) -> float:
        return 5000.0 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def driven(settings: Settings | None = None) -> tuple[SignIns, ManualClock]:
    clock = ManualClock()
    return SignIns(settings=settings, clock=clock), clock


def exposed(signins: SignIns, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by its labels' values, as the text format has them."""
    text = generate_latest(signins.registry).decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def suspected(signins: SignIns) -> set[str]:
    """Return the kinds of attacks and surges that are suspected now."""
    found = exposed(signins, "specter_auth_attack_suspected") | exposed(
        signins, "specter_http_surge_suspected"
    )
    return {kind for (kind,), value in found.items() if value == 1}
