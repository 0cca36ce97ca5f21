"""What a cache did with requests, and what went through a gateway."""

from specter_core.metrics import (
    LOG_CDN_BYTES,
    LOG_CDN_REQUESTS,
    LOG_GATEWAY_BYTES,
    LOG_GATEWAY_REQUESTS,
    LOG_GATEWAY_UPSTREAM_DURATION,
)
from specter_exporters.logs.conditions import condition
from specter_exporters.logs.fields import Fields, as_label, as_number
from specter_exporters.logs.rules.model import SECONDS, Context, Rule
from specter_exporters.logs.schema import CdnSchema, GatewaySchema

# nginx, Cloudflare, CloudFront, Fastly, Akamai and Varnish have words of their own for the same things.
_CACHE = {
    "hit": "hit refreshhit tcp_hit tcp_mem_hit tcp_ims_hit hit-stale-none memory-hit originshieldhit",
    "stale": "stale updating hit-stale tcp_refresh_fail_hit hit-wait",
    "revalidated": "revalidated tcp_refresh_hit",
    "miss": "miss tcp_miss miss-wait redirect limitexceeded none",
    "expired": "expired tcp_refresh_miss",
    "bypass": "bypass pass dynamic hit-pass synth uncacheable",
    "error": "error capacityexceeded fail err tcp_err",
}
CACHE_STATUS = {word: status for status, words in _CACHE.items() for word in words.split()}
UNKNOWN = "unknown"


def cache_status(text: str) -> str:
    """Return what a cache means by `text`, in the words of the metric."""
    word = text.strip().lower()
    found = CACHE_STATUS.get(word)
    if found is None and "," in word:
        # Two layers: that of the edge, the one nearest to the reader, stands last.
        found = CACHE_STATUS.get(word.rpartition(",")[2].strip())
    return found or UNKNOWN


def cdn_rule(settings: CdnSchema, context: Context) -> Rule:
    """Return what counts requests and bytes by what the cache did."""
    requests = context.store.counters(LOG_CDN_REQUESTS, context.log)
    sizes = context.store.counters(LOG_CDN_BYTES, context.log)
    get_status = context.get(settings.cache_status, "cache_status")
    get_bytes = context.get(settings.bytes, "bytes")
    accepts = condition(settings.when, context.watch)
    no_size = context.field_error(LOG_CDN_BYTES.name)

    def rule(fields: Fields) -> None:
        text = get_status(fields)
        if type(text) is not str or text in {"", "-"} or (accepts is not None and not accepts(fields)):
            return
        status = cache_status(text)
        requests.add(1, status)
        value = get_bytes(fields)
        if value is not None:
            size = as_number(value)
            if size is None:
                no_size()
            else:
                sizes.add(size, status)

    return rule


def gateway_rule(settings: GatewaySchema, context: Context) -> Rule:
    """Return what counts what went through a gateway, by upstream."""
    limits = {"upstream": settings.max_upstreams}
    requests = context.store.counters(LOG_GATEWAY_REQUESTS, context.log, limits=limits)
    sizes = context.store.counters(LOG_GATEWAY_BYTES, context.log, limits=limits)
    waits = context.store.histograms(LOG_GATEWAY_UPSTREAM_DURATION, context.log, limits=limits)
    get_upstream = context.get(settings.upstream, "upstream")
    get_status = context.get(settings.status, "status")
    get_wait = context.get(settings.duration, "upstream_duration")
    directions = (
        ("received", context.get(settings.request_bytes, "request_bytes")),
        ("sent", context.get(settings.response_bytes, "bytes")),
    )
    scale = SECONDS[settings.duration_unit]
    accepts = condition(settings.when, context.watch)
    no_number = context.field_error(LOG_GATEWAY_REQUESTS.name)

    def rule(fields: Fields) -> None:
        upstream = _upstream(as_label(get_upstream(fields)))
        if not upstream or (accepts is not None and not accepts(fields)):
            return
        requests.add(1, upstream, _outcome(as_number(get_status(fields))))
        wait = get_wait(fields)
        if wait is not None:
            seconds = as_number(wait)
            if seconds is not None:
                waits.find(upstream)[0].observe(seconds * scale)
            elif wait != "-":
                no_number()
        for direction, get in directions:
            value = get(fields)
            if value is not None:
                size = as_number(value)
                if size is None:
                    no_number()
                else:
                    sizes.add(size, upstream, direction)

    return rule


def _upstream(text: str) -> str:
    """Of several that were tried, nginx writes the one that answered last."""
    last = text.replace(" : ", ", ").rpartition(", ")[2] if ", " in text or " : " in text else text
    return "" if last == "-" else last


def _outcome(status: float | None) -> str:
    if status is None or status >= 500 or status < 100:
        return "failed"
    return "client_error" if status >= 400 else "ok"
