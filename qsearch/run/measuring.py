"""Measuring: one more measure for every trial of a finished run, and all images for trials that were stopped."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from qsearch.analysis.results import Results
from qsearch.archive.store import Archive
from qsearch.disk import locked
from qsearch.errors import InputError, RunError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Series, Trial, joined
from qsearch.evaluation.measures import MEASURES
from qsearch.evaluation.parts import order_of
from qsearch.evaluation.task import Task
from qsearch.executors import DEFAULT as DEFAULT_EXECUTOR
from qsearch.executors import executor_for
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
    trust_command: bool = False,
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
            networks = any(MEASURES.get(name).per_network for name in names)
            checked = ("bytes", "rank") if networks else ("bytes",)
            how = _How(workers, executor, timeout_s, trust_pickle, trust_command, on_progress)
            evaluator = _evaluator(run, (*checked, *names), how)

            def keep(trial: Trial, measured: Measurement, evaluation_s: float) -> None:
                _add(archive, trial, names, measured)

            _measure(run, evaluator, lacking, how, keep)
        asked = [name for name in names if not MEASURES.get(name).always]
        measures = tuple(dict.fromkeys((*run.settings.measures, *asked)))
        if measures != run.settings.measures:
            run.save(measures=measures)
    return len(lacking)


def complete_trials(
    run: Run,
    labels: Sequence[str],
    *,
    workers: int | None = None,
    executor: str = DEFAULT_EXECUTOR,
    timeout_s: float | None = None,
    trust_pickle: bool = False,
    trust_command: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Has the stopped trials ``labels`` of ``run`` see the images that they have not; returns how many.

    Each is then done, and recorded as completed later; a race that goes on does not take it for one of its own.

    Raises InputError where a label names no stopped trial, and as :func:`add_measures` does.
    """
    with locked(run.path), Archive.open(run.path / ARCHIVE_FILE, locked=True) as archive:
        stopped = _stopped(run, archive, labels)
        if not stopped:
            return 0
        how = _How(workers, executor, timeout_s, trust_pickle, trust_command, on_progress)
        measures = {name for trial in stopped if trial.measurement is not None for name in trial.measurement.measures}
        evaluator = _evaluator(run, sorted(measures), how)
        order = order_of(evaluator.dataset)
        missing: defaultdict[Task, list[Trial]] = defaultdict(list)
        for trial in stopped:
            assert trial.part is not None  # it was stopped
            if trial.part.order != order.digest:
                raise InputError(
                    f"{run.path}: trial {trial.label} was stopped on images in another order: restore them."
                )
            missing[Task(trial.quantizer, order.between(trial.part.images, len(order)))].append(trial)

        def keep(trial: Trial, rest: Measurement, evaluation_s: float) -> None:
            assert trial.part is not None  # it was stopped
            assert trial.measurement is not None
            seen, new = order.part(trial.part.images), order.between(trial.part.images, len(order))
            whole = joined(
                [(seen.positions, trial.measurement), (new.positions, rest.only(trial.measurement.measures))]
            )
            archive.complete(trial, whole, evaluation_s)

        _measure(run, evaluator, missing, how, keep)
    return len(stopped)


def _stopped(run: Run, archive: Archive, labels: Sequence[str]) -> list[Trial]:
    """The stopped trials ``labels``, each once, without those completed already. InputError where one is neither."""
    results = Results(run.name, archive.trials("reference"), archive.trials("search"))
    found = []
    for label in dict.fromkeys(labels):
        trial = results.trial(label)
        if trial.part is None:
            raise InputError(
                f"trial {label} of run {run.name} is {trial.status}, and no race stopped it: leave it out."
            )
        if trial.status == "stopped":
            found.append(trial)
    return found


def _lacking(archive: Archive, names: Sequence[str]) -> dict[Task, list[Trial]]:
    """The done trials that lack one of the measures, by what is to be evaluated for them."""
    found: defaultdict[Task, list[Trial]] = defaultdict(list)
    for series in SERIES:
        for trial in archive.trials(series).done():
            if trial.measurement is not None and not set(names) <= set(trial.measurement.measures):
                found[Task(trial.quantizer)].append(trial)
    return found


@dataclass(frozen=True)
class _How:
    """With which workers, and who hears of it."""

    workers: int | None
    executor: str
    timeout_s: float | None
    trust_pickle: bool
    trust_command: bool
    on_progress: Callable[[int, int], None]


def _evaluator(run: Run, measures: Sequence[str], how: _How) -> Evaluator:
    """Of the run's images, with its networks where one of ``measures`` asks them."""
    threads = max(1, usable_cores() // (how.workers or default_workers(run.settings)))
    networks = any(MEASURES.get(name).per_network for name in measures)
    classifiers = build_classifiers(run.settings, threads, trust_pickle=how.trust_pickle) if networks else []
    evaluator = Evaluator(
        build_dataset(run.settings.dataset),
        build_codec(run.settings.codec, trust_command=how.trust_command),
        classifiers,
        measures=tuple(dict.fromkeys(measures)),
        codec_threads=threads,
    )
    _check_unchanged(run, evaluator)
    return evaluator


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


Keep = Callable[[Trial, Measurement, float], None]
"""Records for a trial what its task measured, and how many seconds that took."""


def _measure(run: Run, evaluator: Evaluator, wanted: Mapping[Task, list[Trial]], how: _How, keep: Keep) -> None:
    """Carries out the tasks ``wanted``, each for its trials.

    RunError where some could not be measured; those that could are recorded by then.
    """
    workers, gpus = how.workers or default_workers(run.settings), gpus_for(run.settings)
    waiting, running, done = list(wanted), 0, 0
    failures: list[str] = []
    how.on_progress(0, len(wanted))
    with executor_for(evaluator, workers, name=how.executor, gpus=gpus, timeout_s=how.timeout_s) as executor:
        while waiting or running:
            while waiting and running < 2 * executor.capacity:
                executor.submit(waiting.pop(0))
                running += 1
            for outcome in executor.collect():
                running, done = running - 1, done + 1
                if outcome.measurement is None:
                    failures.append(f"trial {wanted[outcome.task][0].label}: {outcome.reason}")
                else:
                    for trial in wanted[outcome.task]:
                        keep(trial, outcome.measurement, outcome.evaluation_s)
                how.on_progress(done, len(wanted))
    if failures:
        raise RunError(
            f"{len(failures)} of {done} tables were not measured, the same command tries them again; the first: "
            f"{failures[0]}"
        )


def _add(archive: Archive, trial: Trial, names: Sequence[str], measured: Measurement) -> None:
    assert trial.measurement is not None  # it is done
    _check_same(archive, trial, trial.measurement, measured)
    for name in names:
        if name not in trial.measurement.measures:
            archive.add_measure(trial, name, measured[name])


def _check_same(archive: Archive, trial: Trial, recorded: Measurement, measured: Measurement) -> None:
    for name in ("bytes", "rank"):
        if name in measured.measures and not np.array_equal(recorded[name], measured[name]):
            raise RunError(
                f"{archive.path}: trial {trial.label} comes out with other values of {name} than recorded, so that "
                "it was measured under other conditions and nothing is added to it: start a new run."
            )
