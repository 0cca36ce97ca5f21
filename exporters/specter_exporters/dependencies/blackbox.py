"""What blackbox_exporter and Prometheus read: modules, targets and scrape jobs, out of the list."""

from typing import Any
from urllib.parse import urlsplit

import yaml

from specter_core import metrics
from specter_core.generated import header
from specter_exporters.dependencies.model import Dependencies, Dependency

COMMAND = "specter exporter dependencies generate"
HEADER = f"# {header(COMMAND, 'the list of dependencies')}\n"
MODULES, TARGETS, SCRAPE = "blackbox.yml", "dependency_targets.yml", "dependency_scrape.yml"
PROBE_JOB, EXPORTER_JOB = "dependency_probes", "dependencies"


def render(config: Dependencies) -> dict[str, str]:
    """Return every generated file: its name and its content, the same for the same list."""
    return {
        MODULES: _yaml({"modules": {each.name: _module(each) for each in config.dependencies}}),
        TARGETS: _yaml([_target(each, config.blackbox_address) for each in config.dependencies]),
        SCRAPE: _yaml({"scrape_configs": _scrape_configs(config)}),
    }


def _module(each: Dependency) -> dict[str, Any]:
    module: dict[str, Any] = {"prober": "http", "timeout": _seconds(each.timeout)}
    if _scheme(each) == "tcp":
        return {**module, "prober": "tcp", "tcp": {"preferred_ip_protocol": "ip4"}}
    expect = each.expect
    probe: dict[str, Any] = {"preferred_ip_protocol": "ip4"}
    if expect.status:
        probe["valid_status_codes"] = sorted(expect.status)
    if any(300 <= status <= 399 for status in expect.status):
        probe["follow_redirects"] = False  # the redirect is what is expected
    if expect.body is not None:
        probe["fail_if_body_not_matches_regexp"] = [expect.body.pattern]
    if _scheme(each) == "https":
        probe["fail_if_not_ssl"] = True
        if each.ca_file is not None:
            probe["tls_config"] = {"ca_file": str(each.ca_file)}
    return {**module, "http": probe}


def _target(each: Dependency, blackbox: str) -> dict[str, Any]:
    address = urlsplit(each.url).netloc if _scheme(each) == "tcp" else each.url
    return {
        "targets": [blackbox],
        "labels": {
            metrics.DEPENDENCY: each.name,
            metrics.CRITICALITY: each.criticality,
            "instance": each.url,
            "__param_target": address,
            "__param_module": each.name,
            "__scrape_interval__": _seconds(each.interval),
            # blackbox_exporter ends half a second before it is given up, and its answer takes a moment.
            "__scrape_timeout__": _seconds(each.timeout + 1),
        },
    }


def _scrape_configs(config: Dependencies) -> list[dict[str, Any]]:
    return [
        {"job_name": PROBE_JOB, "metrics_path": "/probe", "file_sd_configs": [{"files": [TARGETS]}]},
        {"job_name": EXPORTER_JOB, "static_configs": [{"targets": [config.exporter_address]}]},
    ]


def _scheme(each: Dependency) -> str:
    return urlsplit(each.url).scheme


def _seconds(value: float) -> str:
    """Write a duration as both programs read it: 10s, 2500ms."""
    return f"{value:g}s" if value == int(value) else f"{round(value * 1000)}ms"


def _yaml(document: object) -> str:
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=110, allow_unicode=True)
