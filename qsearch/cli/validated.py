"""What a run's picks gain on other images: a table of networks by datasets, from the validations kept with it."""

from dataclasses import asdict, dataclass
from typing import Any

from qsearch.analysis.gains import Gains, bootstrap_gains
from qsearch.analysis.results import Results, of_network
from qsearch.analysis.summary import Point
from qsearch.cli.summary import Found, measured_on
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded
from qsearch.run.validation import validations


@dataclass(frozen=True)
class Validated:
    """One network on one set of images: what the picks gain there, or None where the pick was not measured."""

    validation: str
    measured_on: str
    classifier: str
    at_ratio: Gains | None
    at_accuracy: Gains | None


def validated(run: Run, found: Found) -> list[Validated]:
    """A row per validation kept with ``run`` and network of it; those without a standard curve yet are left out."""
    rows = []
    for validation in validations(run):
        recorded = validation.settings.recorded or Recorded()
        for index, classifier in enumerate(recorded.classifiers):
            results = of_network(validation.results(), index, str(classifier["name"]))
            if len(results.standard) < 2:
                continue
            summary = found.summary
            rows.append(
                Validated(
                    validation.name,
                    measured_on(validation),
                    str(classifier["name"]),
                    _gains(results, summary.best_at_ratio),
                    _gains(results, summary.best_at_accuracy),
                )
            )
    return rows


def _gains(results: Results, pick: Point | None) -> Gains | None:
    trial = next((trial for trial in results.done if pick is not None and trial.label == pick.label), None)
    return None if trial is None else bootstrap_gains(results, trial)


def as_lines(rows: list[Validated]) -> list[str]:
    """For people; nothing where there is no validation."""
    lines = ["", "On images the search has not seen (95 % intervals):"] if rows else []
    for row in rows:
        lines.append(f"  {row.measured_on}" + (f": {row.classifier}" if " + " in row.measured_on else ""))
        if row.at_ratio is not None:
            lines.append(
                f"    best at quality 50's ratio:     {_words(asdict(row.at_ratio.gain_points), '+.2f')} points"
            )
        if row.at_accuracy is not None:
            saving = _words(asdict(row.at_accuracy.saving_percent), "+.1f")
            lines.append(f"    best at quality 50's accuracy: {saving} % of bytes saved")
        if row.at_ratio is None and row.at_accuracy is None:
            lines.append("    neither pick was measured there")
    return lines


def _words(estimate: dict[str, Any], form: str) -> str:
    if estimate["value"] is None:
        return "outside the measured standard curve, so no"
    ends = [format(end, form) for end in (estimate["low"], estimate["high"]) if end is not None]
    return format(estimate["value"], form) + (f" ({ends[0]} to {ends[1]})" if len(ends) == 2 else "")
