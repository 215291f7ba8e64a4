"""Charts: what the page draws, as data: series of points, each with a label and maybe a card."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qsearch.analysis.distribution import Distribution
from qsearch.analysis.results import Results
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import DIVERGENCE, LOSS, TOP1, Objective
from qsearch.report.axes import (
    LABELLED_QUALITIES,
    PLAIN_TITLES,
    PSNR_LABEL,
    RATIO_LABEL,
    VALUE_LABELS,
    Point,
    standard_points,
    style_of,
    trial_points,
)
from qsearch.report.cards import card_key
from qsearch.report.distribution_plot import OUTCOMES, histogram
from qsearch.report.psnr_plot import highlighted, psnr_point, standard_psnr_points
from qsearch.report.validation_plot import validation_by_ratio

STANDARD = "standard tables"
UNITS = {TOP1: "share", LOSS: "nats", DIVERGENCE: "nats"}

Mark = tuple[float, float, str, str | None, str | None]
"""x, y, label, card or None, name beside the point or None."""


@dataclass(frozen=True)
class Series:
    """Points of one kind.

    group: what the legend switches on and off together.
    kind: ``cloud`` (dots), ``steps`` (a frontier), ``points`` or ``standard`` (a dashed line of crosses).
    layer: marks of layer 0 are filled; those above are open and larger, so that equal points do not hide one another.
    """

    group: str
    kind: str
    colour: str
    marker: str
    points: tuple[Mark, ...]
    layer: int = 0


@dataclass(frozen=True)
class Chart:
    """Points over ratio.

    unit: how y is written, ``share`` for per cent, else its unit.
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


def frontier_chart(runs: Sequence[Results], start: str | None, objective: Objective = TOP1) -> Chart:
    """All trials, the frontiers and the standard curve of runs measured alike, in ``objective``.

    ``start`` is the card shown first.
    """
    series = []
    for index, results in enumerate(runs):
        colour, marker = style_of(index)
        cloud = tuple(
            _point(point, results.name, trial, card=False) for trial, point in trial_points(results.done, objective)
        )
        series += [
            Series(results.name, "cloud", colour, marker, cloud, index),
            Series(results.name, _kind(results, objective), colour, marker, _frontier(results, objective), index),
        ]
    series.append(_standard(STANDARD, runs[0].name, standard_points(runs[0], objective)))
    title = f"{PLAIN_TITLES[objective].capitalize()} against ratio"
    return Chart(title, RATIO_LABEL, VALUE_LABELS[objective], UNITS[objective], tuple(series), start)


def _kind(results: Results, objective: Objective) -> str:
    """A frontier is a staircase in what it is picked by alone; elsewhere it is points."""
    return "steps" if results.objective is objective else "points"


def _frontier(results: Results, objective: Objective) -> tuple[Mark, ...]:
    return tuple(_point(point, results.name, trial) for trial, point in trial_points(results.frontier, objective))


def psnr_chart(runs: Sequence[Results], start: str | None) -> Chart | None:
    """PSNR against ratio with the frontier highlighted; None where PSNR was not measured."""
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


def validation_chart(
    searched: Results, validation: Results, name: str, start: str | None, objective: Objective = TOP1
) -> Chart:
    """The frontier on the search images, its tables on the validation's, and the standard curve on both."""
    (first, first_marker), (second, second_marker) = style_of(0), style_of(1)
    labels = {trial.tables: trial.label for trial in searched.done}
    again = tuple(
        (*point, f"{trial.label}, validation images", card, None)
        for trial, point in trial_points(validation_by_ratio(validation), objective)
        for card in [card_key(searched.name, labels[trial.tables]) if trial.tables in labels else None]
    )
    own_standard, standard = standard_points(searched, objective), standard_points(validation, objective)
    series = (
        Series("search images", _kind(searched, objective), first, first_marker, _frontier(searched, objective)),
        _standard("standard, search images", searched.name, own_standard, first, named=False),
        Series("validation images", "points", second, second_marker, again),
        _standard("standard, validation images", None, standard, second),
    )
    title = f"{searched.name} on the images of {name}: {PLAIN_TITLES[objective]}"
    return Chart(title, RATIO_LABEL, VALUE_LABELS[objective], UNITS[objective], series, start)


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


def _point(point: Point, run: str, trial: Trial, *, card: bool = True) -> Mark:
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
