"""A site whose pages measure themselves as the documentation says, on two origins: one allowed, one not."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STUB = Path(__file__).with_name("web_vitals.js")
HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>shop</title><link rel="icon" href="data:,">
<script type="importmap">{"imports": {"web-vitals": "/web-vitals.js"}}</script>
<script type="module" src="/snippet.js"></script></head><body><h1>Shop</h1></body></html>
"""


@contextmanager
def shop_site(script: list[str]) -> Iterator[str]:
    """Serve pages whose script is the text last put into `script`; yield the origin."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = "text/javascript" if self.path.endswith(".js") else "text/html"
            found = {
                "/web-vitals.js": lambda: STUB.read_text(encoding="utf-8"),
                "/snippet.js": lambda: script[-1],
            }
            body = found.get(self.path, lambda: HTML)().encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
