"""How commands name tables: standard:Q, published:NAME[:Q], RUN[:best], RUN:TRIAL, LADDER:RUNG, DIAL:Q, or a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from qsearch.analysis.choice import Choice, choose_like_quality, choose_trial
from qsearch.analysis.results import Results
from qsearch.cli.run_names import find_run, is_run, run_names
from qsearch.datasets.base import ImageIdentity
from qsearch.errors import InputError
from qsearch.export.formats import TableSheet
from qsearch.export.provenance import sheet_of
from qsearch.export.reading import read_tables
from qsearch.learning.dial import Dial, read_dial
from qsearch.learning.files import kind_of
from qsearch.learning.ladder import Ladder, check_fits, read_ladder
from qsearch.learning.sheets import dial_sheet, ladder_sheet
from qsearch.registry import nearest_names
from qsearch.run.confirmation import Confirmed, confirmed
from qsearch.run.folder import Run
from qsearch.tables import QuantTables
from qsearch.tables.published import AS_PUBLISHED, published_source, published_tables

BEST = "best"
"""Of a run: its confirmed pick, else its best at no lower ratio than the standard tables at its like-quality; a bare
RUN means it, too."""
TABLES_HELP = (
    "standard:Q, published:NAME[:Q], RUN[:best], RUN:TRIAL, LADDER:RUNG, DIAL:Q, a file of tables, or a JPEG file"
)


quality_option = click.option(
    "--quality", type=click.IntRange(1, 100), help="The tables of a dial at this quality, as DIAL:Q."
)


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
    def of(cls, run: Run, label: str, *, confirm: bool = True) -> "RunTable":
        """That of ``run`` as it is recorded now; its confirmed pick is the best unless ``confirm`` says no."""
        found = confirmed(run) if label == BEST and confirm else None
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
            return choose_like_quality(self.results)
        return choose_trial(self.results, self.label)

    @property
    def sheet(self) -> TableSheet:
        """Its tables with where they come from."""
        return sheet_of(self.searched, self.results, self.choice, self.pick)


@dataclass(frozen=True)
class Learned:
    """A ladder or a dial in a file, and what a user names of it behind a colon, empty for all of it."""

    path: Path
    content: Ladder | Dial
    chosen: str

    def sheet(self, quality: int | None = None) -> TableSheet:
        """The rung, or the tables at the quality, that was named, by ``quality`` in place of a colon where given."""
        chosen = self.chosen if quality is None else str(quality)
        if isinstance(self.content, Ladder):
            if quality is not None:
                raise InputError(f"{self.path} is a ladder, whose rungs are named {self.path}:0: make a dial of it.")
            if not chosen.isdecimal():
                raise InputError(f"{self.path} is a ladder: name one of its rungs, {self.path}:0 for the coarsest.")
            return ladder_sheet(self.content, self.path, int(chosen))
        if not chosen:
            raise InputError(
                f"{self.path} has tables for every quality: say which one, {self.path}:85 or --quality 85."
            )
        return dial_sheet(self.content, self.path, _quality(chosen, f"{self.path}:{chosen}"))

    def check_subsampling(self, subsampling: str) -> None:
        """InputError where its tables were learned or made for another."""
        if isinstance(self.content, Ladder):
            check_fits(self.content, subsampling)
        elif self.content.encoder.subsampling != subsampling:
            made_for = self.content.encoder.subsampling
            raise InputError(
                f"{self.path} is a dial for JPEG {made_for}, and {subsampling} is wanted: give --subsampling "
                f"{made_for}, or make another dial."
            )

    def sheets(self, qualities: Sequence[int]) -> dict[str, TableSheet]:
        """What was named; where nothing was, every rung, or the tables at each of ``qualities``, by their names."""
        if self.chosen:
            return {f"{self.path}:{self.chosen}": self.sheet()}
        if isinstance(self.content, Ladder):
            return {
                f"{self.path}:{rung}": ladder_sheet(self.content, self.path, rung)
                for rung in range(len(self.content.tables))
            }
        return {f"{self.path}:{quality}": dial_sheet(self.content, self.path, quality) for quality in qualities}


def resolve_tables(spec: str, runs: Path, quality: int | None = None) -> TableSheet:
    """The tables a user calls ``spec``; runs are looked for in ``runs``. InputError where there are none.

    ``quality`` chooses from a dial; InputError for it with other tables.
    """
    learned = learned_tables(spec)
    if learned is not None:
        return learned.sheet(quality)
    if quality is not None:
        raise InputError(
            f"--quality chooses from a dial, and {spec} is none: other tables are named standard:{quality} or "
            f"published:NAME:{quality}."
        )
    kind, _, rest = spec.partition(":")
    if kind == "standard":
        return standard_sheet(_quality(rest, spec))
    if kind == "published":
        name, _, scale = rest.partition(":")
        return published_sheet(name, _quality(scale, spec) if scale else AS_PUBLISHED)
    if Path(spec).is_file():
        return read_tables(spec)
    return run_table(spec, runs).sheet


def resolve_all(spec: str, runs: Path, qualities: Sequence[int]) -> dict[str, TableSheet]:
    """What a user calls ``spec`` by names of one table each: all rungs of a ladder, a dial at ``qualities``."""
    learned = learned_tables(spec)
    return {spec: resolve_tables(spec, runs)} if learned is None else learned.sheets(qualities)


def family(spec: str, runs: Path) -> Callable[[int], QuantTables] | dict[int, QuantTables]:
    """What a user calls ``spec``, by quality: a dial's own tables, a ladder's rungs at the qualities that they have,
    all others scaled by libjpeg's formula, published ones before they are rounded."""
    learned = learned_tables(spec)
    if learned is not None and not learned.chosen:
        if isinstance(learned.content, Dial):
            return learned.content.tables
        found = learned.sheets(())
        return {
            rung.quality or place: sheet.tables
            for place, (rung, sheet) in enumerate(zip(learned.content.rungs, found.values(), strict=True), start=1)
        }
    kind, _, name = spec.partition(":")
    if kind == "published" and ":" not in name:
        published_tables(name)
        return lambda quality: published_tables(name, quality)
    return resolve_tables(spec, runs).tables.scaled


def learned_tables(spec: str) -> Learned | None:
    """The ladder or dial that ``spec`` names, FILE or FILE:RUNG or FILE:QUALITY; None where it names none."""
    for path, chosen in ((Path(spec), ""), (Path(spec.rpartition(":")[0]), spec.rpartition(":")[2])):
        kind = kind_of(path)
        if kind is not None:
            return Learned(path, read_ladder(path) if kind == "ladder" else read_dial(path), chosen)
    return None


def images_of_learned(paths: Sequence[Path]) -> dict[str, tuple[ImageIdentity, ...]]:
    """The images that the ladders and dials in files were learned from, by the names of the files."""
    found = ((path, learned_tables(str(path))) for path in paths)
    return {path.name: learned.content.images for path, learned in found if learned is not None}


def run_table(spec: str, runs: Path, like_quality: int | None = None) -> RunTable:
    """The table of a run that a user calls RUN, RUN:best or RUN:TRIAL. InputError where there is no such run.

    With ``like_quality`` RUN:best is that at no lower ratio than the standard tables at it.
    """
    found = split_spec(spec, runs)
    if found is None:
        name, colon, _ = spec.partition(":")
        if not colon:
            raise InputError(
                f"tables are called {TABLES_HELP}; got {spec!r}, which is none of these: "
                f"{nearest_names(spec, run_names(runs))}"
            )
        found = name, BEST
    return RunTable.of(find_run(found[0], runs, like_quality), found[1], confirm=like_quality is None)


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
