"""Grafana, when a server of it is on PATH: provisioned with the datasource and the generated dashboards."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from specter_stack.layout import Layout
from specter_stack.ports import LOOPBACK
from specter_stack.service import Service, Target

OLDEST = (9, 4)
HOMES = ("/usr/share/grafana", "/opt/homebrew/opt/grafana/share/grafana")


def find_grafana(path: str | None = None) -> tuple[list[str], Path] | None:
    """Return (command, binary) of the Grafana server on `path`, None when there is none."""
    for name, words in (("grafana", ["server"]), ("grafana-server", [])):
        found = shutil.which(name, path=path)
        if found:
            return [found, *words], Path(found)
    return None


def version_of(binary: Path) -> tuple[int, int] | None:
    """Return (major, minor) as `binary -v` says, None when it does not say."""
    try:
        # -v is known to every version; --version only to 9.4 and later.
        shown = subprocess.run([str(binary), "-v"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)\.(\d+)\.\d+", shown.stdout + shown.stderr)
    return (int(match[1]), int(match[2])) if match else None


def home_of(binary: Path) -> Path | None:
    """Return Grafana's home folder: beside the binary in a tarball, in the system's place in a package."""
    candidates = (binary.resolve().parent.parent, *map(Path, HOMES))
    return next((home for home in candidates if (home / "conf" / "defaults.ini").is_file()), None)


def grafana_service(
    layout: Layout, port: int, prometheus_url: str, path: str | None = None
) -> tuple[Service | None, str]:
    """Return the service, or None, and a sentence that says what was found."""
    found = find_grafana(path)
    if found is None:
        return (
            None,
            "Grafana: no server on PATH; dashboards/generated/*.json can be imported into any Grafana",
        )
    command, binary = found
    version = version_of(binary)
    if version is None or version < OLDEST:
        shown = ".".join(map(str, version)) if version else "unknown"
        return None, f"Grafana: {binary} is version {shown}; 9.4 or later is needed, so it is not started"
    home = home_of(binary)
    if home is None:
        return None, f"Grafana: no conf/defaults.ini near {binary}, so it is not started"
    # A package's command on PATH is a wrapper that insists on the system's configuration and data.
    inner = home / "bin" / binary.name
    if os.access(inner, os.X_OK):
        command = [str(inner), *command[1:]]
    url = f"http://{LOOPBACK}:{port}"
    service = Service(
        name="grafana",
        command=(*command, "--homepath", str(home)),
        ready=f"{url}/api/health",
        environment={
            "GF_SERVER_HTTP_ADDR": LOOPBACK,
            "GF_SERVER_HTTP_PORT": str(port),
            "GF_PATHS_DATA": str(layout.state / "grafana"),
            "GF_PATHS_LOGS": str(layout.state / "grafana" / "log"),
            "GF_PATHS_PLUGINS": str(layout.state / "grafana" / "plugins"),
            "GF_PATHS_PROVISIONING": str(layout.checkout / "stack" / "grafana" / "provisioning"),
            # The variable that ends in __FILE is read by the image's entry point, not by the server.
            "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{layout.secrets / 'grafana-admin-password'}}}",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "SPECTER_PROMETHEUS_URL": prometheus_url,
            "SPECTER_DASHBOARDS_DIR": str(layout.checkout / "dashboards" / "generated"),
        },
        targets=(Target("grafana", f"{LOOPBACK}:{port}", {"service": "grafana", "instance": "grafana-1"}),),
        url=url,
    )
    return service, f"Grafana: {url} (user admin, password in {layout.secrets / 'grafana-admin-password'})"
