"""Runs in a box of shapes, and the paper's way beside them: settings, warm-up, sources, seeds."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from qsearch.analysis.bounds import NEAR
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import LOSS, TOP1
from qsearch.evaluation.task import Task
from qsearch.pareto.bounds import bounds
from qsearch.pareto.fitness import LocalFit
from qsearch.run.building import build_evaluator, build_strategy, seed_settings
from qsearch.run.folder import Run, with_bounds_from
from qsearch.run.settings import (
    BoundsSettings,
    ClassifierSettings,
    DatasetSettings,
    RunSettings,
    SearchSettings,
    load_settings,
    search_settings_named,
)
from qsearch.search.steering import TOLERANCE, Admission, sizes_of
from qsearch.space import SearchSpace
from qsearch.space.shapes import ShapeSpace
from qsearch.strategies.base import Seed
from qsearch.strategies.bounded_random import BoundedRandom
from qsearch.strategies.local_search import LocalSearch
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.tables import QuantTables

pytestmark = pytest.mark.usefixtures("plugins")
QUALITIES = (10, 30, 50, 70, 90)
WARM_UP = 15


def settings(**search: Any) -> RunSettings:
    wanted = {
        "strategy": "bounded-random",
        "trials": 25,
        "seed": 3,
        "qualities": QUALITIES,
        "warm_up": WARM_UP,
        "objective": "loss",
        "box": "shape",
    }
    return RunSettings(
        search=SearchSettings(**{**wanted, **search}),
        dataset=DatasetSettings(spec="fake"),
        classifiers=(ClassifierSettings(spec="fake"),),
    )


def evaluator_of(wanted: RunSettings) -> Evaluator:
    return build_evaluator(wanted, workers=1)


def create(path: Path, wanted: RunSettings) -> Run:
    return Run.create(path, wanted, evaluator_of(wanted))


def searched(path: Path, wanted: RunSettings) -> Run:
    create(path, wanted).resume(executor="serial", workers=1)
    return Run.open(path)


def trials(run: Run) -> list[Trial]:
    reference, search = run.trials()
    return [*reference, *search]


def learned(run: Run) -> BoundsSettings:
    assert run.settings.search.bounds is not None
    return run.settings.search.bounds


def test_every_trial_is_steered_to_the_standard_tables_ratio_the_warm_up_too(tmp_path: Path) -> None:
    run = searched(tmp_path / "a", settings())
    results = run.results()
    standard = results.standard[50].ratio
    assert run.settings.search.ratio == standard
    assert len(results.done) == 25
    np.testing.assert_allclose(results.ratio, standard, rtol=TOLERANCE)
    random = SortedRandom(SearchSpace.full(), 3)
    assert [trial.proposed or trial.tables for trial in results.search[:WARM_UP]] == [
        random.ask(number) for number in range(WARM_UP)
    ]


def test_the_box_is_of_the_best_by_the_objective_above_the_standard_tables(tmp_path: Path) -> None:
    run = searched(tmp_path / "a", settings())
    kept, results, ratio = learned(run), run.results(), run.settings.search.ratio
    assert ratio is not None
    assert kept.box == "shape"
    assert kept.objective == "loss"
    assert kept.parabola is None
    assert kept.window == pytest.approx((ratio / NEAR, ratio * NEAR))
    standard = list(results.standard.values())
    fit = LocalFit.fit([each.ratio for each in standard], [LOSS.value(each) for each in standard], kept.window, LOSS)
    assert kept.local_fit == (fit.center, fit.low, fit.high, fit.a, fit.b, fit.c)
    warm_up = [trial for trial in results.search[:WARM_UP] if trial.measurement]
    best = sorted(warm_up, key=lambda trial: -fit.gap(trial.measurement))[:12]  # type: ignore[arg-type]
    strategy = build_strategy(run.settings.search)
    assert isinstance(strategy.space, ShapeSpace)
    assert strategy.fitness == fit
    for trial in best:
        assert strategy.space.holds(trial.tables)
        assert strategy.space.holds(trial.tables.transposed())
    for trial in results.search[WARM_UP:]:
        assert strategy.space.holds(trial.proposed or trial.tables)


def interrupted(path: Path, wanted: RunSettings, label: str) -> Run:
    def interrupt(trial: Trial) -> None:
        if trial.label == label:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create(path, wanted).resume(executor="serial", workers=1, on_trial=interrupt)
    Run.open(path).resume(executor="serial", workers=1)
    return Run.open(path)


@dataclass(frozen=True)
class Refusing:
    """Refuses about a third of all proposals, and steers none."""

    evaluator: Evaluator

    def admit(self, tables: QuantTables) -> Admission:
        if int(tables.digest[:4], 16) % 3:
            return Admission(tables)
        return Admission(tables, self.evaluator.evaluate(Task(tables, networks=False)), "not these")


@pytest.mark.parametrize("label", ["standard:50", "4", "14", "20", "30"])
@pytest.mark.parametrize("strategy", ["bounded-random", "local-search"])
def test_a_run_whose_warm_up_was_screened_in_part_goes_on_where_it_was(
    tmp_path: Path, label: str, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qsearch.run.folder.gate_for", lambda evaluator, *ratios: Refusing(evaluator))
    wanted = settings(strategy=strategy, window=(1.0, 10.0))
    whole = searched(tmp_path / "b", wanted)
    found = trials(whole)[len(QUALITIES) + 1 :]
    screened = [trial.number for trial in found if trial.status == "screened"]
    assert screened
    assert screened[0] < WARM_UP
    first = learned(whole).first
    assert first is not None
    assert first > WARM_UP
    assert [trial.number for trial in found] == list(range(len(found)))
    assert {trial.strategy for trial in found[:first]} == {"sorted-random"}
    assert {trial.strategy for trial in found[first:]} == {strategy}
    assert sum(trial.status == "done" for trial in found[:first]) == WARM_UP
    assert sum(trial.status == "done" for trial in found) == 25
    assert trials(interrupted(tmp_path / "a", wanted, label)) == trials(whole)


def test_any_number_of_workers_leaves_the_same_archive(tmp_path: Path) -> None:
    wanted = settings(strategy="local-search", trials=40)
    for workers in (1, 2):
        create(tmp_path / str(workers), wanted).resume(workers=workers)
    one, two = (trials(Run.open(tmp_path / name)) for name in "12")
    assert one == two


CONTROLS = [Seed("published:flat", QuantTables.shared(np.full((8, 8), 16)))]


def test_seeds_are_the_best_their_average_and_what_somebody_names(tmp_path: Path) -> None:
    wanted = settings(strategy="local-search", seeds=tuple(map(seed_settings, CONTROLS)))
    run = searched(tmp_path / "a", wanted)
    results, kept = run.results(), learned(run)
    fit = build_strategy(run.settings.search).fitness
    assert kept.seeds[0].label == "mean of the 12 best"
    assert kept.seeds[0].gap is None
    gaps = {trial.label: fit.gap(trial.measurement) for trial in results.search[:WARM_UP]}  # type: ignore[union-attr, arg-type]
    assert {seed.label.removeprefix("trial "): seed.gap for seed in kept.seeds[1:]} == {
        label: gaps[label] for label in sorted(gaps, key=lambda label: -gaps[label])[:12]
    }
    own = results.search[WARM_UP:]
    assert [trial.origin for trial in own[:4]] == ["mean of the 12 best", "published:flat", "mean", "sample"]
    assert own[1].proposed == CONTROLS[0].tables
    assert sizes_of(evaluator_of(run.settings), own[1].tables).ratio == pytest.approx(
        run.settings.search.ratio, rel=TOLERANCE
    )


def test_they_are_kept_with_the_run_and_need_nothing_else(tmp_path: Path) -> None:
    wanted = settings(strategy="local-search", seeds=tuple(map(seed_settings, CONTROLS)))
    run = searched(tmp_path / "a", wanted)
    again = build_strategy(load_settings(tmp_path / "a" / "run.toml").search)
    assert isinstance(again, LocalSearch)
    own = run.results().search[WARM_UP:]
    for trial in own[:2]:
        assert again.ask(trial.number - WARM_UP) == (trial.proposed or trial.tables)


def test_other_strategies_keep_no_seeds(tmp_path: Path) -> None:
    assert learned(searched(tmp_path / "a", settings())).seeds == ()


def test_damaged_seeds_and_boxes_are_one_sentence(tmp_path: Path) -> None:
    run = searched(tmp_path / "a", settings(strategy="local-search"))
    search, kept = run.settings.search, learned(run)
    seed = msgspec.structs.replace(kept.seeds[0], tables="zz")
    for broken, sentence in (
        ({"seeds": (seed,)}, "is no tables in hexadecimal"),
        ({"origin": None}, "an origin and a step"),
        ({"local_fit": None}, "a local fit or a parabola"),
    ):
        damaged = msgspec.structs.replace(kept, **broken)
        with pytest.raises(InputError, match=sentence):
            build_strategy(msgspec.structs.replace(search, bounds=damaged))


def test_other_runs_give_bounds_too(tmp_path: Path) -> None:
    source = searched(tmp_path / "source", settings(strategy="sorted-random", warm_up=0, box="paper", trials=30))
    wanted = settings(warm_up=0, trials=5, ratio=2.2)
    guided = with_bounds_from(wanted, [source], evaluator_of(wanted))
    run = searched(tmp_path / "a", guided)
    assert learned(run).paths == (str(tmp_path / "source"),)
    np.testing.assert_allclose(run.results().ratio, 2.2, rtol=TOLERANCE)
    assert len(run.results().done) == 5


def test_runs_of_different_objectives_do_not_mix(tmp_path: Path) -> None:
    sources = [
        searched(tmp_path / objective, settings(strategy="sorted-random", warm_up=0, box="paper", objective=objective))
        for objective in ("loss", "top1")
    ]
    wanted = settings(warm_up=0, trials=5)
    with pytest.raises(InputError, match=r"different objectives \(loss of loss, top1 of top1\): take one kind"):
        with_bounds_from(wanted, sources, evaluator_of(wanted))
    assert with_bounds_from(wanted, sources[1:], evaluator_of(wanted)).search.bounds is not None


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ({"ratio_window": (2.0, 2.4)}, "give --ratio in place of --ratio-window, or --box paper"),
        ({"strategy": "sorted-random", "warm_up": 0}, "sorted-random searches without bounds, so it has no box"),
        ({"ratio": 50.0}, r"reach ratios from 1\.\d\d \(every entry 1\) to 2\.\d\d \(every entry 255\).* 50 lies out"),
        ({"ratio": 0.5}, "and 0.5 lies outside: choose another --ratio"),
        ({"ratio": 50.0, "strategy": "sorted-random", "warm_up": 0, "box": "paper"}, "choose another --ratio"),
    ],
)
def test_what_cannot_be_searched_is_told_before_anything_is(
    tmp_path: Path, search: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        create(tmp_path / "a", settings(**search))
    assert not (tmp_path / "a").exists()


def test_a_window_without_tables_is_one_sentence(tmp_path: Path) -> None:
    run = create(tmp_path / "a", settings(window=(1.1, 1.2)))
    with pytest.raises(InputError, match=r"2 different tables of ratios from 1.10 to 1.20, and the trials have 0"):
        run.resume(executor="serial", workers=1)


# --- the paper's way ---------------------------------------------------------------------------------------------


def paper(**search: Any) -> RunSettings:
    return settings(**{"objective": "top1", "box": "paper", "window": (1.0, 1000.0), **search})


def test_the_papers_way_takes_bounds_and_fitness_of_top1_from_the_frontier(tmp_path: Path) -> None:
    run = searched(tmp_path / "a", paper())
    kept, results = learned(run), run.results()
    warm_up = results.search[:WARM_UP]
    frontier = Results("warm-up", results.reference, warm_up).frontier
    measured = [trial.measurement for trial in frontier if trial.measurement]
    ratios, top1 = [each.ratio for each in measured], [each.top1 for each in measured]
    box = bounds([trial.tables for trial in frontier], ratios, "shared", (1.0, 1000.0))
    fit = LocalFit.fit(ratios, top1, (1.0, 1000.0), TOP1)
    assert (kept.lower, kept.upper) == (tuple(box.lower.tolist()), tuple(box.upper.tolist()))
    assert kept.local_fit == (fit.center, fit.low, fit.high, fit.a, fit.b, fit.c)
    own = BoundedRandom(box, 3, fitness=fit)
    assert [trial.tables for trial in results.search[WARM_UP:]] == [own.ask(number) for number in range(10)]
    assert all(trial.proposed is None for trial in results.search)
    assert run.settings.search.ratio is None


def test_the_papers_proposals_are_those_of_earlier_versions(tmp_path: Path) -> None:
    """Of the settings that they wrote: neither objective nor box was to be chosen."""
    path = tmp_path / "run.toml"
    lower, upper = list(range(10, 74)), list(range(20, 84))
    path.write_text(
        "format = 2\n[search]\nstrategy = 'bounded-random'\nseed = 7\n[search.guidance]\nsources = ['x']\n"
        "window = [19.0, 21.0]\nsigma = 0.5\nparabola = [-1e-4, -2e-3, 0.64]\n"
        f"local_fit = [20.0, 18.0, 22.0, -0.5, -0.3, 0.6]\nlower = {lower}\nupper = {upper}\n"
    )
    search = load_settings(path).search
    assert (search.objective, search.box) == ("top1", "paper")
    assert search_settings_named(path) >= {"objective", "box"}
    strategy = build_strategy(search)
    assert strategy.fitness == LocalFit(20.0, 18.0, 22.0, -0.5, -0.3, 0.6)
    proposals = b"".join(strategy.ask(number).to_bytes() for number in range(20))
    # RandomState's streams are frozen: these are the tables of trials 0 to 19 before there were shapes.
    assert hashlib.sha256(proposals).hexdigest() == "7241e96374e02caaab9c2165094cf205d3c6cdaa58eace864d09507d02d3db18"


def test_top1_in_a_box_of_shapes_and_a_loss_in_the_papers_box_are_searched_too(tmp_path: Path) -> None:
    mixed = searched(tmp_path / "a", paper(objective="loss"))
    assert learned(mixed).objective == "loss"
    assert learned(mixed).parabola is not None
    fitness = build_strategy(mixed.settings.search).fitness
    assert isinstance(fitness, LocalFit)
    assert fitness.objective is LOSS
    top1 = searched(tmp_path / "b", settings(objective="top1"))
    fitness = build_strategy(top1.settings.search).fitness
    assert isinstance(fitness, LocalFit)
    assert fitness.objective is TOP1


def test_a_ratio_does_not_steer_the_papers_warm_up(tmp_path: Path) -> None:
    run = searched(tmp_path / "a", paper(ratio=2.2))
    ratios = run.results().ratio
    assert np.ptp(ratios[:WARM_UP]) > 4 * TOLERANCE * 2.2
    np.testing.assert_allclose(ratios[WARM_UP:], 2.2, rtol=TOLERANCE)
