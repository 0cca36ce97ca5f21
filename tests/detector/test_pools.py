"""Fits on a Dask cluster: the same results, and what its loss costs."""

import numpy as np
import pytest
from distributed import LocalCluster

from specter_detector.fitting import FitError, FitRequest, PoolFitter
from specter_detector.models.fit import FitOptions, fit
from specter_detector.pools import DaskPool
from tests.detector.generated_series import generate
from tests.servers.prometheus import free_port

pytestmark = pytest.mark.integration

OPTIONS = FitOptions()


def request() -> FitRequest:
    series = [generate("request_rate", seed, 20.0, days=4) for seed in range(70)]
    values = np.stack([each.values for each in series])
    rows = np.arange(len(values))
    return FitRequest(series[0].times, values.__getitem__, OPTIONS, rows[:0], rows)


def test_a_dask_cluster_fits_as_this_machine_does_and_its_loss_is_an_error_not_the_end() -> None:
    asked = request()
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        fitter = PoolFitter(DaskPool(cluster.scheduler_address))
        results = list(fitter.fit_all(asked))
        assert [rows.tolist() for rows, _ in results] == [list(range(64)), list(range(64, 70))]
        for rows, fitted in results:
            expected = fit(asked.times, asked.values(rows), OPTIONS, with_state=True)
            np.testing.assert_array_equal(fitted.shape.day, expected.shape.day)
            assert fitted.state is not None
            assert expected.state is not None
            np.testing.assert_array_equal(fitted.state.level, expected.state.level)
    with pytest.raises(FitError):
        list(fitter.fit_all(asked))
    fitter.close()


def test_a_cluster_that_is_not_there_is_said_to_be_so() -> None:
    pool = DaskPool(f"tcp://127.0.0.1:{free_port()}", connect_seconds=0.5)
    fitter = PoolFitter(pool)
    with pytest.raises(FitError, match="out of reach"):
        list(fitter.fit_all(request()))
    fitter.close()
    with pytest.raises(FitError, match="stopping"):
        list(fitter.fit_all(request()))
