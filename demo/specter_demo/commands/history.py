"""`specter demo history`: give Prometheus the shop's past where containers run and no launcher does it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_demo.settings import Settings, load_settings

if TYPE_CHECKING:
    from specter_demo.history.keeper import HistoryKeeper

URL = click.option(
    "--prometheus-url",
    default="http://127.0.0.1:9090",
    show_default=True,
    help="Where Prometheus answers when it runs.",
)
# The shop is scraped every 5 s: this long without a sample, it is not recorded now.
LIVE_SECONDS = 30.0


@click.group()
def history() -> None:
    """Give Prometheus the shop's past: `import` before it starts, `fill` once it runs.

    `specter demo run` does both by itself; docker-compose.yml calls these.

    \b
    Examples:
      specter demo history import --database /prometheus/data
      specter demo history fill --prometheus-url http://prometheus:9090
    """


@history.command("import")
@click.option(
    "--database",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Prometheus' data folder; what was imported is noted beside it.",
)
@URL
def import_command(database: Path, prometheus_url: str) -> None:
    """Import four weeks that end now, unless they are there; a running Prometheus is left alone.

    \b
    Example:
      specter demo history import --database /prometheus/data
    """
    from specter_core.clock import SystemClock  # noqa: PLC0415  (numpy below: not for --help)
    from specter_stack.ready import answers  # noqa: PLC0415

    if answers(f"{prometheus_url}/-/ready"):
        click.echo(f"Prometheus runs at {prometheus_url}: its database is left as it is")
        return
    import numpy as np  # noqa: PLC0415

    keeper = _keeper(load_settings(os.environ), database)
    imported = keeper.import_if_new(SystemClock().time(), np.random.default_rng())
    click.echo(f"imported four weeks into {database}" if imported else f"{database} has its history already")


@history.command("fill")
@URL
def fill_command(prometheus_url: str) -> None:
    """Fill a running Prometheus up to now, just before traffic begins; nothing to do while traffic runs.

    \b
    Example:
      specter demo history fill --prometheus-url http://prometheus:9090
    """
    import numpy as np  # noqa: PLC0415  (not for --help)

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.metrics import SERVICE  # noqa: PLC0415
    from specter_demo.history.fill import last_scraped  # noqa: PLC0415
    from specter_demo.shop.release import read_release  # noqa: PLC0415
    from specter_demo.story.prometheus import PrometheusClient  # noqa: PLC0415

    clock, settings, random = SystemClock(), load_settings(os.environ), np.random.default_rng()
    now = clock.time()
    scraped = last_scraped(PrometheusClient(prometheus_url), {SERVICE: "shop"}, now)
    if scraped is not None and now - scraped < LIVE_SECONDS:
        click.echo("the shop is being recorded: nothing to fill")
        return
    # Filling goes through Prometheus, so that its folder need not be reachable from here.
    keeper = _keeper(settings, settings.state_dir / "prometheus")
    written = keeper.fill_gap(prometheus_url, now, random)
    # A long gap takes a while to write, and time goes on meanwhile.
    opened = clock.time()
    written += keeper.fill_gap(prometheus_url, opened, random)
    keeper.lead_in(prometheus_url, opened, read_release(settings.release_file), random)
    click.echo(f"filled the time since the last run: {written} samples")


def _keeper(settings: Settings, database: Path) -> "HistoryKeeper":
    """Return a keeper that knows how fast a shop is on this machine."""
    import random  # noqa: PLC0415

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_demo.coaching.past import coaching_past  # noqa: PLC0415
    from specter_demo.history.burst import measure  # noqa: PLC0415
    from specter_demo.history.keeper import HistoryKeeper  # noqa: PLC0415
    from specter_demo.history.own_shop import own_shop  # noqa: PLC0415
    from specter_demo.traffic.shape import TrafficShape  # noqa: PLC0415
    from specter_stack.programs import find_program  # noqa: PLC0415

    with own_shop(settings, SystemClock()) as url:
        calibration = measure(url, random.Random())
    shape = TrafficShape.from_settings(settings)
    return HistoryKeeper(
        database=database,
        note=database.with_name("history.json"),
        promtool=find_program("promtool"),
        shape=shape,
        calibration=calibration,
        beside=() if settings.coaching_url is None else (coaching_past(shape),),
    )
