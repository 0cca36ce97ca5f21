"""Labels of what the detector writes, and the checks that servers do not make."""

from bisect import bisect_left
from collections.abc import Container, Mapping

from specter_detector.names import LABEL_NAME
from specter_detector.protobuf import encode_label
from specter_detector.series import Labels, labels_of

NAME = "__name__"


Parts = tuple[bytes, bytes]
"""The encoded labels of an output that sort before its metric's name, and those after it."""

EXPORTED = "exported_"


class OutputLabels:
    """Makes the labels of the outputs of each series, those that differ in their metric's name alone.

    The input's labels without its name, plus `added`. An input label that goes by a name of those is kept as
    `exported_NAME`, as Prometheus does with a scraped `job`, and one that is called so as
    `exported_exported_NAME`: labels that differ in the input differ in the output.
    """

    def __init__(self, added: Mapping[str, str]) -> None:
        self._names = frozenset((NAME, *added))
        # An empty value means that the label is not there, as in Prometheus.
        self._added = {name: encode_label(name, value) for name, value in added.items() if value}
        self._fields: dict[tuple[str, str], bytes] = {}
        self._parts: dict[Labels, Parts] = {}

    def parts(self, labels: Labels) -> Parts:
        """Return the encoded labels of an output, but for its name, which belongs between them."""
        known = self._parts.get(labels)
        if known is None:
            known = self._parts[labels] = self._made(labels)
        return known

    def tidy(self) -> None:
        """Drop what is kept because the outputs of one tick share it."""
        self._fields.clear()
        self._parts.clear()

    def _made(self, labels: Labels) -> Parts:
        encoded = dict(self._added)
        for label in labels:
            name, value = label
            if name == NAME or not value:
                continue
            if _taken(name, self._names):
                kept = f"{EXPORTED}{name}"
                encoded[kept] = encode_label(kept, value)
                continue
            field = self._fields.get(label)
            if field is None:
                field = self._fields[label] = encode_label(name, value)
            encoded[name] = field
        names = sorted(encoded)
        middle = bisect_left(names, NAME)
        before, after = names[:middle], names[middle:]
        return b"".join([encoded[name] for name in before]), b"".join([encoded[name] for name in after])


def output_labels(labels: Labels, template: Mapping[str, str], variables: Mapping[str, str]) -> Labels:
    """Return the labels of an output as `OutputLabels` encodes them, for those who read them.

    Args:
        labels: of the input.
        template: name and labels of the output.
        variables: what it may refer to.
    """
    result = {name: substituted(text, variables) for name, text in template.items()}
    names = frozenset((NAME, *template))
    for name, value in labels:
        if name != NAME and value:
            result[f"{EXPORTED}{name}" if _taken(name, names) else name] = value
    return labels_of(result)


def _taken(name: str, added: Container[str]) -> bool:
    """Whether an added label goes by this name, or one of the input that had to give way to it."""
    while name not in added:
        if not name.startswith(EXPORTED):
            return False
        name = name.removeprefix(EXPORTED)
    return True


def substituted(template: str, variables: Mapping[str, str]) -> str:
    """Return `template` with `$NAME` replaced for each of `variables`; the longest name counts."""
    for name in sorted(variables, key=len, reverse=True):
        template = template.replace(f"${name}", variables[name])
    return template


def writable(labels: Labels) -> bool:
    """Whether the names are allowed and the text is UTF-8: receivers do not look, and choke on it later."""
    try:
        for name, value in labels:
            if name != NAME and not LABEL_NAME.fullmatch(name):
                return False
            value.encode()
    except UnicodeEncodeError:
        return False
    return True
