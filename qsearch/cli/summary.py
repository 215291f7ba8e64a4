"""The summary of a run, in words and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.gains import Gains
from qsearch.analysis.optimism import SelectedGain
from qsearch.analysis.results import measured
from qsearch.analysis.summary import NEAR, Point, Summary
from qsearch.evaluation.objective import TOP1, Objective, objective_called
from qsearch.report import wording
from qsearch.report.wording import called, measured_on, network_names
from qsearch.run.confirmation import Confirmed, picks_on_others
from qsearch.run.findings import Found, ValidationPicks, labels_predicted, smooth_objective
from qsearch.run.folder import Run


def as_json(run: Run, found: Found) -> dict[str, Any]:
    """The summary and the settings of the run, for programs."""
    corrected = {"at_ratio": found.at_ratio, "at_accuracy": found.at_accuracy}
    return {
        "run": run.name,
        "like_quality": run.like_quality,
        "uncompressed_top1": found.uncompressed_top1,
        "summary": asdict(found.summary),
        "confirmed": None if found.confirmed is None else confirmed_as_json(found.confirmed),
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
        + _stopped(summary)
        + f", {len(summary.frontier)} on the frontier",
        "",
        *_uncompressed(found.uncompressed_top1),
        *(_found(run, found) if summary.trials_done else ["No table of the search is measured yet."]),
    ]
    lines += [
        f"Changed at trial {change.at_trial}: {'; '.join(change.differences)}." for change in run.settings.changes
    ]
    return "\n".join(lines)


def _uncompressed(top1: float | None) -> list[str]:
    return [] if top1 is None else [f"Uncompressed:            top-1 {100 * top1:5.2f} %"]


def _found(run: Run, found: Found) -> list[str]:
    return [
        *_headline(found, run.images),
        *_networks(run, found.summary),
        *_mean_gain(found.summary),
        *_arms(found.summary),
        *_confirmed(run, found.summary, found.confirmed),
        "",
        "These are the images the search chose on, so its gains flatter it: the best of many tables is partly luck.",
        "How much of it is estimated by choosing again on resampled images. To know, measure tables on images that the",
        "search has not seen: qsearch validate.",
    ]


def _headline(found: Found, images: int) -> list[str]:
    """Of so many ``images``."""
    summary = found.summary
    quality, standard = summary.like_quality, summary.standard
    if standard is None:
        return [f"The standard tables at quality {quality} are not measured yet, so there is nothing to compare with."]
    objective = objective_called(summary.objective)
    lines = [f"Picked by {objective.title}.", f"{f'Standard quality {quality}:':26}{_place(standard, objective)}"]
    if summary.best_at_ratio is None:
        lines.append("Best at no lower ratio:   no table reaches it yet")
    else:
        gain = _interpolated(summary.gain_points, "{:+.2f} points against the standard curve at its own ratio")
        lines.append(f"Best at no lower ratio:   {_place(summary.best_at_ratio, objective)}, {gain}")
        if not summary.best_is_near:
            lines.append(f"  no table lies near: within {100 * NEAR:g} % above quality {quality}'s ratio there is none")
        lines += _corrected(found.at_ratio, "+.2f", "points", images)
        lines += _saved_at_objective(found.at_ratio, objective, images)
    if summary.best_at_accuracy is None:
        lines.append(f"{_no_worse(objective):26}no table reaches it yet")
    else:
        lines.append(f"{_no_worse(objective):26}{_place(summary.best_at_accuracy, objective)}, {_saved(summary)}")
        if not _spends_more(summary):
            lines += _corrected(found.at_accuracy, "+.1f", "% of bytes", images)
            lines += _saved_at_objective(found.at_accuracy, objective, images)
    return lines


def _no_worse(objective: Objective) -> str:
    return f"Best at no {'lower' if objective.sign > 0 else 'higher'} {objective.name.replace('top1', 'top-1')}:"


def _saved_at_objective(selected: SelectedGain | None, objective: Objective, images: int) -> list[str]:
    """Bytes at an equal value of a smooth objective, which tells tables apart where top-1 does not."""
    saving = None if selected is None else selected.saving
    if saving is None or saving.apparent.value is None:
        return []
    stated = saving.apparent
    line = f"  bytes saved at equal {objective.name}: {wording.saving_estimate(stated)}"
    if saving.corrected is not None and saving.corrected.value is not None:
        stated = saving.corrected
        line += f", {wording.CORRECTED} {wording.short_saving(stated)}"
    return ["; ".join(filter(None, (line, _to_settle(stated, images)))).replace(wording.SPACE, " ")]


def _to_settle(estimate: Estimate, images: int) -> str:
    return wording.to_settle(estimate.further_images(images))


def _spends_more(summary: Summary) -> bool:
    return summary.more_bytes_percent is not None and summary.more_bytes_percent > 0


def _saved(summary: Summary) -> str:
    """What the pick at no lower top-1 saves; nothing is called saved where it takes more bytes than theirs."""
    if _spends_more(summary):
        more = f"{summary.more_bytes_percent:.1f} % more bytes than quality {summary.like_quality}"
        return f"but {more}: none there takes fewer"
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


def _corrected(selected: SelectedGain | None, form: str, unit: str, images: int) -> list[str]:
    if selected is None or selected.corrected is None or selected.corrected.value is None:
        return []
    ends = wording.plain_interval(selected.corrected, form)
    interval = f"95 %: {ends}" if ends else "too close to the curve's end for an interval"
    interval = "; ".join(filter(None, (interval, _to_settle(selected.corrected, images))))
    return [f"  {wording.CORRECTED}: {selected.corrected.value:{form}} {unit} ({interval})"]


def _confirmed(run: Run, summary: Summary, found: Confirmed | None) -> list[str]:
    """The pick that was made on images kept aside."""
    if not picks_on_others(run.settings):
        return []
    again = f"'qsearch resume {run.name}' measures the best tables on the images kept aside."
    if found is None:
        return ["", f"Not confirmed yet: {again}"]
    pick, name = found.pick, found.objective.name.replace("top1", "top-1")
    lines = [
        "",
        f"Confirmed on {found.images} images kept aside, the best of {len(found.considered)} tables; what 'qsearch "
        "export' takes:",
        f"  {called(pick.label)}: {wording.place(measured(found.trial), found.objective.smooth)}",
        f"  {_expected(found)}",
    ]
    runners_up = [
        f"{called(each.label)} {wording.saving_with_known_ends(each.saving)}" for each in found.considered[1:4]
    ]
    lines.append(f"  next: {', '.join(runners_up)}, at equal {name}")
    if run.like_quality != run.settings.search.like_quality:
        there = f"'qsearch run --like-quality {run.like_quality}' confirms one there"
        lines.append(f"  picked where the run looked for it, not at quality {run.like_quality}: {there}")
    if found.trials != summary.trials_done:
        lines.append(f"  of the first {found.trials} trials done; with the others, {again}")
    return lines


def _expected(found: Confirmed) -> str:
    """What the pick is expected to save, and how sure that is."""
    if found.falls_back:
        return "no other is expected to be better than these"
    errors = f"{found.standard_errors:.1f} standard errors above the standard tables"
    name = found.objective.name.replace("top1", "top-1")
    lines = f"expected to save {wording.saving_with_known_ends(found.pick.saving)} of bytes at equal {name}, {errors}"
    return "; ".join(filter(None, (lines, wording.to_settle(found.further_images))))


def confirmed_as_json(found: Confirmed) -> dict[str, Any]:
    """The pick and all that were considered, for programs."""
    return {
        "confirmation": found.run.name,
        "trials": found.trials,
        "pick": found.pick.label,
        "images": found.images,
        "ratio": found.ratio,
        "objective": found.objective.name,
        "standard_errors": found.standard_errors,
        "further_images": found.further_images,
        "gains": asdict(found.gains),
        "kept": found.kept,
        "considered": [
            {
                "label": each.label,
                "kind": each.kind,
                "above": each.above,
                "deviation": each.deviation,
                "saving_percent": {"value": each.saving.value, "low": each.saving.low, "high": each.saving.high},
                "tables": each.tables.to_dict(),
            }
            for each in found.considered
        ],
    }


def _networks(run: Run, summary: Summary) -> list[str]:
    """The headline's tables as each of several networks sees them."""
    lines = []
    for name, seen in zip(network_names(run), summary.networks, strict=False):
        places = [("at that ratio", seen.at_ratio_top1, seen.at_ratio_gain_points)]
        places.append(("at that accuracy", seen.at_accuracy_top1, seen.at_accuracy_gain_points))
        parts = (
            [] if seen.standard_top1 is None else [f"quality {summary.like_quality} {100 * seen.standard_top1:.2f} %"]
        )
        for place, top1, gain in places:
            if top1 is not None:
                parts.append(f"best {place} {100 * top1:.2f} %" + ("" if gain is None else f" ({gain:+.2f} points)"))
        lines.append(f"  {name}: {', '.join(parts)}")
    return ["Network by network, top-1 and gain against its own standard curve:", *lines] if lines else []


def _stopped(summary: Summary) -> str:
    if not summary.trials_stopped:
        return ""
    saved = f"{100 * summary.evaluations_saved:.0f} % of the images' evaluations saved"
    return f", {summary.trials_stopped} stopped after a part of the images ({saved})"


def _arms(summary: Summary) -> list[str]:
    if not summary.arms:
        return []
    width = max(len(arm.name) for arm in summary.arms)
    lines = ["", "Arm by arm of the strategy:"]
    for arm in summary.arms:
        best = "" if arm.best is None else f", best {_place(arm.best)}, {arm.best_gain_points:+.2f} points"
        lines.append(f"  {arm.name:{width}}  {arm.trials:4d} trials, {100 * arm.share:4.1f} %{best}")
    return lines


def _place(point: Point, objective: Objective = TOP1) -> str:
    return f"{wording.place(point, objective)} ({called(point.label)})"


def _interpolated(value: float | None, words: str) -> str:
    return "outside the measured standard curve" if value is None else words.format(value)


def validations_as_json(rows: Sequence[ValidationPicks]) -> list[dict[str, Any]]:
    """What validations say of the picks, for programs."""
    return [
        {
            "validation": row.validation.name,
            "measured_on": measured_on(row.validation),
            "classifier": row.classifier,
            "at_ratio": _gains_as_json(row.at_ratio),
            "at_accuracy": _gains_as_json(row.at_accuracy),
            "confirmed": _gains_as_json(row.confirmed),
        }
        for row in rows
    ]


def _gains_as_json(gains: Gains | None) -> dict[str, Any] | None:
    return None if gains is None else asdict(gains)


def validations_as_lines(rows: Sequence[ValidationPicks]) -> list[str]:
    """For people; nothing where there is no validation."""
    lines = ["", "On images the search has not seen (95 % intervals):"] if rows else []
    for row in rows:
        images, quality = measured_on(row.validation), row.validation.like_quality
        lines.append(f"  {images}" + (f": {row.classifier}" if len(network_names(row.validation)) > 1 else ""))
        if row.confirmed is not None:
            gain = _estimate(row.confirmed.gain_points, "+.2f", row)
            lines.append(f"    confirmed pick:                    {gain} points{_saved_there(row, row.confirmed)}")
        if row.at_ratio is not None:
            gain = _estimate(row.at_ratio.gain_points, "+.2f", row)
            lines.append(f"    best at quality {quality}'s ratio:     {gain} points{_saved_there(row, row.at_ratio)}")
        if row.at_accuracy is not None:
            saving, there = _estimate(row.at_accuracy.saving_percent, "+.1f", row), _saved_there(row, row.at_accuracy)
            lines.append(f"    best at quality {quality}'s accuracy: {saving} % of bytes saved{there}")
        if row.at_ratio is None and row.at_accuracy is None and row.confirmed is None:
            lines.append("    neither pick was measured there")
    return lines


def _saved_there(row: ValidationPicks, gains: Gains) -> str:
    objective = smooth_objective(row.validation)
    saving = gains.saving_at(objective)
    if saving is None or saving.value is None:
        return ""
    return f"; {_estimate(saving, '+.1f', row)} % of bytes saved at equal {objective.name}"


def _estimate(estimate: Estimate, form: str, row: ValidationPicks) -> str:
    if estimate.value is None:
        return "outside the measured standard curve, so no"
    parts = wording.plain_interval(estimate, form), _to_settle(estimate, row.validation.images)
    said = "; ".join(filter(None, parts))
    return format(estimate.value, form) + (f" ({said})" if said else "")
