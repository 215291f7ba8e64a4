"""The embedded default, end to end: ``qsearch run`` without a dataset or a classifier, as a new user types it."""

import json
from pathlib import Path

import pytest

from qsearch.run.folder import Run
from tests.conftest import Command


@pytest.fixture
def textures(qsearch: Command, request: pytest.FixtureRequest) -> Command:
    """The command line with a cache of images that outlives the tests: rendering them takes most of the time."""
    qsearch.environment["QSEARCH_CACHE"] = str(request.config.cache.mkdir("qsearch"))
    (qsearch.folder / "few.toml").write_text("[search]\nqualities = [90, 50, 10]\ntrials = 2\nseed = 1\n")
    return qsearch


def test_ratio_and_accuracy_trade_over_the_whole_range(textures: Command, tmp_path: Path) -> None:
    finished = textures("run", "--config", "few.toml", "--name", "demo", "--workers", "2", "--json")
    assert finished.returncode == 0, finished.stderr
    assert all(word not in finished.stderr for word in ("Traceback", "Warning", "leaked"))
    summary = json.loads(finished.stdout)["summary"]
    assert summary["trials_done"] == 2
    run = Run.open(tmp_path / "runs" / "demo")
    fine, middle, coarse = (run.results().standard[quality] for quality in (90, 50, 10))
    assert fine.ratio < middle.ratio < coarse.ratio
    assert 0.95 > fine.top1 > middle.top1 > coarse.top1 > 0.3
    assert 0.7 < middle.top1 < 0.9
    assert fine.images == 450
    found = json.loads(finished.stdout)["confirmed"]
    assert (found["images"], found["trials"]) == (150, 2)
    assert found["pick"] == max(found["considered"], key=lambda each: each["above"])["label"]

    more = textures("resume", "demo", "--trials", "3", "--workers", "1")
    assert more.returncode == 0, more.stderr
    assert len(run.trials()[1]) == 3
    assert textures("plot", "demo").returncode == 0
