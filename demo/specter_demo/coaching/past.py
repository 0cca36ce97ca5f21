"""The weeks before the coaching service first ran.

They need no measurement: nearly all the time of an answer is the language model's, and that is drawn from the
distribution in demo/coaching/model.json.
"""

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from specter_demo.coaching.node import SOURCE
from specter_demo.coaching.traffic import CoachingShape
from specter_demo.history.calibration import BOUNDS, Calibration, Outcome
from specter_demo.history.past import Past
from specter_demo.traffic.shape import Array, TrafficShape

SERVICE = "coaching"
# Of every request that visitors send, as OpenTelemetry's SDK for Node.js labels it.
LABELS = {"network_protocol_version": "1.1", "url_scheme": "http"}
METHODS = {"/advice/:topic": "GET", "/sessions/:id/end": "POST"}


class Answers(BaseModel):
    """How the language model answers on one route; its time is log-normal."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    median_seconds: float = Field(gt=0)
    sigma: float = Field(gt=0)


def coaching_past(shape: TrafficShape, source: Path = SOURCE) -> Past:
    """Return the past of the service in the folder `source`, visited at the hours of `shape`."""
    answers = TypeAdapter(dict[str, Answers]).validate_json((source / "model.json").read_bytes())
    return Past(
        service=SERVICE,
        version=json.loads((source / "package.json").read_bytes())["version"],
        calibration=Calibration(
            outcomes={route: (Outcome(METHODS[route], route, "200"),) for route in answers},
            probabilities={route: bucket_shares(each)[None, :] for route, each in answers.items()},
        ),
        rate_of=CoachingShape(shape).rate,
        labels=LABELS,
    )


def bucket_shares(answers: Answers) -> Array:
    """Return the share of answers in each bucket of a duration histogram, shape (15,), sum 1."""
    seconds = NormalDist(float(np.log(answers.median_seconds)), answers.sigma)
    below = [seconds.cdf(float(np.log(bound))) for bound in BOUNDS[:-1]]
    return np.diff([0.0, *below, 1.0])
