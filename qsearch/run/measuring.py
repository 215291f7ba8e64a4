"""Measuring: one more measure for every trial of a finished run, beside what was recorded."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from qsearch.archive.store import Archive
from qsearch.disk import locked
from qsearch.errors import InputError, RunError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Series, Trial
from qsearch.evaluation.measures import MEASURES
from qsearch.evaluation.task import Task
from qsearch.executors import DEFAULT as DEFAULT_EXECUTOR
from qsearch.executors import executor_for
from qsearch.executors.base import Executor, Outcome
from qsearch.quantizer import Quantizer
from qsearch.run.building import (
    build_classifiers,
    build_codec,
    build_dataset,
    default_workers,
    gpus_for,
    record,
    usable_cores,
)
from qsearch.run.folder import ARCHIVE_FILE, Run
from qsearch.run.settings import Recorded

SERIES: tuple[Series, ...] = ("reference", "search")


def add_measures(
    run: Run,
    names: Sequence[str],
    *,
    workers: int | None = None,
    executor: str = DEFAULT_EXECUTOR,
    timeout_s: float | None = None,
    trust_pickle: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Gives every done trial of ``run`` the measures ``names`` that it lacks; returns how many tables were measured.

    Each distinct quantizer is evaluated once, and networks only where one of the measures asks them. Trials that the
    run makes later have the measures too. Interrupted, the same call goes on where it stopped.

    Raises InputError for an unknown measure and where dataset, codec or networks are no longer those of the run;
    RunError where files or ranks come out otherwise than recorded, where evaluations fail, and where another process
    is at the run.
    """
    for name in names:
        MEASURES.get(name)
    with locked(run.path), Archive.open(run.path / ARCHIVE_FILE, locked=True) as archive:
        lacking = _lacking(archive, names)
        if lacking:
            workers = workers or default_workers(run.settings)
            evaluator = _evaluator(run, names, workers, trust_pickle)
            _check_unchanged(run, evaluator)
            with executor_for(
                evaluator, workers, name=executor, gpus=gpus_for(run.settings), timeout_s=timeout_s
            ) as executing:
                _Measuring(archive, executing, names, lacking, on_progress).run()
        asked = [name for name in names if not MEASURES.get(name).always]
        measures = tuple(dict.fromkeys((*run.settings.measures, *asked)))
        if measures != run.settings.measures:
            run.save(measures=measures)
    return len(lacking)


def _lacking(archive: Archive, names: Sequence[str]) -> dict[str, list[Trial]]:
    """The done trials that lack one of the measures, by the digest of what they try."""
    found: defaultdict[str, list[Trial]] = defaultdict(list)
    for series in SERIES:
        for trial in archive.trials(series).done():
            if trial.measurement is not None and not set(names) <= set(trial.measurement.measures):
                found[trial.quantizer.digest].append(trial)
    return dict(found)


def _evaluator(run: Run, names: Sequence[str], workers: int, trust_pickle: bool) -> Evaluator:
    threads = max(1, usable_cores() // workers)
    networks = any(MEASURES.get(name).per_network for name in names)
    classifiers = build_classifiers(run.settings, threads, trust_pickle=trust_pickle) if networks else []
    checked = ("bytes", "rank") if networks else ("bytes",)
    return Evaluator(
        build_dataset(run.settings.dataset),
        build_codec(run.settings.codec),
        classifiers,
        measures=tuple(dict.fromkeys((*checked, *names))),
        codec_threads=threads,
    )


def _check_unchanged(run: Run, evaluator: Evaluator) -> None:
    before, now = run.settings.recorded or Recorded(), record(evaluator)
    if not evaluator.classifiers:  # then they are not asked, and predict no labels
        labels = "predicted_labels_digest"
        dataset = {**now.dataset, **{key: value for key, value in before.dataset.items() if key == labels}}
        now = msgspec.structs.replace(now, classifiers=before.classifiers, dataset=dataset)
    differences = before.differences(now)
    if differences:
        raise InputError(
            f"{run.path} was measured under other conditions ({'; '.join(differences)}): restore them to measure more."
        )


@dataclass
class _Measuring:
    archive: Archive
    executor: Executor
    names: Sequence[str]
    lacking: dict[str, list[Trial]]
    on_progress: Callable[[int, int], None]

    def run(self) -> None:
        """RunError where some could not be measured; those that could are recorded by then."""
        waiting: list[Quantizer] = [trials[0].quantizer for trials in self.lacking.values()]
        running, done = 0, 0
        failures: list[str] = []
        self.on_progress(0, len(self.lacking))
        while waiting or running:
            while waiting and running < 2 * self.executor.capacity:
                self.executor.submit(Task(waiting.pop(0)))
                running += 1
            for outcome in self.executor.collect():
                running, done = running - 1, done + 1
                failures += self._keep(outcome)
                self.on_progress(done, len(self.lacking))
        if failures:
            raise RunError(
                f"{len(failures)} of {done} tables were not measured, the same command tries them again; the first: "
                f"{failures[0]}"
            )

    def _keep(self, outcome: Outcome) -> list[str]:
        """Records what came out for every trial of the quantizer; the reason why not, where it cannot."""
        trials = self.lacking[outcome.task.quantizer.digest]
        measured = outcome.measurement
        if measured is None:
            return [f"trial {trials[0].label}: {outcome.reason}"]
        for trial in trials:
            assert trial.measurement is not None  # it is done
            _check_same(self.archive, trial, trial.measurement, measured)
            for name in self.names:
                if name not in trial.measurement.measures:
                    self.archive.add_measure(trial, name, measured[name])
        return []


def _check_same(archive: Archive, trial: Trial, recorded: Measurement, measured: Measurement) -> None:
    for name in ("bytes", "rank"):
        if name in measured.measures and not np.array_equal(recorded[name], measured[name]):
            raise RunError(
                f"{archive.path}: trial {trial.label} comes out with other values of {name} than recorded, so that "
                "it was measured under other conditions and nothing is added to it: start a new run."
            )
