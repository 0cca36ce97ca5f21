"""Promtool cases of the alerts on what a detector says of itself as a process and of its data's way."""

from tests.alert_rules.detector_cases import DETECTOR, of_detector
from tests.alert_rules.promtool import Case, Firing

GIB = 2**30
QUERY = {**DETECTOR, "query": "request_rate"}
OK_READS = of_detector("specter_detector_reads_total", query="request_rate", outcome="ok")
BAD_READS = of_detector("specter_detector_reads_total", query="request_rate", outcome="unreachable")
START = of_detector("process_start_time_seconds")
SERIES = of_detector("specter_detector_series", query="request_rate", state="scored")
LAST_FIT = of_detector("specter_detector_last_fit_timestamp_seconds", query="request_rate")
SPOOL = of_detector("specter_detector_spool_samples")


def case(alert: str, name: str, series: dict[str, str], expected: dict[str, list[Firing]]) -> Case:
    return Case(alert, "detector", name, series, expected)


def skipped(count: int) -> list[Firing]:
    return [
        Firing(
            DETECTOR,
            "The detector skips ticks",
            f"{count} ticks of d were given up within 10m, and before that as well; expected 0. What began "
            "and ended between two ticks is missed.",
        )
    ]


def writes(outcome: str) -> str:
    return of_detector("specter_detector_writes_total", outcome=outcome)


def restarted(times: int) -> list[Firing]:
    return [
        Firing(
            DETECTOR,
            "The detector restarts again and again",
            f"d started {times} times within 1h; expected at most 2.",
        )
    ]


def late(age: str) -> list[Firing]:
    return [
        Firing(
            QUERY,
            f"request_rate has not been fitted for {age}",
            f"The series of query request_rate were last fitted {age} ago, or not at all; expected at most "
            "10800s. New series get no model, and seasons grow old.",
        )
    ]


PROCESS = [
    case(
        "DetectorReloadFailed",
        "fires a minute after an invalid configuration and resolves with a valid one",
        {of_detector("specter_detector_config_last_reload_successful"): "1x11 0x30 1x30"},
        {
            "1m55s": [],
            "2m": [
                Firing(
                    DETECTOR,
                    "The detector refused its new configuration",
                    "d could not read its configuration and goes on with the old one "
                    "(`config_last_reload_successful` is 0); expected 1. At its next start there is no old "
                    "one.",
                )
            ],
            "4m": [],
        },
    ),
    case(
        "DetectorSchedulerDead",
        "fires when the loop stands still and resolves when it goes on",
        {of_detector("specter_detector_scheduler_last_loop_timestamp_seconds"): "0+5x12 60x100 900+5x60"},
        {
            "6m": [],
            "7m30s": [
                Firing(
                    DETECTOR,
                    "The detector's scheduler stands still",
                    "The scheduler of d has not looked for a tick for 6m 30s; expected at most 300s. Nothing "
                    "is scored, though the process answers its scrapes.",
                )
            ],
            "10m": [],
        },
    ),
    case(
        "DetectorSchedulerDead",
        "is silent while a tick takes minutes",
        {of_detector("specter_detector_scheduler_last_loop_timestamp_seconds"): "0+5x12 60x47 300+5x60"},
        {"5m": [], "6m": []},
    ),
    case(
        "DetectorTicksSkipped",
        "fires when ticks go on being skipped and resolves when they do no more",
        {of_detector("specter_detector_ticks_skipped_total"): "0x59 0+0.125x240 30x300"},
        {"10m": [], "15m5s": [], "20m": skipped(15), "36m": []},
    ),
    case(
        "DetectorTicksSkipped",
        "is silent after one outage, however many ticks it cost",
        {of_detector("specter_detector_ticks_skipped_total"): "0x59 240x300"},
        {"6m": [], "10m": [], "14m55s": [], "15m": [], "15m5s": [], "20m": []},
    ),
    case(
        "DetectorStorageFailing",
        "fires with the first refusal of the disk and resolves",
        {
            of_detector("specter_detector_storage_errors_total", what="state"): "0x119 1x200",
            of_detector("specter_detector_storage_errors_total", what="spool"): "0x319",
        },
        {
            "9m55s": [],
            "15m": [
                Firing(
                    {**DETECTOR, "what": "state"},
                    "The detector cannot use its disk for state",
                    "The disk of d refused state 1 times within 10m; expected 0. Scores go on, and a restart "
                    "forgets what is not on disk.",
                )
            ],
            "21m": [],
        },
    ),
    case(
        "DetectorRestarting",
        "fires with the third start within an hour and resolves",
        {START: "0x59 300x59 600x59 900x1000"},
        {"14m55s": [], "15m": restarted(3), "1h4m55s": restarted(3), "1h6m": []},
    ),
    case(
        "DetectorRestarting",
        "is silent about an upgrade and its repair, and about other programs",
        {START: "0x59 300x59 600x100", START.replace("detector", "shop"): "0+5x220"},
        {"10m": [], "18m": []},
    ),
    case(
        "DetectorMemoryHigh",
        "fires after ten minutes above the limit and resolves",
        {of_detector("process_resident_memory_bytes"): f"{GIB}x11 {3 * GIB}x140 {GIB}x60"},
        {
            "10m55s": [],
            "11m": [
                Firing(
                    DETECTOR,
                    "The detector needs much memory",
                    "d holds 3GiB; expected at most 2GiB, which 100,000 series need.",
                )
            ],
            "13m": [],
        },
    ),
    case(
        "DetectorMemoryHigh",
        "is silent about a fit that needs it for minutes",
        {of_detector("process_resident_memory_bytes"): f"{GIB}x11 {3 * GIB}x100 {GIB}x60"},
        {"9m": [], "12m": []},
    ),
    case(
        "DetectorCpuHigh",
        "fires after a quarter of an hour of a whole core and resolves",
        {of_detector("process_cpu_seconds_total"): "0+1x60 60+4.95x300 1545+1x200"},
        {
            "19m": [],
            "26m": [
                Firing(
                    DETECTOR,
                    "The detector uses a whole core",
                    "d uses 0.99 cores, without the processes that fit; expected at most 0.9. Ticks are "
                    "about to come late.",
                )
            ],
            "36m": [],
        },
    ),
]

READING = [
    case(
        "DetectorReadsFailing",
        "fires when one read in five fails for a while and resolves",
        {OK_READS: "0+0.8x400", BAD_READS: "0x120 0+0.2x180 36x200"},
        {
            "10m": [],
            "24m": [
                Firing(
                    QUERY,
                    "Reads of request_rate fail",
                    "20% of the reads of query request_rate failed within 10m; expected at most 10%. Ticks "
                    "without an answer score nothing.",
                )
            ],
            "33m": [],
        },
    ),
    case(
        "DetectorReadsFailing",
        "is silent about one failure in twenty, and about answers without series",
        {
            OK_READS: "0+0.5x300",
            BAD_READS: "0+0.05x300",
            OK_READS.replace("ok", "empty"): "0+0.45x300",
        },
        {"15m": [], "24m": []},
    ),
    case(
        "DetectorSeriesOverLimit",
        "fires after a quarter of an hour with the number and resolves",
        {of_detector("specter_detector_series", query="request_rate", state="over_limit"): "0x11 7x200 0x60"},
        {
            "15m55s": [],
            "16m": [
                Firing(
                    {**QUERY, "state": "over_limit"},
                    "7 series of request_rate are not watched",
                    "Query request_rate returns 7 series more than `max_series` allows; expected 0. Those "
                    "are not scored. Series that were known before are kept.",
                )
            ],
            "19m": [],
        },
    ),
    case(
        "DetectorSeriesOverLimit",
        "is silent while a rollout doubles the series",
        {of_detector("specter_detector_series", query="request_rate", state="over_limit"): "0x11 7x100 0x60"},
        {"9m": [], "12m": []},
    ),
]

LEARNING = [
    case(
        "DetectorScoringFailing",
        "fires with the first error and resolves",
        {
            of_detector(
                "specter_detector_model_runs_total", query="request_rate", outcome="error"
            ): "0x59 3x300",
            of_detector("specter_detector_model_runs_total", query="request_rate", outcome="ok"): "0+1x360",
        },
        {
            "4m55s": [],
            "6m": [
                Firing(
                    QUERY,
                    "Judging the series of request_rate fails",
                    "3 runs of the model of query request_rate ended in an error within 10m; expected 0. "
                    "Such a tick is broken off, for other queries too.",
                )
            ],
            "16m": [],
        },
    ),
    case(
        "DetectorFitsLate",
        "fires three hours after the last fit and resolves with the next",
        {LAST_FIT: "0x2280 11400x200", SERIES: "1x2500", START: "0x2500"},
        {"3h4m": [], "3h5m5s": late("3h 5m 5s"), "3h12m": []},
    ),
    case(
        "DetectorFitsLate",
        "fires when nothing has been fitted since the start, though what was saved goes on scoring",
        {LAST_FIT: "_x2280 11400x200", SERIES: "1x2500", START: "0x2500"},
        {"3h4m": [], "3h5m5s": late("3h 5m 5s"), "3h12m": []},
    ),
    case(
        "DetectorFitPoolRestarting",
        "fires with the third replacement within an hour and resolves",
        {
            of_detector("specter_detector_fit_pool_restarts_total", reason="died"): "0x59 1x59 2x59 3x1000",
            of_detector("specter_detector_fit_pool_restarts_total", reason="hung"): "0x1179",
        },
        {
            "14m": [],
            "20m": [
                Firing(
                    {**DETECTOR, "reason": "died"},
                    "The processes that fit are replaced again and again",
                    "3 times within 1h the processes that fit for d died; expected at most 2. Each time a "
                    "fit is lost.",
                )
            ],
            "1h20m": [],
        },
    ),
]

WRITING = [
    case(
        "DetectorWritesFailing",
        "fires when every other write fails for a while and resolves",
        {
            writes("ok"): "0+1x120 120+0.5x180 210+1x200",
            writes("unreachable"): "0x120 0+0.5x180 90x200",
            writes("rejected"): "0x500",
        },
        {
            "10m": [],
            "24m55s": [
                Firing(
                    DETECTOR,
                    "The detector's writes fail",
                    "50% of the remote-write requests of d failed within 10m; expected at most 10%. What is "
                    "not delivered waits in the spool; what is refused is lost.",
                )
            ],
            "36m": [],
        },
    ),
    case(
        "DetectorWriteConflict",
        "fires when the server has other values of the same time and resolves",
        {of_detector("specter_detector_samples_dropped_total", reason="conflict"): "0x59 40x300"},
        {
            "4m55s": [],
            "6m": [
                Firing(
                    {**DETECTOR, "reason": "conflict"},
                    "Two detectors write the same series",
                    "The server refused 40 samples of d within 10m, because it has other values of the same "
                    "series and time; expected 0. Its scores are those of two detectors, mixed.",
                )
            ],
            "16m": [],
        },
    ),
    case(
        "DetectorSamplesDropped",
        "fires with the reason and resolves; a conflict has its own alert",
        {
            of_detector("specter_detector_samples_dropped_total", reason="spool_full"): "0x59 500x300",
            of_detector("specter_detector_samples_dropped_total", reason="conflict"): "0x59 40x300",
        },
        {
            "4m55s": [],
            "6m": [
                Firing(
                    {**DETECTOR, "reason": "spool_full"},
                    "The detector gives up samples: spool_full",
                    "500 samples of d were given up within 10m for the reason spool_full; expected 0. Their "
                    "scores are missing.",
                )
            ],
            "16m": [],
        },
    ),
    case(
        "DetectorSpoolGrowing",
        "fires when samples wait and become more, and resolves while they are sent",
        {SPOOL: "0x59 100+100x240 24000-100x230"},
        {
            "14m": [],
            "24m": [
                Firing(
                    DETECTOR,
                    "The detector's samples pile up",
                    "22.9k samples of d wait for the remote-write server, and they have become more for 10m; "
                    "expected 0. Scores come late; what waits too long is lost.",
                )
            ],
            "36m": [],
        },
    ),
    case(
        "DetectorSpoolGrowing",
        "is silent where every tick is delivered, however many samples it has",
        {SPOOL: "0 9000 0 9500 0 9900 " * 60},
        {"10m": [], "25m": []},
    ),
    case(
        "DetectorSpoolNotPersistent",
        "fires after five minutes in memory alone and resolves",
        {of_detector("specter_detector_spool_persistent"): "1x11 0x80 1x60"},
        {
            "5m55s": [],
            "6m": [
                Firing(
                    DETECTOR,
                    "The detector's samples are not on disk before they are sent",
                    "d keeps what it has to write in memory alone (`spool_persistent` is 0); expected 1. A "
                    "restart during an outage loses it, or says it twice.",
                )
            ],
            "8m": [],
        },
    ),
]

CASES = [*PROCESS, *READING, *LEARNING, *WRITING]
