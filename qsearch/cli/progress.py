"""Progress: bars on a terminal, a plain line every so often elsewhere; always on stderr."""

import sys
import time
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from qsearch.analysis.plausibility import low_accuracy
from qsearch.analysis.results import Results
from qsearch.analysis.summary import summarize
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import TOP1, objective_called
from qsearch.registry import split_spec
from qsearch.report.wording import measured_on, network_names
from qsearch.run.building import codec_note
from qsearch.run.findings import labels_predicted
from qsearch.run.folder import Run

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C or SIGTERM ended."""
PLAIN_LINE_EVERY_S = 15.0
GAIN_EVERY_S = 1.0
"""The best gain needs a frontier over all trials: now and then is enough."""


class Progress:
    """Hears how far stages of work are and shows it. A context manager."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        if sys.stderr.isatty():
            self._bars = Bars(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[note]}", markup=False),
                console=Console(stderr=True),
            )
        self._stages: dict[str, Any] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """``stage`` is ``done`` of ``total``; 0 where that is not known."""
        if self._bars is not None:
            if stage not in self._stages:
                self._stages[stage] = self._bars.add_task(stage, note=note)
            self._bars.update(self._stages[stage], completed=done, total=total or None, note=note)
            return
        now = time.monotonic()
        begins = stage not in self._begun
        if begins:
            self._begun[stage] = now, done
        if begins or (total and done == total) or now - self._line_at >= PLAIN_LINE_EVERY_S:
            self._line_at = now
            self.say(", ".join(filter(None, (_how_far(stage, done, total), self._time_left(stage, done, total), note))))

    def say(self, line: str) -> None:
        """Prints ``line`` as it is, above the bars where there are any."""
        if self._bars is None:
            click.echo(line, err=True)
        else:  # a failure's reason may hold what rich takes for markup
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _time_left(self, stage: str, done: int, total: int) -> str:
        begun_at, begun_with = self._begun[stage]
        passed_s, new = time.monotonic() - begun_at, done - begun_with
        return f"{(total - done) * passed_s / new:.0f} s left" if new > 0 and done < total else ""


def _how_far(stage: str, done: int, total: int) -> str:
    return f"{stage}: {done} of {total}" if total else f"{stage} ..."


class SearchProgress:
    """Hears of trials and shows where a run stands, reference trials included. A context manager."""

    def __init__(self, run: Run, trials: int) -> None:
        self._run = run
        reference, search = run.trials()
        self._reference, self._search = list(reference), list(search)
        standard = len(run.settings.search.qualities)
        self._total = 1 + standard + trials
        self._what = f"1 uncompressed + {standard} standard + {trials} trials"
        self._done = len(reference) + int((search.columns.statuses != "screened").sum())
        self._begun, self._begun_with = time.monotonic(), self._done
        self._objective = objective_called(run.settings.search.objective)
        self._like_quality = run.like_quality
        self._reference_point = run.settings.search.hypervolume_reference
        self._gain = ""
        self._gain_at = time.monotonic()
        self._progress = Progress()

    def __enter__(self) -> Self:
        self._progress.__enter__()
        self._progress.say(f"tables to measure: {self._what}")
        self._progress("tables", self._done, self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def __call__(self, trial: Trial) -> None:
        """One more trial is recorded."""
        (self._search if trial.series == "search" else self._reference).append(trial)
        self._done += trial.status != "screened"
        now = time.monotonic()
        if now - self._gain_at >= GAIN_EVERY_S or self._done == self._total:
            self._gain, self._gain_at = self._best_gain(), now
        if trial.measurement is not None and trial.label == "uncompressed":
            self._say_if_implausible(trial.measurement)
        if trial.status == "failed":
            self._progress.say(f"trial {trial.label} failed: {trial.reason}")
        speed = (self._done - self._begun_with) / max(now - self._begun, 1e-9)
        self._progress("tables", self._done, self._total, f"{speed:.2f} trials/s, {self._gain}".removesuffix(", "))

    def waiting(self, label: str, waited_s: float) -> None:
        """Nothing has finished for ``waited_s``."""
        self._progress.say(f"no trial has finished for {waited_s:.0f} s; at it longest: trial {label}")

    def _say_if_implausible(self, uncompressed: Measurement) -> None:
        if labels_predicted(self._run):
            return
        for index, network in enumerate(network_names(self._run)):
            note = low_accuracy(network, uncompressed.of_network(index).top1)
            if note is not None:
                self._progress.say(note)

    def _best_gain(self) -> str:
        results = Results("", self._reference, self._search, self._objective, self._like_quality)
        summary = summarize(results, self._reference_point)
        stopped = ""
        if summary.trials_stopped:
            stopped = f"{summary.trials_stopped} stopped, {100 * summary.evaluations_saved:.0f} % of images saved, "
        if summary.gain_points is None:
            return f"{stopped}no gain yet"
        if self._objective is TOP1 or summary.objective_saving_percent is None:
            return f"{stopped}{summary.gain_points:+.2f} points at quality {self._like_quality}'s ratio"
        saved = f"{summary.objective_saving_percent:+.1f} % of bytes saved at equal {self._objective.name}"
        return f"{stopped}{saved}, at quality {self._like_quality}'s ratio"


def measure(run: Run, evaluator: Evaluator, workers: int, *, trials: int | None = None, **how: Any) -> int:
    """Goes on with ``run`` and shows how far it is. Returns :data:`INTERRUPTED` where the user stopped it, else 0.

    ``how`` are further arguments of :meth:`qsearch.run.folder.Run.resume`.
    """
    for note in filter(None, (*evaluator.dataset.notes, codec_note(run.settings.codec))):
        click.echo(note, err=True)
    scheduler = split_spec(how.get("executor", ""))[1]
    measured_by = f"the workers of {scheduler}" if scheduler else f"{workers} worker{'s' * (workers > 1)}"
    click.echo(f"{run.path}: {measured_on(run)}, {measured_by}", err=True)
    with SearchProgress(run, trials or run.settings.search.trials) as progress:
        try:
            run.resume(
                workers=workers, trials=trials, evaluator=evaluator, on_trial=progress, on_wait=progress.waiting, **how
            )
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0
