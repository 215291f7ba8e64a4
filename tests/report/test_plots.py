"""Plots: what is drawn is what was measured, and files are of the format of their name."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from qsearch.analysis.results import Results, measured
from qsearch.errors import DiskError, InputError
from qsearch.evaluation.measurement import UNCOMPRESSED_NUMBER, Trial
from qsearch.evaluation.objective import LOSS, TOP1
from qsearch.report.axes import COLOURS, MARKERS, X_LABELS, Look, Sizes
from qsearch.report.charts import frontier_chart
from qsearch.report.plots import plot_frontiers, save_figure
from qsearch.run.folder import Run
from tests.analysis.test_summary import SEARCH, STANDARD, results
from tests.faults import file_size_limit
from tests.made_up_runs import PIXELS, make_loss_run, make_run

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def line(axes: Axes, label: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    (found,) = [each for each in axes.lines if str(each.get_label()).startswith(label)]
    return np.asarray(found.get_xydata())


def test_trials_frontier_and_standard_curve_are_drawn_where_they_were_measured() -> None:
    figure = plot_frontiers([results()], "15 images")
    axes = axes_of(figure)
    points = np.asarray(axes.collections[0].get_offsets())
    np.testing.assert_allclose(points[:, 0], results().ratio)
    np.testing.assert_allclose(points[:, 1], results().top1)
    np.testing.assert_allclose(line(axes, "demo: frontier of 6 trials")[:, 1], [0.91, 0.85, 0.84, 0.8, 0.6])
    np.testing.assert_allclose(line(axes, "standard tables")[:, 1], [0.4, 0.8, 0.9])
    written = {text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)}
    assert {"20", "50", "90", "15 images"} <= written
    assert "ratio" in axes.get_xlabel()
    assert "top-1" in axes.get_ylabel()


def test_a_run_searched_by_loss_has_its_staircase_in_loss_alone(tmp_path: Path) -> None:
    results = Run.open(make_loss_run(tmp_path / "demo")).results()
    top1, loss = plot_frontiers([results], "200 images").axes
    expected = [(measured(trial).ratio, measured(trial).top1) for trial in results.frontier]
    label = "demo: frontier of 4 trials by cross-entropy"
    np.testing.assert_allclose(line(top1, label), expected)
    np.testing.assert_allclose(line(loss, label)[:, 1], [0.5, 0.75, 1.25])
    np.testing.assert_allclose(line(loss, "standard tables")[:, 1], [2.0, 1.0, 0.5])
    drawn = [next(each for each in axes.lines if each.get_label() == label) for axes in (top1, loss)]
    assert [(each.get_linestyle(), each.get_drawstyle()) for each in drawn] == [("None", "default"), ("-", "steps-pre")]
    assert ("top-1" in top1.get_ylabel(), "cross-entropy in nats" in loss.get_ylabel()) == (True, True)


def test_runs_searched_by_different_measures_are_drawn_in_both(tmp_path: Path) -> None:
    by_loss = Run.open(make_loss_run(tmp_path / "loss")).results()
    by_top1 = Run.open(make_loss_run(tmp_path / "top1")).results()
    by_top1.objective = TOP1
    charts = [frontier_chart([by_loss, by_top1], None, objective) for objective in (TOP1, LOSS)]
    kinds = [[each.kind for each in chart.series if each.kind not in ("cloud", "standard")] for chart in charts]
    assert kinds == [["points", "steps"], ["steps", "points"]]
    assert [chart.unit for chart in charts] == ["share", "nats"]
    assert len(plot_frontiers([by_loss, by_top1], "200 images").axes) == 2


def test_a_measure_that_some_tables_lack_is_drawn_where_it_is_known(tmp_path: Path) -> None:
    by_loss = Run.open(make_loss_run(tmp_path / "loss")).results()
    without = Run.open(make_run(tmp_path / "top1")).results()
    chart = frontier_chart([without, by_loss], None, LOSS)
    assert [len(each.points) for each in chart.series] == [0, 0, 4, 3, 0]
    assert len(plot_frontiers([without, by_loss], "200 images", (20, 30)).axes) == 2


def test_several_runs_are_told_apart_by_colour_and_marker() -> None:
    runs = [Results(f"run {index}", STANDARD, SEARCH) for index in range(8)]
    axes = axes_of(plot_frontiers(runs, ""))
    frontiers = [each for each in axes.lines if "frontier" in str(each.get_label())]
    assert len({each.get_color() for each in frontiers}) == len(COLOURS) == 8
    assert len({each.get_marker() for each in frontiers}) == len(MARKERS) == 8


@pytest.mark.parametrize(("x", "per_ratio"), [("bpp", 24.0), ("bytes", 3 * PIXELS / 1000)])
def test_sizes_may_be_drawn_as_bits_or_bytes(tmp_path: Path, x: Sizes, per_ratio: float) -> None:
    made = Run.open(make_loss_run(tmp_path / "demo")).results()
    by_ratio = plot_frontiers([made], "200 images").axes
    panels = plot_frontiers([made], "200 images", look=Look(x=x)).axes
    for axes, before in zip(panels, by_ratio, strict=True):
        for now, then in zip(axes.lines, before.lines, strict=True):
            places, ratios = np.asarray(now.get_xydata()), np.asarray(then.get_xydata())
            np.testing.assert_allclose(places[:, 0], per_ratio / ratios[:, 0])
            np.testing.assert_allclose(places[:, 1], ratios[:, 1])
        assert axes.get_xlabel() == X_LABELS[x]
    zoomed = plot_frontiers([made], "200 images", (18, 25), Look(x=x)).axes[0]
    assert zoomed.get_xlim() == pytest.approx((per_ratio / 25, per_ratio / 18))
    with pytest.raises(InputError, match="goes from a number above 0, got 0 to 25"):
        plot_frontiers([made], "200 images", (0, 25), Look(x=x))


@pytest.mark.parametrize("size", [(3.3, 2.8), (6.5, 4.0), (13.0, 5.0)])
def test_a_picture_is_as_large_as_is_asked_and_holds_its_words(tmp_path: Path, size: tuple[float, float]) -> None:
    made = Run.open(make_loss_run(tmp_path / "demo")).results()
    figure = plot_frontiers([made], "200 images", look=Look("A title of one's own", size))
    assert tuple(figure.get_size_inches()) == size
    renderer: RendererAgg = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw(renderer)
    words = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]
    assert "A title of one's own" in {text.get_text().strip() for text in words}
    for legend in figure.findobj(Legend):
        box = legend.get_window_extent(renderer)
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0


def test_without_a_title_nothing_stands_above_the_axes() -> None:
    figure = plot_frontiers([results()], "15 images", look=Look(""))
    assert not [text for text in figure.texts if text.get_text().strip()]


def test_what_images_are_uncompressed_is_a_line_that_says_so() -> None:
    bare = results()
    trial = Trial(
        "reference", UNCOMPRESSED_NUMBER, "standard", STANDARD[0].quantizer, "done", bare.standard[90], origin=""
    )
    axes = axes_of(plot_frontiers([Results("demo", [trial, *STANDARD], SEARCH)], "15 images"))
    (drawn,) = [each for each in axes.lines if each.get_linestyle() == ":"]
    assert set(np.asarray(drawn.get_ydata()).tolist()) == {bare.standard[90].top1}
    assert f"uncompressed {100 * bare.standard[90].top1:.2f} %" in {text.get_text() for text in axes.texts}
    assert not [each for each in axes_of(plot_frontiers([bare], "")).lines if each.get_linestyle() == ":"]


def test_a_window_zooms_on_what_lies_in_it() -> None:
    axes = axes_of(plot_frontiers([results()], "", window=(8, 16)))
    assert axes.get_xlim() == (8, 16)
    low, high = axes.get_ylim()
    assert low < 0.7
    assert 0.85 < high < 0.9


@pytest.mark.parametrize("window", [(100.0, 200.0), (20.0, 10.0), (float("nan"), 9.0)])
def test_a_window_without_points_is_refused_with_the_ratios_there_are(window: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"no point has a ratio from .*: they go from 5.0 to 30.0"):
        plot_frontiers([results()], "", window)


def test_a_run_without_trials_is_drawn_as_its_curve() -> None:
    axes = axes_of(plot_frontiers([results(search=())], ""))
    assert len(line(axes, "standard tables")) == 3
    with pytest.raises(InputError, match="there are none yet"):
        plot_frontiers([results(search=(), reference=())], "", (1, 2))


@pytest.mark.parametrize("suffix", [*MAGIC, ".PNG"])
def test_files_are_of_the_format_of_their_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pareto{suffix}"
    save_figure(plot_frontiers([results()], "15 images"), path)
    assert path.read_bytes().startswith(MAGIC[suffix.lower()])


def test_letters_stay_letters(tmp_path: Path) -> None:
    """Type 3 fonts are refused by conferences, and letters drawn as outlines are found by no search."""
    figure = plot_frontiers([results()], "15 images")
    for suffix in (".pdf", ".svg"):
        save_figure(figure, tmp_path / f"pareto{suffix}")
    pdf, svg = (tmp_path / "pareto.pdf").read_bytes(), (tmp_path / "pareto.svg").read_text()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert re.search(r"<text[^>]*>15 images</text>", svg)


@pytest.mark.parametrize("suffix", MAGIC)
def test_a_picture_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pareto{suffix}"
    figure = plot_frontiers([results()], "15 images")
    save_figure(figure, path)
    before = path.read_bytes()
    with file_size_limit(1000), pytest.raises(DiskError, match=f"pareto{suffix} cannot be written"):
        save_figure(figure, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["pareto.jpg", "pareto", "png"])
def test_another_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf, got"):
        save_figure(plot_frontiers([results()], ""), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"nowhere/pareto\.png cannot be written"):
        save_figure(plot_frontiers([results()], ""), tmp_path / "nowhere" / "pareto.png")


def test_equal_points_of_several_runs_stay_visible(tmp_path: Path) -> None:
    results = Run.open(make_run(tmp_path / "demo")).results()
    figure = plot_frontiers([results, results, results], "200 images")
    frontiers = figure.axes[0].lines[:3]
    assert frontiers[0].get_markerfacecolor() != "none"
    assert [line.get_markerfacecolor() for line in frontiers[1:]] == ["none", "none"]
    sizes = [line.get_markersize() for line in frontiers]
    assert sizes == sorted(set(sizes))
    series = frontier_chart([results, results], None).series
    assert [each.layer for each in series if each.kind == "steps"] == [0, 1]
