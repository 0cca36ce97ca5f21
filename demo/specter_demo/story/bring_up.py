"""Start everything in the order in which it can work, and give the shop its past."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable

import numpy as np

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_demo.coaching.past import coaching_past
from specter_demo.faults.control import Control
from specter_demo.history.burst import measure
from specter_demo.history.keeper import DAYS, HistoryKeeper
from specter_demo.platform import COACHING, SPECTER, WORKERS, Platform, environment_of
from specter_demo.traffic.shape import TrafficShape
from specter_stack.launcher import Stack
from specter_stack.programs import find_program
from specter_stack.standby import copy_primary

SEED_SECONDS = 180

Say = Callable[[str], None]


def bring_up(stack: Stack, platform: Platform, clock: Clock, say: Say) -> None:
    """Start every service; on return the shop serves, history is there, and the detector learns.

    Raises:
        SpecterError: something does not start; the message quotes its log.
    """
    # Alertmanager would take this run's first alert for a repetition of the last run's, and keep quiet.
    (platform.layout.state / "alertmanager" / "nflog").unlink(missing_ok=True)
    # What the jobs have missed since the last run was nobody's fault.
    shutil.rmtree(platform.layout.state / "jobs-exporter", ignore_errors=True)
    say("starting PostgreSQL, Redis, Alertmanager, the exporters, the payment provider and the inbox")
    stack.start("postgres")
    password = platform.layout.secrets / "postgres-password"
    copy_primary(platform.layout, platform.ports["postgres"], password)
    stack.start("postgres-standby", "redis", "alertmanager", "node", "blackbox", "payments", "notifications")
    coaching = [name for name in COACHING if name in stack.services]
    stack.start("app", "signin", "logs", "queues", *coaching)
    say("filling the shop's database")
    _seed(platform)
    stack.start("shop", "postgres-exporter", "sql-exporter")
    say("measuring how fast the shop is on this machine")
    calibration = measure(platform.url("shop"), random.Random())
    shape = TrafficShape.from_settings(platform.settings)
    keeper = HistoryKeeper(
        database=platform.layout.prometheus_data,
        note=platform.layout.state / "history.json",
        promtool=find_program("promtool"),
        shape=shape,
        calibration=calibration,
        beside=() if platform.node is None else (coaching_past(shape),),
    )
    generator = np.random.default_rng()
    say(f"importing {DAYS} days of history, unless an earlier run has left it")
    imported = keeper.import_if_new(clock.time(), generator)
    # The burst is not traffic: the counters that Prometheus will see start without it.
    stack.stop_service("shop")
    # Traffic begins when it can be scraped at once: time that is served but not scraped is missing from
    # every one-minute rate in which the past and the live counters meet. Until then they are at zero.
    stack.start("shop", "prometheus")
    opened = clock.time()
    # Scraped from its start on, unlike the shop, whose series begin with its requests: its zeros would come
    # before the past that is written below.
    stack.start("browser", "traffic")
    url = platform.url("prometheus")
    keeper.lead_in(url, opened, Control(platform.settings, clock).version, generator)
    written = keeper.fill_gap(url, opened, generator)
    if not imported:
        say(f"filled the time since the last run: {written} samples")
    say("starting the detector")
    grafana = [name for name in ("grafana",) if name in stack.services]
    stack.start("dependencies", "detector", "jobs", *WORKERS, *grafana)


def _seed(platform: Platform) -> None:
    environment = {**os.environ, **environment_of(platform.settings)}
    try:
        subprocess.run(
            [*SPECTER, "demo", "seed"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=SEED_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise SpecterError(f"the shop's database was not filled within {SEED_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        raise SpecterError(f"the shop's database cannot be filled: {error.stderr.strip()[-1000:]}") from error
