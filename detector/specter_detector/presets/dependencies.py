"""Third parties: probes and checks of the list of dependencies, and the calls that services make."""

from specter_core import metrics
from specter_detector.presets.http import quantile, rate, recorded
from specter_detector.presets.model import RATIO, Preset, PresetQuery, Source, share

CALLS = metrics.HTTP_CLIENT_REQUEST_DURATION
SERVER = "service, job, server_address"
# Probes are a minute apart, or a few: a quarter of an hour has enough of them for a share and a median, so
# that a single odd one is no news. That a dependency is down is sooner told by its alert.
WINDOW = "15m"


def over_time(outer: str, function: str, metric: str, matchers: str = "", quantile: str = "") -> Source:
    """Return a gauge of a dependency over the window; `outer` joins those who look at the same one."""
    return Source(
        f"{outer} by ({metrics.DEPENDENCY}) ({function}({quantile}{metric}{matchers}[{WINDOW}]))", (metric,)
    )


def median(metric: str, matchers: str = "") -> Source:
    """Return the median duration in the window."""
    return over_time("max", "quantile_over_time", metric, matchers, "0.5, ")


# Probes of one's own services carry no `dependency`.
LISTED = f'{{{metrics.DEPENDENCY}!=""}}'


def call_error_ratio() -> str:
    """Return the share of calls that ended in a 5xx or in no answer at all, unless the caller gave up."""
    metric = CALLS.count
    no_answer = f'rate({metric}{{{metrics.STATUS}="", {metrics.ERROR_TYPE}!~"|cancelled"}}[5m])'
    failed = f'sum by ({SERVER}) (rate({metric}{{{metrics.STATUS}=~"5.."}}[5m]) or {no_answer})'
    return share(failed, rate(SERVER, metric), 0.1)


DEPENDENCIES = Preset(
    "dependencies",
    "third parties: probes and checks of Specter's list of dependencies, and the calls that services make",
    (
        PresetQuery(
            "dependency_probe_success",
            "Share of a dependency's probes that succeed",
            "a third party comes and goes, too briefly for an alert that waits",
            "ratio",
            "service",
            (over_time("avg", "avg_over_time", metrics.PROBE_SUCCESS, LISTED),),
            direction="below_expected",
            min_dev=0.2,
            data_range=RATIO,
        ),
        PresetQuery(
            "dependency_probe_duration",
            "Duration of a dependency's probes, median",
            "a third party, or the way to it, gets slow",
            "seconds",
            "service",
            (median(metrics.PROBE_DURATION, LISTED),),
            direction="above_expected",
            min_dev=0.1,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "dependency_check_success",
            "Share of time that a dependency's check succeeds",
            "what is done there in several steps breaks, although it answers",
            "ratio",
            "service",
            (over_time("avg", "avg_over_time", metrics.DEPENDENCY_CHECK_SUCCESS.name),),
            direction="below_expected",
            min_dev=0.2,
            data_range=RATIO,
        ),
        PresetQuery(
            "client_error_ratio",
            "Error ratio of outgoing calls by server",
            "a third party fails",
            "ratio",
            "service",
            (
                recorded(metrics.CALL_ERROR_RATIO),
                Source(call_error_ratio(), (CALLS.count,)),
            ),
            direction="above_expected",
            min_dev=0.05,
            data_range=RATIO,
        ),
        PresetQuery(
            "dependency_check_duration",
            "Duration of a dependency's check, median",
            "a step takes longer than usual",
            "seconds",
            "detail",
            (median(metrics.DEPENDENCY_CHECK_DURATION.name),),
            direction="above_expected",
            min_dev=0.2,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "client_latency_p95",
            "Latency of outgoing calls by server, p95",
            "a third party is slow",
            "seconds",
            "detail",
            (
                recorded(metrics.CALL_DURATION_P95),
                Source(quantile(0.95, SERVER, CALLS.bucket), (CALLS.bucket,)),
            ),
            direction="above_expected",
            min_dev=0.1,
            min_rel_dev=1.0,
        ),
    ),
)
