"""A small shop with real traffic and faults: see the whole product work.

Each subcommand lives in its own module of `specter_demo.commands` and imports what it needs when called.
"""

import click

from specter_demo.commands.fault import fault
from specter_demo.commands.history import history
from specter_demo.commands.job import job
from specter_demo.commands.seed import seed
from specter_demo.commands.serve import serve
from specter_demo.commands.story import check, run


@click.group()
def demo() -> None:
    """Run the demo shop, send it traffic, break it.

    \b
    Examples:
      specter demo run
      specter demo fault --list
      specter demo fault api-latency
      specter demo fault api-latency --clear
    """


for command in (run, check, fault, history, job, seed, serve):
    demo.add_command(command)
