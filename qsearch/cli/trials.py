"""``qsearch trials``: every trial as a table."""

import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from qsearch.cli.runs import find_run, runs_option
from qsearch.disk import replacing
from qsearch.errors import MissingDependencyError
from qsearch.evaluation.measurement import Measurement, Trial

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("run", metavar="RUN")
@runs_option
@click.option("--csv", "format_", flag_value="csv", default=True, help="Comma-separated values (the default).")
@click.option("--json", "format_", flag_value="json", help="A JSON array, tables included.")
@click.option("--parquet", "format_", flag_value="parquet", help="Apache Parquet (needs --out, and qsearch[parquet]).")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file.  [default: stdout]")
def trials(run: str, runs: Path, format_: str, out: Path | None) -> None:
    """Print every trial of RUN: reference tables first, then the search's by number."""
    reference, search = find_run(run, runs).trials()
    rows = [_row(trial) for trial in (*reference, *search)]
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


def _row(trial: Trial) -> dict[str, Any]:
    measurement = trial.measurement
    return {
        "series": trial.series,
        "number": trial.number,
        "strategy": trial.strategy,
        "origin": trial.origin,
        "status": trial.status,
        "reason": trial.reason,
        "ratio": measurement and measurement.ratio,
        "bpp": measurement and measurement.bpp,
        "total_bytes": measurement and measurement.total_bytes,
        "top1": measurement and measurement.top1,
        "top5": measurement and measurement.top5,
        "network_top1": measurement and [each.top1 for each in _by_network(measurement)],
        "psnr_db": measurement and _finite(measurement.mean_psnr_db),
        "decision_s": trial.decision_s,
        "evaluation_s": trial.evaluation_s,
        "digest": trial.tables.digest,
        "tables": trial.tables.to_dict(),
    }


def _by_network(measurement: Measurement) -> list[Measurement]:
    return [measurement.of_classifier(index) for index in range(len(measurement.ranks))]


def _finite(value: float | None) -> float | None:
    """None for infinity, which JSON does not know."""
    return value if value is not None and math.isfinite(value) else None


def _write_parquet(frame: "pd.DataFrame", file: BinaryIO) -> None:
    try:
        frame.to_parquet(file, index=False)
    except ImportError as error:
        raise MissingDependencyError("--parquet needs pyarrow: pip install 'qsearch[parquet]'.") from error
