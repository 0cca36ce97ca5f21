"""`specter demo serve`: one part of the shop in the foreground."""

import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from specter_core.signals import StopSignals
from specter_demo.settings import SHOP_ADDRESS, Settings, load_settings

if TYPE_CHECKING:
    import flask

    from specter_core.web import WebServer
    from specter_demo.provider import Trouble
    from specter_demo.traffic.generator import Generator
    from specter_demo.traffic.workers import Workers

LOOK_SECONDS = 0.5
COACHING_THREADS = 8  # it gets a seventeenth of the shop's requests
LISTEN = click.option("--listen", metavar="HOST:PORT", help="Where to listen; default: the environment's.")


@click.group()
def serve() -> None:
    """Run one part of the shop in the foreground; SIGTERM ends it.

    \b
    Examples:
      specter demo serve payments
      specter demo serve shop --listen 127.0.0.1:9860
      specter demo serve traffic
    """


@serve.command("shop")
@LISTEN
def serve_shop(listen: str | None) -> None:
    """Serve the web shop with gunicorn; SIGHUP takes the released version."""
    settings = load_settings(os.environ)
    listen = listen or settings.listen
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    _drop_foreign_pid_file(settings)
    # The workers read the settings themselves, in an environment that says the same.
    os.environ["SHOP_LISTEN"] = listen
    os.environ["SHOP_STATE_DIR"] = str(settings.state_dir)
    command = [
        *(sys.executable, "-m", "gunicorn"),
        *("--config", "python:specter_demo.shop.gunicorn_conf"),
        *("--bind", listen, "--pid", str(settings.pid_file)),
        "specter_demo.shop.wsgi:application()",
    ]
    os.execv(sys.executable, command)  # noqa: S606  (no shell wanted)


def _drop_foreign_pid_file(settings: Settings) -> None:
    """Remove a pid file whose number now belongs to another program: gunicorn would refuse to start."""
    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_demo.faults.control import Control  # noqa: PLC0415  (psycopg, psutil: not for --help)

    if not Control(settings, SystemClock()).shop_running():
        settings.pid_file.unlink(missing_ok=True)


@serve.command("payments")
@LISTEN
def serve_payments(listen: str | None) -> None:
    """Serve the third-party payment stub, and its status page where the environment says so."""
    import random  # noqa: PLC0415

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.secret_files import read_secret_file  # noqa: PLC0415
    from specter_demo.payments import TOKEN_SECONDS, create_payments  # noqa: PLC0415  (flask: not for --help)
    from specter_demo.provider import read_trouble  # noqa: PLC0415
    from specter_demo.status_page import create_status_page  # noqa: PLC0415

    settings = load_settings(os.environ)
    file = settings.payment_token_file

    def trouble() -> "Trouble":
        return read_trouble(settings.provider_file)

    app = create_payments(
        random.Random(),
        trouble=trouble,
        token=None if file is None else read_secret_file(file, what="SHOP_PAYMENT_TOKEN_FILE"),
        token_expires_at=SystemClock().time() + TOKEN_SECONDS,
    )
    status_listen = settings.payment_status_listen
    # A status page that goes away with what it tells of would tell nothing.
    page = None if status_listen is None else _server(create_status_page(trouble), status_listen, threads=2)
    try:
        _serve(app, listen or settings.payment_listen, away=lambda: trouble().away)
    finally:
        if page is not None:
            page.stop()


@serve.command("inbox")
@LISTEN
def serve_inbox(listen: str | None) -> None:
    """Serve the inbox that Alertmanager delivers to."""
    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.secret_files import read_secret_file  # noqa: PLC0415
    from specter_demo.inbox import Journal, create_inbox  # noqa: PLC0415  (flask: not for --help)

    settings = load_settings(os.environ)
    token = read_secret_file(settings.token_file, what="SHOP_INBOX_TOKEN_FILE")
    journal, mails = Journal(settings.notifications_file), Journal(settings.mails_file)
    _serve(create_inbox(journal, mails, token, SystemClock()), listen or settings.inbox_listen)


@serve.command("worker")
def serve_worker() -> None:
    """Do what checkout has left in the queues: Celery with two processes, kept running."""
    from specter_demo.files import read_state  # noqa: PLC0415  (not for --help)
    from specter_demo.tasks.keeper import Keeper  # noqa: PLC0415
    from specter_demo.tasks.trouble import WORKING  # noqa: PLC0415

    settings = load_settings(os.environ)
    keeper = Keeper(
        (sys.executable, "-m", "specter_demo.tasks.worker", str(os.getpid())),
        away=lambda: read_state(settings.queue_file, WORKING).away,
        say=_say,
    )
    sys.exit(keeper.run(_stop_on_signal().wait))


@serve.command("scheduler")
def serve_scheduler() -> None:
    """Start the digest and the backup when they are due."""
    from specter_core.clock import SystemClock  # noqa: PLC0415  (not for --help)
    from specter_demo.files import read_state  # noqa: PLC0415
    from specter_demo.jobs.scheduler import Scheduler  # noqa: PLC0415
    from specter_demo.jobs.table import JOBS  # noqa: PLC0415
    from specter_demo.jobs.trouble import ALL_WELL  # noqa: PLC0415

    settings = load_settings(os.environ)
    scheduler = Scheduler(
        JOBS, lambda: read_state(settings.jobs_file, ALL_WELL).forgotten, SystemClock(), _say
    )
    scheduler.run(_stop_on_signal().wait)


@serve.command("traffic")
def serve_traffic() -> None:
    """Send traffic to the shop, and to the coaching service where there is one; browsers tell the beacon."""
    import random  # noqa: PLC0415

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_demo.traffic.browsers import Browsers  # noqa: PLC0415
    from specter_demo.traffic.client import ShopClient  # noqa: PLC0415
    from specter_demo.traffic.dials import ATTACKS, LOAD  # noqa: PLC0415
    from specter_demo.traffic.generator import Generator  # noqa: PLC0415  (numpy: not for --help)
    from specter_demo.traffic.shape import TrafficShape  # noqa: PLC0415
    from specter_demo.traffic.workers import Workers  # noqa: PLC0415

    settings = load_settings(os.environ)
    workers = Workers(lambda: ShopClient(settings.url, viewed=browsers.view))
    browsers = Browsers(settings.beacon_url, random.Random(), workers.count)
    generator = Generator(
        TrafficShape.from_settings(settings),
        load_factor=lambda: LOAD.read(settings.load_file),
        attack_rate=lambda: ATTACKS.read(settings.attack_file),
        submit=workers.submit,
        count=workers.count,
        clock=SystemClock(),
        source=random.Random(),
    )
    stop = _stop_on_signal()
    if settings.coaching_url is not None:
        beside = (settings, settings.coaching_url, stop)
        threading.Thread(target=_ask_the_coach, args=beside, name="coaching", daemon=True).start()
    browsers.start()
    _send("shop", generator, workers, stop)
    browsers.stop()


def _ask_the_coach(settings: Settings, url: str, stop: threading.Event) -> None:
    """Send the coaching service at `url` its visitors until `stop` is set."""
    import random  # noqa: PLC0415

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_demo.coaching.traffic import ROUTES, CoachingShape, CoachingVisitors  # noqa: PLC0415
    from specter_demo.traffic.client import ShopClient  # noqa: PLC0415
    from specter_demo.traffic.generator import Generator  # noqa: PLC0415
    from specter_demo.traffic.shape import TrafficShape  # noqa: PLC0415
    from specter_demo.traffic.workers import Workers  # noqa: PLC0415

    source = random.Random()
    workers = Workers(lambda: ShopClient(url), threads=COACHING_THREADS)
    generator = Generator(
        CoachingShape(TrafficShape.from_settings(settings)),
        load_factor=lambda: 1.0,  # it has a way in of its own, which no fault narrows
        submit=workers.submit,
        count=workers.count,
        clock=SystemClock(),
        source=source,
        routes=ROUTES,
        visitors=CoachingVisitors(source),
    )
    _send("coaching", generator, workers, stop)


def _send(name: str, generator: "Generator", workers: "Workers", stop: threading.Event) -> None:
    """Send what `generator` makes to the service `name` until `stop` is set; log how it is answered."""
    from specter_demo.traffic.generator import report  # noqa: PLC0415

    threading.Thread(target=report, args=(workers.outcomes, stop, name), name="report", daemon=True).start()
    workers.start()
    generator.run(stop)
    workers.stop()


def _serve(app: "flask.Flask", listen: str, away: Callable[[], bool] = lambda: False) -> None:
    """Serve `app` until a signal comes; while `away` says so, nothing listens."""
    stop = _stop_on_signal()
    server: WebServer | None = None
    while not stop.is_set():
        if away() and server is not None:
            server.stop()
            server = None
            click.echo("nothing listens any more", err=True)
        elif not away() and server is None:
            server = _server(app, listen, threads=16)
            click.echo(f"listening on {server.url}", err=True)
        stop.wait(LOOK_SECONDS)
    if server is not None:
        server.stop()


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _server(app: "flask.Flask", listen: str, *, threads: int) -> "WebServer":
    """Serve `app` at `listen` from now on."""
    from specter_core.web import WebOptions, WebServer, parse_listen_address  # noqa: PLC0415  (not for --help)

    server = WebServer(
        app, WebOptions(*parse_listen_address(listen, "--listen", SHOP_ADDRESS)), threads=threads
    )
    server.start()
    return server


def _stop_on_signal() -> threading.Event:
    """Return an event that several threads may look at, set when a signal to stop has come."""
    signals, stop = StopSignals(), threading.Event()

    def wait() -> None:
        # In a thread: a handler that sets an event itself may have interrupted who holds its lock.
        signals.wait()
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stop
