"""The summary of a run, in words and as JSON."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from qsearch.analysis.optimism import SelectedGain, selected_gain
from qsearch.analysis.summary import NEAR, QUALITY, Point, Summary, summarize
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded

AGREEMENT = "agreement with the network's answer on the uncompressed image"


@dataclass(frozen=True)
class Found:
    """What a run has found so far, and how much of the two headline gains is owed to having picked the best."""

    summary: Summary
    at_ratio: SelectedGain | None
    at_accuracy: SelectedGain | None


def found_by(run: Run) -> Found:
    """What is recorded so far, summed up."""
    results = run.results()
    summary = summarize(results, run.settings.search.hypervolume_reference)
    if summary.standard is None or len(results.standard) < 2 or np.isnan(summary.standard.top1):
        return Found(summary, None, None)
    at_ratio, at_accuracy = selected_gain(results, "ratio"), selected_gain(results, "accuracy")
    if at_accuracy is not None:  # which withholds a saving that few resamples know
        summary = replace(summary, saving_percent=at_accuracy.apparent.value)
    return Found(summary, at_ratio, at_accuracy)


def measured_on(run: Run) -> str:
    """What was measured, in one line: dataset, classifiers, codec."""
    recorded = run.settings.recorded or Recorded()
    dataset, codec = recorded.dataset, recorded.codec
    networks = " + ".join(_short(str(classifier["name"])) for classifier in recorded.classifiers)
    flags = "".join(f", {flag}" for flag in ("optimize", "progressive") if codec.get(flag))
    return (
        f"{dataset['images']} images {dataset['width']}x{dataset['height']} of {_short(dataset['name'])}, {networks}, "
        f"{codec['name']} {codec.get('subsampling', '')}{flags}{', ' + AGREEMENT if labels_predicted(run) else ''}"
    )


def labels_predicted(run: Run) -> bool:
    """Whether a run's accuracy is agreement of each network with itself."""
    return (run.settings.recorded or Recorded()).dataset.get("labels") == "predicted"


def _short(spec: str) -> str:
    """``spec`` without the folders that a path in it begins with."""
    name, colon, argument = spec.partition(":")
    return name + colon + "/".join(Path(argument).parts[-2:]) if colon and argument else Path(spec).name


def as_json(run: Run, found: Found) -> dict[str, Any]:
    """The summary and the settings of the run, for programs."""
    corrected = {"at_ratio": found.at_ratio, "at_accuracy": found.at_accuracy}
    return {
        "run": run.name,
        "summary": asdict(found.summary),
        "selected": {rule: each and asdict(each) for rule, each in corrected.items()},
        "settings": msgspec.to_builtins(run.settings),
    }


def as_text(run: Run, found: Found) -> str:
    """The summary for people."""
    search, summary = run.settings.search, found.summary
    lines = [
        f"Run {run.name}: {search.strategy}, seed {search.seed}, layout {search.layout}",
        f"Measured on {measured_on(run)}",
        *(["Labels are predicted: top-1 is not accuracy, it is that agreement."] if labels_predicted(run) else []),
        f"Tables: {summary.trials_done} of {search.trials} trials done ({summary.distinct_tables} distinct)"
        + (f", {summary.trials_failed} failed" if summary.trials_failed else "")
        + f", {len(summary.frontier)} on the frontier",
        "",
        *_headline(found),
        *_networks(run, summary),
        *_mean_gain(summary),
        *_arms(summary),
        "",
        "These are the images the search chose on, so its gains flatter it: the best of many tables is partly luck.",
        "How much of it is estimated by choosing again on resampled images. To know, measure tables on images that the",
        "search has not seen: qsearch validate.",
    ]
    lines += [
        f"Changed at trial {change.at_trial}: {'; '.join(change.differences)}." for change in run.settings.changes
    ]
    return "\n".join(lines)


def _headline(found: Found) -> list[str]:
    summary = found.summary
    standard = summary.standard
    if standard is None:
        return [f"The standard tables at quality {QUALITY} are not measured yet, so there is nothing to compare with."]
    lines = [f"Standard quality {QUALITY}:     {_place(standard)}"]
    if summary.best_at_ratio is None:
        lines.append("Best at no lower ratio:   no table reaches it yet")
    else:
        gain = _interpolated(summary.gain_points, "{:+.2f} points against the standard curve at its own ratio")
        lines.append(f"Best at no lower ratio:   {_place(summary.best_at_ratio)}, {gain}")
        if not summary.best_is_near:
            lines.append(f"  no table lies near: within {100 * NEAR:g} % above quality {QUALITY}'s ratio there is none")
        lines += _without_luck(found.at_ratio, "{:+.2f}", "points")
    if summary.best_at_accuracy is None:
        lines.append("Best at no lower top-1:   no table reaches it yet")
    else:
        lines.append(f"Best at no lower top-1:   {_place(summary.best_at_accuracy)}, {_saved(summary)}")
        if not _spends_more(summary):
            lines += _without_luck(found.at_accuracy, "{:+.1f}", "% of bytes")
    return lines


def _spends_more(summary: Summary) -> bool:
    return summary.more_bytes_percent is not None and summary.more_bytes_percent > 0


def _saved(summary: Summary) -> str:
    """What the pick at no lower top-1 saves; nothing is called saved where it takes more bytes than quality 50."""
    if _spends_more(summary):
        return f"but {summary.more_bytes_percent:.1f} % more bytes than quality {QUALITY}: none there takes fewer"
    if summary.saving_percent is None:
        return "too near an end of the measured standard curve to say what that saves"
    if summary.saving_percent < 0:
        return f"{-summary.saving_percent:.1f} % more bytes than the standard curve at its own top-1"
    return f"{summary.saving_percent:.1f} % fewer bytes than the standard curve at its own top-1"


def _mean_gain(summary: Summary) -> list[str]:
    """The frontier as a whole against the standard curve."""
    if summary.mean_gain_points is None or summary.mean_gain_ratios is None:
        return ["Frontier against the standard curve: they have no ratios in common yet"]
    low, high = summary.mean_gain_ratios
    lines = [
        f"Frontier against the standard curve: {summary.mean_gain_points:+.2f} points on average over the ratios "
        f"{low:.2f} to {high:.2f}"
    ]
    if summary.mean_saving_percent is not None and summary.mean_saving_top1 is not None:
        bottom, top = summary.mean_saving_top1
        saved, less = summary.mean_saving_percent, "fewer" if summary.mean_saving_percent >= 0 else "more"
        lines.append(
            f"  and {abs(saved):.1f} % {less} bytes on average at equal top-1, from {100 * bottom:.2f} to "
            f"{100 * top:.2f} %"
        )
    return lines


def _without_luck(selected: SelectedGain | None, form: str, unit: str) -> list[str]:
    if selected is None or selected.corrected is None or selected.corrected.value is None:
        return []
    estimate = selected.corrected
    ends = [form.format(end) for end in (estimate.low, estimate.high) if end is not None]
    interval = f"95 %: {ends[0]} to {ends[1]}" if len(ends) == 2 else "too close to the curve's end for an interval"
    return [f"  without the luck of the choice: {form.format(estimate.value)} {unit} ({interval})"]


def _networks(run: Run, summary: Summary) -> list[str]:
    """The headline's tables as each of several networks sees them."""
    recorded = run.settings.recorded or Recorded()
    names = [_short(str(classifier["name"])) for classifier in recorded.classifiers]
    lines = []
    for name, seen in zip(names, summary.networks, strict=False):
        places = [("at that ratio", seen.at_ratio_top1, seen.at_ratio_gain_points)]
        places.append(("at that accuracy", seen.at_accuracy_top1, seen.at_accuracy_gain_points))
        parts = [] if seen.standard_top1 is None else [f"quality {QUALITY} {100 * seen.standard_top1:.2f} %"]
        for place, top1, gain in places:
            if top1 is not None:
                parts.append(f"best {place} {100 * top1:.2f} %" + ("" if gain is None else f" ({gain:+.2f} points)"))
        lines.append(f"  {name}: {', '.join(parts)}")
    return ["Network by network, top-1 and gain against its own standard curve:", *lines] if lines else []


def _arms(summary: Summary) -> list[str]:
    if not summary.arms:
        return []
    width = max(len(arm.name) for arm in summary.arms)
    lines = ["", "Who proposed what:"]
    for arm in summary.arms:
        best = "" if arm.best is None else f", best {_place(arm.best)}, {arm.best_gain_points:+.2f} points"
        lines.append(f"  {arm.name:{width}}  {arm.trials:4d} trials, {100 * arm.share:4.1f} %{best}")
    return lines


def _place(point: Point) -> str:
    return f"ratio {point.ratio:6.2f}, top-1 {100 * point.top1:5.2f} % ({_called(point.label)})"


def _called(label: str) -> str:
    return label if ":" in label else f"trial {label}"


def _interpolated(value: float | None, words: str) -> str:
    return "outside the measured standard curve" if value is None else words.format(value)
