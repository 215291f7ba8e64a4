"""The board: a page that follows runs as they go; what it shows is a script beside it, written as trials are added."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qsearch.analysis.results import Results
from qsearch.analysis.summary import Summary, summarize
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.evaluation.objective import TOP1, Objective, objective_called
from qsearch.report import wording
from qsearch.report.cards import Card, card_key, place_card, standard_card
from qsearch.report.charts import frontier_chart
from qsearch.report.exported import keep
from qsearch.report.templates import DRAWING, as_script_data, asset, chart_id, check_names, environment
from qsearch.run.folder import ARCHIVE_FILE, Run

SCRIPTS = (*DRAWING, "board.js")
SPEED_OVER_S = 300.0
"""A speed is that of the last so many seconds."""
LEAST_QUIET_S = 60.0
LONGEST_TRIALS = 5.0
"""A run has not moved for a while where nothing came for so many times its longest trial of late, and a minute."""
LATE = 10
"""So many trials are those of late."""


@dataclass(frozen=True)
class BoardRow:
    """One run as the board's table has it.

    done, total: tables measured of all there will be, uncompressed and standard ones included.
    per_s: tables per second while it was watched; left_s: seconds to its end at that speed; None where not known.
    moved_at_s: when the last table was recorded, in seconds since 1970; quiet_s: after how long that is a while ago.
    """

    run: str
    strategy: str
    done: int
    total: int
    counts: str
    per_s: float | None
    left_s: float | None
    frontier: int
    best: str
    moved_at_s: float
    quiet_s: float


class Board:
    """Watches runs, measured alike, and keeps the page ``path`` and its script up to date.

    ``clock`` tells seconds since 1970. Nothing is written while no trial is added.
    """

    def __init__(self, runs: Sequence[Run], path: Path, every_s: float, clock: Callable[[], float] = time.time) -> None:
        """InputError for another suffix than .html, for two runs of one name, and for one without a classifier."""
        if path.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"a board is written as .html, got {path.name!r}.")
        check_names(runs)
        for run in runs:
            if not wording.network_names(run):
                raise InputError(f"run {run.name} measures without a classifier, and a board is about accuracy.")
        self.path = path
        self.script = path.with_name(f"{path.stem}-data.js")
        self._followed = [_Followed(run) for run in runs]
        self._every_s = every_s
        self._clock = clock
        self._write_page()

    def refresh(self) -> bool:
        """Writes what is new, and answers whether all runs have ended. DiskError where the disk refuses."""
        now = self._clock()
        new = [followed.look(now) for followed in self._followed]
        if any(new):
            self._write_script(watching=True)
        return all(followed.ended for followed in self._followed)

    def close(self) -> None:
        """Has the page say that nobody watches any more."""
        self._write_script(watching=False)

    def _objectives(self) -> list[Objective]:
        picked = (objective_called(each.run.settings.search.objective) for each in self._followed)
        return list(dict.fromkeys([TOP1, *picked]))

    def _write_page(self) -> None:
        runs = [followed.run for followed in self._followed]
        page = (
            environment()
            .get_template("board.html")
            .render(
                names=[run.name for run in runs],
                measured_on=wording.measured_on(runs[0]),
                charts=[(chart_id("frontier", objective), objective) for objective in self._objectives()],
                quality=runs[0].like_quality,
                script=self.script.name,
                every_s=self._every_s,
                style=asset("page.css"),
                scripts=[asset(name) for name in SCRIPTS],
                version=version("qsearch"),
            )
        )
        _write(self.path, page)

    def _write_script(self, *, watching: bool) -> None:
        results = [followed.results for followed in self._followed]
        cards: dict[str, Card] = {}
        for followed in self._followed:
            found, networks = followed.results, wording.network_names(followed.run)
            cards |= {card_key(found.name, each.label): place_card(found, each, networks) for each in found.frontier}
            smooth = found.objective.smooth
            for trial in found.standard_trials:
                cards[card_key(found.name, trial.label)] = standard_card(trial, networks, smooth)
        data: dict[str, Any] = {
            "written_at_s": self._clock(),
            "watching": watching,
            "runs": [followed.row for followed in self._followed],
            "charts": {
                chart_id("frontier", objective): frontier_chart(results, self._followed[0].best_card, objective)
                for objective in self._objectives()
            },
            "cards": cards,
            "files": keep({}),
        }
        _write(self.script, f"showBoard({as_script_data(data)});\n")


class _Followed:
    """A run and what was last seen of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.results: Results
        self.row: BoardRow
        self.best_card: str | None = None
        self._samples: deque[tuple[float, int]] = deque()
        self._seen: object = None

    @property
    def ended(self) -> bool:
        return self.row.done >= self.row.total

    def look(self, now: float) -> bool:
        """Reads the run where it has changed; answers whether it has."""
        moved_at_s = _written_at(self.run.path / ARCHIVE_FILE)
        self.run = Run.open(self.run.path).looked_at(self.run.like_quality)
        with self.run.archive() as archive:
            done = archive.count("reference") + archive.count("search")
        seen = done, self.run.settings
        if seen == self._seen:
            return False
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] < now - SPEED_OVER_S:
            self._samples.popleft()
        self._seen = seen
        self.results = self.run.results()
        self.row = self._row(moved_at_s)
        return True

    def _row(self, moved_at_s: float) -> BoardRow:
        search, results = self.run.settings.search, self.results
        found = summarize(results, search.hypervolume_reference)
        best = found.best_at_ratio
        self.best_card = None if best is None else card_key(results.name, best.label)
        done = len(results.reference) + sum(results.search.count(status) for status in ("done", "failed", "stopped"))
        total = 1 + len(search.qualities) + search.trials
        (began, before), (last, now_done) = self._samples[0], self._samples[-1]
        per_s = (now_done - before) / (last - began) if last > began and now_done > before else None
        others = ((each, results.search.count(each)) for each in ("failed", "stopped", "screened"))
        late = [*results.reference[-LATE:], *results.search[-LATE:]]
        return BoardRow(
            run=results.name,
            strategy=search.strategy,
            done=done,
            total=total,
            counts=", ".join([wording.count(len(results.done), "trial"), *(f"{n} {name}" for name, n in others if n)]),
            per_s=per_s,
            left_s=None if per_s is None else (total - done) / per_s,
            frontier=len(found.frontier),
            best=_best(found, results.objective),
            moved_at_s=moved_at_s,
            quiet_s=max([LEAST_QUIET_S, *(LONGEST_TRIALS * (each.decision_s + each.evaluation_s) for each in late)]),
        )


def _best(found: Summary, objective: Objective) -> str:
    """The best table so far at its ``like_quality``'s ratio, without intervals, which take time."""
    best = found.best_at_ratio
    if best is None:
        return "none yet"
    parts = [f"trial {best.label}: ratio {wording.ratio(best.ratio)}, top-1 {wording.per_cent(best.top1)}"]
    if found.gain_points is not None:
        parts.append(wording.points(found.gain_points))
    if found.objective_saving_percent is not None:
        name = "top-1" if objective is TOP1 else objective.name
        parts.append(f"{wording.saving(found.objective_saving_percent)} bytes saved at equal {name}")
    return ", ".join(parts)


def _written_at(path: Path) -> float:
    """When something was last recorded in the archive ``path``; readers leave an empty journal, which says nothing."""
    journal = path.with_name(f"{path.name}-wal")
    times = [each.stat() for each in (path, journal) if each.exists()]
    return max((each.st_mtime for each in times if each.st_size), default=0.0)


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode("utf-8"))
