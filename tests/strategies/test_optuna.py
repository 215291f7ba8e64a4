"""Optuna's samplers as strategies. What every strategy keeps is in tests/test_contracts.py."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qsearch.errors import InputError, MissingDependencyError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import DIVERGENCE
from qsearch.pareto.hypervolume import hypervolume
from qsearch.space import SearchSpace
from qsearch.space.shapes import ShapeSpace
from qsearch.strategies import STRATEGIES
from qsearch.strategies.optuna import OptunaCmaes, OptunaNsga2, OptunaStrategy, OptunaTpe
from qsearch.strategies.uniform_random import UniformRandom
from qsearch.tables import QuantTables
from qsearch.testing import LinearFitness, drive, synthetic_measurement, synthetic_with_failures

CLASSES = [OptunaTpe, OptunaNsga2, OptunaCmaes]
BOX = SearchSpace("shared", np.full(64, 1), np.full(64, 60))


def fine_measurement(tables: QuantTables) -> Measurement:
    return synthetic_measurement(tables, images=400)


def best_gap(trials: list[Trial]) -> float:
    measured = [trial.measurement for trial in trials if trial.measurement is not None]
    return max(LinearFitness().gap(m) for m in measured)


def dominated_area(trials: list[Trial]) -> float:
    measured = [trial.measurement for trial in trials if trial.measurement is not None]
    return hypervolume([m.ratio for m in measured], [m.top1 for m in measured], (0.0, 0.0))


@pytest.mark.parametrize(
    ("strategy_class", "trials", "score"),
    [(OptunaCmaes, 300, best_gap), (OptunaNsga2, 300, dominated_area), (OptunaTpe, 100, dominated_area)],
)
def test_finds_more_than_random_tables_do(
    strategy_class: type[OptunaStrategy], trials: int, score: Callable[[list[Trial]], float]
) -> None:
    strategy = strategy_class(BOX, 1, fitness=LinearFitness())
    found = score(drive(strategy, trials, look_ahead=4, evaluate=fine_measurement))
    by_chance = [score(drive(UniformRandom(BOX, seed), trials, evaluate=fine_measurement)) for seed in range(5)]
    assert found > max(by_chance)


@pytest.mark.parametrize("strategy_class", [OptunaNsga2, OptunaCmaes])
def test_replay_equals_going_on_after_many_generations(strategy_class: type[OptunaStrategy]) -> None:
    def new() -> OptunaStrategy:
        return strategy_class(BOX, 1, fitness=LinearFitness())

    whole = drive(new(), 150, look_ahead=4, evaluate=synthetic_with_failures)
    assert drive(new(), 150, look_ahead=4, evaluate=synthetic_with_failures, history=whole[:120]) == whole


SCRIPT = """
import logging, warnings
warnings.simplefilter("error")
from qsearch.space.shapes import ShapeSpace
from qsearch.space import SearchSpace
from qsearch.strategies import STRATEGIES
from qsearch.testing import LinearFitness, drive, synthetic_with_failures
import optuna
verbosity = optuna.logging.get_verbosity()
for name in ("optuna-tpe", "optuna-nsga2", "optuna-cmaes"):
    strategy = STRATEGIES.get(name)(SearchSpace.full(), 2**40, fitness=LinearFitness())
    for trial in drive(strategy, 30, look_ahead=4, evaluate=synthetic_with_failures):
        print(trial.tables.digest)
assert optuna.logging.get_verbosity() == verbosity
"""


def test_same_tables_in_every_process_and_nothing_else(tmp_path: Path) -> None:
    outputs = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) == 3 * 30
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strategy_class", CLASSES)
@pytest.mark.parametrize("free", [1, 2])
def test_one_or_two_free_entries(
    strategy_class: type[OptunaStrategy],
    free: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("optuna"), "propagate", True)
    upper = np.full(64, 16)
    upper[:free] = 18
    space = SearchSpace("shared", np.full(64, 16), upper)
    with caplog.at_level(logging.WARNING):
        trials = drive(strategy_class(space, 1, fitness=LinearFitness()), 80, look_ahead=2)
    assert len({trial.tables for trial in trials}) >= 3**free - 1
    assert not caplog.records


@pytest.mark.parametrize("strategy_class", CLASSES)
def test_nan_counts_as_a_failure(strategy_class: type[OptunaStrategy]) -> None:
    measured = synthetic_measurement(QuantTables.standard(50))
    unclassified = Measurement.of(measured.size_bytes, measured.ranks[:0], measured.pixels)

    def tables_with(instead: Measurement | None) -> list[QuantTables]:
        def evaluate(tables: QuantTables) -> Measurement | None:
            return instead if int(tables.digest[:4], 16) % 2 else synthetic_measurement(tables)

        return [trial.tables for trial in drive(strategy_class(BOX, 1, fitness=LinearFitness()), 60, evaluate=evaluate)]

    assert tables_with(unclassified) == tables_with(None)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"needs the package optuna, .*pip install 'qsearch\[optuna\]'"):
        STRATEGIES.get("optuna-tpe")(BOX, 1, fitness=LinearFitness())


def test_a_population_of_one_is_refused() -> None:
    with pytest.raises(InputError, match="2 or more, got 1"):
        OptunaNsga2(BOX, 1, fitness=LinearFitness(), population=1)


def test_the_population_is_the_number_of_trials_before_the_first_offspring() -> None:
    def proposed(population: int) -> list[QuantTables]:
        strategy = OptunaNsga2(BOX, 1, fitness=LinearFitness(), population=population)
        return [trial.tables for trial in drive(strategy, 40)]

    few, many = proposed(10), proposed(30)
    assert few[:10] == many[:10]
    assert few[10:30] != many[10:30]


class ByDivergence:
    """A fitness that says what it is of, and knows nothing but how far answers moved."""

    objective = DIVERGENCE

    def gap(self, measurement: Measurement) -> float:
        return self.objective.value(measurement)


def with_divergence(tables: QuantTables) -> Measurement:
    """Answers move with the coarseness of the whole table; top-1 is always the same."""
    entries = np.log(np.concatenate([tables.luma.ravel(), tables.cb.ravel()]).astype(float))
    moved = np.full((1, 40), (entries - entries.mean()).var(), dtype=np.float16)
    sizes = np.full(40, 1000)
    return Measurement.of(sizes, np.zeros((1, 40), dtype=np.int32), 32 * 32, divergence=moved)


@pytest.mark.parametrize("strategy_class", CLASSES)
def test_in_a_box_of_shapes_every_sampler_learns_from_the_gap_of_the_objective(
    strategy_class: type[OptunaStrategy],
) -> None:
    """What is searched for is a flat table: the largest gap is that of a shape without variance."""
    box = ShapeSpace("shared", np.full(64, 1), np.full(64, 50), -1.0, 0.04)

    def best(trials: list[Trial]) -> float:
        return max(ByDivergence().gap(trial.measurement) for trial in trials if trial.measurement)

    found = drive(strategy_class(box, 1, fitness=ByDivergence()), 120, evaluate=with_divergence)
    by_chance = [drive(UniformRandom(box, seed), 120, evaluate=with_divergence) for seed in range(3)]
    assert best(found) > max(map(best, by_chance))


def test_in_the_papers_box_the_frontier_is_of_ratio_and_objective() -> None:
    measured = with_divergence(QuantTables.standard(50))
    for strategy_class in (OptunaTpe, OptunaNsga2):
        by_divergence = strategy_class(BOX, 1, fitness=ByDivergence())
        assert by_divergence.objectives(measured) == (measured.ratio, -measured.mean("divergence"))
        of_top1 = strategy_class(BOX, 1, fitness=LinearFitness())
        assert of_top1.objectives(measured) == (measured.ratio, measured.top1)
