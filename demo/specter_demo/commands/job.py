"""`specter demo job`: what the shop does by the clock, as a command line for any scheduler."""

import os

import click

from specter_core.errors import SpecterError
from specter_demo.settings import load_settings


@click.group()
def job() -> None:
    """Do one of the shop's jobs now; the exit code tells whether it was done.

    \b
    In a crontab:
      30 5 * * *  specter demo job digest
      15 3 * * *  specter demo job backup
    """


@job.command()
def digest() -> None:
    """Mail the owner what the last 24 hours brought."""
    import psycopg  # noqa: PLC0415  (not for --help)
    import requests  # noqa: PLC0415

    from specter_demo.files import read_state  # noqa: PLC0415
    from specter_demo.jobs.digest import send_digest  # noqa: PLC0415
    from specter_demo.jobs.table import DIGEST  # noqa: PLC0415
    from specter_demo.jobs.trouble import ALL_WELL  # noqa: PLC0415
    from specter_demo.mail import mailer  # noqa: PLC0415
    from specter_demo.shop.database import connect, reason_of  # noqa: PLC0415

    settings = load_settings(os.environ)
    broken = DIGEST in read_state(settings.jobs_file, ALL_WELL).broken
    try:
        with connect(settings, statement_timeout="60s") as connection:
            click.echo(send_digest(connection, mailer(settings), broken=broken))
    except psycopg.Error as error:
        raise SpecterError(f"the digest cannot be read from the database: {reason_of(error)}") from error
    except requests.RequestException as error:
        raise SpecterError(f"the inbox did not take the digest: {type(error).__name__}") from error


@job.command()
def backup() -> None:
    """Write the shop's database, without the goods, to a file; the newest five are kept."""
    from specter_core.clock import SystemClock  # noqa: PLC0415  (not for --help)
    from specter_demo.jobs.backup import back_up  # noqa: PLC0415
    from specter_stack.programs import find_program  # noqa: PLC0415

    target = back_up(load_settings(os.environ), find_program("pg_dump"), SystemClock().time())
    click.echo(f"{target}: {target.stat().st_size} bytes")
