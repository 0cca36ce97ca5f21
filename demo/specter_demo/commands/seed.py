"""`specter demo seed`: the shop's database and its state before any fault."""

import os

import click

from specter_demo.settings import load_settings


@click.command()
def seed() -> None:
    """Create the shop's tables, content and roles for exporters, and end faults of an earlier run.

    Quick when everything is there already.

    \b
    Example:
      specter demo seed
    """
    import psycopg  # noqa: PLC0415  (not for --help)

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.secret_files import read_secret_file  # noqa: PLC0415
    from specter_demo.faults import FAULTS  # noqa: PLC0415
    from specter_demo.faults.control import Control  # noqa: PLC0415
    from specter_demo.shop.database import DatabaseError, connect, reason_of  # noqa: PLC0415
    from specter_demo.shop.schema import seed as create  # noqa: PLC0415
    from specter_demo.shop.watching import let_check, let_watch  # noqa: PLC0415

    settings = load_settings(os.environ)
    secret, checks = settings.database_exporter_password_file, settings.database_checks_password_file
    try:
        with connect(settings, statement_timeout="120s") as connection:
            seconds = create(connection)
            if secret is not None:
                let_watch(connection, read_secret_file(secret, what="SHOP_DATABASE_EXPORTER_PASSWORD_FILE"))
            if checks is not None:
                let_check(connection, read_secret_file(checks, what="SHOP_DATABASE_CHECKS_PASSWORD_FILE"))
    except psycopg.Error as error:
        raise DatabaseError(f"the shop's database cannot be seeded: {reason_of(error)}") from error
    click.echo("already seeded" if seconds is None else f"seeded in {seconds:.1f} s")
    control = Control(settings, SystemClock())
    for fault in FAULTS:
        if fault.active(control):
            click.echo(f"{fault.name} was active: {fault.clear(control)}")
