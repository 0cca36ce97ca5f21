"""Put the detector together from its configuration; run it, and run it anew when that changes."""

import logging
import random
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from uuid import uuid4

from prometheus_client import CollectorRegistry

from specter_core.clock import Clock, SystemClock
from specter_core.errors import SpecterError
from specter_core.web import WebOptions, WebServer
from specter_detector.allocation import return_large_arrays
from specter_detector.config import DetectorConfig
from specter_detector.disk_spool import open_spool
from specter_detector.engine import Engine
from specter_detector.exclusion_reader import ExclusionReader
from specter_detector.exclusions import Window
from specter_detector.exposed import Exposed
from specter_detector.fitting import Fitter, PoolFitter
from specter_detector.histories import QueryHistory
from specter_detector.http import open_session
from specter_detector.jobs import Job
from specter_detector.own_output import own_output
from specter_detector.pools import DaskPool, LocalPool
from specter_detector.presets.catalogue import presets_on
from specter_detector.presets.loading import PresetLoader
from specter_detector.prometheus_api import open_api
from specter_detector.reader import PrometheusReader, UnreachableError
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.saving import Savings
from specter_detector.server_clock import ServerClock
from specter_detector.service import Service
from specter_detector.storage import Storage
from specter_detector.store.folder import DataFolder
from specter_detector.telemetry import Telemetry
from specter_detector.web.app import create_app, is_protected
from specter_detector.web.feedback import FeedbackStore, as_windows
from specter_detector.web.live import KeptHistories, LiveWatch, ReaderHistories
from specter_detector.web.worker import ReplayWorker
from specter_detector.writer import Destination, Writer

LOGGER = logging.getLogger(__name__)
PRESETS_POLL = 5.0


class Detector:
    """A detector with everything it holds open; `close` gives it back.

    Args:
        config: what it does.
        storage: where it remembers.
        telemetry: where it counts.
        clock: its time.
        fitter: who fits; what the configuration says if None.
        feedback: returns what people have said of stretches.
    """

    def __init__(
        self,
        config: DetectorConfig,
        *,
        storage: Storage,
        telemetry: Telemetry,
        clock: Clock | None = None,
        fitter: Fitter | None = None,
        feedback: Callable[[], Sequence[Window]] = tuple,
    ) -> None:
        chance = random.Random()  # noqa: S311  (jitter is no secret)
        self.config = config
        self.telemetry = telemetry
        self.telemetry.prepare(
            list(config.reader.queries),
            len(_outputs_of(config)),
            presets_on({alias: query.expr for alias, query in config.reader.queries.items()}),
        )
        own = own_output(config.writer.form.template)
        self.reader = PrometheusReader(
            config.reader,
            open_session(config.reader.connection),
            accepts=lambda labels: config.shard.owns(labels) and not own(labels),
            observer=telemetry.requests,
        )
        clock = ServerClock(
            clock or SystemClock(),
            hint=self.reader.server_time_hint,
            ask=self.reader.server_time,
            telemetry=telemetry,
        )
        self._api = open_api(config.reader, observer=telemetry.requests)
        self._client = RemoteWriteClient(config.writer.connection.url, open_session(config.writer.connection))
        # Before the processes and threads: the spool may be in use by somebody else.
        self._writer = self._destination(storage, clock, chance)
        self._fitter = fitter or _fitter(config, telemetry)
        self._threads = ThreadPoolExecutor(max(1, len(config.reader.queries)), "query")
        self.histories = {
            alias: QueryHistory(
                storage.ring(query, _capacity(config, alias)),
                query.step,
                config.reader.retention,
                telemetry,
            )
            for alias, query in config.reader.queries.items()
        }
        self.engine = Engine(
            config,
            reader=self.reader,
            threads=self._threads,
            histories=self.histories,
            writer=self._writer,
            fitter=self._fitter,
            exclusions=ExclusionReader(
                self._api,
                horizon=max(scheduler.fit_window for scheduler in config.schedulers.values()),
                timeout=config.reader.connection.timeout,
            ),
            feedback=feedback,
            telemetry=self.telemetry,
            clock=clock,
        )
        self._savings = Savings(self.engine.jobs, storage, clock=clock, telemetry=telemetry)
        storage.sweep(config.reader.queries.values(), clock.time())
        self._savings.restore()
        self.service = Service(
            self.engine,
            reader=self.reader,
            savings=self._savings,
            telemetry=self.telemetry,
            clock=clock,
            random=chance,
        )

    def _destination(self, storage: Storage, clock: Clock, chance: random.Random) -> Destination:
        settings = self.config.writer
        if settings.scrape:
            exposed = Exposed(clock=clock, telemetry=self.telemetry)
            self.telemetry.registry.register(exposed)
            return exposed
        spool = settings.spool
        if spool.folder is None and storage.path is not None:
            spool = replace(spool, folder=storage.path / "spool")
        return Writer(
            self._client,
            open_spool(spool, self.telemetry.dropped, lambda: self.telemetry.storage_failed("spool")),
            clock=clock,
            random=chance,
            telemetry=self.telemetry,
            timeout=settings.connection.timeout,
            limits=settings.limits,
        )

    def close(self) -> None:
        """Stop the fitting processes, save what is known and close every connection."""
        self._fitter.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.reader.close()
        self._api.close()
        self._writer.close()
        if isinstance(self._writer, Exposed):
            self.telemetry.registry.unregister(self._writer)
        self._client.close()
        self._savings.close()
        for history in self.histories.values():
            history.close()


def _fitter(config: DetectorConfig, telemetry: Telemetry) -> Fitter:
    if config.dask_address is not None:
        return PoolFitter(DaskPool(config.dask_address), telemetry=telemetry)
    return PoolFitter(LocalPool(), telemetry=telemetry)


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
        feedback: Callable[[], Sequence[Window]] = tuple,
    ) -> None:
        self._load = load
        self._feedback = feedback
        self._storage = storage
        self._clock = clock or SystemClock()
        self._fitter = fitter
        self.telemetry = Telemetry(registry or CollectorRegistry())
        self._config = load()
        self.telemetry.reloaded(True, self._clock.time())
        self._works: DetectorConfig | None = None
        self._reloading = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self.detector: Detector | None = None

    @property
    def ready(self) -> bool:
        """Whether the data source is there and a tick has come through."""
        return self.detector is not None and self.detector.service.ready

    def jobs(self) -> Sequence[Job]:
        """Return the jobs that run now."""
        return () if self.detector is None else self.detector.engine.jobs

    def histories(self) -> Mapping[str, QueryHistory]:
        """Return the history of each query."""
        return {} if self.detector is None else self.detector.histories

    def reader(self) -> PrometheusReader:
        """Return what asks the data source.

        Raises:
            UnreachableError: there is none yet.
        """
        if self.detector is None:
            raise UnreachableError("the detector is starting")
        return self.detector.reader

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()
        self._wake.set()

    def reload(self) -> None:
        """Read the configuration again and go on with it soon.

        Raises:
            SpecterError: it is invalid or cannot be read; the one that runs is kept.
        """
        with self._reloading:
            try:
                self._config = self._load()
            except SpecterError as error:
                self._refuse(error)
                raise
            self.telemetry.reloaded(True, self._clock.time())
            LOGGER.info("the configuration is reloaded")
            self._wake.set()

    def _refuse(self, error: SpecterError) -> None:
        self.telemetry.reloaded(False, self._clock.time())
        LOGGER.error("the configuration is not reloaded, the old one is kept: %s", error)

    def run(self) -> None:
        """Run until `stop` is called.

        Raises:
            SpecterError: the first configuration cannot be put into practice. If a later one cannot, a spool
                in use by another process for example, the one before is kept.
        """
        while not self._stopping.is_set():
            self._wake.clear()
            if self._stopping.is_set():
                break
            config = self._config
            try:
                detector = self._made(config)
            except SpecterError as error:
                if self._works is None:
                    raise
                self._refuse(error)
                self._config, self._works = self._works, None
                continue
            self._works = config
            self._run_one(detector)

    def _made(self, config: DetectorConfig) -> Detector:
        fitter = self._fitter() if self._fitter is not None else None
        return Detector(
            config,
            storage=self._storage,
            telemetry=self.telemetry,
            clock=self._clock,
            fitter=fitter,
            feedback=self._feedback,
        )

    def _run_one(self, detector: Detector) -> None:
        self.detector = detector
        try:
            detector.service.run(self._wake, lambda: self._ended(detector))
        finally:
            detector.close()

    def _ended(self, detector: Detector) -> Iterable[str]:
        """Return the keys of the jobs whose outputs end with `detector`: the next one writes others."""
        outputs = _outputs_of(detector.config)
        if self._stopping.is_set():
            return outputs.keys()
        later = _outputs_of(self._config)
        return [key for key, what in outputs.items() if later.get(key) != what]


def _outputs_of(config: DetectorConfig) -> dict[str, tuple[object, ...]]:
    """Return by the key of each job (`jobs.Job.key`) all that decides what its outputs are called and say."""
    return {
        f"{scheduler}/{model.alias}/{query}": (
            config.reader.queries[query],
            model.kind,
            model.provide_series,
            config.writer.form,
            config.writer.connection.url,
            config.shard,
        )
        for model in config.models.values()
        for scheduler in model.schedulers
        for query in model.queries
    }


def run(load: Callable[[], DetectorConfig], folder: Path, web: WebOptions) -> None:
    """Run the detector with its web server until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    Args:
        load: reads the configuration, without presets.
        folder: where the detector remembers.
        web: where its pages are.

    Raises:
        SpecterError: the configuration is invalid, or the folder cannot be used.
    """
    return_large_arrays()
    clock = SystemClock()
    with closing(Storage(DataFolder.open(folder))) as storage:
        presets = PresetLoader(load, folder, clock)
        feedback = FeedbackStore(folder / "feedback.jsonl", clock=clock, new_id=lambda: uuid4().hex)
        runner = Runner(presets, storage, clock=clock, feedback=lambda: as_windows(feedback.windows()))
        replays = ReplayWorker()
        told: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # A queue that may be put to from a handler: an event's lock may be held by what it interrupts.
            signal.signal(number, lambda number, _frame: told.put(number))
        threading.Thread(target=_obey, args=(told, presets, runner), name="signals", daemon=True).start()
        watch = LiveWatch(
            runner.jobs,
            histories=KeptHistories(runner.histories, ReaderHistories(runner.reader)),
            replays=replays,
            windows=feedback.windows,
            clock=clock,
        )
        pages = create_app(
            watch,
            registry=runner.telemetry.registry,
            ready=lambda: runner.ready,
            reload=runner.reload,
            feedback=feedback,
            telemetry_path=web.telemetry_path,
            protected=is_protected(web),
        )
        server = WebServer(pages, web)
        server.start()
        LOGGER.info("listening on %s", server.url)
        try:
            runner.run()
        finally:
            server.stop()
            replays.close()


def _obey(told: SimpleQueue[int], presets: PresetLoader, runner: Runner) -> None:
    """Stop or reload as the signals that are `told` say; reload when there is more to watch, too."""
    while True:
        try:
            number = told.get(timeout=PRESETS_POLL)
        except Empty:
            number = None
        try:
            if number in (signal.SIGTERM, signal.SIGINT):
                runner.stop()
            elif number == signal.SIGHUP or (presets.due() and presets.check()):
                runner.reload()
        except SpecterError:
            # `reload` has logged it and counts it.
            continue
        except Exception:
            LOGGER.exception("the configuration cannot be reloaded")
