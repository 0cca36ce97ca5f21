"""Run the detector's own code on made-up series and see what it takes. No server: answers come from memory.

A tick is read, judged and sent by the same `PrometheusReader`, `Job` and `RemoteWriteClient` as in service;
only the last step, the socket, is replaced.
"""

import io
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from specter_core.durations import format_duration
from specter_detector.config import DetectorConfig, resolve
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.models.arrays import Floats
from specter_detector.models.batch import bytes_per_series, take
from specter_detector.models.fit import FitOptions, Fitted, fit
from specter_detector.models.online import tick
from specter_detector.models.replay import DAY
from specter_detector.models.shape import Shape
from specter_detector.models.state import State, no_state
from specter_detector.packing import pack
from specter_detector.reader import PrometheusReader
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.schema import DetectorSchema
from specter_detector.series import labels_of

URL = "http://127.0.0.1:9"
MONDAY = 1_767_571_200.0
MODELLED, MOST_POINTS = 32, 300_000
WARM_TICKS = 30
ANSWERS = 3


class _Memory(HTTPAdapter):
    """Answers every read with the body that is there and every write with 204; counts bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = b""
        self.read = 0
        self.written = 0

    def send(self, request: requests.PreparedRequest, *_args: Any, **_kwargs: Any) -> requests.Response:
        """Answer."""
        wrote = "/write" in (request.url or "")
        self.written += len(request.body or b"") if wrote else 0
        content = b"" if wrote else self.answer
        self.read += len(content)
        raw = HTTPResponse(
            body=io.BytesIO(content),
            headers={"Content-Type": "application/json", "Content-Length": str(len(content))},
            status=204 if wrote else 200,
            preload_content=False,
        )
        return self.build_response(request, raw)


class _Session(requests.Session):
    """Uses one adapter whatever is mounted: a client mounts its own."""

    def __init__(self, adapter: BaseAdapter) -> None:
        super().__init__()
        self.trust_env = False
        self._adapter = adapter

    def get_adapter(self, url: str | bytes) -> BaseAdapter:  # noqa: ARG002  (requests' signature)
        """Return the adapter."""
        return self._adapter


@dataclass(frozen=True, slots=True)
class TickCost:
    """What one tick of a query took.

    Attributes:
        cpu: seconds of this process.
        read, written: bytes of the answer and of the request.
        samples: that were written.
    """

    cpu: float
    read: int
    written: int
    samples: int


@dataclass(frozen=True, slots=True)
class FitCost:
    """What a fit took: seconds, and bytes at its peak beyond the history, both a series."""

    cpu: float
    peak: float


class Probe:
    """Series of a day and noise, with a shape learnt and a state: what a detector holds in service.

    Args:
        step: seconds between two values of the history.
        days: of history.
    """

    def __init__(self, step: float, days: float) -> None:
        points = max(2, round(days * DAY / step))
        rows = int(np.clip(MOST_POINTS // points, 2, MODELLED))
        self._options = FitOptions(step=step)
        self._times: Floats = np.asarray(MONDAY + step * np.arange(points), np.float64)
        season = 100 + 20 * np.sin(2 * np.pi * self._times / DAY)
        self._values: Floats = season + np.random.default_rng(0).normal(size=(rows, points))
        self._shape: Shape = fit(self._times, self._values, self._options, with_state=False).shape
        self._state: State = no_state(rows)
        late = slice(-WARM_TICKS, None)
        stamps = self._times[late]
        for at, phase, column in zip(
            stamps, self._options.phases(stamps), self._values[:, late].T, strict=True
        ):
            tick(self._shape, self._state, at / step, float(phase), column)

    def fit_cost(self) -> FitCost:
        """Fit once more, when all is warm."""
        begun = time.process_time()
        fit(self._times, self._values, self._options, with_state=False)
        spent = time.process_time() - begun
        tracemalloc.start()
        try:
            fit(self._times, self._values, self._options, with_state=False)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return FitCost(spent / len(self._values), peak / len(self._values))

    def state_bytes(self) -> float:
        """Return what shape and state of a series take."""
        return bytes_per_series(self._shape) + bytes_per_series(self._state)

    def watcher(self, series: int, infer_every: float) -> "Callable[[], TickCost]":
        """Return what runs one tick of `series` series."""
        config = _config(self._options.step, infer_every)
        query = replace(config.reader.queries["size"], max_series=series)
        scheduler, model = config.schedulers["default"], config.models["default"]
        job = Job(
            query,
            model,
            scheduler,
            config.writer.form,
            max_bands=config.writer.max_bands,
            identities=Identities(),
        )
        metrics = [_labels(number) for number in range(series)]
        rows = np.arange(series) % len(self._values)
        fitted = Fitted(take(self._shape, rows), take(self._state, rows), np.full(series, self._times[-1]))
        job.install([labels_of(metric) for metric in metrics], fitted)
        memory = _Memory()
        session = _Session(memory)
        settings = replace(config.reader, queries={"size": query})
        reader, client = PrometheusReader(settings, session), RemoteWriteClient(URL, session)
        at = float(self._times[-1])

        def run() -> TickCost:
            nonlocal at
            at += infer_every
            values = self._values[rows, round(at / infer_every) % self._values.shape[1]].tolist()
            memory.answer = _answer(metrics, values, at)
            memory.read = memory.written = 0
            begun = time.process_time()
            observation = job.observe(at, reader.instant(query, at))
            for packed in pack(observation.written.blocks, config.writer.limits):
                client.send(packed.body, 10.0)
            spent = time.process_time() - begun
            return TickCost(spent, memory.read, memory.written, observation.written.samples)

        return run

    def tick_cost(self, series: int, infer_every: float) -> TickCost:
        """Return the cheapest of a few ticks: what other programs do on this machine is no cost."""
        run = self.watcher(series, infer_every)
        run()
        return min((run() for _ in range(ANSWERS)), key=lambda cost: cost.cpu)

    def memory(self, few: int, many: int, infer_every: float) -> tuple[float, float]:
        """Return bytes a series that stay after ticks, and that a tick takes beyond them for a moment."""
        held, peaks = [], []
        for series in (few, many):
            tracemalloc.start()
            try:
                run = self.watcher(series, infer_every)
                run()
                run()
                held.append(tracemalloc.get_traced_memory()[0])
                tracemalloc.reset_peak()
                run()
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
        stays = (held[1] - held[0]) / (many - few)
        return stays, max(0.0, (peaks[1] - peaks[0]) / (many - few) - stays)


def _config(step: float, infer_every: float) -> DetectorConfig:
    """Return the defaults, with one query."""
    query = {"expr": "size", "step": format_duration(step), "max_age": format_duration(10 * infer_every)}
    document = {
        "reader": {"datasource_url": URL, "queries": {"size": query}},
        "schedulers": {"default": {"infer_every": format_duration(infer_every)}},
    }
    return resolve(DetectorSchema.model_validate(document))


def _labels(number: int) -> dict[str, str]:
    """Return labels as a service's series have them: name, service, instance, route."""
    return {
        "__name__": "http_server_requests_rate",
        "service": f"service-{number % 100}",
        "instance": f"10.0.{number // 250}.{number % 250}:8080",
        "http_route": f"/api/v1/resource/{number}",
    }


def _answer(metrics: list[dict[str, str]], values: list[float], at: float) -> bytes:
    rows = [
        {"metric": metric, "value": [at, f"{value:.9g}"]}
        for metric, value in zip(metrics, values, strict=True)
    ]
    return orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}})
