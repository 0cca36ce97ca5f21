"""Write what the servers read: links to the shared files, and the addresses of this run."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from specter_stack.errors import StackError
from specter_stack.layout import Layout
from specter_stack.ports import LOOPBACK
from specter_stack.service import Target

# The name that docker-compose.yml gives the receiver of notifications; Alertmanager
# 0.25 cannot read a webhook's URL from a file, so natively this one name is replaced.
NOTIFICATIONS_ADDRESS = "specter-notifications:9846"
# Where the shop and the coaching service have their files in docker-compose.yml, which log exporters read.
SHOP_STATE = "/var/lib/specter/shop"
COACHING_STATE = "/var/lib/coaching"
# The port of the shop there, which the browser exporter finds in the origins of its pages.
SHOP_PORT = ":8080"
# Where its database and the standby of that are there.
DATABASE = "host=postgres port=5432"
STANDBY = "host=postgres-standby port=5433"
DATABASE_URL = "@postgres:5432/"


def configure_prometheus(layout: Layout, targets: Iterable[Target]) -> None:
    """Link prometheus.yml and the rules, and write the targets that file_sd reads."""
    folder = layout.etc / "prometheus"
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    link_to(folder / "prometheus.yml", shared_file(layout, "stack/prometheus/prometheus.yml"))
    link_to(folder / "rules", shared_file(layout, "alert_rules/generated"))
    jobs: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        jobs[target.job].append(target)
    # The same address twice: Prometheus scrapes Alertmanager, and sends it alerts.
    jobs["alertmanagers"] = [Target("alertmanagers", each.address, {}) for each in jobs["alertmanager"]]
    for stale in set((folder / "targets").glob("*.yml")) - {
        folder / "targets" / f"{job}.yml" for job in jobs
    }:
        stale.unlink()
    for job, members in jobs.items():
        groups = [{"targets": [member.address], "labels": dict(member.labels)} for member in members]
        replace_text(folder / "targets" / f"{job}.yml", yaml.safe_dump(groups, sort_keys=True))


def configure_alertmanager(layout: Layout, notifications: str) -> None:
    """Write alertmanager.yml with the receiver at the address `notifications` (HOST:PORT)."""
    folder = layout.etc / "alertmanager"
    folder.mkdir(parents=True, exist_ok=True)
    shared = shared_file(layout, "alert_rules/generated/alertmanager.yml")
    text = shared.read_text(encoding="utf-8")
    if NOTIFICATIONS_ADDRESS not in text:
        raise StackError(f"{shared} sends nothing to {NOTIFICATIONS_ADDRESS}; run `make alerts`")
    replace_text(folder / "alertmanager.yml", text.replace(NOTIFICATIONS_ADDRESS, notifications))
    link_to(folder / "secrets", layout.secrets)


def configure_exporters(
    layout: Layout, shop_state: Path, ports: Mapping[str, int], coaching_state: Path
) -> Path:
    """Write the exporters' configuration; return its folder.

    Args:
        layout: of the run.
        shop_state: folder of the shop's files.
        ports: where the shop and its database listen, by `shop`, `postgres` and `postgres-standby`.
        coaching_state: folder of the coaching service's files.
    """
    folder = layout.etc / "exporters"
    folder.mkdir(parents=True, exist_ok=True)
    signin = _document(layout, "stack/exporters/signin.yml")
    for name, path in signin["api"].items():
        signin["api"][name] = str(layout.secrets / Path(path).name)
    browser = _document(layout, "stack/exporters/browser.yml")
    browser["allowed_origins"] = [
        origin.replace(SHOP_PORT, f":{ports['shop']}") for origin in browser["allowed_origins"]
    ]
    postgres = _document(layout, "stack/exporters/postgres.yml")
    for server in postgres["servers"]:
        for there, name in ((DATABASE, "postgres"), (STANDBY, "postgres-standby")):
            server["dsn"] = server["dsn"].replace(there, f"host={LOOPBACK} port={ports[name]}")
        server["password_file"] = str(layout.secrets / Path(server["password_file"]).name)
    jobs = _document(layout, "stack/exporters/jobs.yml")
    jobs["ping_key_file"] = str(layout.secrets / Path(jobs["ping_key_file"]).name)
    sql = _document(layout, "stack/exporters/sql.yml")
    for database in sql["databases"]:
        database["dsn"] = database["dsn"].replace(DATABASE_URL, f"@{LOOPBACK}:{ports['postgres']}/")
        database["password_file"] = str(layout.secrets / Path(database["password_file"]).name)
    documents = {"signin": signin, "browser": browser, "postgres": postgres, "sql": sql, "jobs": jobs}
    for name, shared, state in (
        ("logs", SHOP_STATE, shop_state),
        ("coaching-logs", COACHING_STATE, coaching_state),
    ):
        documents[name] = _document(layout, f"stack/exporters/{name}.yml")
        for log in documents[name]["logs"]:
            log["files"] = [str(state / Path(file).relative_to(shared)) for file in log["files"]]
    for name, document in documents.items():
        replace_text(folder / f"{name}.yml", yaml.safe_dump(document, sort_keys=False))
    return folder


def _document(layout: Layout, relative: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(shared_file(layout, relative).read_text(encoding="utf-8"))
    return document


def shared_file(layout: Layout, relative: str) -> Path:
    """Return a file of the checkout.

    Raises:
        StackError: it is not there.
    """
    path = layout.checkout / relative
    if not path.exists():
        raise StackError(f"{path} is missing; run `make alerts dashboards` in a complete checkout")
    return path


def link_to(link: Path, target: Path) -> None:
    """Make `link` a link to `target`, whatever it was."""
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def replace_text(path: Path, text: str) -> None:
    """Write `path` at once, so that a server that watches it never reads half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
