"""The search loop: ask a strategy, have its tables evaluated, record what came of them, tell."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from qsearch.archive.store import Archive
from qsearch.errors import InputError, QSearchError, RunError
from qsearch.evaluation.measurement import UNCOMPRESSED_NUMBER, Measurement, Trial
from qsearch.evaluation.parts import DIVISORS
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, Outcome
from qsearch.quantizer import UNCOMPRESSED
from qsearch.search.racing import Race, check_raceable
from qsearch.search.steering import Gate
from qsearch.search.under_way import Proposal, UnderWay, task_of_part
from qsearch.strategies.base import Strategy
from qsearch.strategies.standard import REFERENCE_QUALITIES
from qsearch.tables import QuantTables
from qsearch.text import reason_of

DEFAULT_LOOK_AHEAD = 4
"""Trials of an adaptive strategy that may be outstanding; recorded with a run, for it decides what is asked."""
MAX_FAILURES_IN_A_ROW = 10
MAX_SCREENED_IN_A_ROW = 1000
PATIENCE_S = 60.0
"""After so long without any outcome the search says what it waits for."""


def run_search(
    strategy: Strategy,
    executor: Executor,
    archive: Archive,
    *,
    trials: int,
    first: int = 0,
    look_ahead: int = DEFAULT_LOOK_AHEAD,
    qualities: Sequence[int] = REFERENCE_QUALITIES,
    gate: Gate | None = None,
    race: Race | None = None,
    retry_failed: bool = False,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    on_wait: Callable[[str, float], None] = lambda label, waited_s: None,
) -> None:
    """Brings ``archive`` to ``trials`` search trials of ``strategy``, with the uncompressed images and the standard
    tables at ``qualities`` as its reference.

    Goes on where the archive stands; ``strategy`` must be new. It proposes the trials from number ``first`` on, which
    it knows as its 0; those before are another strategy's, recorded already. Which tables are asked depends on the
    strategy, its seed and ``look_ahead``, not on the executor. ``on_trial`` hears of each trial once it is recorded.

    gate: says which proposals are measured, and at what scale. Those it refuses are recorded as screened, with their
    sizes, and do not count as trials; a strategy is told of them, and learns nothing but that.
    retry_failed: failed trials are evaluated again and replaced. InputError where the strategy has proposed others
    knowing that they failed.
    on_wait: hears, once a minute in which no trial finishes, which one has been at it longest, and for how long nothing
    finished.

    Raises RunError after ten failures in a row, or a thousand refused proposals, where the strategy proposes no tables
    of its box, or where the archive can no longer be written; InputError where the strategy no longer proposes what the
    archive holds, and where its tables cannot race. Interrupting it (KeyboardInterrupt) loses what is in flight.
    """
    if trials <= first or look_ahead < 1:
        raise InputError(
            f"a search has at least one trial of its own and a look-ahead of 1, got {trials - first} and {look_ahead}."
        )
    if race is not None:
        check_raceable(strategy)
    own, limit = trials - first, strategy.trial_limit()
    own = own if limit is None else min(own, limit)
    loop = _Loop(
        strategy,
        executor,
        archive,
        first,
        own,
        limit,
        look_ahead,
        qualities,
        gate,
        race,
        retry_failed,
        on_trial,
        on_wait,
    )
    loop.load()
    loop.run()


@dataclass
class _Loop:
    strategy: Strategy
    executor: Executor
    archive: Archive
    first: int
    trials: int
    limit: int | None
    look_ahead: int
    qualities: Sequence[int]
    gate: Gate | None
    race: Race | None
    retry_failed: bool
    on_trial: Callable[[Trial], None]
    on_wait: Callable[[str, float], None]

    recorded: dict[int, Trial] = field(default_factory=dict)
    """The strategy's trials in the archive, by its own numbers."""
    reference: dict[int, Trial] = field(default_factory=dict)
    """The reference trials in the archive."""
    known: dict[Task, Measurement] = field(default_factory=dict)
    """What has been measured, of all images and of parts: no task is carried out twice."""
    waiting: dict[Task, list[UnderWay]] = field(default_factory=dict)
    """Tasks in flight, and what waits for them."""
    undecided: dict[int, UnderWay] = field(default_factory=dict)
    """By their places those of a race that have seen a part, and wait to hear whether they see more."""
    asked: int = 0
    told: int = 0
    counted: int = 0
    """Proposals asked for that count as trials: all but the screened ones."""
    failures_in_a_row: int = 0
    screened_in_a_row: int = 0

    def load(self) -> None:
        """Takes up what the archive holds, and proposes the reference trials that it lacks."""
        self.reference = {trial.number: trial for trial in self.archive.trials("reference")}
        for trial in (*self.reference.values(), *(search := self.archive.trials("search"))):
            self._learn(trial)
        for trial in search[: self.first]:
            self._settle_race(trial.number, trial)
        self.recorded = {trial.number - self.first: self._own(trial) for trial in search if trial.number >= self.first}
        if self.retry_failed:
            self._forget_failed()
        self._replay()
        if UNCOMPRESSED_NUMBER not in self.reference:
            self._go_on(UnderWay(Proposal("reference", UNCOMPRESSED_NUMBER, "uncompressed", UNCOMPRESSED)))
        for quality in self.qualities:
            if quality not in self.reference:
                self._go_on(UnderWay(Proposal("reference", quality, "standard", QuantTables.standard(quality))))
        self._begin_race()

    def _learn(self, trial: Trial) -> None:
        """What ``trial`` measured need not be measured again."""
        if trial.status == "done" and trial.measurement is not None:
            self.known[Task(trial.quantizer)] = trial.measurement
        elif trial.part is not None and trial.measurement is not None and self.race is not None:
            if trial.part.order != self.race.order.digest:
                raise InputError(
                    f"{self.archive.path}: trial {trial.label} was stopped on a part of other images, or of images in "
                    "another order: start a new run."
                )
            self.known[task_of_part(trial.quantizer, self.race.order, trial.part.images)] = trial.measurement

    def _begin_race(self) -> None:
        """Tells the race of the standard tables as soon as all are recorded."""
        if self.race is not None and not {UNCOMPRESSED_NUMBER, *self.qualities} - self.reference.keys():
            standard = [self.reference[quality] for quality in sorted(self.qualities)]
            self.race.set_standard([trial.measurement for trial in standard if trial.measurement is not None])

    def _settle_race(self, place: int, trial: Trial) -> None:
        """Tells the race what became of the trial at ``place``; of one completed later what it was when it raced."""
        if self.race is not None:
            whole = trial.measurement if trial.status == "done" and trial.part is None else None
            self.race.settle(place, whole)

    def _forget_failed(self) -> None:
        """Takes failed trials as not recorded, so that they are proposed again."""
        told = self.strategy.told_before(max(self.recorded, default=0), self.look_ahead)
        for number in [number for number, trial in self.recorded.items() if trial.status == "failed"]:
            if number < told:
                raise InputError(
                    f"{self.strategy.name} chose later tables knowing that trial {self.first + number} failed, so that "
                    "it cannot be tried again here: start a new run."
                )
            del self.recorded[number]
        for number in [number for number, trial in self.reference.items() if trial.status == "failed"]:
            del self.reference[number]

    def _own(self, trial: Trial) -> Trial:
        """A search trial as the strategy knows it."""
        return replace(trial, number=trial.number - self.first) if self.first else trial

    def _replay(self) -> None:
        gapless: list[Trial] = []
        while (trial := self.recorded.get(len(gapless))) is not None and self.counted < self.trials:
            gapless.append(trial)
            self._count(trial)
        self.strategy.replay(gapless, self.look_ahead)
        self.asked = len(gapless)
        if gapless:
            if not self.strategy.adaptive:
                self._check_proposal(gapless[-1], self._ask(gapless[-1].number))
            self.told = self.strategy.told_before(gapless[-1].number, self.look_ahead)

    def _count(self, recorded: Trial) -> None:
        """A trial that the archive holds takes its place."""
        if recorded.status != "screened":
            self._settle_race(self.first + self.counted, recorded)
            self.counted += 1

    def run(self) -> None:
        """Until every trial is recorded and told."""
        while True:
            self._ask_while_possible()
            if not self.waiting:
                break
            for outcome in self._collect():
                self._settle(outcome)
        self._tell(len(self.recorded))

    def _collect(self) -> list[Outcome]:
        start = time.monotonic()
        while not (outcomes := self.executor.collect(PATIENCE_S)):
            oldest = next(iter(self.waiting.values()))[0]
            self.on_wait(oldest.failed("").label, time.monotonic() - start)
        return outcomes

    def _ask_while_possible(self) -> None:
        self._decide()
        while self._wants_more() and self._has_room():
            if not self._tell(self.strategy.told_before(self.asked, self.look_ahead)):
                return
            start = time.perf_counter()
            tables = self._ask(self.asked)
            decision_s = time.perf_counter() - start
            number, self.asked = self.asked, self.asked + 1
            if number in self.recorded:
                self._check_proposal(self.recorded[number], tables)
                self._count(self.recorded[number])
            else:
                origin = self.strategy.origin(number)
                proposal = Proposal("search", self.first + number, self.strategy.name, tables, origin, decision_s)
                self._propose_through_gate(proposal, tables)
            self._decide()

    def _wants_more(self) -> bool:
        return self.counted < self.trials and (self.limit is None or self.asked < self.limit)

    def _has_room(self) -> bool:
        """Whether one more trial may be under way."""
        # Twice the capacity in flight keeps every worker busy while results are written. A race goes ahead of what it
        # can decide for about as long as one trial needs for all images: what is undecided is lost when it is killed.
        ahead = 0 if self.race is None else self.race.options.lag + DIVISORS[0] * self.executor.capacity
        return len(self.waiting) < 2 * self.executor.capacity and len(self.undecided) <= ahead

    def _propose_through_gate(self, proposal: Proposal, tables: QuantTables) -> None:
        if self.gate is not None:
            admission = self.gate.admit(tables)
            if admission.tables != tables:
                proposal = replace(proposal, quantizer=admission.tables, proposed=tables)
            if admission.reason:
                self._keep(proposal.trial("screened", admission.sizes, admission.reason))
                self.screened_in_a_row += 1
                if self.screened_in_a_row >= MAX_SCREENED_IN_A_ROW:
                    raise RunError(
                        f"{MAX_SCREENED_IN_A_ROW} proposals in a row were screened, so the run stops here; the last "
                        f"one: {admission.reason}. Choose another ratio, or another strategy."
                    )
                return
        self.screened_in_a_row = 0
        place, self.counted = self.first + self.counted, self.counted + 1
        racing = self.race is not None and self.race.races(place)
        self._go_on(UnderWay(proposal, place, self.race.order if self.race is not None and racing else None))

    def _ask(self, number: int) -> QuantTables:
        """What the strategy proposes. RunError where that is nothing, or tables outside its box."""
        name, label = self.strategy.name, self.first + number
        with self._failures_explained(f"proposes nothing for trial {label}"):
            tables: object = self.strategy.ask(number)
        if not isinstance(tables, QuantTables):
            raise RunError(
                f"strategy {name} proposes a {type(tables).__name__} for trial {label}, and QuantTables were expected."
            )
        if not self.strategy.space.holds(tables):
            raise RunError(
                f"strategy {name} proposes tables outside its box for trial {label}: it is to be repaired, "
                "SearchSpace.clip brings vectors into the box."
            )
        return tables

    @contextmanager
    def _failures_explained(self, what: str) -> Iterator[None]:
        """RunError for anything a strategy raises in this block; errors of this package pass."""
        try:
            yield
        except QSearchError:
            raise
        except Exception as error:
            raise RunError(f"strategy {self.strategy.name} {what}: {reason_of(error)}.") from error

    def _tell(self, count: int) -> bool:
        """Tells in the order of the numbers until ``count`` are told; False where one of them is still in flight."""
        while self.told < count:
            trial = self.recorded.get(self.told)
            if trial is None:
                return False
            with self._failures_explained(f"cannot be told trial {self.first + trial.number}"):
                self.strategy.tell(trial)
            self.told += 1
        return True

    def _check_proposal(self, recorded: Trial, tables: QuantTables) -> None:
        if (recorded.proposed or recorded.quantizer) != tables:
            raise InputError(
                f"{self.archive.path}: trial {self.first + recorded.number} holds other tables than "
                f"{self.strategy.name} now proposes: the archive belongs to another seed, or to another version of it."
            )

    def _go_on(self, under_way: UnderWay) -> None:
        """Has it see the images that it sees next: by what is known, or by an evaluation."""
        for task in under_way.answering:
            if task in self.known:
                under_way.take_from(self.known[task])
                self._arrive(under_way)
                return
        task = under_way.task
        if task not in self.waiting:
            self.executor.submit(task)
        self.waiting.setdefault(task, []).append(under_way)

    def _arrive(self, under_way: UnderWay) -> None:
        """It has seen one more part."""
        if under_way.is_through:
            self._record(under_way, under_way.done())
            return
        assert under_way.place is not None  # only the search's trials race
        assert under_way.seen is not None  # it has just seen it
        self.known[under_way.parts_seen[-1]] = under_way.seen
        self.undecided[under_way.place] = under_way

    def _decide(self) -> None:
        """Sends those of a race on or stops them, as long as all is there that the next decision rests upon."""
        while self.race is not None and self.undecided and len(self.waiting) < 2 * self.executor.capacity:
            place = min(self.undecided)
            if not self.race.ready(place):
                return
            under_way = self.undecided.pop(place)
            assert under_way.seen is not None  # it waited with what it saw
            verdict = self.race.verdict(place, under_way.seen)
            if verdict.stays:
                self._go_on(under_way)
            else:
                self._record(under_way, under_way.stopped(verdict.reason))

    def _settle(self, outcome: Outcome) -> None:
        if outcome.task not in self.waiting:
            raise RunError(f"the executor answered a task that was never submitted: {outcome.task.key}.")
        if outcome.measurement is not None:
            self.failures_in_a_row = 0
        else:
            self.failures_in_a_row += 1
        waiting = self.waiting.pop(outcome.task)
        waiting[0].evaluation_s += outcome.evaluation_s
        for under_way in waiting:
            if outcome.measurement is None:
                self._record(under_way, under_way.failed(outcome.reason))
            else:
                under_way.take(outcome.measurement)
                self._arrive(under_way)
        if self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise RunError(
                f"{MAX_FAILURES_IN_A_ROW} evaluations in a row failed, so the run stops here; the last one: "
                f"{outcome.reason}"
            )

    def _record(self, under_way: UnderWay, trial: Trial) -> None:
        for task in under_way.parts_seen:
            self.known.pop(task, None)
        recorded = self._keep(trial)
        self._learn(recorded)
        if under_way.place is not None:
            self._settle_race(under_way.place, recorded)
        elif self.race is not None:
            self._begin_race()

    def _keep(self, trial: Trial) -> Trial:
        """Records ``trial`` and goes on with it as it is read back, its arrays on the disk."""
        trial = self.archive.add(trial, retried=self.retry_failed)
        if trial.series == "search":
            own = self._own(trial)
            self.recorded[own.number] = own
        else:
            self.reference[trial.number] = trial
        self.on_trial(trial)
        return trial
