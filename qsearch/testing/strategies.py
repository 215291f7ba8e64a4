"""Strategies: their contract, and imaginary measurements to drive them with."""

import random
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.space.shapes import ShapeSpace
from qsearch.strategies.base import Seed, Strategy
from qsearch.tables import ZIGZAG, QuantTables

Evaluate = Callable[[QuantTables], Measurement | None]


class LinearFitness:
    """A stand-in for the parabola of an earlier search: accuracy falls by half a point per unit of ratio."""

    def gap(self, measurement: Measurement) -> float:
        """See :class:`qsearch.strategies.base.Fitness`."""
        return measurement.top1 - (0.8 - 0.005 * measurement.ratio)


def synthetic_measurement(tables: QuantTables, images: int = 40) -> Measurement:
    """What an imaginary dataset would measure: smooth, instant, and better where low frequencies are kept.

    Coarser entries save bytes everywhere; each image is lost once the coarseness, weighted towards low frequencies,
    passes its own threshold.
    """
    entries = np.stack([tables.luma, tables.cb, tables.cr]).reshape(3, 64)[:, ZIGZAG].astype(np.float64)
    bits = (np.array([4.0, 1.0, 1.0])[:, None] * np.log2(256.0 / entries)).sum() + 40.0
    harm = (entries / 255 * np.exp(-np.arange(64) / 12)).sum() / 12
    image = np.arange(images)
    size_bytes = np.ceil(bits * (1 + image / images)).astype(np.int64)
    ranks = np.where(harm > (image + 1) / images, 1 + image % 7, 0).astype(np.int32)
    return Measurement.of(size_bytes, ranks[None, :], 32 * 32)


def synthetic_with_failures(tables: QuantTables) -> Measurement | None:
    """As :func:`synthetic_measurement`, but about every fifth table fails (always the same ones)."""
    return None if int(tables.digest[:4], 16) % 5 == 0 else synthetic_measurement(tables)


def drive(
    strategy: Strategy,
    trials: int,
    *,
    look_ahead: int = 1,
    evaluate: Evaluate = synthetic_measurement,
    history: list[Trial] | None = None,
) -> list[Trial]:
    """Asks and tells ``strategy`` as the search does, up to ``trials`` in all; goes on after ``history`` if given.

    ``strategy`` is new; with a history it is first brought there by :meth:`Strategy.replay`. Returns all trials.
    """
    done = list(history or [])
    told = 0
    if done:
        strategy.replay(done, look_ahead)
        told = strategy.told_before(done[-1].number, look_ahead)
    for number in range(len(done), trials):
        while told < strategy.told_before(number, look_ahead):
            strategy.tell(done[told])
            told += 1
        tables = strategy.ask(number)
        measurement = evaluate(tables)
        done.append(
            Trial(
                "search",
                number,
                strategy.name,
                tables,
                "failed" if measurement is None else "done",
                measurement,
                reason="" if measurement else "synthetic failure",
                origin=strategy.origin(number),
            )
        )
    return done


class StrategyContract:
    """What every strategy keeps. Override the fixtures ``strategy_class`` and, to make it quicker, ``options``.

    trials: how many each test asks for at most; enough to pass a strategy's start-up phase.
    """

    trials: ClassVar[int] = 60

    def make(self, strategy_class: type[Strategy], options: dict[str, Any], space: SearchSpace, seed: int) -> Strategy:
        """A new strategy."""
        fitness = LinearFitness() if strategy_class.needs_bounds else None
        seeds = {"seeds": self.seeds(space)} if strategy_class.seeded else {}
        return strategy_class(space, seed, fitness=fitness, **seeds, **options)

    def spaces(self, strategy_class: type[Strategy], layout: str) -> list[SearchSpace]:
        """Boxes as an earlier search would give them, of entries and of shapes; every baseline table for strategies
        that need none."""
        if not strategy_class.needs_bounds:
            return [SearchSpace.full(layout)]
        lower = np.tile(1 + np.arange(64) // 2, LAYOUTS[layout])
        return [SearchSpace(layout, lower, lower + 30), ShapeSpace(layout, lower, lower + 30, -1.3, 0.04)]

    def seeds(self, space: SearchSpace) -> list[Seed]:
        """What a strategy begins with that wants to know good tables: two of them measured before, one outside the
        box."""
        ends = space.to_tables(space.lower), space.to_tables(space.upper)
        measured = [Seed(f"trial {gap}", tables, 0.01 * gap) for gap, tables in enumerate(ends)]
        unmeasured = space.to_tables((space.lower + space.upper) // 2), QuantTables.shared(np.full((8, 8), 200))
        return [*measured, *(Seed(f"published {number}", tables) for number, tables in enumerate(unmeasured))]

    def count(self, strategy: Strategy, trials: int) -> int:
        """``trials``, or as many as the strategy has."""
        limit = strategy.trial_limit()
        return trials if limit is None else min(trials, limit)

    def test_has_its_registered_kind_of_name(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Names are lower case with hyphens."""
        assert strategy_class.name == strategy_class.name.lower().replace("_", "-").replace(" ", "-")

    def test_proposes_within_the_box_in_every_layout(
        self, strategy_class: type[Strategy], options: dict[str, Any]
    ) -> None:
        """Whatever the layout, all tables lie in the box."""
        for layout in strategy_class.layouts:
            for space in self.spaces(strategy_class, layout):
                strategy = self.make(strategy_class, options, space, seed=3)
                for trial in drive(strategy, self.count(strategy, self.trials), look_ahead=3):
                    assert space.holds(trial.tables)

    def test_same_seed_same_tables(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Two strategies of one seed agree, also when both are alive at once and something else draws numbers."""
        for space in self.spaces(strategy_class, strategy_class.layouts[0]):
            first = self.make(strategy_class, options, space, seed=5)
            second = self.make(strategy_class, options, space, seed=5)
            trials = self.count(first, self.trials)
            expected = drive(first, trials, look_ahead=2, evaluate=synthetic_with_failures)
            random.seed(99)
            np.random.seed(99)
            assert [t.tables for t in drive(second, trials, look_ahead=2, evaluate=synthetic_with_failures)] == [
                t.tables for t in expected
            ]

    def test_other_seed_other_tables(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Unless it goes through a fixed list."""
        for space in self.spaces(strategy_class, strategy_class.layouts[0]):
            first, second = (self.make(strategy_class, options, space, seed) for seed in (5, 6))
            if first.trial_limit() is None:
                assert [t.tables for t in drive(first, 5)] != [t.tables for t in drive(second, 5)]

    def test_leaves_global_randomness_alone(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """A user's own random numbers do not depend on the strategy."""
        random.seed(7)
        np.random.seed(7)
        before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        for space in self.spaces(strategy_class, strategy_class.layouts[0]):
            drive(self.make(strategy_class, options, space, seed=1), 5)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]

    def test_replay_equals_going_on(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Killed at any trial and rebuilt from the trials so far, it proposes what it would have proposed."""
        for space in self.spaces(strategy_class, strategy_class.layouts[0]):
            for look_ahead in (1, 4):
                strategy = self.make(strategy_class, options, space, seed=11)
                trials = self.count(strategy, self.trials)
                whole = drive(strategy, trials, look_ahead=look_ahead, evaluate=synthetic_with_failures)
                for killed_at in (1, trials // 3, trials - 2):
                    rebuilt = self.make(strategy_class, options, space, seed=11)
                    resumed = drive(
                        rebuilt,
                        trials,
                        look_ahead=look_ahead,
                        evaluate=synthetic_with_failures,
                        history=whole[:killed_at],
                    )
                    assert [t.tables for t in resumed] == [t.tables for t in whole]
                    assert [t.origin for t in resumed] == [t.origin for t in whole]

    def test_all_trials_may_fail(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """It goes on proposing."""
        for space in self.spaces(strategy_class, strategy_class.layouts[0]):
            strategy = self.make(strategy_class, options, space, seed=2)
            trials = self.count(strategy, self.trials)
            assert len(drive(strategy, trials, evaluate=lambda tables: None)) == trials

    def test_boxes_may_be_flat(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Some entries fixed, or all of them."""
        if not strategy_class.needs_bounds:
            return
        lower = np.arange(1, 65)
        for upper in (lower, np.where(lower % 3 == 0, lower + 9, lower)):
            for space in (SearchSpace("shared", lower, upper), ShapeSpace("shared", lower, upper, -1.3, 0.04)):
                strategy = self.make(strategy_class, options, space, seed=4)
                for trial in drive(strategy, self.trials, look_ahead=2):
                    assert space.holds(trial.tables)
