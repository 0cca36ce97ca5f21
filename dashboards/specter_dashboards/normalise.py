"""Turn grafanalib's output into what a current Grafana stores.

grafanalib 0.7.1 writes the schema of Grafana 7. Left as it is, Grafana's own
migrations would change it on import: tooltips reset, thresholds lost, graphs
at 100 points. Each rule below repairs one of those.
"""

from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 39


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What grafanalib writes and Grafana no longer knows.
DASHBOARD_KEYS = _names("__inputs gnetId hideControls id rows sharedCrosshair style version")
PANEL_KEYS = _names("cacheTimeout color columns editable error fontSize height mappings minSpan span")
TARGET_KEYS = _names("hide intervalFactor metric query step target")
VARIABLE_KEYS = _names("auto auto_count auto_min tagValuesQuery tagsQuery useTags")

# All that a row has.
ROW_KEYS = _names("collapsed gridPos id panels repeat title type")

TEMPLATED_ALL = {"selected": True, "text": ["All"], "value": ["$__all"]}

Json = dict[str, Any]


def normalise(dashboard: Mapping[str, Any]) -> Json:
    """Return `dashboard` (grafanalib's, as plain JSON values) in schema version 39."""
    result: Json = _without_nulls({k: v for k, v in dashboard.items() if k not in DASHBOARD_KEYS})
    result["schemaVersion"] = SCHEMA_VERSION
    result["editable"] = False
    result["panels"] = [_panel(panel) for panel in result["panels"]]
    result["templating"] = {"list": [_variable(variable) for variable in result["templating"]["list"]]}
    return result


def _panel(panel: Json) -> Json:
    result = {key: value for key, value in panel.items() if key not in PANEL_KEYS}
    if result.get("maxDataPoints") == 100:  # grafanalib's default, which makes graphs coarse
        del result["maxDataPoints"]
    if not result.get("hideTimeOverride"):
        result.pop("hideTimeOverride", None)
    if panel["type"] == "row":
        return {key: value for key, value in result.items() if key in ROW_KEYS}
    result["fieldConfig"] = _field_config(panel)
    result["targets"] = [_target(target) for target in panel["targets"]]
    return result


def _field_config(panel: Json) -> Json:
    config: Json = panel["fieldConfig"]
    defaults: Json = config["defaults"]
    defaults["thresholds"]["steps"] = _steps(defaults["thresholds"]["steps"])
    # Tables are given these at the panel's own level, where Grafana does not look.
    defaults.setdefault("mappings", panel.get("mappings", []))
    defaults.setdefault("color", panel.get("color", {"mode": "thresholds"}))
    custom: Json = defaults.get("custom", {})
    if "displayMode" in custom:
        custom["cellOptions"] = {"type": custom.pop("displayMode")}
    if panel["type"] == "timeseries" and not custom.get("stacking"):
        custom["stacking"] = {"mode": "none", "group": "A"}
    return {"defaults": defaults, "overrides": config.get("overrides", [])}


def _steps(steps: list[Json]) -> list[Json]:
    """Return sorted thresholds; the first has the value null, which stands for minus infinity."""
    first, *rest = steps
    rest = sorted(rest, key=lambda step: float(step["value"]))
    return [
        {"color": first["color"], "value": None},
        *({"color": step["color"], "value": step["value"]} for step in rest),
    ]


def _target(target: Json) -> Json:
    result = {key: value for key, value in target.items() if key not in TARGET_KEYS and value != ""}
    instant = bool(target.get("instant"))
    is_graph = not instant and target.get("format") == "time_series"
    result.update(instant=instant, range=not instant, exemplar=is_graph, editorMode="code")
    return result


def _variable(variable: Json) -> Json:
    result = {key: value for key, value in variable.items() if key not in VARIABLE_KEYS}
    result["current"] = TEMPLATED_ALL if variable.get("includeAll") else {}
    if variable["type"] == "textbox":
        result["current"] = {"text": variable["query"], "value": variable["query"]}
    if variable["type"] == "query":
        result["definition"] = variable["query"]
        result["query"] = {"query": variable["query"], "refId": f"variable-{variable['name']}"}
    return result


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        # The null of a first threshold is a value: minus infinity.
        keep = {"value"} if "color" in value else set()
        return {k: _without_nulls(item) for k, item in value.items() if item is not None or k in keep}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
