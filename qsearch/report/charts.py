"""Charts: what the page draws, as data: series of points, each with a label and maybe a card."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qsearch.analysis.distribution import Distribution
from qsearch.analysis.results import Results, measured
from qsearch.evaluation.measurement import Trial
from qsearch.report.axes import (
    LABELLED_QUALITIES,
    PSNR_LABEL,
    RATIO_LABEL,
    TOP1_LABEL,
    Point,
    standard_points,
    style_of,
)
from qsearch.report.cards import card_key
from qsearch.report.distribution_plot import OUTCOMES, histogram
from qsearch.report.psnr_plot import highlighted, psnr_point, standard_psnr_points
from qsearch.report.validation_plot import validation_by_ratio

STANDARD = "standard tables"


@dataclass(frozen=True)
class Series:
    """Points of one kind.

    group: what the legend switches on and off together.
    kind: ``cloud`` (dots), ``steps`` (a frontier), ``points`` or ``standard`` (a dashed line of crosses).
    points: (x, y, label, card or None, name beside the point or None).
    layer: marks of layer 0 are filled; those above are open and larger, so that equal points do not hide one another.
    """

    group: str
    kind: str
    colour: str
    marker: str
    points: tuple[tuple[float, float, str, str | None, str | None], ...]
    layer: int = 0


@dataclass(frozen=True)
class Chart:
    """Points over ratio.

    unit: how y is written, ``share`` for per cent, or ``dB``.
    start: the card that is shown first, or None.
    """

    title: str
    x_label: str
    y_label: str
    unit: str
    series: tuple[Series, ...]
    start: str | None = None


@dataclass(frozen=True)
class Bars:
    """A histogram of gains: ``counts`` per bar by outcome, ``colours`` by outcome.

    span, most: the gains and the highest bar that the axes reach to, those of all histograms that stand together.
    """

    title: str
    x_label: str
    edges: tuple[float, ...]
    counts: dict[str, tuple[int, ...]]
    colours: dict[str, str]
    span: tuple[float, float]
    most: int


def frontier_chart(runs: Sequence[Results], start: str | None) -> Chart:
    """All trials, the frontiers and the standard curve of runs measured alike; ``start`` is the card shown first."""
    series = []
    for index, results in enumerate(runs):
        colour, marker = style_of(index)
        cloud = tuple(_point(top1_point(trial), results.name, trial, card=False) for trial in results.done)
        best = tuple(_point(top1_point(trial), results.name, trial) for trial in results.frontier)
        series += [
            Series(results.name, "cloud", colour, marker, cloud, index),
            Series(results.name, "steps", colour, marker, best, index),
        ]
    series.append(_standard(STANDARD, runs[0].name, standard_points(runs[0])))
    return Chart("Accuracy against ratio", RATIO_LABEL, TOP1_LABEL, "share", tuple(series), start)


def psnr_chart(runs: Sequence[Results], start: str | None) -> Chart | None:
    """PSNR against ratio with the accuracy frontier highlighted; None where PSNR was not measured."""
    series = []
    for index, results in enumerate(runs):
        colour, marker = style_of(index)
        known = [(point, trial) for trial in results.done if (point := psnr_point(trial.measurement)) is not None]
        best = {trial.label for trial in highlighted(results)[1]}
        for kind, chosen in (("cloud", known), ("points", [each for each in known if each[1].label in best])):
            points = tuple(_point(point, results.name, trial, card=kind == "points") for point, trial in chosen)
            series.append(Series(results.name, kind, colour, marker, points, index))
    standard = standard_psnr_points(runs[0])
    if not standard and not any(each.points for each in series):
        return None
    series.append(_standard(STANDARD, runs[0].name, standard))
    return Chart("PSNR against ratio", RATIO_LABEL, PSNR_LABEL, "dB", tuple(series), start)


def validation_chart(searched: Results, validation: Results, name: str, start: str | None) -> Chart:
    """The frontier on the search images, its tables on the validation's, and the standard curve on both."""
    (first, first_marker), (second, second_marker) = style_of(0), style_of(1)
    labels = {trial.tables: trial.label for trial in searched.done}
    best = tuple(_point(top1_point(trial), searched.name, trial) for trial in searched.frontier)
    again = tuple(
        (*top1_point(trial), f"{trial.label}, validation images", card, None)
        for trial in validation_by_ratio(validation)
        for card in [card_key(searched.name, labels[trial.tables]) if trial.tables in labels else None]
    )
    series = (
        Series("search images", "steps", first, first_marker, best),
        _standard("standard, search images", searched.name, standard_points(searched), first, named=False),
        Series("validation images", "points", second, second_marker, again),
        _standard("standard, validation images", None, standard_points(validation), second),
    )
    return Chart(f"{searched.name} on the images of {name}", RATIO_LABEL, TOP1_LABEL, "share", series, start)


def bars(found: Distribution, answers: int, name: str) -> Bars:
    """The gains of a run's tables at about one ratio; ``answers`` as in :func:`histogram`."""
    shape = histogram(found, answers)
    low, high = found.window
    return Bars(
        f"{name}: tables of ratios {low:.2f} to {high:.2f}",
        "points of top-1 above the standard curve",
        shape.edges,
        shape.counts,
        dict(OUTCOMES),
        (shape.edges[0], shape.edges[-1]),
        shape.most,
    )


def on_one_scale(histograms: Sequence[Bars]) -> list[Bars]:
    """``histograms`` with axes that reach to the ends of all of them."""
    if not histograms:
        return []
    lows, highs = zip(*(each.span for each in histograms), strict=True)
    span, most = (min(lows), max(highs)), max(each.most for each in histograms)
    return [replace(each, span=span, most=most) for each in histograms]


def top1_point(trial: Trial) -> Point:
    """(ratio, top-1) of a done trial."""
    measurement = measured(trial)
    return measurement.ratio, measurement.top1


def _point(
    point: Point, run: str, trial: Trial, *, card: bool = True
) -> tuple[float, float, str, str | None, str | None]:
    return (*point, f"trial {trial.label} of {run}", card_key(run, trial.label) if card else None, None)


def _standard(
    group: str, run: str | None, points: Sequence[tuple[int, Point]], colour: str = "ink", *, named: bool = True
) -> Series:
    """The standard tables by quality: with the cards of ``run`` or without, the usual qualities named or not."""
    crosses = tuple(
        (
            *point,
            f"standard quality {quality}",
            card_key(run, f"standard:{quality}") if run else None,
            str(quality) if named and quality in LABELLED_QUALITIES else None,
        )
        for quality, point in sorted(points)
    )
    return Series(group, "standard", colour, "x", crosses)
