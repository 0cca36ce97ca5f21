"""Put the detector together from its configuration; run it, and run it anew when that changes."""

import logging
import random
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry

from specter_core.clock import Clock, SystemClock
from specter_core.errors import SpecterError
from specter_core.web import WebOptions, WebServer
from specter_detector.config import DetectorConfig
from specter_detector.engine import Engine
from specter_detector.fitting import Fitter, PoolFitter
from specter_detector.histories import QueryHistory
from specter_detector.http import open_session
from specter_detector.pages import web_app
from specter_detector.pools import DaskPool, LocalPool
from specter_detector.reader import PrometheusReader
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.saving import Savings
from specter_detector.service import Service
from specter_detector.storage import Storage
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Writer

LOGGER = logging.getLogger(__name__)


class Detector:
    """A detector with everything it holds open; `close` gives it back.

    Args:
        config: what it does.
        storage: where it remembers.
        telemetry: where it counts.
        clock: its time.
        fitter: who fits; what the configuration says if None.
    """

    def __init__(
        self,
        config: DetectorConfig,
        *,
        storage: Storage,
        telemetry: Telemetry,
        clock: Clock | None = None,
        fitter: Fitter | None = None,
    ) -> None:
        clock = clock or SystemClock()
        chance = random.Random()  # noqa: S311  (jitter is no secret)
        self.config = config
        self.telemetry = telemetry
        self.telemetry.prepare(list(config.reader.queries))
        self._reader = PrometheusReader(config.reader, open_session(config.reader.connection))
        self._client = RemoteWriteClient(config.writer.connection.url, open_session(config.writer.connection))
        self._fitter = fitter or _fitter(config)
        self._threads = ThreadPoolExecutor(max(1, len(config.reader.queries)), "query")
        self._histories = {
            alias: QueryHistory(
                storage.ring(query, _capacity(config, alias)),
                query.step,
                config.reader.retention,
                telemetry,
            )
            for alias, query in config.reader.queries.items()
        }
        writer = Writer(
            self._client,
            clock=clock,
            random=chance,
            telemetry=self.telemetry,
            max_pending=config.writer.max_pending_samples,
            timeout=config.writer.connection.timeout,
        )
        self.engine = Engine(
            config,
            reader=self._reader,
            threads=self._threads,
            histories=self._histories,
            writer=writer,
            fitter=self._fitter,
            telemetry=self.telemetry,
            clock=clock,
        )
        self._savings = Savings(self.engine.jobs, storage, clock=clock, telemetry=telemetry)
        self._savings.restore()
        self.service = Service(
            self.engine,
            reader=self._reader,
            savings=self._savings,
            telemetry=self.telemetry,
            clock=clock,
            random=chance,
        )

    def close(self) -> None:
        """Stop the fitting processes, save what is known and close every connection."""
        self._fitter.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._reader.close()
        self._client.close()
        self._savings.close()
        for history in self._histories.values():
            history.close()


def _fitter(config: DetectorConfig) -> Fitter:
    if config.dask_address is not None:
        return PoolFitter(DaskPool(config.dask_address))
    return PoolFitter(LocalPool())


def _capacity(config: DetectorConfig, alias: str) -> float:
    """Return the longest history (s) that is fitted of a query."""
    windows = [
        config.schedulers[scheduler].fit_window
        for model in config.models.values()
        if alias in model.queries
        for scheduler in model.schedulers
    ]
    return max(windows, default=0.0)


class Runner:
    """Runs a detector until it shall stop, and another one in its place when the configuration changes.

    Args:
        load: reads the configuration.
        storage: where detectors remember; the next one goes on with what the last one knew.
        clock: the time.
    """

    def __init__(
        self,
        load: Callable[[], DetectorConfig],
        storage: Storage,
        *,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        fitter: Callable[[], Fitter] | None = None,
    ) -> None:
        self._load = load
        self._storage = storage
        self._clock = clock or SystemClock()
        self._fitter = fitter
        self.telemetry = Telemetry(registry or CollectorRegistry())
        self._config = load()
        self.telemetry.reloaded(True, self._clock.time())
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self.detector: Detector | None = None

    @property
    def ready(self) -> bool:
        """Whether the data source is there and a tick has come through."""
        return self.detector is not None and self.detector.service.ready

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()
        self._wake.set()

    def reload(self) -> None:
        """Read the configuration again and go on with it soon.

        Raises:
            SpecterError: it is invalid or cannot be read; the one that runs is kept.
        """
        try:
            self._config = self._load()
        except SpecterError as error:
            self.telemetry.reloaded(False, self._clock.time())
            LOGGER.error("the configuration is not reloaded, the old one is kept: %s", error)  # noqa: TRY400
            raise
        self.telemetry.reloaded(True, self._clock.time())
        LOGGER.info("the configuration is reloaded")
        self._wake.set()

    def run(self) -> None:
        """Run until `stop` is called."""
        while not self._stopping.is_set():
            self._wake.clear()
            if self._stopping.is_set():
                break
            self._run_one()

    def _run_one(self) -> None:
        fitter = self._fitter() if self._fitter is not None else None
        detector = Detector(
            self._config, storage=self._storage, telemetry=self.telemetry, clock=self._clock, fitter=fitter
        )
        self.detector = detector
        try:
            detector.service.run(self._wake, lambda: self._ended(detector))
        finally:
            detector.close()

    def _ended(self, detector: Detector) -> Iterable[str]:
        """Return the keys of the jobs whose outputs end with `detector`."""
        keys = {job.key for job in detector.engine.jobs}
        return keys if self._stopping.is_set() else keys - set(job_keys(self._config))


def job_keys(config: DetectorConfig) -> Iterable[str]:
    """Return the keys of the jobs of a configuration, see `jobs.Job.key`."""
    return (
        f"{scheduler}/{model.alias}/{query}"
        for model in config.models.values()
        for scheduler in model.schedulers
        for query in model.queries
    )


def run(load: Callable[[], DetectorConfig], storage: Storage, web: WebOptions) -> None:
    """Run the detector with its web server until SIGTERM or SIGINT; SIGHUP reloads the configuration."""
    runner = Runner(load, storage)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: runner.stop())
    hangup = threading.Event()
    signal.signal(signal.SIGHUP, lambda _number, _frame: hangup.set())
    reloads = threading.Thread(target=_reload_on, args=(hangup, runner), name="reload", daemon=True)
    reloads.start()
    server = WebServer(web_app(runner, web.telemetry_path), web)
    server.start()
    LOGGER.info("listening on %s", server.url)
    try:
        runner.run()
    finally:
        server.stop()


def _reload_on(hangup: threading.Event, runner: Runner) -> None:
    """Reload at each SIGHUP; not in the signal's handler, which interrupts whatever holds a lock."""
    while hangup.wait():
        hangup.clear()
        try:
            runner.reload()
        except SpecterError:
            # `reload` has logged it and counts it.
            continue
