"""Tables measured once each on one dataset, and kept, so that an interrupted shrinking goes on where it stopped."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from qsearch.archive.store import Archive
from qsearch.datasets.base import identities
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.task import Task
from qsearch.executors import executor_for
from qsearch.executors.base import Executor, outcomes_of
from qsearch.quantizer import UNCOMPRESSED, Quantizer

OnProgress = Callable[[str, int, int], None]
"""Hears a stage's name, how much of it is done, and of how much."""


class Measured:
    """What ``evaluator`` says of quantizers, each asked once and kept in the archive at ``path``.

    Its workers start when something is to be measured, and stay until it is closed: each loads the network once.
    InputError where the archive holds measurements of other images.
    """

    def __init__(
        self, evaluator: Evaluator, path: Path, stage: str, workers: int, executor: str, on_progress: OnProgress
    ) -> None:
        self.evaluator = evaluator
        self._stage = stage
        self._start = partial(executor_for, evaluator, workers, name=executor)
        self._executor: Executor | None = None
        self._on_progress = on_progress
        images = identities(evaluator.dataset)
        if path.exists():
            self._archive = Archive.open(path)
            if [one.digest for one in self._archive.images()] != [one.digest for one in images]:
                raise InputError(f"{path} holds measurements of other images: choose another folder, or remove it.")
        else:
            self._archive = Archive.create(path, images)
        self._known = {trial.quantizer.digest: trial for trial in self._archive.trials("search")}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, quantizers: Sequence[Quantizer]) -> list[Measurement]:
        """The measurements of ``quantizers``, in their order. EvaluationError where one cannot be measured."""
        missing = {Task(one): None for one in quantizers if one.digest not in self._known}
        if missing:
            done, total = len(self._known), len(self._known) + len(missing)
            self._on_progress(self._stage, done, total)
            self._executor = self._executor or self._start()
            for outcome in outcomes_of(list(missing), self._executor):
                if outcome.measurement is None:
                    raise EvaluationError(f"tables could not be measured: {outcome.reason}")
                trial = Trial(
                    "search", len(self._known), "shrink", outcome.task.quantizer, "done", outcome.measurement,
                    evaluation_s=outcome.evaluation_s,
                )  # fmt: skip
                self._known[outcome.task.quantizer.digest] = self._archive.add(trial)
                self._on_progress(self._stage, len(self._known), total)
        found = (self._known[one.digest].measurement for one in quantizers)
        return [each for each in found if each is not None]

    def uncompressed(self) -> Measurement:
        """Of the images as they are."""
        return self.of([UNCOMPRESSED])[0]

    def close(self) -> None:
        """Frees workers and archive."""
        if self._executor is not None:
            self._executor.close()
        self._archive.close()
