"""The other kinds of plot: distribution, PSNR, validation; what is drawn is what was counted or measured."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.analysis.distribution import Distribution, distribution
from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import LOSS
from qsearch.report.axes import Look
from qsearch.report.charts import bars, on_one_scale, validation_chart
from qsearch.report.distribution_plot import MOST_BARS, OUTCOMES, default_window, histogram, plot_distribution
from qsearch.report.psnr_plot import highlighted, plot_psnr
from qsearch.report.validation_plot import ValidationPair, plot_validations
from qsearch.run.folder import Run
from tests.made_up_runs import make_run, tables
from tests.report.conftest import Reported

STANDARD_LABELS = ("standard tables, by quality", "standard tables, search images")


def found(gains: list[float], answers: int) -> Distribution:
    half = 50 / answers
    better, worse = sum(gain > half for gain in gains), sum(gain < -half for gain in gains)
    labels = tuple(str(number) for number in range(len(gains)))
    return Distribution((20.0, 21.0), labels, tuple(gains), better, len(gains) - better - worse, worse, 0)


@given(
    st.lists(st.floats(-60, 60), min_size=1, max_size=50),
    st.integers(1, 5000),
)
def test_a_histogram_counts_every_table_once_in_few_equal_bars_around_zero(gains: list[float], answers: int) -> None:
    counted = found(gains, answers)
    bars = histogram(counted, answers)
    assert {name: sum(counts) for name, counts in bars.counts.items()} == {
        name: getattr(counted, name) for name, _ in OUTCOMES
    }
    widths = np.diff(bars.edges)
    np.testing.assert_allclose(widths, widths[0])
    assert any(edge == pytest.approx(-widths[0] / 2) for edge in bars.edges[:-1])
    assert len(widths) <= MOST_BARS + 2
    assert bars.edges[0] <= min(*gains, 0) + 1e-9
    assert max(*gains, 0) <= bars.edges[-1] + 1e-9
    steps = widths[0] / (100 / answers)
    assert round(steps) % 2 == 1
    assert steps == pytest.approx(round(steps))


def test_the_distribution_plot_states_the_counts(tmp_path: Path) -> None:
    results = Run.open(make_run(tmp_path / "demo")).results()
    counted = distribution(results, (15, 25))
    figure = plot_distribution([results, results], "200 images", (15, 25))
    assert len(figure.axes) == 2
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [
            f"{name}: {getattr(counted, name)} of {len(counted.labels)}" for name, _ in OUTCOMES
        ]
        assert sum(patch.get_height() for patch in axes.patches) == len(counted.labels)  # type: ignore[attr-defined]


def test_distributions_share_a_scale_with_room_above_the_bars(tmp_path: Path) -> None:
    several = Run.open(make_run(tmp_path / "several")).results()
    one = Results("one", several.reference, [several.trial("3")])
    figure = plot_distribution([several, one], "200 images", (15, 25))
    first, second = figure.axes
    assert first.get_xlim() == second.get_xlim()
    assert first.get_ylim() == second.get_ylim()
    highest = max(patch.get_y() + patch.get_height() for patch in first.patches)  # type: ignore[attr-defined]
    assert first.get_ylim()[1] > 1.2 * highest
    shown = [bars(distribution(each, (15, 25)), 200, each.name) for each in (several, one)]
    alike = on_one_scale(shown)
    assert len({(each.span, each.most) for each in alike}) == 1
    assert alike[0].span[0] == min(each.edges[0] for each in shown)
    assert alike[0].most == max(each.most for each in shown)
    assert on_one_scale([]) == []


def test_the_default_window_is_the_papers_in_proportion(tmp_path: Path) -> None:
    results = Run.open(make_run(tmp_path / "demo")).results()
    ratio = results.standard[50].ratio
    assert default_window(results) == pytest.approx((ratio * 21 / 22, ratio * 23 / 22))
    with pytest.raises(InputError, match="none yet, or the ratios with --window"):
        default_window(Results("bare", [], results.search))


def with_psnr(number: int, ratio: float, psnr_db: float, ranks: int = 0) -> Trial:
    """A trial of two images under ``ranks`` classifiers that are always right."""
    size_bytes = np.full(2, round(3 * 64 / ratio), dtype=np.int64)
    measurement = Measurement.of(size_bytes, np.zeros((ranks, 2), dtype=np.int32), 64, np.full(2, psnr_db))
    return Trial("search", number, "sorted-random", tables(number), "done", measurement)


def test_psnr_of_the_accuracy_frontier_is_highlighted(reported: Reported) -> None:
    results = reported.runs[0].results()
    figure = plot_psnr([results], "15 images")
    (cloud,) = figure.axes[0].collections
    every = np.asarray(cloud.get_offsets())
    (best,) = [line.get_xydata() for line in figure.axes[0].lines if "frontier" in str(line.get_label())]
    expected = [(measured(trial).ratio, measured(trial).mean_psnr_db) for trial in results.frontier]
    np.testing.assert_allclose(np.asarray(best), np.array(expected, dtype=np.float64))
    assert len(every) == len(results.done)


def test_equal_points_of_several_runs_are_seen_through_one_another(reported: Reported) -> None:
    results = reported.runs[0].results()
    lines = plot_psnr([results, results], "").axes[0].lines
    first, second = [line for line in lines if "frontier" in str(line.get_label())]
    np.testing.assert_array_equal(first.get_xydata(), second.get_xydata())
    assert second.get_markerfacecolor() == "none"
    assert second.get_markersize() > first.get_markersize()


def test_psnr_and_validations_over_bits(reported: Reported) -> None:
    results = reported.runs[0].results()
    validation = Run.open(reported.runs[0].path / "validations" / "unseen").results()
    figures = [
        plot_psnr([results], "", look=Look(x="bpp")),
        plot_validations([ValidationPair(results, validation, "others")], "", look=Look(x="bpp")),
    ]
    for figure in figures:
        (standard,) = [line for line in figure.axes[0].lines if str(line.get_label()) in STANDARD_LABELS]
        expected = [each.bpp for _, each in sorted(results.standard.items())]
        np.testing.assert_allclose(np.asarray(standard.get_xdata(), dtype=np.float64), expected)
        assert figure.axes[0].get_xlabel() == "bits per pixel"


def test_without_a_classifier_the_psnr_frontier_is_highlighted() -> None:
    trials = [with_psnr(0, 4, 40), with_psnr(1, 8, 30), with_psnr(2, 6, 29), with_psnr(3, 2, np.inf)]
    kind, best = highlighted(Results("bare", [], trials))
    assert (kind, [trial.number for trial in best]) == ("PSNR frontier", [0, 1])
    assert plot_psnr([Results("bare", [], trials)], "2 images").axes


def test_psnr_that_was_not_measured_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qsearch run --psnr"):
        plot_psnr([Run.open(make_run(tmp_path / "demo")).results()], "200 images")


def test_a_validation_is_drawn_beside_its_search(reported: Reported) -> None:
    searched = reported.runs[0].results()
    validation = Run.open(reported.runs[0].path / "validations" / "unseen").results()
    figure = plot_validations([ValidationPair(searched, validation, "others")] * 3, "15 images")
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert len(drawn) == 3
    lines = {str(line.get_label()): np.asarray(line.get_xydata()) for line in drawn[0].lines}
    expected = sorted((measured(trial).ratio, measured(trial).top1) for trial in validation.done)
    np.testing.assert_allclose(lines[f"{len(validation.done)} tables on the validation images"], expected)
    np.testing.assert_allclose(
        lines["frontier on the search images"],
        [(measured(trial).ratio, measured(trial).top1) for trial in searched.frontier],
    )
    styles = {str(line.get_label()): (line.get_linestyle(), line.get_drawstyle()) for line in drawn[0].lines}
    assert styles["frontier on the search images"] == ("-", "steps-pre")
    assert styles[f"{len(validation.done)} tables on the validation images"][0] == "None"
    kinds = {series.group: series.kind for series in validation_chart(searched, validation, "others", None).series}
    assert (kinds["search images"], kinds["validation images"]) == ("steps", "points")
    with pytest.raises(InputError, match="qsearch validate"):
        plot_validations([], "15 images")


def test_a_validation_of_a_search_by_loss_is_drawn_in_both(by_loss: Run) -> None:
    searched, validated = by_loss.results(), Run.open(by_loss.path / "validations" / "unseen").results()
    top1, loss = plot_validations([ValidationPair(searched, validated, "others")], "15 images").axes
    expected = sorted((measured(trial).ratio, measured(trial).mean("loss")) for trial in validated.done)
    (again,) = [each for each in loss.lines if "tables on the validation images" in str(each.get_label())]
    np.testing.assert_allclose(np.asarray(again.get_xydata()), expected)
    frontiers = [next(each for each in axes.lines if "frontier" in str(each.get_label())) for axes in (top1, loss)]
    assert [each.get_linestyle() for each in frontiers] == ["None", "-"]
    chart = validation_chart(searched, validated, "others", None, LOSS)
    assert [series.kind for series in chart.series] == ["steps", "standard", "points", "standard"]


@pytest.mark.parametrize("window", [(100, 200), (200, 100)])
def test_a_window_without_points_names_the_ratios_there_are(reported: Reported, window: tuple[float, float]) -> None:
    results = reported.runs[0].results()
    with pytest.raises(InputError, match="no point has a ratio from"):
        plot_psnr([results], "15 images", window)
