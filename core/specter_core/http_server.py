"""cheroot's server, with connections that hold no thread while they wait."""

import socket
import ssl
from typing import TYPE_CHECKING

from cheroot import errors
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server as CherootServer

from specter_core.http_connections import Connection, Connections
from specter_core.http_limits import Limits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_HEADER_BYTES = 64 * 1024
# Clients that come at once; with cheroot's five, the sixth tries again a second later.
ACCEPT_QUEUE = 128


class TlsAdapter(BuiltinSSLAdapter):
    """Leaves the handshake to `Connections`: here, one client that says nothing would stop all others."""

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """Return the socket that will speak TLS, and nothing about the client yet.

        Raises:
            FatalSSLAlert: the client has gone.
        """
        try:
            wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            raise errors.FatalSSLAlert(*error.args) from error
        return wrapped, {}


class Server(CherootServer):
    """Serves requests that are complete.

    Args:
        address: host and port.
        app: the application.
        threads: how many requests are served at once.
        max_body_bytes: of a request.
        limits: for clients.
    """

    ConnectionClass = Connection
    max_request_header_size = MAX_HEADER_BYTES
    connections: Connections

    def __init__(
        self,
        address: tuple[str, int],
        app: "WSGIApplication",
        *,
        threads: int,
        max_body_bytes: int,
        limits: Limits,
    ) -> None:
        super().__init__(
            address, app, numthreads=threads, server_name="specter", request_queue_size=ACCEPT_QUEUE
        )
        self.max_request_body_size = max_body_bytes
        self.limits = limits

    def prepare(self) -> None:
        """Bind, and be ready to serve; see `HTTPServer.prepare`."""
        super().prepare()
        self.connections = Connections(self.requests.put, self.limits)
        self.connections.start()

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether a connection may be kept for another request."""
        return self.ready and self.connections.idle < self.limits.idle

    def process_conn(self, conn: Connection) -> None:
        """Take a new connection."""
        self.connections.add(conn)

    def put_conn(self, conn: Connection) -> None:
        """Take a connection back whose request is answered."""
        self.connections.keep(conn)

    def stop(self) -> None:
        """Answer the requests under way and end all connections."""
        if not self.ready:
            return
        self.connections.finish()
        super().stop()
        self.connections.stop()
