"""Sizes before networks: what a window admits, where steering lands, and a search behind either."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.archive.store import Archive
from qsearch.codecs import CODECS
from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.errors import InputError, RunError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.executors.serial import SerialExecutor
from qsearch.pareto.frontier import frontier
from qsearch.search import loop, run_search
from qsearch.search.steering import TOLERANCE, RatioWindow, Steering, gate_for, scaled_by, sizes_of
from qsearch.space import SearchSpace
from qsearch.strategies.base import Strategy
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.tables import QuantTables
from tests import fakes
from tests.conftest import FAKE
from tests.tables.test_quant import ANY_TABLES

IMAGES = fakes.fake_images(60).repeat(3, axis=1).repeat(3, axis=2)
"""60 images of 72 pixels: more than steering looks at while it seeks the scale."""


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return Evaluator(Dataset.from_arrays(IMAGES, np.arange(60) % 5), PillowCodec())


def spread(evaluator: Evaluator) -> tuple[float, float]:
    """Two ratios between those of the finest and the coarsest tables."""
    return sizes_of(evaluator, QuantTables.standard(90)).ratio, sizes_of(evaluator, QuantTables.standard(20)).ratio


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_steered_tables_land_on_the_ratio(evaluator: Evaluator, share: float) -> None:
    low, high = spread(evaluator)
    target = low + share * (high - low)
    steering = Steering(evaluator, target)
    for number in range(3):
        proposal = SortedRandom(SearchSpace.full(), 1).ask(number)
        admission = steering.admit(proposal)
        assert admission.reason == ""
        landed = sizes_of(evaluator, admission.tables).ratio
        assert abs(landed / target - 1) <= TOLERANCE
        assert steering.admit(proposal) == admission  # the proposal and the images decide, nothing else


def test_what_cannot_reach_the_ratio_is_refused_with_the_nearest_it_reaches(evaluator: Evaluator) -> None:
    admission = Steering(evaluator, 10_000).admit(QuantTables.standard(50))
    assert admission.sizes is not None
    assert admission.sizes.measures == ("bytes",)
    assert "not 10000, at any scale" in admission.reason
    assert f"reaches ratio {admission.sizes.ratio:.2f}" in admission.reason


@settings(max_examples=40, deadline=None, derandomize=True)
@given(ANY_TABLES, st.floats(1 / 255, 255))
def test_scaling_keeps_the_order_of_entries(tables: QuantTables, factor: float) -> None:
    scaled = scaled_by(tables, factor)
    before, after = (np.concatenate([each.luma, each.cb, each.cr]).ravel().astype(int) for each in (tables, scaled))
    assert (np.diff(after[np.argsort(before, kind="stable")]) >= 0).all()
    assert scaled_by(tables, 1.0) == tables


def test_a_window_admits_by_the_exact_sizes_of_all_files(evaluator: Evaluator) -> None:
    tables = QuantTables.standard(50)
    files = [PillowCodec().compress(pixels, tables) for pixels in IMAGES]
    ratio = IMAGES.nbytes / sum(map(len, files))
    assert RatioWindow(evaluator, ratio, ratio).admit(tables).reason == ""
    refused = RatioWindow(evaluator, ratio + 0.001, ratio + 1).admit(tables)
    assert refused.reason == f"its ratio {ratio:.2f} lies outside the window {ratio + 0.001:g} to {ratio + 1:g}"
    assert refused.sizes is not None
    assert refused.sizes.size_bytes.tolist() == [len(file) for file in files]


@pytest.mark.parametrize(
    ("ratio", "window", "sentence"),
    [
        (20.0, (1.0, 2.0), "--ratio steers every proposal .* give one"),
        (0.0, None, "a number above 0, got 0"),
        (float("nan"), None, "a number above 0, got nan"),
        (None, (3.0, 2.0), "from a lower to a higher number above 0, got 3 to 2"),
        (None, (0.0, 2.0), "above 0, got 0 to 2"),
    ],
)
def test_a_gate_that_is_none_is_refused(evaluator: Evaluator, ratio: Any, window: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        gate_for(evaluator, ratio, window)
    assert gate_for(evaluator) is None


def fake_evaluator() -> Evaluator:
    dataset = Dataset.from_arrays(fakes.fake_images(), np.arange(15) % 5)
    return Evaluator(dataset, PillowCodec(), [fakes.FakeClassifier("fake", {})])


def searched(strategy: Strategy, trials: int, *, archive: Archive | None = None, **gate: Any) -> Archive:
    archive = archive or Archive.in_memory()
    evaluator = fake_evaluator()
    with SerialExecutor(evaluator) as executor:
        run_search(strategy, executor, archive, trials=trials, qualities=(50,), gate=gate_for(evaluator, **gate))
    return archive


WINDOWS = [(SortedRandom, (2.15, 2.3)), (fakes.Adaptive, (1.96, 2.2))]
"""Strategies, and a window that lets some of their proposals through and not most."""


@pytest.mark.parametrize(("make", "window"), WINDOWS)
def test_screened_proposals_are_kept_and_count_nowhere(make: type[Strategy], window: tuple[float, float]) -> None:
    archive = searched(make(SearchSpace.full(), 1), 6, window=window)
    trials = archive.trials("search")
    assert archive.count("search") == 6 == len(trials.done())
    assert {trial.status for trial in trials} == {"done", "screened"}
    assert [trial.number for trial in trials] == list(range(len(trials)))
    for trial in trials:
        assert trial.measurement is not None
        inside = window[0] <= trial.measurement.ratio <= window[1]
        assert inside == (trial.status == "done")
        assert trial.measurement.measures == (("bytes", "rank", "loss", "divergence") if inside else ("bytes",))
    assert len(frontier(trials.done().ratio, trials.done().mean("top1"))) <= 6


@pytest.mark.parametrize(
    ("make", "gate"),
    [
        *((make, {"window": window}) for make, window in WINDOWS),
        *((make, {"ratio": 2.2}) for make in (SortedRandom, fakes.Adaptive)),
    ],
)
def test_a_search_behind_a_gate_that_is_resumed_is_one_that_never_stopped(
    make: type[Strategy], gate: dict[str, Any]
) -> None:
    archive = Archive.in_memory()
    for trials in (2, 3, 7):
        searched(make(SearchSpace.full(), 1), trials, archive=archive, **gate)
    assert archive.trials("search") == searched(make(SearchSpace.full(), 1), 7, **gate).trials("search")


def test_a_steered_trial_keeps_what_was_proposed(tmp_path: Path) -> None:
    with Archive.create(tmp_path / "trials.sqlite") as created:
        searched(SortedRandom(SearchSpace.full(), 1), 4, archive=created, ratio=2.2)
    with Archive.open(tmp_path / "trials.sqlite") as archive:
        for trial in archive.trials("search"):
            assert trial.proposed == SortedRandom(SearchSpace.full(), 1).ask(trial.number)
            assert trial.tables != trial.proposed
            assert trial.measurement is not None
            assert trial.measurement.ratio == pytest.approx(2.2, rel=TOLERANCE)


def test_a_search_that_only_screens_ends_with_the_last_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loop.MAX_SCREENED_IN_A_ROW == 1000
    monkeypatch.setattr(loop, "MAX_SCREENED_IN_A_ROW", 60)
    with pytest.raises(RunError, match=r"60 proposals in a row were screened.* lies outside the window 500 to 501"):
        searched(SortedRandom(SearchSpace.full(), 1), 3, window=(500.0, 501.0))


def test_sizes_alone_ask_no_network() -> None:
    failing = Evaluator(fake_evaluator().dataset, PillowCodec(), [fakes.FakeClassifier("fake", {"fail": "1"})])
    assert sizes_of(failing, QuantTables.standard(50)).measures == ("bytes",)


def test_every_codec_steers_alike(evaluator: Evaluator) -> None:
    _, high = spread(evaluator)
    exact = Evaluator(evaluator.dataset, CODECS.get("coefficient")(EncoderOptions()))
    proposal = SortedRandom(SearchSpace.full(), 3).ask(0)
    assert Steering(exact, high).admit(proposal) == Steering(evaluator, high).admit(proposal)


class TestCommandLine:
    def rows(self, cli: Any) -> list[dict[str, Any]]:
        import json

        found: list[dict[str, Any]] = json.loads(cli("trials", "a", "--json").stdout)
        return [row for row in found if row["series"] == "search"]

    def test_a_ratio(self, cli: Any) -> None:
        finished = cli("run", "--name", "a", "--trials", "4", *FAKE, "--ratio", "2.2")
        assert finished.status == 0, finished.stderr
        assert [row["ratio"] for row in self.rows(cli)] == pytest.approx([2.2] * 4, rel=TOLERANCE)
        assert "4 of 4 trials done" in cli("show", "a").stdout

    def test_a_window(self, cli: Any) -> None:
        finished = cli("run", "--name", "a", "--trials", "3", *FAKE, "--ratio-window", "2.15", "2.3")
        assert finished.status == 0, finished.stderr
        rows = self.rows(cli)
        assert sum(row["status"] == "done" for row in rows) == 3
        assert all((row["top1"] is None) == (row["status"] == "screened") for row in rows)
        assert "3 of 3 trials done" in cli("show", "a").stdout

    def test_around_a_quality(self, cli: Any, tmp_path: Path) -> None:
        from qsearch.run.folder import Run

        finished = cli("run", "--name", "a", "--trials", "1", *FAKE, "--around", "50")
        assert finished.status == 0, finished.stderr
        run = Run.open(tmp_path / "runs" / "a")
        standard = run.results().standard[50].ratio
        assert run.settings.search.ratio_window == pytest.approx((standard * 21 / 22, standard * 23 / 22))

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (("--ratio", "2", "--ratio-window", "1", "2"), "give one"),
            (("--ratio-window", "3", "2"), "from a lower to a higher number"),
            (("--ratio", "-1"), "--ratio"),
        ],
    )
    def test_what_is_none_is_refused_before_anything_is_measured(
        self, cli: Any, tmp_path: Path, options: tuple[str, ...], sentence: str
    ) -> None:
        finished = cli("run", "--name", "a", *FAKE, *options)
        assert finished.status == 2
        assert sentence in finished.sentence
        assert not (tmp_path / "runs" / "a").exists()
