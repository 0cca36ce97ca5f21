"""The shop as a Flask application."""

import functools
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

import flask
import psycopg
from prometheus_client import ProcessCollector

from specter_demo.settings import Settings
from specter_demo.shop.access_log import AccessLog
from specter_demo.shop.account import account
from specter_demo.shop.catalog import catalog
from specter_demo.shop.checkout import checkout
from specter_demo.shop.database import Pool, PoolTimeoutError, connect
from specter_demo.shop.defects import introduce, read_defect
from specter_demo.shop.events import told
from specter_demo.shop.log_file import LogFile
from specter_demo.shop.payment import PaymentClient
from specter_demo.shop.release import read_release
from specter_demo.shop.scripts import ASSETS, Scripts, page_scripts, serve_scripts
from specter_demo.shop.sign_ins import client_of
from specter_demo.tasks.publisher import queues_of
from specter_exporters.app import MemoryRoom, Outgoing, SpecterFlask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVICE = "shop"
LARGEST_BODY = 64 * 1024
HEALTH = "/healthz"


def create_app(settings: Settings, *, log: TextIO = sys.stdout) -> flask.Flask:
    """Return the shop of the version that is released now; it logs to `log` and to files.

    Nothing is connected until the first request.

    Raises:
        SpecterError: the release file holds no version, or a file with a token is missing.
    """
    version = read_release(settings.release_file)
    opener = functools.partial(connect, settings)
    pool = Pool(opener)
    app = flask.Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    extension = SpecterFlask(app, service_name=SERVICE, service_version=version)
    # Its memory and processor time, too: the worker is the service.
    ProcessCollector(registry=extension.recorder.registry)
    MemoryRoom(extension.recorder.registry)
    _log_requests(app, settings, log, version)
    hear = told(settings)
    app.before_request(lambda: hear.sign_ins.request(flask.request))
    app.register_blueprint(catalog(pool))
    app.register_blueprint(account(pool, hear))
    payments = PaymentClient(settings.payment_url, Outgoing(extension.recorder))
    app.register_blueprint(checkout(pool, payments, hear.business, queues_of(settings)))
    scripts = page_scripts(app, version, settings.beacon_url)
    introduce(app, read_defect(settings.defect_file), opener)
    app.register_error_handler(psycopg.OperationalError, _unavailable)
    app.register_error_handler(PoolTimeoutError, _unavailable)
    # Assigning wsgi_app is Flask's documented way to add middleware.
    app.wsgi_app = BesideMeasuring(app.wsgi_app, beside(pool, version, scripts))  # type: ignore[method-assign]
    return app


def _log_requests(app: flask.Flask, settings: Settings, log: TextIO, version: str) -> None:
    file = LogFile(settings.log_file)

    def write(line: str) -> None:
        log.write(line)
        log.flush()
        file.write(line)

    combined = LogFile(settings.access_log_file).write
    access_log = AccessLog(write, combined, client_of, service=SERVICE, version=version)
    access_log.init_app(app)


class BesideMeasuring:
    """WSGI middleware: answer /healthz and serve scripts without measuring it.

    Probes are no visitors, and the service's request rate is to be that of its visitors. Scripts would come
    from a content delivery network.
    """

    def __init__(self, app: "WSGIApplication", unmeasured: "WSGIApplication") -> None:
        self._app = app
        self._unmeasured = unmeasured

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        path = environ.get("PATH_INFO", "")
        app = self._unmeasured if path == HEALTH or path.startswith(ASSETS) else self._app
        return app(environ, start_response)


def beside(pool: Pool, version: str, scripts: Scripts) -> flask.Flask:
    """Return what serves `scripts` and answers /healthz: whether the shop can serve, and its version."""
    app = flask.Flask(f"{__name__}.beside", static_folder=None)
    serve_scripts(app, scripts)

    @app.get(HEALTH)
    def healthz() -> flask.typing.ResponseReturnValue:
        try:
            with pool.connection() as connection:
                connection.execute("select 1")
        except (psycopg.OperationalError, PoolTimeoutError) as error:
            app.logger.warning("health: %s", type(error).__name__)
            return flask.jsonify(status="the database cannot be reached", version=version), 503
        return flask.jsonify(status="ok", version=version)

    return app


def _unavailable(error: Exception) -> flask.typing.ResponseReturnValue:
    """Answer 503: the database was too slow or is away. Its message may name hosts: the class is logged."""
    flask.g.error = type(error).__name__
    return flask.jsonify(error="the shop is busy, try again"), 503
