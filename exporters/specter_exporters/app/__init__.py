"""Instrumentation of a web application: requests, latencies and exceptions by route template."""

from specter_exporters.app.asgi import AsgiMiddleware
from specter_exporters.app.django_route import django_route
from specter_exporters.app.exposition import metrics_app, metrics_asgi_app
from specter_exporters.app.flask_extension import SpecterFlask
from specter_exporters.app.health import Check, Health
from specter_exporters.app.health_endpoint import HealthAsgi, HealthWsgi
from specter_exporters.app.memory_room import MemoryRoom
from specter_exporters.app.outgoing import Outgoing
from specter_exporters.app.recorder import Recorder
from specter_exporters.app.wsgi import WsgiMiddleware

__all__ = [
    "AsgiMiddleware",
    "Check",
    "Health",
    "HealthAsgi",
    "HealthWsgi",
    "MemoryRoom",
    "Outgoing",
    "Recorder",
    "SpecterFlask",
    "WsgiMiddleware",
    "django_route",
    "metrics_app",
    "metrics_asgi_app",
]
