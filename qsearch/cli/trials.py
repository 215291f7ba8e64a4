"""``qsearch trials``: every trial as a table."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from qsearch.cli import completion
from qsearch.cli.run_names import find_run, runs_option
from qsearch.disk import replacing
from qsearch.errors import MissingDependencyError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.trials import Trials
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import pandas as pd

FRAME_ROWS = 1000
"""Of a table, that are turned into text at once."""


@click.command()
@click.argument("run", metavar="RUN", shell_complete=completion.runs)
@runs_option
@click.option("--csv", "format_", flag_value="csv", default=True, help="Comma-separated values (the default).")
@click.option("--json", "format_", flag_value="json", help="A JSON array, tables included.")
@click.option("--parquet", "format_", flag_value="parquet", help="Apache Parquet (needs --out, and qsearch[parquet]).")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file.  [default: stdout]")
def trials(run: str, runs: Path, format_: str, out: Path | None) -> None:
    """Print every trial of RUN: reference trials first, then the search's by number.

    KB are of 1000 bytes.
    """
    shown = find_run(run, runs).trials()
    if format_ == "parquet" and out is None:
        raise click.UsageError("--parquet writes a file: say where with --out FILE.")
    if out is None:
        for part in _texts(shown, format_):
            click.echo(part, nl=False)
        return
    with replacing(out) as file:
        if format_ == "parquet":
            _write_parquet(shown, file)
        else:
            file.writelines(part.encode() for part in _texts(shown, format_))


def _texts(trials: Sequence[Trials], format_: str) -> Iterator[str]:
    """The whole table, part by part: no more than some of its rows are ever in memory."""
    if format_ == "csv":
        for index, frame in enumerate(_frames(trials)):
            yield frame.to_csv(index=False, header=index == 0)
        return
    before = "["
    for row in _rows(trials):
        yield before + "\n " + json.dumps(row, indent=1).replace("\n", "\n ")
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _frames(trials: Sequence[Trials]) -> "Iterator[pd.DataFrame]":
    """The table in frames of :data:`FRAME_ROWS`; one without rows where there are none."""
    import pandas as pd

    rows = ({**row, "tables": json.dumps(row["tables"])} for row in _rows(trials))
    some = list(islice(rows, FRAME_ROWS))
    yield pd.DataFrame(some)
    while some := list(islice(rows, FRAME_ROWS)):
        yield pd.DataFrame(some)


def _rows(trials: Sequence[Trials]) -> Iterator[dict[str, Any]]:
    """A row per trial, each with the numbers that any of them has."""
    empty: dict[str, None] = {}
    kinds: set[tuple[tuple[str, ...], int]] = set()
    for trial in chain.from_iterable(trials):
        measurement = trial.measurement
        if measurement is not None and (kind := (measurement.measures, measurement.networks)) not in kinds:
            kinds.add(kind)
            empty |= dict.fromkeys(_numbers(measurement))
    for trial in chain.from_iterable(trials):
        yield _row(trial, empty if trial.measurement is None else {**empty, **_numbers(trial.measurement)})


def _row(trial: Trial, numbers: dict[str, Any]) -> dict[str, Any]:
    tables = trial.quantizer if isinstance(trial.quantizer, QuantTables) else None
    return {
        "series": trial.series,
        "number": trial.number,
        "strategy": trial.strategy,
        "origin": trial.origin,
        "status": trial.status,
        "reason": trial.reason,
        "images": 0 if trial.measurement is None else trial.measurement.images,
        **numbers,
        "decision_s": trial.decision_s,
        "evaluation_s": trial.evaluation_s,
        "quantizer": trial.quantizer.kind,
        "digest": trial.quantizer.digest,
        "tables": tables and tables.to_dict(),
    }


def _numbers(measurement: Measurement) -> dict[str, Any]:
    """Ratio, bits per pixel and KB per image, then what each measure sums up to; of several networks each one's too."""
    numbers: dict[str, Any] = {name: getattr(measurement, name) for name in ("ratio", "bpp", "kb_per_image")}
    for total, values in measurement.shown().items():
        numbers[total] = _finite(float(values.mean())) if len(values) else None
        if len(values) > 1:
            numbers[f"network_{total}"] = [_finite(value) for value in values.tolist()]
    return numbers


def _finite(value: float) -> float | None:
    """None for infinity, which JSON does not know."""
    return value if math.isfinite(value) else None


def _write_parquet(trials: Sequence[Trials], file: BinaryIO) -> None:
    import pandas as pd

    try:
        pd.concat([*_frames(trials)], ignore_index=True).to_parquet(file, index=False)
    except ImportError as error:
        raise MissingDependencyError("--parquet needs pyarrow: pip install 'qsearch[parquet]'.") from error
