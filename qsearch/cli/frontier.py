"""The frontier of a run as a table, in words and as JSON."""

from dataclasses import asdict
from typing import Any

from qsearch.analysis.results import Results
from qsearch.analysis.summary import FrontierPoint, Point, frontier_points
from qsearch.evaluation.objective import Objective
from qsearch.report import wording
from qsearch.report.wording import measured_on
from qsearch.run.folder import Run


def frontier_as_json(run: Run) -> dict[str, Any]:
    """The frontier for programs: each table's place, and what it gains over the standard curve."""
    results = run.results()
    return {
        "run": run.name,
        "objective": results.objective.name,
        "saving_at_equal": results.objective.smooth.name,
        "like_quality": run.like_quality,
        "standard": None if results.baseline is None else asdict(_standard(results)),
        "frontier": [
            {**asdict(each.point), "gain_points": each.gain_points, "saving_percent": each.saving_percent}
            for each in frontier_points(results)
        ],
    }


def frontier_as_text(run: Run) -> str:
    """The frontier for people, with the standard tables at the run's quality below it."""
    results = run.results()
    smooth = results.objective.smooth
    rows = [[each.point.label, *_place(each.point, smooth), *_gains(each)] for each in frontier_points(results)]
    titles = ["trial", "ratio", "bpp", "KB", "top-1", smooth.name, "points", f"bytes saved at equal {smooth.name}"]
    last = [] if results.baseline is None else [[_standard(results).label, *_place(_standard(results), smooth), "", ""]]
    cells = [titles, *rows, *last]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    lines = [
        f"Run {run.name}: {wording.count(len(rows), 'table')} on the frontier of ratio and {results.objective.title}",
        f"Measured on {measured_on(run)}",
        "",
        *("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells),
        "",
        f"Points of top-1 gained at equal ratio, bytes saved at equal {smooth.name}, both over the standard curve of "
        "these images, on which",
        "these tables were picked, which flatters them. KB: of 1000 bytes, an image's file on average.",
    ]
    return "\n".join(lines)


def _standard(results: Results) -> Point:
    assert results.baseline is not None
    return Point.of(f"standard:{results.like_quality}", results.baseline)


def _place(point: Point, smooth: Objective) -> list[str]:
    value = getattr(point, smooth.name)
    return [
        f"{point.ratio:.2f}",
        f"{point.bpp:.2f}",
        wording.kilobytes(point.kb_per_image),
        f"{100 * point.top1:.2f} %",
        "" if value is None else f"{value:.4f}",
    ]


def _gains(each: FrontierPoint) -> list[str]:
    points = "?" if each.gain_points is None else f"{each.gain_points:+.2f}"
    saving = "?" if each.saving_percent is None else f"{each.saving_percent:+.1f} %"
    return [points, saving]
