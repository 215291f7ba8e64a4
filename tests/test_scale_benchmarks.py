"""The benchmarks of large archives and many workers measure what they say."""

from pathlib import Path

import pytest

from benchmarks.archive import make_run, measured
from benchmarks.scaling import simulated
from qsearch.run.folder import Run


def test_a_made_up_run_is_a_run(tmp_path: Path) -> None:
    make_run(tmp_path / "large", trials=30, images=40)
    results = Run.open(tmp_path / "large").results()
    assert len(results.done) == 30
    assert len(results.standard) == 19
    assert len(results.frontier) > 1
    assert Run.open(tmp_path / "large").archive().problems() == []
    found = measured(tmp_path / "large", "open")
    assert found["inside_s"] <= found["wall_s"]
    assert found["peak_mib"] > 10


@pytest.mark.parametrize("workers", [1, 20])
def test_what_an_executor_costs_bounds_the_trials(workers: int) -> None:
    """Ten seconds of the search's own process per trial, against one second of a worker."""
    found = simulated(workers, mean_s=1.0, executor_s=10.0, wait_s=0.0, per_worker=4)
    assert 0.05 < found["trials_per_s"] < 0.15  # some were asked for before the first quarter was through
    assert found["overhead_ms"] >= 10_000


def test_workers_that_wait_for_nothing_are_busy() -> None:
    found = simulated(4, mean_s=1e6, executor_s=0.0, wait_s=0.0, per_worker=100)
    assert found["busy"] == pytest.approx(1, abs=0.1)
    assert found["trials_per_s"] == pytest.approx(4e-6, rel=0.1)
