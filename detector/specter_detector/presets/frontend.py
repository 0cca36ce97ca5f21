"""What browsers report: how fast pages are, as their visitors see it."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_detector.presets.model import Level, Preset, PresetQuery, Source

PAGE = "service, page, device"
# A quantile of fewer views says more of them than of the page; rules have the same in `min_views`. Fewer are
# looked at over an hour instead of left out: a page that vanishes each night would be absent.
VIEWS = 30


def p75(metric: Metric, window: str) -> str:
    """Return the quantile of a histogram over `window`; nothing where there were no views."""
    return f"histogram_quantile(0.75, sum by ({PAGE}, le) (rate({metric.bucket}[{window}]))) >= 0"


def vital(
    alias: str,
    metric: Metric,
    title: str,
    why: str,
    level: Level,
    *,
    unit: str = "seconds",
    min_dev: float,
    min_rel_dev: float,
) -> PresetQuery:
    """Return what three of four views of a page stay below."""
    recorded, views = metrics.WEB_VITALS_P75[metric], metrics.WEB_VITALS_VIEWS[metric]
    counted = f"sum by ({PAGE}) (increase({metric.count}[5m]))"
    hour = p75(metric, "1h")
    return PresetQuery(
        alias,
        f"{title} of a page, p75",
        why,
        unit,
        level,
        (
            # `max` drops the recorded name, which the hour has not: two names would be two series.
            Source(
                f"max by ({PAGE}) ({recorded} and {views} >= {VIEWS} or {hour})",
                (recorded, views, metric.bucket),
            ),
            Source(f"{p75(metric, '5m')} and {counted} >= {VIEWS} or {hour}", (metric.bucket, metric.count)),
        ),
        direction="above_expected",
        min_dev=min_dev,
        min_rel_dev=min_rel_dev,
    )


# Of these every view of a page has one, and right at its beginning.
FIRST = metrics.WEB_VITALS_TTFB

FRONTEND = Preset(
    "frontend",
    "pages in browsers, through Specter's beacon",
    (
        vital(
            "frontend_lcp",
            metrics.WEB_VITALS_LCP,
            "Largest contentful paint",
            "visitors wait longer for what they came to see: an image, a font, the service",
            "service",
            min_dev=0.5,
            min_rel_dev=0.3,
        ),
        vital(
            "frontend_inp",
            metrics.WEB_VITALS_INP,
            "Interaction to next paint",
            "clicks are answered later: a script of a release or of a third party",
            "service",
            min_dev=0.1,
            min_rel_dev=0.5,
        ),
        vital(
            "frontend_cls",
            metrics.WEB_VITALS_CLS,
            "Cumulative layout shift",
            "the page jumps under the visitor's finger: an image or an advertisement without room reserved",
            "service",
            unit="points",
            min_dev=0.05,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "frontend_views",
            "Views of a page",
            "visitors cannot reach it, or its script no longer runs",
            "views/s",
            "service",
            (
                Source(
                    f"sum by (service, page) ({metrics.WEB_VITALS_VIEWS[FIRST]}) / 300",
                    (metrics.WEB_VITALS_VIEWS[FIRST],),
                ),
                Source(f"sum by (service, page) (rate({FIRST.count}[5m]))", (FIRST.count,)),
            ),
            min_dev=0.05,
            min_rel_dev=0.5,
        ),
        vital(
            "frontend_fcp",
            metrics.WEB_VITALS_FCP,
            "First contentful paint",
            "the page stays blank for longer: a stylesheet or a script blocks it",
            "detail",
            min_dev=0.4,
            min_rel_dev=0.3,
        ),
        vital(
            "frontend_ttfb",
            metrics.WEB_VITALS_TTFB,
            "Time to first byte",
            "the service, its network or its cache is slow, and not the page",
            "detail",
            min_dev=0.2,
            min_rel_dev=0.5,
        ),
    ),
)
