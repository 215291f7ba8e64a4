"""Which runs stand side by side, which are seeds of one strategy, and which validation judges them."""

from pathlib import Path
from typing import Any

import pytest

from qsearch.archive.arrays import ArrayReader
from qsearch.errors import InputError
from qsearch.run.folder import Run
from qsearch.run.histories import traces
from qsearch.run.settings import BoundsSettings, CodecSettings
from qsearch.search.racing import RaceOptions
from tests.made_up_runs import REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS, make_loss_run, make_run
from tests.made_up_runs import done as done_trial

PLACES = [f"run-{index}" for index in range(9)]


def made(folder: Path, *searches: dict[str, Any]) -> list[Run]:
    return [Run.open(make_loss_run(folder / name, **one)) for name, one in zip(PLACES, searches, strict=False)]


def validated(run: Run, name: str, **how: Any) -> None:
    make_loss_run(run.path / "validations" / name, **how)


def test_seeds_of_one_strategy_go_together_and_what_differs_names_the_others(tmp_path: Path) -> None:
    runs = made(
        tmp_path,
        {"seed": 1},
        {"seed": 2, "trials": 500},
        {"seed": 1, "options": {"draw": "uniform"}},
        {"seed": 1, "strategy": "bayesian", "warm_up": 2},
        {"seed": 1, "ratio": 20},
        {"seed": 1, "race": RaceOptions(chance=0.05, elite=5, lag=16)},
    )
    found = traces(runs)
    assert [(each.name, [one.run.name for one in each.runs]) for each in found] == [
        ("sorted-random", ["run-0", "run-1"]),
        ("sorted-random, draw uniform", ["run-2"]),
        ("bayesian", ["run-3"]),
        ("sorted-random, ratio 20.0", ["run-4"]),
        ("sorted-random, race by divergence, race chance 0.05, race elite 5, race lag 16", ["run-5"]),
    ]
    targets = [each.runs[0].target for each in found]
    assert [round(target.ratio, 1) for target in targets] == [20, 20, 20, 20, 20]
    assert (targets[3].low, targets[3].high) == pytest.approx((19.9, 20.1))
    assert found[0].band("trials").x[-1] == 5


def test_seeds_that_take_bounds_from_different_runs_are_seeds_all_the_same(tmp_path: Path) -> None:
    bounds = {"window": (18.0, 22.0), "sigma": 0.5, "parabola": (1.0, 2.0, 3.0), "lower": (1,), "upper": (9,)}
    searches = [
        {"strategy": "bayesian", "seed": seed, "bounds": BoundsSettings(sources=(source,), **bounds)}  # type: ignore[arg-type]
        for seed, source in ((1, "one"), (1, "two"), (2, "two"))
    ]
    assert [len(each.runs) for each in traces(made(tmp_path, *searches))] == [3]


@pytest.mark.parametrize(
    ("searches", "sentence"),
    [
        (({}, {"codec": CodecSettings(subsampling="4:4:4")}), "codec: subsampling was 4:2:0, is 4:4:4"),
        (
            ({}, {"ratio": 10.0}),
            r"run-0 and run-1 cannot be compared: the first picks at ratio 20\.00, the second at 10\.00",
        ),
        (({}, {"seed": 1}, {"seed": 1}), "run-1 and run-2 are one search, sorted-random with seed 1: give one of them"),
    ],
)
def test_runs_that_cannot_stand_side_by_side(
    tmp_path: Path, searches: tuple[dict[str, Any], ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        traces(made(tmp_path, *searches))


def test_runs_that_pick_by_different_objectives(tmp_path: Path) -> None:
    runs = [*made(tmp_path, {}), Run.open(make_run(tmp_path / "other", reference=REFERENCE_WITH_LOSS))]
    with pytest.raises(InputError, match="the first picks by cross-entropy, the second by top-1"):
        traces(runs)


def test_without_quality_50_there_is_no_ratio_to_pick_at(tmp_path: Path) -> None:
    reference = [trial for trial in REFERENCE_WITH_LOSS if trial.number != 50]
    run = Run.open(make_run(tmp_path / "demo", SEARCH_WITH_LOSS, reference=reference, objective="loss"))
    with pytest.raises(InputError, match="run demo has not measured standard quality 50"):
        traces([run])


def test_the_only_validation_judges_and_of_several_the_one_named(tmp_path: Path) -> None:
    runs = made(tmp_path, {"seed": 1}, {"seed": 2})
    for run in runs:
        validated(run, "unseen")
    validated(runs[1], "other")
    notes: list[str] = []
    (found,) = traces(runs, on_note=notes.append)
    assert [one.validation and one.validation.name for one in found.runs] == ["unseen", None]
    (note,) = notes
    assert note == ("run run-1 has 2 validations, other, unseen: name the one that judges its picks with --validation.")
    (found,) = traces(runs, "unseen")
    assert [one.validation and one.validation.name for one in found.runs] == ["unseen", "unseen"]
    (found,) = traces(runs, "other", notes.append)
    assert notes[-1] == "run run-0 has no validation other: its picks are not judged."
    with pytest.raises(InputError, match="no run has a validation 'unsee': did you mean unseen"):
        traces(runs, "unsee")


def test_validations_under_different_conditions_are_not_mixed(tmp_path: Path) -> None:
    runs = made(tmp_path, {"seed": 1}, {"seed": 2})
    validated(runs[0], "unseen")
    validated(runs[1], "unseen", codec=CodecSettings(subsampling="4:4:4"))
    with pytest.raises(InputError, match="unseen and unseen cannot be compared: codec: subsampling"):
        traces(runs)


def test_no_array_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of trials are summed up by their columns."""
    runs = made(tmp_path, {"seed": 1})
    validated(runs[0], "unseen", search=[done_trial(3, 24, 0.7, loss=0.8)])
    monkeypatch.setattr(ArrayReader, "read", lambda *_: pytest.fail("an array was read"))
    (found,) = traces(runs)
    assert found.runs[0].history.validation is not None
    assert found.runs[0].history.labels[-1] == "3"
