"""Caches: what they find, what they forget, and the memory that is left."""

from specter_alerts.counters import KNOWN, USUAL_INTERVAL, usual
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup
from specter_alerts.queue_alert import BROKER, OWN, SERVER, alert, of_broker
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.metrics import Metric

WINDOW = "15m"


def groups(settings: Settings) -> list[RuleGroup]:
    """Return what is recorded of caches, and the alerts on them."""
    return [
        RuleGroup("specter_caches", _recorded()),
        RuleGroup(
            "specter_caches_usual",
            (
                RecordingRule(metrics.CACHE_HIT_USUAL, usual(metrics.CACHE_HIT_RATIO)),
                RecordingRule(metrics.CACHE_EVICTION_USUAL, usual(metrics.CACHE_EVICTION_RATE)),
            ),
            USUAL_INTERVAL,
        ),
        RuleGroup("specter_cache_alerts", (_misses(settings), _evicting(settings), _memory(settings))),
    ]


def _rate(counter: Metric) -> str:
    return f"max by ({SERVER}) (rate({counter.name}{{{KNOWN}}}[{WINDOW}]))"


def _recorded() -> tuple[RecordingRule, ...]:
    hits, misses = _rate(metrics.CACHE_HITS), _rate(metrics.CACHE_MISSES)
    return (
        RecordingRule(metrics.CACHE_LOOKUP_RATE, f"{hits}\n+\n{misses}"),
        RecordingRule(metrics.CACHE_HIT_RATIO, f"{hits}\n/\n({metrics.CACHE_LOOKUP_RATE} > 0)"),
        RecordingRule(metrics.CACHE_EVICTION_RATE, _rate(metrics.CACHE_EVICTIONS)),
    )


def _misses(settings: Settings) -> AlertRule:
    share = number(settings.cache_hit_share)
    usual_hits = of_broker(f"{metrics.CACHE_HIT_USUAL}{{{OWN}}}", "{{ . | value | humanizePercentage }}")
    return alert(
        settings,
        "CacheHitRatioLow",
        f"{metrics.CACHE_HIT_RATIO} < {share} * {metrics.CACHE_HIT_USUAL}\n"
        f"and on ({SERVER})\n{metrics.CACHE_LOOKUP_RATE} >= {number(settings.cache_min_lookups)}",
        "warning",
        "cache",
        wait=settings.cache_for,
        keep_firing=settings.keep_firing,
        summary=f"Cache {BROKER} finds {{{{ $value | humanizePercentage }}}} only",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the lookups in {BROKER} within {WINDOW} found "
            "something; "
            f"expected at least {number(settings.cache_hit_share * 100)}% of the mean of the last day, "
            f"{usual_hits}. The rest goes to what is behind it."
        ),
        action="Was it emptied or restarted, or did keys change with a deployment? Watch the load behind it.",
    )


def _evicting(settings: Settings) -> AlertRule:
    rise = number(settings.cache_eviction_rise)
    usual_pace = of_broker(f"{metrics.CACHE_EVICTION_USUAL}{{{OWN}}}", "{{ . | value | printf `%.3g` }}")
    return alert(
        settings,
        "CacheEvictionsRising",
        f"{metrics.CACHE_EVICTION_RATE} > {number(settings.cache_eviction_rate)}\n"
        f"and on ({SERVER})\n{metrics.CACHE_EVICTION_RATE} > {rise} * {metrics.CACHE_EVICTION_USUAL}",
        "warning",
        "cache",
        wait=settings.cache_for,
        keep_firing=settings.keep_firing,
        summary=f"Cache {BROKER} deletes more than usual for want of memory",
        description=(
            f"{{{{ $value | humanize }}}} keys a second of {BROKER} are deleted for want of memory; "
            "expected at most "
            f"{number(settings.cache_eviction_rate)}, or {rise} times the mean of the last day, {usual_pace}."
        ),
        action="Give it memory, or find what fills it: keys without an end, or larger values than before.",
    )


def _memory(settings: Settings) -> AlertRule:
    used = f"max by ({SERVER}) ({metrics.CACHE_MEMORY.name})"
    most = f"max by ({SERVER}) ({metrics.CACHE_MEMORY_MAX.name})"
    # One that deletes keys is full all day, and meant to be.
    keeps = f"max by ({SERVER}) ({metrics.CACHE_EVICTS.name}) == 0"
    ratio = number(settings.cache_memory_ratio)
    return alert(
        settings,
        "CacheMemoryNearLimit",
        f"{used} / {most} > {ratio}\nand on ({SERVER})\n{keeps}",
        "warning",
        "memory",
        wait=settings.broker_down_for,
        keep_firing=settings.keep_firing,
        summary=f"Redis {BROKER} has {{{{ $value | humanizePercentage }}}} of its memory in use",
        description=(
            f"{BROKER} uses {{{{ $value | humanizePercentage }}}} of its maxmemory; expected at most "
            f"{number(settings.cache_memory_ratio * 100)}%. At 100% it refuses to write: nothing can be "
            "published."
        ),
        action="See which queue or key grows; drain it, or CONFIG SET maxmemory while the host has some.",
    )
