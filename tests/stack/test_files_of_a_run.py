"""Folders, secrets and configuration that a run writes."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import yaml

from specter_stack.configure import configure_alertmanager, configure_prometheus
from specter_stack.errors import StackError
from specter_stack.layout import Layout
from specter_stack.secret_files import ensure_secret
from specter_stack.service import Target


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secrets_folder_is_the_owners_alone_also_when_it_was_open(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "deep" / "state")
    layout.create()
    assert mode(layout.secrets) == 0o700
    layout.secrets.chmod(0o755)
    layout.create()
    assert mode(layout.secrets) == 0o700
    assert all(folder.is_dir() for folder in (layout.pids, layout.logs, layout.etc, layout.prometheus_data))


@pytest.mark.parametrize("name", ["100%", "a #b", "a ;b", "a\nb"])
def test_a_path_that_supervisord_cannot_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StackError, match="which supervisord cannot read; use another folder"):
        Layout(tmp_path / name).create()
    assert not (tmp_path / name).exists()


def test_a_state_folder_of_another_account_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    with pytest.raises(StackError) as caught:
        Layout(tmp_path).create()
    assert str(caught.value) == (
        f"cannot use the state folder {tmp_path}: it belongs to the account {owner}; "
        "remove it as its owner, or use another"
    )


def test_a_file_in_the_place_of_the_state_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StackError, match=f"cannot use the state folder {tmp_path}/state: File exists"):
        Layout(tmp_path / "state").create()


def test_the_control_socket_of_a_long_path_is_elsewhere_and_its_own(tmp_path: Path) -> None:
    short, one, two = Layout(Path("/s")), Layout(tmp_path / ("x" * 99)), Layout(tmp_path / ("y" * 99))
    assert short.supervisor_socket == Path("/s/supervisor.sock")
    assert len({one.supervisor_socket, two.supervisor_socket}) == 2
    assert len(str(one.supervisor_socket)) <= 100


@pytest.mark.parametrize("bits", [0o600, 0o444])
def test_a_secret_is_long_random_and_of_the_asked_mode(tmp_path: Path, bits: int) -> None:
    one, two = (ensure_secret(tmp_path / "deep" / name, mode=bits) for name in ("one", "two"))
    assert mode(one) == bits
    assert len(one.read_text()) == 43
    assert one.read_text() != two.read_text()
    assert sorted(path.name for path in one.parent.iterdir()) == ["one", "two"]


def test_a_secret_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("mine")
    path.chmod(0o640)
    assert ensure_secret(path) == path
    assert path.read_text() == "mine"
    assert mode(path) == 0o640


def test_all_who_create_a_secret_at_once_read_the_same(tmp_path: Path) -> None:
    start = Barrier(8)

    def create(_number: int) -> str:
        start.wait()
        return ensure_secret(tmp_path / "secret").read_text()

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(create, range(8)))
    assert len(seen) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    checkout = tmp_path / "checkout"
    for relative, text in (
        ("stack/prometheus/prometheus.yml", "global: {}\n"),
        ("alert_rules/generated/http.rules.yml", "groups: []\n"),
        ("alert_rules/generated/alertmanager.yml", "url: http://specter-notifications:9846/alerts/x\n" * 2),
    ):
        (checkout / relative).parent.mkdir(parents=True, exist_ok=True)
        (checkout / relative).write_text(text)
    layout = Layout(tmp_path / "state", checkout)
    layout.create()
    return layout


def targets(layout: Layout) -> dict[str, object]:
    folder = layout.etc / "prometheus" / "targets"
    return {path.name: yaml.safe_load(path.read_text()) for path in folder.iterdir()}


def test_prometheus_reads_the_shared_files_and_this_runs_targets(layout: Layout) -> None:
    configure_prometheus(
        layout,
        [
            Target(
                "alertmanager", "127.0.0.1:19093", {"service": "alertmanager", "instance": "alertmanager-1"}
            ),
            Target("shop", "127.0.0.1:8080", {"service": "shop", "instance": "shop-1"}),
            Target("shop", "127.0.0.1:8081", {"service": "shop", "instance": "shop-2"}),
        ],
    )
    folder = layout.etc / "prometheus"
    assert (folder / "prometheus.yml").resolve() == layout.checkout / "stack/prometheus/prometheus.yml"
    assert [path.name for path in (folder / "rules").glob("*.rules.yml")] == ["http.rules.yml"]
    assert targets(layout) == {
        "alertmanager.yml": [
            {
                "targets": ["127.0.0.1:19093"],
                "labels": {"service": "alertmanager", "instance": "alertmanager-1"},
            }
        ],
        "alertmanagers.yml": [{"targets": ["127.0.0.1:19093"], "labels": {}}],
        "shop.yml": [
            {"targets": ["127.0.0.1:8080"], "labels": {"service": "shop", "instance": "shop-1"}},
            {"targets": ["127.0.0.1:8081"], "labels": {"service": "shop", "instance": "shop-2"}},
        ],
    }


def test_what_an_earlier_run_scraped_is_gone(layout: Layout, tmp_path: Path) -> None:
    configure_prometheus(layout, [Target("grafana", "127.0.0.1:3000", {})])
    elsewhere = Layout(layout.state, tmp_path / "moved")
    layout.checkout.rename(elsewhere.checkout)
    configure_prometheus(elsewhere, [Target("shop", "127.0.0.1:8080", {})])
    assert set(targets(elsewhere)) == {"shop.yml", "alertmanager.yml", "alertmanagers.yml"}
    assert (elsewhere.etc / "prometheus" / "prometheus.yml").read_text() == "global: {}\n"


def test_alertmanager_notifies_this_runs_receiver_everywhere(layout: Layout) -> None:
    ensure_secret(layout.secrets / "notifications-token")
    configure_alertmanager(layout, "127.0.0.1:19846")
    folder = layout.etc / "alertmanager"
    assert (folder / "alertmanager.yml").read_text() == "url: http://127.0.0.1:19846/alerts/x\n" * 2
    assert (folder / "secrets" / "notifications-token").is_file()


def test_a_routing_without_the_receiver_is_refused(layout: Layout) -> None:
    (layout.checkout / "alert_rules/generated/alertmanager.yml").write_text("route: {}\n")
    with pytest.raises(StackError, match="sends nothing to specter-notifications:9846; run `make alerts`"):
        configure_alertmanager(layout, "127.0.0.1:1")


def test_a_missing_shared_file_is_named_with_what_writes_it(layout: Layout) -> None:
    path = layout.checkout / "stack/prometheus/prometheus.yml"
    path.unlink()
    with pytest.raises(StackError) as caught:
        configure_prometheus(layout, [])
    assert str(caught.value) == (f"{path} is missing; run `make alerts dashboards` in a complete checkout")
