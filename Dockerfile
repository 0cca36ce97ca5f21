# The demo's own parts and the detector in one image; docker-compose.yml says which container runs what.
FROM prom/prometheus:v3.11.3 AS prometheus

FROM python:3.11.15-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN ["python", "-m", "venv", "/opt/venv"]
WORKDIR /src
COPY requirements.lock ./
# Of drain3 there is no wheel: it is built from its sources, whose hash is in the lock.
RUN ["/opt/venv/bin/python", "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-binary=drain3", "--requirement", "requirements.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY core/specter_core/ core/specter_core/
COPY exporters/specter_exporters/ exporters/specter_exporters/
COPY detector/specter_detector/ detector/specter_detector/
COPY dashboards/specter_dashboards/ dashboards/specter_dashboards/
COPY alert_rules/specter_alerts/ alert_rules/specter_alerts/
COPY stack/specter_stack/ stack/specter_stack/
COPY demo/specter_demo/ demo/specter_demo/
# Of the coaching service, which has an image of its own, what its made-up past is derived from.
COPY demo/coaching/model.json demo/coaching/model.json
COPY demo/coaching/package.json demo/coaching/package.json
# Editable, because the wheel holds neither stack nor demo.
RUN ["/opt/venv/bin/python", "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--editable", "."]
# The lock has one list for everything; of it the image drops the group `dev`. pip goes last: it does the work.
RUN ["/opt/venv/bin/python", "-m", "pip", "uninstall", "--yes", \
     "amlint", "apscheduler", "coverage", "django", "editables", "fastapi", "hatchling", "httpx", "hypothesis", "import-linter", "mypy", \
     "opentelemetry-api", "opentelemetry-sdk", "prometheus-fastapi-instrumentator", "prometheus-flask-exporter", \
     "promql-parser", "protobuf", "pytest", "pytest-cov", "pytest-timeout", "pytest-xdist", \
     "rq", "ruff", "schemathesis", "selenium", "starlette", "starlette-exporter", "types-cffi", "types-psutil", "types-pyyaml", \
     "types-requests", "uvicorn", "pip"]
# The containers' root file systems are read-only: what is not compiled here is compiled at every start.
RUN ["/opt/venv/bin/python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/src"]

FROM python:3.11.15-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# For the backup: pg_dump of PostgreSQL 15, as the server is.
RUN ["apt-get", "update"]
RUN ["apt-get", "install", "--yes", "--no-install-recommends", "postgresql-client-15"]
# Imports the history into Prometheus' database before that server starts.
COPY --from=prometheus /bin/promtool /usr/local/bin/promtool
COPY --from=build /opt/venv /opt/venv
COPY --from=build /src /src
# A new volume takes the owner of the folder that it is mounted on. 65534 is the user that Prometheus runs as.
RUN ["install", "--directory", "--owner=10001", "--group=10001", \
     "/var/lib/specter", "/var/lib/specter-logs", "/var/lib/coaching", "/secrets/postgres", "/secrets/postgres-exporter", "/secrets/notifications", "/secrets/grafana", \
     "/secrets/business", "/secrets/coaching", "/secrets/signin", "/secrets/signin-read", "/secrets/payments", "/secrets/jobs", "/secrets/sql-exporter"]
RUN ["install", "--directory", "--owner=65534", "--group=65534", "/prometheus"]
USER 10001:10001
ENTRYPOINT ["specter"]
CMD ["--help"]
