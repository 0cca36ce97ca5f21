"""vmanomaly's models: which of ours takes the place of each, and what becomes of its settings."""

from collections.abc import Mapping
from typing import Any

from specter_detector.importers.document import alias_of, section
from specter_detector.importers.notes import Imported, Path

OUTPUTS = ("anomaly_score", "yhat", "yhat_lower", "yhat_upper")
DIRECTIONS = {"both", "above_expected", "below_expected"}
SEASONAL = "class seasonal is used: a daily and a weekly profile, robust level and scale"
INSTEAD = {
    "zscore": SEASONAL + "; it knows the time of day, which a z-score does not",
    "mad": SEASONAL + "; its scale is robust too",
    "rolling_quantile": SEASONAL + "; its level follows as a rolling window does",
    "std": SEASONAL,
    "quantile": SEASONAL,
    "prophet": SEASONAL + ", holidays by reader.holidays",
    "holtwinters": SEASONAL,
    "auto": SEASONAL + ", without anything to search for",
    "isolation_forest": "class seasonal is used for each series alone",
    "isolation_forest_multivariate": "class seasonal is used for each series alone, not for all together",
    "custom": "code of your own is not run; class seasonal is used",
}
"""By a word in the name of their class, the first that fits."""

ORDER = (
    "isolation_forest_multivariate", "isolation_forest", "rolling_quantile", "quantile", "zscore", "mad",
    "holtwinters", "prophet", "std", "auto", "custom",
)  # fmt: skip
SAME = ("detection_direction", "min_dev_from_expected", "min_rel_dev_from_expected")
THRESHOLDS = frozenset(
    {
        "z_threshold", "threshold", "iqr_threshold", "quantiles", "alpha", "window_steps", "contamination",
        "anomaly_percentage", "interval_width", "scale",
    }
)  # fmt: skip
SEASONS = frozenset(
    {
        "seasonal_interval", "min_subseason", "frequency", "seasonality", "seasonalities", "tz_aware",
        "tz_seasonalities", "tz_use_cyclical_encoding", "use_transform", "global_smoothing",
        "season_starts_from", "resample_freq",
    }
)  # fmt: skip
NOTES = {
    "groupby": "each series is judged by itself",
    "clip_predictions": "the band is always cut at data_range",
    "anomaly_score_outside_data_range": "is at least 1.01 outside data_range",
    "args": "belongs to another algorithm; left out",
    "decay": "how fast levels follow is learnt; left out",
}
EDGE = "the edge of the band is learnt from how far errors reach on usual days; left out"
SEASON = "the day and the week are always looked for, and a further period where it helps; left out"


def take_models(
    document: Mapping[str, Any], imported: Imported, queries: Mapping[str, str], schedulers: Mapping[str, str]
) -> None:
    """Take over the models; `queries` and `schedulers` are our aliases by theirs."""
    theirs = section(document, "models")
    if not theirs and isinstance(document.get("model"), dict):  # until 1.10 there was one
        theirs = {"default": document["model"]}
    ours: dict[str, Any] = {}
    for name, model in theirs.items():
        path, values = ("models", str(name)), model if isinstance(model, dict) else {}
        named = _aliases(values.get("schedulers"), schedulers, (*path, "schedulers"), imported)
        if named == [] and values.get("schedulers"):
            imported.note(path, values.get("class", ""), "is left out, as all its schedulers are")
            continue
        converted = _model(values, path, imported)
        watched = _aliases(values.get("queries"), queries, (*path, "queries"), imported)
        if watched == []:
            imported.note(path, values.get("class", ""), "is left out, as all its queries are")
            continue
        if watched is not None:
            converted["queries"] = watched
        if named is not None:
            converted["schedulers"] = named
        ours[alias_of(name, ours)] = converted
    if ours:
        imported.document["models"] = ours
        _leave_out_unused(ours, queries, imported)


def _leave_out_unused(models: Mapping[str, Any], queries: Mapping[str, str], imported: Imported) -> None:
    """Leave out the queries that no model uses."""
    if any("queries" not in model for model in models.values()):
        return
    used = {alias for model in models.values() for alias in model["queries"]}
    for name, alias in queries.items():
        if alias not in used and alias in imported.document["reader"]["queries"]:
            del imported.document["reader"]["queries"][alias]
            imported.note(("reader", "queries", name), name, "is left out, as no model uses it")


def _aliases(named: object, known: Mapping[str, str], path: Path, imported: Imported) -> list[str] | None:
    """Return our aliases of those that are there; None for all."""
    if named is None:
        return None
    found = []
    for name in named if isinstance(named, list) else [named]:
        if str(name) in known:
            found.append(known[str(name)])
        else:
            imported.note(path, name, "is not there, or was left out")
    return found


def _model(values: Mapping[str, Any], path: Path, imported: Imported) -> dict[str, Any]:
    ours: dict[str, Any] = {"class": "seasonal"}
    kind = str(values.get("class", ""))
    imported.note((*path, "class"), kind, _instead(kind))
    for key in SAME:
        if key in values:
            ours[key] = values[key]
    if ours.get("detection_direction", "both") not in DIRECTIONS:
        imported.note((*path, "detection_direction"), ours.pop("detection_direction"), "both is used")
    if "provide_series" in values:
        kept = [name for name in values["provide_series"] if name in OUTPUTS]
        for name in values["provide_series"]:
            if name not in OUTPUTS:
                imported.note((*path, "provide_series"), name, "is not written")
        ours["provide_series"] = kept or ["anomaly_score"]
    for key, value in values.items():
        if key not in {"class", "queries", "schedulers", "provide_series", *SAME}:
            imported.note((*path, str(key)), value, _why(str(key)))
    return ours


def _why(key: str) -> str:
    if key in THRESHOLDS:
        return EDGE
    return SEASON if key in SEASONS else NOTES.get(key, "has no counterpart and is left out")


def _instead(kind: str) -> str:
    """Return what takes the place of the class `kind`, written as `zscore` or `model.zscore.ZscoreModel`."""
    plain = kind.lower().replace("_online", "").replace("online_", "").replace("-", "_")
    squeezed = plain.replace("_", "")
    for word in ORDER:
        if word in plain or word.replace("_", "") in squeezed:
            return INSTEAD[word]
    return "is not known; class seasonal is used"
