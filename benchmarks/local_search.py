"""What local search does about noise: a diagonal CMA-ES against a trust region of a Gaussian process.

    python -m benchmarks.local_search [--seeds 4] [--trials 147]

The objective is a quadratic in the shape of a table, in units of its spread over sorted random tables. What a search
sees is it and the deviation of its images from all others: a smooth random function of the shape, the same in every
measurement, ``noise`` times as large. The optimum lies ``far`` spreads of an entry off the average of sorted random
tables. All searches begin with the same forty steered sorted random tables and the published ones. Printed is what the
average that each proposes once in 17 trials gains on the average of the 12 best tables it began with, without the
deviation: after a half and after all of the trials, the mean over the seeds and its standard error.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.bounds import shape_bounds
from qsearch.space import SearchSpace
from qsearch.space.shapes import in_layout, log_mean, shape_of
from qsearch.strategies.base import Seed, Strategy, rng
from qsearch.strategies.gaussian_process import expected_improvement
from qsearch.strategies.local_search import LocalSearch
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.strategies.surrogate import Surrogate
from qsearch.tables import ZIGZAG, QuantTables
from qsearch.tables.published import published_names, published_tables
from qsearch.testing import drive

Floats = npt.NDArray[np.float64]
WARM_UP = 40
EVERY = 17
CANDIDATES = 1000
PERTURBED = 20
"""Entries of a candidate of the trust region that differ from its centre, about."""
FEATURES = 400


class World:
    """An imaginary network on two sets of images; as a fitness, what is seen on the images searched."""

    def __init__(self, seed: int, far: float, noise: float) -> None:
        random = np.random.RandomState(seed)
        drawn = np.array([shape_of(sorted_random(seed, number), "shared") for number in range(200)])
        self.average, spread = drawn.mean(axis=0), drawn.std(axis=0)
        away = random.standard_normal(64) * spread
        self.optimum = self.average + far * (away - away.mean())
        weights = np.exp(-np.arange(64) / 25)[np.argsort(ZIGZAG)]
        self.weights = weights / weights.mean()
        self.unit = 1.0
        self.unit = float(np.std([self.truth(shape) for shape in drawn]))
        self.noise = noise
        self.frequencies = random.standard_normal((FEATURES, 64)) / (8 * spread)
        self.phases = random.uniform(0, 2 * np.pi, FEATURES)
        self.amplitudes = random.standard_normal(FEATURES) * math.sqrt(2 / FEATURES)

    def truth(self, shape: Floats) -> float:
        """On all images."""
        return -float((self.weights * (shape - self.optimum) ** 2).sum()) / self.unit

    def seen(self, tables: QuantTables) -> float:
        """On the images searched."""
        shape = shape_of(tables, "shared")
        deviation = np.cos(self.frequencies @ (shape - self.average) + self.phases) @ self.amplitudes
        return self.truth(shape) + self.noise * float(deviation)

    def measure(self, tables: QuantTables) -> Measurement:
        """What is seen, where a measurement has room for a number."""
        return Measurement.of([100], [[0]], 64, psnr_db=[self.seen(tables)])

    def gap(self, measurement: Measurement) -> float:
        """See :class:`qsearch.strategies.base.Fitness`."""
        return float(measurement["psnr"][0])


class TrustRegion(Strategy):
    """The rival (Eriksson 2019): expected improvement of a Gaussian process near its best posterior mean.

    Candidates differ from it in about twenty entries by up to half the region's length, which grows by half after
    three trials that raised the best posterior mean and shrinks as much after eight that did not. Once in 17 trials it
    proposes the average of the 12 tables of the best posterior means.
    """

    name = "trust-region"
    adaptive = True
    needs_bounds = True

    def __init__(self, space: SearchSpace, seed: int, world: World, seeds: Sequence[Seed]) -> None:
        super().__init__(space, seed, fitness=world)
        self.surrogate = Surrogate(space, seed)
        for one in seeds:
            if one.gap is not None:
                told = Trial("search", 0, "", one.tables, "done", world.measure(one.tables))
                self.surrogate.tell(told, world)
        self.unmeasured = [one for one in seeds if one.gap is None]
        self.length, self.better, self.worse = 0.4, 0, 0

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        if number < len(self.unmeasured):
            return self.unmeasured[number].tables
        process, random = self.surrogate.process(), rng(self.seed, number)
        best = np.argsort(-process.means_observed)
        if self.origin(number) == "mean":
            return self._tables(process.points[best[:12]].mean(axis=0))
        center = process.points[best[0]]
        moves = self.length * (random.random_sample((CANDIDATES, len(center))) - 0.5)
        moves *= random.random_sample(moves.shape) < PERTURBED / len(center)
        levels = np.array([self.surrogate.levels_of(point) for point in np.clip(center + moves, 0, 1)])
        cross = process.cross(self.surrogate.points_of(levels))
        chosen = expected_improvement(process.mean(cross), process.variance(cross), process.best).argmax()
        return self._tables(levels[chosen] / self.surrogate.width)

    def tell(self, trial: Trial) -> None:
        """See :meth:`Strategy.tell`."""
        assert self.fitness is not None
        before = self.surrogate.process().best
        self.surrogate.tell(trial, self.fitness)
        if trial.number < len(self.unmeasured):
            return
        raised = self.surrogate.process().best > before + 1e-3
        self.better, self.worse = (self.better + 1, 0) if raised else (0, self.worse + 1)
        if self.better == 3:
            self.length, self.better = min(1.0, 1.5 * self.length), 0
        if self.worse == 8:
            self.length, self.worse = max(0.05, self.length / 1.5), 0

    def origin(self, number: int) -> str:
        """See :meth:`Strategy.origin`."""
        return "sample" if (number - len(self.unmeasured)) % EVERY else "mean"

    def _tables(self, point: Floats) -> QuantTables:
        vector = self.space.lower.copy()
        vector[self.surrogate.free] += self.surrogate.levels_of(point)
        return self.space.to_tables(vector)


@dataclass(frozen=True)
class Beginning:
    """What all searches of a world begin with."""

    space: SearchSpace
    seeds: Sequence[Seed]
    average: QuantTables


def sorted_random(seed: int, number: int) -> QuantTables:
    """Of a world's own draw."""
    return SortedRandom(SearchSpace.full(), 1000 + seed).ask(number)


def beginning(world: World, seed: int) -> Beginning:
    """The box, the seeds and the average of the 12 best."""
    drawn = sorted((sorted_random(seed, 1000 + number) for number in range(WARM_UP)), key=world.seen, reverse=True)
    best, average = drawn[:12], log_mean(drawn[:12], "shared")
    published = [in_layout(published_tables(name), "shared") for name in published_names()]
    seeds = [Seed("average", average), *(Seed("published", one) for one in published)]
    seeds += [Seed("best", one, world.seen(one)) for one in best]
    return Beginning(shape_bounds([*best, *published], "shared"), seeds, average)


Make = Callable[[Beginning, World], Strategy]


def _local_search(start: Beginning, world: World, *, reach: float) -> Strategy:
    return LocalSearch(start.space, 0, fitness=world, seeds=start.seeds, reach=reach)


SEARCHES: dict[str, Make] = {
    f"local-search, reach {reach:g}": partial(_local_search, reach=reach) for reach in (0.25, 0.5, 1.0)
}
SEARCHES["trust region"] = lambda start, world: TrustRegion(start.space, 0, world, start.seeds)


def gains(make: Make, world: World, seed: int, trials: int) -> tuple[float, float]:
    """What the proposed average gains after a half and after all of the trials."""
    start = beginning(world, seed)
    found = drive(make(start, world), trials, look_ahead=4, evaluate=world.measure)
    averages = [world.truth(shape_of(trial.tables, "shared")) for trial in found if trial.origin == "mean"]
    first = world.truth(shape_of(start.average, "shared"))
    return averages[len(averages) // 2] - first, averages[-1] - first


def main() -> None:
    """Reads the arguments and prints a line for each world and search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--trials", type=int, default=147)
    wanted = parser.parse_args()
    for far in (0.5, 1.5):
        for noise in (0.5, 1.0):
            worlds = [World(seed, far, noise) for seed in range(wanted.seeds)]
            begun = [
                -world.truth(shape_of(beginning(world, seed).average, "shared")) for seed, world in enumerate(worlds)
            ]
            print(f"optimum {far:g} spreads away, noise {noise:g}; {np.mean(begun):.2f} to be gained")
            for name, make in SEARCHES.items():
                found = np.array([gains(make, world, seed, wanted.trials) for seed, world in enumerate(worlds)])
                error = found.std(axis=0, ddof=1) / math.sqrt(wanted.seeds)
                shown = ", ".join(
                    f"{mean:+.2f} +- {part:.2f}" for mean, part in zip(found.mean(axis=0), error, strict=True)
                )
                print(f"  {name:25} {shown}", flush=True)


if __name__ == "__main__":
    main()
