"""OpenTuner's bandit and its five arms, with the faults of OpenTuner 0.8.8 mended by subclasses.

Imports opentuner when imported: see :mod:`qsearch.strategies.opentuner`, which contains what that import changes.
The driver here stands in for OpenTuner's own. That one keeps its records in an SQL database, orders them by the clock,
commits (and so reloads them) every 30 seconds, and configures logging into a file of the working directory.
"""

import hashlib
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cmp_to_key
from typing import Any

from opentuner.resultsdb.models import Configuration, DesiredResult, Result
from opentuner.search.bandittechniques import AUCBanditMetaTechnique
from opentuner.search.differentialevolution import DifferentialEvolutionAlt, PopulationMember
from opentuner.search.evolutionarytechniques import NormalGreedyMutation
from opentuner.search.manipulator import ConfigurationManipulator, IntegerParameter
from opentuner.search.objective import MinimizeTime
from opentuner.search.pso import PSO, HybridParticle
from opentuner.search.simplextechniques import RandomNelderMead
from opentuner.search.simulatedannealing import AcceptanceFunction, PseudoAnnealingSearch

KNOWN_IN_A_ROW = 20
"""How often the arms may propose what was proposed before until a question goes unanswered."""


class Manipulator(ConfigurationManipulator):  # type: ignore[misc]
    """OpenTuner's, with one digest for all entries: its own takes one for each, and a third of a search's time."""

    def hash_config(self, values: Mapping[str, int]) -> str:
        in_order = repr([values[name] for name in sorted(values)])  # not that of params, which arms shuffle
        return hashlib.sha256(in_order.encode()).hexdigest()


class Particle(HybridParticle):  # type: ignore[misc]
    """A particle that remembers its best position: OpenTuner's keeps a reference to the one it moves in place."""

    @property
    def best(self) -> dict[str, int]:
        return self._best

    @best.setter
    def best(self, position: Mapping[str, int]) -> None:
        self._best = dict(position)


class ParticleSwarm(PSO):  # type: ignore[misc]
    """OpenTuner's swarm, made of :class:`Particle`. The crossover it must be given only matters to permutations."""

    def __init__(self) -> None:
        super().__init__(crossover="op3_cross_OX1")
        self.name = "particle-swarm"

    def main_generator(self) -> Iterator[Any]:
        self.init_pop = [Particle(self.manipulator, self.crossover) for _ in range(self.N)]
        return super().main_generator()  # type: ignore[no-any-return]


class Annealing(PseudoAnnealingSearch):  # type: ignore[misc]
    """OpenTuner's annealing; its own generator calls ``list.sort(cmp=...)``, a TypeError once a ring is measured.

    At each step every entry of the state is moved down and up in turn, all those neighbours are measured, and one is
    chosen by rank: the best of them with a chance that rises as the temperature falls.
    """

    def main_generator(self) -> Iterator[Any]:
        state = self.driver.get_configuration(self.manipulator.random())
        yield state
        for step in itertools.count():
            counter = step % len(self.cool_schedule)
            temperature = self.cool_schedule[counter]
            ring = self.neighbours(state, reach=math.exp(-(20 + counter / 100) / (temperature + 1)))
            for neighbour in ring:
                self.yield_nonblocking(neighbour)
            yield None  # resumed when all of them are measured
            state = self.choose([state, *ring], temperature)

    def neighbours(self, state: Any, reach: float) -> list[Any]:
        """The configurations one entry away, each by a random part of ``reach`` (1 is the entry's whole range)."""
        ring = []
        for entry in self.manipulator.params:
            unit = entry.get_unit_value(state.data)
            for end, direction in ((0.0, -1), (1.0, 1)):
                if unit != end:
                    values = dict(state.data)
                    entry.set_unit_value(values, min(1.0, max(0.0, unit + direction * reach * random.random())))
                    ring.append(self.driver.get_configuration(values))
        return ring

    def choose(self, points: list[Any], temperature: float) -> Any:
        """The next state; the best configuration of the whole search where it is too cold to take a worse one."""
        worse = AcceptanceFunction(0, 1, temperature, 1)
        rank = 0
        while random.random() < worse:
            rank += 1
        chosen = sorted(points, key=cmp_to_key(self.objective.compare))[rank % len(points)]
        best = self.driver.best_result.configuration
        return best if worse < 1e-4 and self.objective.lt(best, chosen) else chosen


class Member(PopulationMember):  # type: ignore[misc]
    """Its age is a count of touches: OpenTuner reads the clock, which is not monotonic."""

    def __init__(self, config: Any, turns: Iterator[int]) -> None:
        super().__init__(config, submitted=False)
        self.turns = turns
        self.touch()

    def touch(self) -> None:
        self.timestamp = next(self.turns)


class DifferentialEvolution(DifferentialEvolutionAlt):  # type: ignore[misc]
    """OpenTuner's differential evolution; its own draws parents from a set, in the order of their addresses."""

    def initial_population(self) -> None:
        turns = itertools.count()
        self.population = [
            Member(self.driver.get_configuration(self.manipulator.random()), turns) for _ in range(self.population_size)
        ]

    def create_new_configuration(self, parent_pop_member: Any) -> dict[str, int]:
        parents = [member.config for member in self.population if member is not parent_pop_member]
        if self.driver.best_result is not None:
            parents += [self.driver.best_result.configuration] * self.information_sharing
        base, plus, minus = (parent.data for parent in random.sample(parents, 3))
        weight = random.uniform(0.5, 1)
        child = dict(parent_pop_member.config.data)
        for index, entry in enumerate(random.sample(self.manipulator.params, len(self.manipulator.params))):
            if index < self.n_cross or random.random() < self.cr:
                entry.op4_set_linear(child, base, plus, minus, 1.0, weight, -weight)
        return child


class Objective(MinimizeTime):  # type: ignore[misc]
    """Lowest ``time`` wins, looked up in the driver's memory. Nothing is gained by ending an evaluation early."""

    def config_compare(self, config1: Any, config2: Any) -> int:
        return self.result_compare(self.driver.result(config1), self.driver.result(config2))  # type: ignore[no-any-return]

    def limit_from_config(self, config: Any) -> None:
        return None


class Driver:
    """What OpenTuner's techniques expect of a search driver, in memory and without a clock.

    ``bounds`` are the lowest and highest value of each parameter by name. Uses the global random state, as OpenTuner
    does.
    """

    generation = 0  # these two are copied into the requests of the arms and mean nothing here
    tuning_run = None

    def __init__(self, bounds: Mapping[str, tuple[int, int]]) -> None:
        self.manipulator = Manipulator()
        for name, (lower, upper) in bounds.items():
            self.manipulator.add_parameter(IntegerParameter(name, lower, upper))
        self._size = math.prod(entry.search_space_size() for entry in self.manipulator.params)
        self.objective = Objective()
        self.objective.set_driver(self)
        self.best_result: Result | None = None
        self._configurations: dict[str, Configuration] = {}
        self._proposed: set[str] = set()
        self._results: dict[str, Result] = {}
        self._callbacks: defaultdict[str, list[Callable[[Result], None]]] = defaultdict(list)
        self._bandit = AUCBanditMetaTechnique(
            [
                ParticleSwarm(),
                Annealing(name="annealing"),
                DifferentialEvolution(name="differential-evolution"),
                NormalGreedyMutation(name="greedy-mutation"),
                RandomNelderMead(name="nelder-mead"),
            ]
        )
        self._bandit.set_driver(self)

    def next_request(self) -> DesiredResult | None:
        """A configuration not proposed before (``.configuration``) by an arm (``.requestor``), or None.

        An arm that proposes a known one gets its result at once, or when it comes, and the bandit asks again.
        """
        if len(self._proposed) == self._size:
            return None
        for _ in range(KNOWN_IN_A_ROW):
            request = self._bandit.desired_result()
            if request is None:
                return None
            digest = request.configuration.hash
            if digest not in self._proposed:
                self._proposed.add(digest)
                return request
        return None

    def revise(self, times: Mapping[str, float]) -> None:
        """Other times of configurations reported before, by their hashes, with what is known now.

        Who is best is settled anew, so that one that was best by luck gives way. Arms hear of it when they compare.
        """
        for digest, time in times.items():
            self._results[digest].time = time
        measured = [result for result in self._results.values() if result.state == "OK"]
        if measured:
            self.best_result = min(measured, key=lambda result: result.time)

    def report(self, configuration: Configuration, time: float) -> None:
        """What became of ``configuration``: lower ``time`` is better, infinity is a failure."""
        result = Result(configuration=configuration, time=time, state="OK" if math.isfinite(time) else "ERROR")
        better = self.best_result is None or self.objective.lt(result, self.best_result)
        if better:
            self.best_result = result
        self._results[configuration.hash] = result
        result.was_new_best = better and result.state == "OK"
        for callback in self._callbacks.pop(configuration.hash, []):
            callback(result)
        result.was_new_best = False  # an arm that proposes it again has discovered nothing

    def result(self, configuration: Configuration) -> Result:
        """The result of a configuration that has one."""
        return self._results[configuration.hash]

    def add_plugin(self, plugin: object) -> None:
        """Techniques announce themselves as listeners of every result; none of these listens."""

    def get_configuration(self, values: Mapping[str, int]) -> Configuration:
        """The one configuration of these values. They are copied, for the arms go on to change theirs in place."""
        digest = self.manipulator.hash_config(values)
        if digest not in self._configurations:
            self._configurations[digest] = Configuration(hash=digest, data=dict(values))
        return self._configurations[digest]

    def has_results(self, configuration: Configuration) -> bool:
        """Whether it was measured, or failed."""
        return configuration.hash in self._results

    def register_result_callback(self, request: DesiredResult, callback: Callable[[Result], None]) -> None:
        """Calls back with the result of what was requested, at once where it is known."""
        digest = request.configuration.hash
        if digest in self._results:
            callback(self._results[digest])
        else:
            self._callbacks[digest].append(callback)
