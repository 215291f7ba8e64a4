"""``qsearch trials``: every trial as a table."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from qsearch.cli import completion
from qsearch.cli.run_names import find_run, runs_option
from qsearch.disk import replacing
from qsearch.errors import MissingDependencyError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("run", metavar="RUN", shell_complete=completion.runs)
@runs_option
@click.option("--csv", "format_", flag_value="csv", default=True, help="Comma-separated values (the default).")
@click.option("--json", "format_", flag_value="json", help="A JSON array, tables included.")
@click.option("--parquet", "format_", flag_value="parquet", help="Apache Parquet (needs --out, and qsearch[parquet]).")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file.  [default: stdout]")
def trials(run: str, runs: Path, format_: str, out: Path | None) -> None:
    """Print every trial of RUN: reference trials first, then the search's by number."""
    reference, search = find_run(run, runs).trials()
    rows = _rows([*reference, *search])
    if out is not None:
        with replacing(out) as file:
            _write(rows, format_, file)
    elif format_ == "parquet":
        raise click.UsageError("--parquet writes a file: say where with --out FILE.")
    else:
        text = io.BytesIO()
        _write(rows, format_, text)
        click.echo(text.getvalue(), nl=False)


def _write(rows: list[dict[str, Any]], format_: str, file: BinaryIO) -> None:
    if format_ == "json":
        file.write(json.dumps(rows, indent=1).encode() + b"\n")
        return
    import pandas as pd

    frame = pd.DataFrame([{**row, "tables": json.dumps(row["tables"])} for row in rows])
    if format_ == "csv":
        frame.to_csv(file, index=False)
    else:
        _write_parquet(frame, file)


def _rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """A row per trial, each with the numbers that any of them has."""
    numbers = [{} if trial.measurement is None else _numbers(trial.measurement) for trial in trials]
    empty = dict.fromkeys(name for each in numbers for name in each)
    return [_row(trial, {**empty, **its_numbers}) for trial, its_numbers in zip(trials, numbers, strict=True)]


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
    """Ratio and bits per pixel, then what each measure sums up to; of several networks each one's too."""
    numbers: dict[str, Any] = {"ratio": measurement.ratio, "bpp": measurement.bpp}
    for total, values in measurement.shown().items():
        numbers[total] = _finite(float(values.mean())) if len(values) else None
        if len(values) > 1:
            numbers[f"network_{total}"] = [_finite(value) for value in values.tolist()]
    return numbers


def _finite(value: float) -> float | None:
    """None for infinity, which JSON does not know."""
    return value if math.isfinite(value) else None


def _write_parquet(frame: "pd.DataFrame", file: BinaryIO) -> None:
    try:
        frame.to_parquet(file, index=False)
    except ImportError as error:
        raise MissingDependencyError("--parquet needs pyarrow: pip install 'qsearch[parquet]'.") from error
