"""Progress of work in stages: a bar each on a terminal, a plain line every so often elsewhere; always on stderr."""

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import Progress, TaskID

PLAIN_LINE_EVERY_S = 15.0


class StageProgress:
    """Hears of stages and shows how far each is. A context manager."""

    def __init__(self) -> None:
        self._bar = Progress(console=Console(stderr=True)) if sys.stderr.isatty() else None
        self._tasks: dict[str, TaskID] = {}
        self._begun: set[str] = set()
        self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """``stage`` is ``done`` of ``total``; 0 where that is not known."""
        if self._bar is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bar.add_task(stage)
            self._bar.update(self._tasks[stage], completed=done, total=total or None)
            return
        now = time.monotonic()
        if stage not in self._begun or done == total or now - self._line_at >= PLAIN_LINE_EVERY_S:
            self._begun.add(stage)
            self._line_at = now
            click.echo(f"{stage}: {done} of {total}" if total else f"{stage} ...", err=True)
