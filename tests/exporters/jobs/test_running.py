"""Both listeners with TLS: metrics for who has the password, pings for who has the URL."""

from pathlib import Path

import bcrypt
import pytest
import requests

from specter_core.clock import SystemClock
from specter_core.web import TlsServerConfig, WebConfig, WebOptions
from specter_exporters.jobs.config import JobsConfig
from specter_exporters.jobs.model import Job
from specter_exporters.jobs.running import JobsExporter, answers
from specter_exporters.jobs.sqlite_store import SqliteStore
from tests.core.certificates import self_signed

WITHIN = 10.0
UUID = "0e0f1ddb-61fc-4ae4-a0ba-5f8d1c9a1b2f"


@pytest.mark.integration
def test_pings_need_no_password_and_the_exporter_sees_its_own_listener(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "server")
    web = WebOptions(
        "127.0.0.1",
        0,
        config=WebConfig(
            tls_server_config=TlsServerConfig(
                cert_file=made.cert,
                key_file=made.key,
                client_auth_type="RequireAndVerifyClientCert",
                client_ca_file=made.cert,
            ),
            basic_auth_users={"prometheus": bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode()},
        ),
    )
    config = JobsConfig((Job("backup", uuid=UUID),))
    exporter = JobsExporter(config, web, ("127.0.0.1", 0), SqliteStore(tmp_path / "data"), SystemClock())
    exporter.start()
    try:
        exporter.save()
        answer = requests.get(f"{exporter.ping_url}/ping/{UUID}", verify=str(made.cert), timeout=WITHIN)
        assert (answer.status_code, answer.text) == (200, "OK")
        url, own = f"{exporter.metrics_url}/metrics", (str(made.cert), str(made.key))
        refused = requests.get(url, verify=str(made.cert), cert=own, timeout=WITHIN)
        assert refused.status_code == 401
        auth = ("prometheus", "password")
        text = requests.get(url, auth=auth, verify=str(made.cert), cert=own, timeout=WITHIN).text
        assert "\nspecter_job_ping_endpoint_up 1.0\n" in text
        assert '\nspecter_job_runs_total{job_name="backup",outcome="success"} 1.0\n' in text
        assert answers(exporter.ping_url)
    finally:
        exporter.stop()
    assert not answers(exporter.ping_url)
