"""Wording: numbers, places, estimates and what was measured, as command line, plots and page put them."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qsearch.analysis.bootstrap import LEVEL, MOST_FURTHER, Estimate
from qsearch.analysis.candidates import MEAN_OF, SCALED, SEED, STANDARD
from qsearch.analysis.summary import Point
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.run.findings import labels_predicted
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded

_ABSOLUTE_PATH = re.compile(r"(^|:)(?:[A-Za-z]:)?[\\/](?:[^:]*[\\/])?([^\\/:]+)[\\/]?$")
SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""
UNKNOWN = "not known: it lies outside the measured standard curve"
CORRECTED = "corrected for selection"
"""Of a gain, less what it owes to having been picked as the best of many on the same images."""
AGREEMENT = "agreement with the network's answer on the uncompressed image"


def measured_on(run: Run) -> str:
    """What was measured, in one line: images, networks, encoder."""
    recorded = run.settings.recorded or Recorded()
    dataset, codec = recorded.dataset, recorded.codec
    as_stored = f" compressed as stored ({dataset['stored']})" if "stored" in dataset else ""
    return (
        f"{dataset['images']} images {dataset['width']}x{dataset['height']}{as_stored} of "
        f"{short_spec(dataset['name'])}, "
        f"{' + '.join(network_names(run))}, {encoder_called(codec)} {codec.get('subsampling', '')}"
        f"{encoder_flags(codec)}"
        f"{', ' + AGREEMENT if labels_predicted(run) else ''}"
    )


def encoder_called(codec: Mapping[str, Any]) -> str:
    """The codec by its name, or the program that it runs, as ``codec``, recorded with a run, says."""
    return str(codec.get("program") or codec["name"])


def encoder_flags(codec: Mapping[str, Any]) -> str:
    """The switches that are on in the settings of a codec, each behind a comma."""
    return "".join(f", {flag}" for flag in ("optimize", "progressive") if codec.get(flag))


def network_names(run: Run) -> tuple[str, ...]:
    """The networks of ``run``, without the folders that a path begins with."""
    recorded = run.settings.recorded or Recorded()
    return tuple(short_spec(str(network["name"])) for network in recorded.classifiers)


def short_spec(spec: str) -> str:
    """A dataset or network as the user named it, without all but the last folders of a path in it."""
    name, colon, argument = spec.partition(":")
    return name + colon + "/".join(Path(argument).parts[-2:]) if colon and argument else Path(spec).name


def called(label: str) -> str:
    """A table by its label in a run: ``trial 17``, ``standard:50``, an average, or whose tables they are."""
    if label == STANDARD:
        return "the standard tables"
    if label.startswith(MEAN_OF):
        return label.replace("-", " ")
    if label.startswith(SEED):
        return without_folders(label)
    number = label.removesuffix(SCALED)
    if number != label:
        return f"trial {number}, scaled to the ratio"
    return f"trial {label}" if label.isdecimal() else label


def place(point: Point | Measurement, objective: Objective = TOP1) -> str:
    """Where a table lies, in plain letters: ratio, size, top-1 and, where it was measured, a smooth ``objective``."""
    known = Point.of("", point) if isinstance(point, Measurement) else point
    value = None if objective is TOP1 else getattr(known, objective.name)
    smooth = "" if value is None else f", {objective.name} {value:.4f}"
    size = f"ratio {point.ratio:.2f} ({point.bpp:.2f} bpp, {kilobytes(point.kb_per_image)} KB an image)"
    return f"{size}, top-1 {100 * point.top1:.2f} %{smooth}"


def plain_interval(estimate: Estimate, form: str) -> str:
    """The ends of an interval in plain letters, each in ``form``; empty where one is not known."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:{form}} to {estimate.high:{form}}"


def uses(number: int) -> str:
    """How often images served to measure a run's tables on, and what that means."""
    if number <= 1:
        return "first use of these images"
    return f"use {number} of these images: choosing by them again and again makes them search images"


def ratio(value: float) -> str:
    """A compression ratio."""
    return f"{value:.2f}"


def bpp(value: float) -> str:
    """Bits per pixel."""
    return f"{value:.3f}"


def kilobytes(kb_per_image: float) -> str:
    """A mean size of files, in KB of 1000 bytes, to three digits or to whole KB."""
    decimals = next((places for places, below in ((2, 9.995), (1, 99.95)) if kb_per_image < below), 0)
    return f"{kb_per_image:.{decimals}f}"


def size(size_bytes: float) -> str:
    """So many bytes in GB, MB or KB, powers of 1000."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB")):
        if abs(size_bytes) >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes / 1e3:.1f} KB"


def per_cent(share: float, decimals: int = 2) -> str:
    """A share of 0..1."""
    return f"{100 * share:.{decimals}f}{SPACE}%"


def signed(value: float, decimals: int) -> str:
    """A difference, with its sign; the minus is the typographic one."""
    # Adding 0.0 after rounding leaves no minus before a zero.
    return f"{round(value, decimals) + 0.0:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def value_of(objective: Objective, measurement: Measurement) -> str:
    """What ``measurement`` has of ``objective``; empty where it was not measured."""
    value = objective.shown(objective.value(measurement))
    if math.isnan(value):
        return ""
    return per_cent(value) if objective is TOP1 else f"{value:.4f}{SPACE}{objective.unit}"


def points(value: float) -> str:
    """A difference of accuracies, in percentage points."""
    return f"{signed(value, 2)}{SPACE}points"


def saving(value: float) -> str:
    """Bytes saved, in per cent."""
    return f"{signed(value, 1)}{SPACE}%"


def interval(estimate: Estimate, decimals: int) -> str:
    """The interval of ``estimate``, or why it has none."""
    if estimate.low is None or estimate.high is None:
        return f"no interval: unknown in {estimate.unknown} of {estimate.resamples} resamples"
    return f"{100 * LEVEL:.0f}{SPACE}% interval {signed(estimate.low, decimals)} to {signed(estimate.high, decimals)}"


def points_estimate(estimate: Estimate) -> str:
    """A gain in points with its interval."""
    return UNKNOWN if estimate.value is None else f"{points(estimate.value)} ({interval(estimate, 2)})"


def saving_estimate(estimate: Estimate) -> str:
    """A saving in per cent with its interval."""
    return UNKNOWN if estimate.value is None else f"{saving(estimate.value)} ({interval(estimate, 1)})"


def ends(estimate: Estimate, decimals: int) -> str:
    """The interval of ``estimate`` for a table whose caption says what is in brackets."""
    if estimate.low is None or estimate.high is None:
        return "(?)"
    return f"({signed(estimate.low, decimals)} to {signed(estimate.high, decimals)})"


def short_points(estimate: Estimate) -> str:
    """A gain in points with its interval, for a table."""
    return "?" if estimate.value is None else f"{signed(estimate.value, 2)} {ends(estimate, 2)}"


def short_saving(estimate: Estimate) -> str:
    """A saving in per cent with its interval, for a table."""
    return "?" if estimate.value is None else f"{saving(estimate.value)} {ends(estimate, 1)}"


def saving_with_known_ends(saving: Estimate) -> str:
    """A saving with the ends of its interval as far as they lie on the measured standard curve."""
    if saving.value is None:
        return "an unknown share (it lies outside the measured standard curve)"
    low, high = ("?" if end is None else f"{end:+.1f}" for end in (saving.low, saving.high))
    return f"{saving.value:+.1f} % ({low} to {high})"


def short(estimate: Estimate, form: str) -> str:
    """Any number with its interval, each in ``form``, for a table."""
    if estimate.value is None:
        return "?"
    text = f"{estimate.value:{form}} ({plain_interval(estimate, form) or '?'})"
    return text.replace("-", "\N{MINUS SIGN}")


def verdict(estimate: Estimate) -> str:
    """What the interval says about the sign."""
    if estimate.low is None or estimate.high is None:
        return "Too few resamples reach the standard curve to say more."
    if estimate.low > 0:
        return "Better than the standard tables."
    return "Worse than the standard tables." if estimate.high < 0 else "Not told apart from the standard tables."


def to_settle(further_images: int | None) -> str:
    """That so many more images, to two digits, would settle a number; empty for none, and where that is not known."""
    if not further_images:
        return ""
    digits = len(str(further_images))
    many = f"over {MOST_FURTHER:,}" if further_images > MOST_FURTHER else f"about {round(further_images, 2 - digits):,}"
    return f"{many} more images would settle it"


def p_value(value: float) -> str:
    """A p-value; very small ones as a bound."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


def count(number: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def without_folders(text: str) -> str:
    """``folder:/home/ann/photos`` as ``folder:photos``: the page goes to others, a user's folders are nobody's."""
    whole = _ABSOLUTE_PATH.sub(r"\1\2", text)
    return " ".join(_ABSOLUTE_PATH.sub(r"\1\2", word) for word in whole.split(" "))  # of a command, say
