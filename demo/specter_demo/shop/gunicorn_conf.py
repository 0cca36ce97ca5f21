"""gunicorn's settings for the shop; address and pid file come from the command line.

One worker: its counters are the service's counters, without a shared-memory mode. SIGHUP starts a
new worker, which reads the release anew, and lets the old one finish what it serves.
"""

import importlib

from gunicorn.arbiter import Arbiter

workers = 1
worker_class = "gthread"
threads = 16
keepalive = 15
graceful_timeout = 10
timeout = 30
preload_app = False
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True


def on_starting(server: Arbiter) -> None:
    """Import the libraries once in the master: a released worker then serves within milliseconds."""
    ours = ("specter_exporters.business", "specter_exporters.signin")
    for name in (
        "celery.app.amqp",
        "flask",
        "kombu.transport.redis",
        "jinja2",
        "prometheus_client",
        "psycopg",
        "pydantic",
        "requests",
        *ours,
    ):
        importlib.import_module(name)
    server.log.debug("libraries imported")
