"""Progress of a search: a bar on a terminal, a plain line every so often elsewhere; always on stderr."""

import sys
import time
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qsearch.analysis.plausibility import low_accuracy
from qsearch.analysis.results import Results
from qsearch.analysis.summary import summarize
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.run.building import codec_note
from qsearch.run.findings import labels_predicted
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded
from qsearch.wording import measured_on

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C or SIGTERM ended."""
PLAIN_LINE_EVERY_S = 15.0
GAIN_EVERY_S = 1.0
"""The best gain needs a frontier over all trials: now and then is enough."""


class SearchProgress:
    """Hears of trials and shows where a run stands, reference curve included. A context manager."""

    def __init__(self, run: Run, trials: int) -> None:
        self._run = run
        reference, search = run.trials()
        self._reference, self._search = list(reference), list(search)
        self._total = 1 + len(run.settings.search.qualities) + trials
        self._reference_point = run.settings.search.hypervolume_reference
        self._start = time.monotonic()
        self._new = 0
        self._gain = ""
        self._gain_at = self._line_at = self._start
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[gain]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("tables", total=self._total, completed=self._done, speed="", gain="")

    @property
    def _done(self) -> int:
        """Tables of the reference curve and of the search."""
        return len(self._reference) + sum(trial.status != "screened" for trial in self._search)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, trial: Trial) -> None:
        """One more trial is recorded."""
        (self._search if trial.series == "search" else self._reference).append(trial)
        self._new += 1
        now = time.monotonic()
        speed = f"{self._new / max(now - self._start, 1e-9):.2f} trials/s"
        if now - self._gain_at >= GAIN_EVERY_S or self._done == self._total:
            self._gain, self._gain_at = self._best_gain(), now
        if trial.measurement is not None and trial.label == "uncompressed":
            self._say_if_implausible(trial.measurement)
        if trial.status == "failed":
            self._say(f"trial {trial.label} failed: {trial.reason}")
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, speed=speed, gain=self._gain)
        elif now - self._line_at >= PLAIN_LINE_EVERY_S or self._done == self._total:
            self._line_at = now
            left_s = (self._total - self._done) * (now - self._start) / self._new
            self._say(f"{self._done}/{self._total} tables, {speed}, {left_s:.0f} s left, {self._gain}")

    def waiting(self, label: str, waited_s: float) -> None:
        """Nothing has finished for ``waited_s``."""
        self._say(f"no trial has finished for {waited_s:.0f} s; at it longest: trial {label}")

    def _say_if_implausible(self, uncompressed: Measurement) -> None:
        if labels_predicted(self._run):
            return
        for index, network in enumerate((self._run.settings.recorded or Recorded()).classifiers):
            note = low_accuracy(str(network["name"]), uncompressed.of_network(index).top1)
            if note is not None:
                self._say(note)

    def _best_gain(self) -> str:
        summary = summarize(Results("", self._reference, self._search), self._reference_point)
        if summary.gain_points is None:
            return "no gain yet"
        return f"{summary.gain_points:+.2f} points at quality 50's ratio"

    def _say(self, line: str) -> None:
        if self._bar is None:
            click.echo(line, err=True)
        else:  # as it is: a reason may hold what rich takes for markup
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


def measure(run: Run, evaluator: Evaluator, workers: int, *, trials: int | None = None, **how: Any) -> int:
    """Goes on with ``run`` and shows how far it is. Returns :data:`INTERRUPTED` where the user stopped it, else 0.

    ``how`` are further arguments of :meth:`qsearch.run.folder.Run.resume`.
    """
    for note in filter(None, (*evaluator.dataset.notes, codec_note(run.settings.codec))):
        click.echo(note, err=True)
    click.echo(f"{run.path}: {measured_on(run)}, {workers} worker{'s' * (workers > 1)}", err=True)
    with SearchProgress(run, trials or run.settings.search.trials) as progress:
        try:
            run.resume(
                workers=workers, trials=trials, evaluator=evaluator, on_trial=progress, on_wait=progress.waiting, **how
            )
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0
