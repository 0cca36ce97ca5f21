"""The payment provider's status page, in the format of statuspage.io: what the vendor says of itself.

It is a server of its own, which stays when the provider's API is away.
"""

from collections.abc import Callable

import flask

from specter_demo.provider import FINE, Trouble

CHARGES, DASHBOARD = "Charges", "Dashboard"
SAID = {"none": "All Systems Operational", "minor": "Partially Degraded Service", "major": "Major Outage"}
STATUS = {"none": "operational", "minor": "degraded_performance", "major": "major_outage"}


def create_status_page(trouble: Callable[[], Trouble]) -> flask.Flask:
    """Return the page; `trouble` is asked at each request what is wrong with charges."""
    app = flask.Flask(__name__, static_folder=None)

    @app.get("/api/v2/status.json")
    def status() -> flask.typing.ResponseReturnValue:
        indicator = indicator_of(trouble())
        return flask.jsonify(status={"indicator": indicator, "description": SAID[indicator]})

    @app.get("/api/v2/components.json")
    def components() -> flask.typing.ResponseReturnValue:
        charges = STATUS[indicator_of(trouble())]
        return flask.jsonify(
            components=[
                {"name": CHARGES, "status": charges, "group": False},
                {"name": DASHBOARD, "status": STATUS["none"], "group": False},
            ]
        )

    @app.get("/api/v2/incidents/unresolved.json")
    def unresolved() -> flask.typing.ResponseReturnValue:
        indicator = indicator_of(trouble())
        incident = {"name": f"{CHARGES}: {SAID[indicator]}", "status": "investigating", "impact": indicator}
        return flask.jsonify(incidents=[] if indicator == "none" else [incident])

    return app


def indicator_of(trouble: Trouble) -> str:
    """Return how bad `trouble` is, in the page's words."""
    if trouble.away:
        return "major"
    return "none" if trouble == FINE else "minor"
