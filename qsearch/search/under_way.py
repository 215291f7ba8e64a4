"""What is under way: proposals, and how far through the images each has come."""

from dataclasses import dataclass

import numpy as np

from qsearch.evaluation.measurement import Measurement, Part, Series, Status, Trial, joined
from qsearch.evaluation.parts import NestedOrder
from qsearch.evaluation.task import Task
from qsearch.quantizer import Quantizer
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class Proposal:
    """A trial to be: what is tried, and who proposed it; see :class:`~qsearch.evaluation.measurement.Trial`."""

    series: Series
    number: int
    strategy: str
    quantizer: Quantizer
    origin: str = ""
    decision_s: float = 0.0
    proposed: QuantTables | None = None

    def trial(
        self,
        status: Status,
        measurement: Measurement | None,
        reason: str = "",
        evaluation_s: float = 0.0,
        part: Part | None = None,
    ) -> Trial:
        """What became of it."""
        return Trial(
            series=self.series,
            number=self.number,
            strategy=self.strategy,
            quantizer=self.quantizer,
            status=status,
            measurement=measurement,
            reason=reason,
            origin=self.origin,
            decision_s=self.decision_s,
            evaluation_s=evaluation_s,
            proposed=self.proposed,
            part=part,
        )


@dataclass
class UnderWay:
    """A proposal that is measured: on all images at once or, with an ``order``, part after part.

    place: which one it is of the search's trials, those that were screened left out; None of a reference trial.
    images: the size of the part that it has seen, 0 before the first; seen: the measurement of that part, by rising
        positions.
    """

    proposal: Proposal
    place: int | None = None
    order: NestedOrder | None = None
    images: int = 0
    seen: Measurement | None = None
    evaluation_s: float = 0.0

    @property
    def next(self) -> int:
        """The size of the part that it sees next; only where there is an order."""
        assert self.order is not None  # others see all images at once
        return next(size for size in self.order.sizes if size > self.images)

    @property
    def task(self) -> Task:
        """Its next evaluation: of the images that are new in the next part."""
        if self.order is None or (not self.images and self.next == len(self.order)):
            return Task(self.proposal.quantizer)
        return Task(self.proposal.quantizer, self.order.between(self.images, self.next))

    @property
    def answering(self) -> list[Task]:
        """The tasks whose measurements hold the next part; that of all images is the last."""
        if self.order is None:
            return [Task(self.proposal.quantizer)]
        return [self._task_of(size, self.order) for size in self.order.sizes if size >= self.next]

    @property
    def parts_seen(self) -> list[Task]:
        """The tasks that would have measured the parts it has seen, without that of all images."""
        if self.order is None:
            return []
        return [self._task_of(size, self.order) for size in self.order.sizes[:-1] if size <= self.images]

    def _task_of(self, images: int, order: NestedOrder) -> Task:
        return task_of_part(self.proposal.quantizer, order, images)

    @property
    def is_through(self) -> bool:
        """Whether it has seen all images."""
        return self.seen is not None and (self.order is None or self.images == len(self.order))

    def take(self, piece: Measurement) -> None:
        """``piece`` is what its task measured."""
        if self.order is not None and self.seen is not None:
            before, new = self.order.part(self.images), self.order.between(self.images, self.next)
            piece = joined([(before.positions, self.seen), (new.positions, piece)])
        self._see(piece)

    def take_from(self, measurement: Measurement) -> None:
        """``measurement`` is that of a task that holds the next part."""
        if self.order is not None and measurement.images != self.next:
            among = self.order.part(measurement.images).positions
            measurement = measurement.at(np.searchsorted(among, self.order.part(self.next).positions))
        self._see(measurement)

    def _see(self, part: Measurement) -> None:
        self.images = part.images if self.order is None else self.next
        self.seen = part

    def done(self) -> Trial:
        """It has seen all images."""
        return self.proposal.trial("done", self.seen, evaluation_s=self.evaluation_s)

    def failed(self, reason: str) -> Trial:
        """An evaluation failed."""
        return self.proposal.trial("failed", None, reason, self.evaluation_s)

    def stopped(self, reason: str) -> Trial:
        """It sees no more."""
        assert self.order is not None  # others are not stopped
        part = Part(self.images, self.order.digest)
        return self.proposal.trial("stopped", self.seen, reason, self.evaluation_s, part)


def task_of_part(quantizer: Quantizer, order: NestedOrder, images: int) -> Task:
    """The evaluation of ``quantizer`` on the part of so many images, or on all of them."""
    return Task(quantizer) if images == len(order) else Task(quantizer, order.part(images))
