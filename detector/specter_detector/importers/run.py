"""Import a file: whose it is, what it is in our words, and what has to be said."""

from pathlib import Path

from specter_detector.importers import promql_rules, vmanomaly
from specter_detector.importers.document import ForeignFileError, kind_of, load, rendered
from specter_detector.importers.notes import Note

CONVERTERS = {"vmanomaly": vmanomaly.convert, "promql-anomaly-detection": promql_rules.convert}


def import_file(path: Path, source: str | None) -> tuple[str, list[Note]]:
    """Return a configuration of ours as YAML, and what of the file at `path` is not in it.

    Args:
        path: the file.
        source: whose it is, see `CONVERTERS`; None to find out.

    Raises:
        ForeignFileError: it cannot be read, nobody can tell whose it is, or it holds nothing to watch.
    """
    document = load(path)
    kind = source or kind_of(document)
    if kind is None:
        raise ForeignFileError(
            f"{path}: neither of vmanomaly nor of promql-anomaly-detection; say which with --from"
        )
    imported = CONVERTERS[kind](document)
    if not imported.document["reader"].get("queries") and not imported.document["presets"]:
        what = "a rule with the label anomaly_name" if kind != "vmanomaly" else "a query in reader.queries"
        raise ForeignFileError(f"{path}: holds nothing to watch: expected {what}")
    return rendered(imported, path.name), imported.notes
