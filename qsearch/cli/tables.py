"""How commands name tables: standard:Q, published:NAME[:Q], RUN:TRIAL, or a file."""

import re
from pathlib import Path

from qsearch.analysis.choice import choose_trial
from qsearch.cli.runs import find_run
from qsearch.errors import InputError
from qsearch.export.files import read_tables
from qsearch.export.formats import TableSheet
from qsearch.export.provenance import sheet_of
from qsearch.export.published import published_source, published_tables
from qsearch.tables import QuantTables

TABLES_HELP = "standard:Q, published:NAME[:Q], RUN:TRIAL, a file of tables, or a JPEG file"


def resolve_tables(spec: str, runs: Path) -> TableSheet:
    """The tables a user calls ``spec``; runs are looked for in ``runs``. InputError where there are none."""
    kind, _, rest = spec.partition(":")
    if kind == "standard":
        return standard_sheet(_quality(rest, spec))
    if kind == "published":
        name, _, quality = rest.partition(":")
        return published_sheet(name, _quality(quality, spec) if quality else 50)
    if Path(spec).is_file():
        return read_tables(spec)
    trial = re.fullmatch(r"(.+?):((?:standard:)?\d+)", spec)
    if trial is None:
        raise InputError(f"tables are called {TABLES_HELP}; got {spec!r}, which is none of these.")
    run = find_run(trial[1], runs)
    results = run.results()
    return sheet_of(run, results, choose_trial(results, trial[2]))


def standard_sheet(quality: int) -> TableSheet:
    """The standard tables at ``quality`` 1..100."""
    origin = "ITU-T T.81 Annex K, Tables K.1 and K.2, scaled by libjpeg's formula."
    return TableSheet(QuantTables.standard(quality), f"standard tables at quality {quality}", (origin,))


def published_sheet(name: str, quality: int = 50) -> TableSheet:
    """The published tables ``name`` at ``quality`` 1..100; 50 is as published."""
    tables = published_tables(name, quality)
    title = f"published tables {name}" + ("" if quality == 50 else f" at quality {quality}")
    origin = (
        f"{published_source(name)}.",
        "Scaled by libjpeg's formula (50: as published), rounded, clipped to 1..255.",
    )
    return TableSheet(tables, title, origin)


def _quality(text: str, spec: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise InputError(f"a JPEG quality is an integer from 1 to 100, got {text!r} in {spec!r}.")
    return int(text)
