"""How commands name tables: standard:Q, published:NAME[:Q], RUN, RUN:best, RUN:TRIAL, or a file."""

from dataclasses import dataclass
from pathlib import Path

from qsearch.analysis.choice import QUALITY, Choice, choose_like_quality, choose_trial
from qsearch.analysis.results import Results
from qsearch.cli.run_names import find_run, is_run, run_names
from qsearch.errors import InputError
from qsearch.export.formats import TableSheet
from qsearch.export.provenance import sheet_of
from qsearch.export.reading import read_tables
from qsearch.registry import nearest_names
from qsearch.run.confirmation import Confirmed, confirmed
from qsearch.run.folder import Run
from qsearch.tables import QuantTables
from qsearch.tables.published import AS_PUBLISHED, published_source, published_tables

BEST = "best"
"""Of a run: its confirmed pick, else its best at no lower ratio than standard quality 50; a bare RUN means it, too."""
TABLES_HELP = "standard:Q, published:NAME[:Q], RUN[:best], RUN:TRIAL, a file of tables, or a JPEG file"


@dataclass(frozen=True)
class RunTable:
    """One of a run's tables, by its label there, or :data:`BEST`.

    run: whose it is, or of a confirmed pick the confirmation, a run of its own; searched: the run that was asked for.
    """

    run: Run
    results: Results
    label: str
    searched: Run
    pick: Confirmed | None = None

    @classmethod
    def of(cls, run: Run, label: str) -> "RunTable":
        """That of ``run`` as it is recorded now."""
        found = confirmed(run) if label == BEST else None
        if found is None:
            return cls(run, run.results(), label, run)
        return cls(found.run, found.results, label, run, found)

    @property
    def name(self) -> str:
        """``demo:17``, or ``demo:best``."""
        return f"{self.searched.name}:{self.label}"

    @property
    def choice(self) -> Choice:
        """The trial and why it is the one; InputError where there is none."""
        if self.pick is not None and self.label == BEST:
            reason = (
                f"the one that is expected to gain most of {len(self.pick.considered)} tables, by "
                f"{self.pick.objective.title} on {self.pick.images} images that the search has not seen"
            )
            return Choice(self.pick.trial, reason)
        if self.label == BEST:
            return choose_like_quality(self.results, QUALITY)
        return choose_trial(self.results, self.label)

    @property
    def sheet(self) -> TableSheet:
        """Its tables with where they come from."""
        return sheet_of(self.searched, self.results, self.choice, self.pick)


def resolve_tables(spec: str, runs: Path) -> TableSheet:
    """The tables a user calls ``spec``; runs are looked for in ``runs``. InputError where there are none."""
    kind, _, rest = spec.partition(":")
    if kind == "standard":
        return standard_sheet(_quality(rest, spec))
    if kind == "published":
        name, _, quality = rest.partition(":")
        return published_sheet(name, _quality(quality, spec) if quality else AS_PUBLISHED)
    if Path(spec).is_file():
        return read_tables(spec)
    return run_table(spec, runs).sheet


def run_table(spec: str, runs: Path) -> RunTable:
    """The table of a run that a user calls RUN, RUN:best or RUN:TRIAL. InputError where there is no such run."""
    found = split_spec(spec, runs)
    if found is None:
        name, colon, _ = spec.partition(":")
        if not colon:
            raise InputError(
                f"tables are called {TABLES_HELP}; got {spec!r}, which is none of these: "
                f"{nearest_names(spec, run_names(runs))}"
            )
        found = name, BEST
    return RunTable.of(find_run(found[0], runs), found[1])


def split_spec(spec: str, runs: Path) -> tuple[str, str] | None:
    """The run and the table's label in ``spec``; None where no run is named.

    A path may have colons of its own, and so may a label: the first split that finds a run is meant.
    """
    ends = [*(index for index, character in enumerate(spec) if character == ":"), len(spec)]
    for end in ends:
        if is_run(spec[:end], runs):
            return spec[:end], spec[end + 1 :] or BEST
    return None


def standard_sheet(quality: int) -> TableSheet:
    """The standard tables at ``quality`` 1..100."""
    origin = "ITU-T T.81 Annex K, Tables K.1 and K.2, scaled by libjpeg's formula."
    return TableSheet(QuantTables.standard(quality), f"standard tables at quality {quality}", (origin,))


def published_sheet(name: str, quality: int = AS_PUBLISHED) -> TableSheet:
    """The published tables ``name`` at ``quality`` 1..100."""
    tables = published_tables(name, quality)
    title = f"published tables {name}" + ("" if quality == AS_PUBLISHED else f" at quality {quality}")
    origin = (
        f"{published_source(name)}.",
        f"Scaled by libjpeg's formula ({AS_PUBLISHED}: as published), rounded, clipped to 1..255.",
    )
    return TableSheet(tables, title, origin)


def _quality(text: str, spec: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise InputError(f"a JPEG quality is an integer from 1 to 100, got {text!r} in {spec!r}.")
    return int(text)
