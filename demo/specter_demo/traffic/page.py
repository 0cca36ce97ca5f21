"""What a page makes a browser wait for, read from its HTML."""

from html.parser import HTMLParser

# Of a script with one of these, a browser draws the page meanwhile.
WAITS_FOR_NONE = {"async", "defer"}


def blocking_scripts(html: str) -> tuple[str, ...]:
    """Return the addresses of the scripts without which a browser draws nothing of `html`, in their order."""
    parser = _Head()
    parser.feed(html)
    return tuple(parser.found)


class _Head(HTMLParser):
    """Collects the scripts of the head that are neither modules nor told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._over = True
        given = dict(attrs)
        source = given.get("src")
        if tag != "script" or self._over or source is None:
            return
        if not WAITS_FOR_NONE & given.keys() and given.get("type") != "module":
            self.found.append(source)
