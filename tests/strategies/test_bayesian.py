from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.fitness import Parabola
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.space.shapes import ShapeSpace, shape_of
from qsearch.strategies import STRATEGIES, gaussian_process
from qsearch.strategies.base import Strategy
from qsearch.strategies.bayesian import Bayesian
from qsearch.strategies.gaussian_process import GaussianProcess
from qsearch.strategies.surrogate import Surrogate, kept_of, settled_at
from qsearch.tables import QuantTables
from qsearch.testing import drive

FITNESS = Parabola(0.0, -0.01, 0.8)
QUICK: dict[str, Any] = {"initial": 10, "candidates": 200}


def box(width: int = 30, layout: str = "shared") -> SearchSpace:
    lower = np.tile(1 + np.arange(64) // 2, LAYOUTS[layout])
    return SearchSpace(layout, lower, lower + width)


def told(strategy: Strategy, number: int, tables: QuantTables, gap: float) -> None:
    """Tells of a trial at the ratio of 3 whose accuracy lies ``gap`` above the fitness, to a two-thousandth."""
    hits = round(2000 * (FITNESS.at(3.0) + gap))
    ranks = np.where(np.arange(2000) < hits, 0, 1).astype(np.int32)
    measurement = Measurement.of(np.ones(2000, dtype=np.int64), ranks[None, :], pixels=1)
    strategy.tell(Trial("search", number, strategy.name, tables, "done", measurement))


def test_the_first_trials_are_bounded_randoms() -> None:
    strategy = Bayesian(box(), 7, fitness=FITNESS, **QUICK)
    random = STRATEGIES.get("bounded-random")(box(), 7, fitness=FITNESS)
    assert [strategy.ask(n) for n in range(10)] == [random.ask(n) for n in range(10)]
    for number in range(10):
        told(strategy, number, strategy.ask(number), 0.01 * number)
    assert strategy.ask(10) != random.ask(10)


def test_it_learns_where_the_gap_is_large() -> None:
    """The gap falls with the distance from a table it does not know; random tables stay far away, its own come near."""
    space = box()
    goal = space.lower + np.random.default_rng(3).integers(0, 31, 64)

    def gap(tables: QuantTables) -> float:
        return float(-0.1 * np.mean(((space.to_vector(tables) - goal) / 30) ** 2))

    strategy = Bayesian(space, 1, fitness=FITNESS, initial=40, candidates=5000)
    gaps = []
    for number in range(60):
        tables = strategy.ask(number)
        gaps.append(gap(tables))
        told(strategy, number, tables, gaps[-1])
    assert np.mean(gaps[40:]) > np.mean(gaps[:40]) + 2 * np.std(gaps[:40])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gaps_that_are_no_numbers_never_reach_the_model(bad: float) -> None:
    class Broken:
        broken = False

        def gap(self, measurement: Measurement) -> float:
            return bad if self.broken else FITNESS.gap(measurement)

    fitness = Broken()
    strategy, clean = (Bayesian(box(), 7, fitness=one, **QUICK) for one in (fitness, FITNESS))
    for number in range(10):
        tables = clean.ask(number)
        told(clean, number, tables, 0.01 * number)
        told(strategy, number, tables, 0.01 * number)
    fitness.broken = True
    told(strategy, 10, QuantTables.shared(box().lower), 0.0)
    assert strategy.ask(11) == clean.ask(11)


def test_what_failed_is_told_and_forgotten() -> None:
    strategy = Bayesian(box(), 7, fitness=FITNESS, **QUICK)
    for trial in drive(Bayesian(box(), 7, fitness=FITNESS, **QUICK), 12, evaluate=lambda tables: None):
        strategy.tell(trial)
    random = STRATEGIES.get("bounded-random")(box(), 7, fitness=FITNESS)
    assert strategy.ask(12) == random.ask(12)


def test_equal_gaps_are_no_obstacle() -> None:
    strategy = Bayesian(box(), 7, fitness=FITNESS, **QUICK)
    for number in range(12):
        told(strategy, number, strategy.ask(number), 0.02)
    assert box().contains(box().to_vector(strategy.ask(12)))


def test_hyper_parameters_are_fitted_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted_on: list[int] = []
    fit = gaussian_process.fit_prior

    def counting(points: npt.NDArray[np.float64], *others: Any) -> gaussian_process.Prior:
        fitted_on.append(len(points))
        return fit(points, *others)

    monkeypatch.setattr("qsearch.strategies.surrogate.fit_prior", counting)
    drive(Bayesian(box(), 7, fitness=FITNESS, **QUICK), 100)
    assert fitted_on == [8, 12, 18, 27, 41, 62, 93]


def test_it_proposes_what_a_process_factorised_anew_would() -> None:
    trials = drive(Bayesian(box(), 7, fitness=FITNESS, **QUICK), 60)
    growing, anew = (Bayesian(box(), 7, fitness=FITNESS, **QUICK) for _ in range(2))
    for trial in trials:
        growing.tell(trial)
        anew.tell(trial)
        if trial.number >= 10:
            process = growing.surrogate.process()
            whole = GaussianProcess(process.prior, np.array(anew.surrogate.points), np.array(anew.surrogate.gaps))
            cross = whole.cross(np.random.default_rng(trial.number).random((20, 64)))
            np.testing.assert_allclose(process.mean(cross), whole.mean(cross), atol=1e-8)
            np.testing.assert_allclose(process.variance(cross), whole.variance(cross), atol=1e-8)


def test_a_replay_at_any_time_proposes_the_same() -> None:
    trials = drive(Bayesian(box(), 7, fitness=FITNESS, **QUICK), 60)
    growing = Bayesian(box(), 7, fitness=FITNESS, **QUICK)
    for trial in trials:
        growing.tell(trial)
        if trial.number < 12:
            continue
        late = Bayesian(box(), 7, fitness=FITNESS, **QUICK)
        for earlier in trials[: trial.number + 1]:
            late.tell(earlier)
        ours, theirs = growing.surrogate.process(), late.surrogate.process()
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        assert ours.best == theirs.best


def test_beyond_a_thousand_observations_the_process_stays_as_large() -> None:
    sizes = []
    for measured in range(900, 6000):
        settled = settled_at(measured)
        kept = kept_of(settled, measured)
        assert len(np.unique(kept)) == len(kept)
        assert (kept[0], kept[-1]) == (0, settled - 1)
        sizes.append(len(kept) + measured - settled)
    assert sizes[:101] == list(range(900, 1001))
    assert 750 <= min(sizes[101:]) <= max(sizes[101:]) <= 1000


def test_thinning_reaches_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_ALL", 40), ("_THINNED", 30), ("_STEP", 10)):
        monkeypatch.setattr(f"qsearch.strategies.surrogate.{name}", value)
    trials = drive(Bayesian(box(), 7, fitness=FITNESS, **QUICK), 95)
    strategy = Bayesian(box(), 7, fitness=FITNESS, **QUICK)
    for trial in trials:
        strategy.tell(trial)
    assert len(strategy.surrogate.process().points) == 32  # 30 of the first 93, at the last refit, and two more


@pytest.mark.parametrize("option", [{"initial": -1}, {"candidates": 0}, {"xi": -0.1}, {"xi": np.nan}, {"sweeps": -1}])
def test_options_that_make_no_sense_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="bayesian takes"):
        Bayesian(box(), 1, fitness=FITNESS, **option)


SHAPES = ShapeSpace("shared", np.full(64, 1), np.full(64, 41), -0.8, 0.04)


class ByShape:
    """The gap is how near a table's shape is to a goal; measured to all digits."""

    def __init__(self, goal: npt.NDArray[np.float64]) -> None:
        self.goal = goal

    def gap(self, measurement: Measurement) -> float:
        return float(measurement["psnr"][0])

    def measure(self, tables: QuantTables) -> Measurement:
        distance = float(((shape_of(tables, "shared") - self.goal) ** 2).mean())
        return Measurement.of([100], [[0]], 64, psnr_db=[-distance])


def test_in_a_box_of_shapes_its_own_proposals_are_better_than_the_best_candidate() -> None:
    fitness = ByShape(0.5 * np.sin(np.arange(64)))
    found = {}
    for sweeps in (0, 3):
        strategy = Bayesian(SHAPES, 1, fitness=fitness, initial=40, candidates=2000, sweeps=sweeps)
        trials = drive(strategy, 60, evaluate=fitness.measure)
        found[sweeps] = [fitness.gap(trial.measurement) for trial in trials[40:] if trial.measurement]
    assert np.mean(found[3]) > max(found[0])


def test_in_the_papers_box_the_best_candidate_is_proposed() -> None:
    proposals = []
    for sweeps in (0, 3):
        strategy = Bayesian(box(), 7, fitness=FITNESS, sweeps=sweeps, **QUICK)
        proposals.append([trial.tables for trial in drive(strategy, 14)])
    assert proposals[0] == proposals[1]


def test_vectors_of_one_shape_are_one_point_to_the_process() -> None:
    """A shape has many vectors; where they are thought different the unknown is sought where nothing is to be found."""
    surrogate = Surrogate(SHAPES, 1)
    levels = np.random.default_rng(0).integers(0, 31, (5, 64))
    np.testing.assert_allclose(surrogate.points_of(levels), surrogate.points_of(levels + 9), atol=1e-12)
    told = SHAPES.to_tables(SHAPES.lower + levels[0])
    surrogate.tell(Trial("search", 0, "", told, "done", ByShape(np.zeros(64)).measure(told)), ByShape(np.zeros(64)))
    np.testing.assert_allclose(surrogate.points[0], surrogate.points_of(levels[:1])[0], atol=0.03)


def test_what_an_improvement_must_exceed_is_a_share_of_the_objectives_spread() -> None:
    """So the same proposals come whatever the unit; a thousandth of a nat is not a thousandth of top-1."""

    class InMillis(ByShape):
        def gap(self, measurement: Measurement) -> float:
            return 1024 * super().gap(measurement)

    goal = 0.5 * np.sin(np.arange(64))
    plain, scaled = ByShape(goal), InMillis(goal)
    ours, theirs = (
        drive(Bayesian(SHAPES, 1, fitness=each, initial=8, candidates=300, xi=0.2), 12, evaluate=plain.measure)
        for each in (plain, scaled)
    )
    assert [trial.tables for trial in ours] == [trial.tables for trial in theirs]
