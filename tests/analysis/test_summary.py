"""The summary of a run, against gains worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from qsearch.analysis.results import Results, measured
from qsearch.analysis.summary import gain_points, saving_percent, summarize
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.tables import QuantTables

IMAGES, PIXELS = 100, 1000
RAW = 3 * PIXELS
"""Bytes of one raw image; an image of RAW / r bytes has ratio r."""


def trial(number: int, ratio: float, hits: int, series: str = "search") -> Trial:
    """Of 100 images, ``hits`` right."""
    ranks = np.where(np.arange(IMAGES) < hits, 0, 3).astype(np.int32)[None]
    measurement = Measurement.of(np.full(IMAGES, round(RAW / ratio)), ranks, PIXELS)
    tables = QuantTables.standard(number) if series == "reference" else QuantTables.shared(np.full((8, 8), 1 + number))
    return Trial(series, number, "s", tables, "done", measurement)  # type: ignore[arg-type]


def failed(number: int) -> Trial:
    return Trial("search", number, "s", QuantTables.standard(3), "failed", reason="no")


STANDARD = (trial(90, 5, 90, "reference"), trial(50, 10, 80, "reference"), trial(20, 30, 40, "reference"))
"""A curve of two straight pieces: from (5, 90 %) over (10, 80 %) to (30, 40 %)."""

SEARCH = (
    trial(0, 6, 91),
    trial(1, 12, 84),
    trial(2, 15, 80),
    trial(3, 9, 85),  # below the ratio of quality 50
    trial(4, 15, 70),  # beaten by trial 2
    trial(5, 25, 60),
    failed(6),
)


def results(search: tuple[Trial, ...] = SEARCH, reference: tuple[Trial, ...] = STANDARD) -> Results:
    return Results("demo", reference, search)


def test_the_headline_against_the_curve_by_hand() -> None:
    summary = summarize(results(), (1.0, 0.0))
    assert summary.standard is not None
    assert (summary.standard.label, summary.standard.ratio, summary.standard.top1) == ("standard:50", 10, 0.8)
    assert summary.best_at_ratio is not None
    assert summary.best_at_ratio.label == "1"  # 84 % at ratio 12, where the curve has 80 - 2 * 2 = 76 %
    assert summary.gain_points == pytest.approx(8)
    assert summary.best_at_accuracy is not None
    assert summary.best_at_accuracy.label == "2"  # 80 % at ratio 15, for which the curve needs ratio 10
    assert summary.saving_percent == pytest.approx(100 * (1 - 10 / 15))


def test_counts_and_frontier() -> None:
    summary = summarize(results((*SEARCH, trial(1, 12, 84))), (1.0, 0.0))
    assert summary.trials_done == 7
    assert summary.trials_failed == 1
    assert summary.distinct_tables == 6
    assert [point.label for point in summary.frontier] == ["0", "3", "1", "2", "5"]
    assert [point.top1 for point in summary.frontier] == [0.91, 0.85, 0.84, 0.8, 0.6]


def test_mean_gains_by_hand() -> None:
    # One point of accuracy above the curve all the way, and the same accuracies at twice the ratio.
    above = [trial(number, ratio, hits) for number, (ratio, hits) in enumerate(((5, 91), (10, 81), (30, 41)))]
    summary = summarize(results(tuple(above)), (1.0, 0.0))
    assert summary.mean_gain_points == pytest.approx(1)
    assert summary.mean_gain_ratios == pytest.approx((5, 30))
    longer = [trial(number, ratio, hits) for number, (ratio, hits) in enumerate(((10, 90), (20, 80), (60, 40)))]
    summary = summarize(results(tuple(longer)), (1.0, 0.0))
    assert summary.mean_saving_percent == pytest.approx(50)
    assert summary.mean_saving_top1 == (0.4, 0.9)


def test_hypervolumes_are_over_the_ratios_that_both_cover() -> None:
    summary = summarize(results(), (1.0, 0.0))
    assert summary.mean_gain_ratios == pytest.approx((6, 25))
    assert summary.hypervolume == pytest.approx((9 - 6) * 0.85 + (12 - 9) * 0.84 + 3 * 0.8 + 10 * 0.6, abs=0.02)
    assert summary.standard_hypervolume == pytest.approx((10 - 6) * 0.8 + (25 - 10) * 0.4, abs=0.02)
    assert summarize(results(), (25.0, 0.5)).hypervolume == 0


def test_reaching_far_while_losing_everywhere_is_no_gain() -> None:
    # Two points below the curve at every ratio, and four times as far.
    flat = [trial(number, ratio, hits) for number, (ratio, hits) in enumerate(((5, 88), (10, 78), (30, 38), (120, 30)))]
    summary = summarize(results(tuple(flat)), (1.0, 0.0))
    assert summary.mean_gain_points == pytest.approx(-2)
    assert summary.hypervolume is not None
    assert summary.standard_hypervolume is not None
    assert summary.hypervolume < summary.standard_hypervolume


def test_a_table_far_above_the_ratio_is_not_called_near() -> None:
    assert not summarize(results((trial(0, 12, 79),)), (1.0, 0.0)).best_is_near
    assert summarize(results((trial(0, 10.2, 79),)), (1.0, 0.0)).best_is_near
    assert not summarize(results((trial(0, 8, 79),)), (1.0, 0.0)).best_is_near


def test_what_the_pick_takes_beyond_quality_50() -> None:
    assert summarize(results(), (1.0, 0.0)).more_bytes_percent == pytest.approx(100 * (10 / 15 - 1))
    more = summarize(results((trial(0, 8, 88),)), (1.0, 0.0))
    assert more.more_bytes_percent == pytest.approx(25)
    assert more.saving_percent == pytest.approx(100 * (1 - 6 / 8))  # against the curve at 88 %


def test_gains_of_any_trial_interpolate_the_curve() -> None:
    assert gain_points(results(), SEARCH[5]) == pytest.approx(60 - 50)
    assert saving_percent(results(), SEARCH[5]) == pytest.approx(100 * (1 - 20 / 25))
    assert gain_points(results(), SEARCH[4]) == pytest.approx(70 - 70)
    worse = trial(9, 10, 60)
    assert gain_points(results(), worse) == pytest.approx(-20)
    assert saving_percent(results(), worse) == pytest.approx(100 * (1 - 20 / 10))


def test_outside_the_measured_curve_there_is_no_gain() -> None:
    assert gain_points(results(), trial(9, 40, 60)) is None
    assert gain_points(results(), trial(9, 4, 95)) is None
    assert saving_percent(results(), trial(9, 12, 95)) is None
    assert saving_percent(results(), trial(9, 12, 30)) is None


def test_a_frontier_that_does_not_reach_quality_50_has_no_headline() -> None:
    summary = summarize(results((trial(0, 8, 79),)), (1.0, 0.0))
    assert summary.best_at_ratio is None
    assert summary.gain_points is None
    assert summary.best_at_accuracy is None
    assert summary.saving_percent is None


def test_before_anything_is_measured() -> None:
    summary = summarize(results((), ()), (1.0, 0.0))
    assert summary.trials_done == 0
    assert summary.standard is None
    assert (summary.mean_gain_points, summary.mean_saving_percent, summary.hypervolume) == (None, None, None)
    assert summary.frontier == ()
    alone = summarize(results(reference=(STANDARD[1],)), (1.0, 0.0))
    assert alone.best_at_ratio is not None
    assert alone.gain_points is None  # one point is no curve


def test_a_failed_reference_is_left_out() -> None:
    broken = Trial("reference", 50, "standard", QuantTables.standard(50), "failed", reason="no")
    summary = summarize(results(reference=(STANDARD[0], broken, STANDARD[2])), (1.0, 0.0))
    assert summary.standard is None
    assert summary.trials_failed == 1


def of_two(one: Trial, hits: int) -> Trial:
    """``one`` with a second network that has ``hits`` of 100 images right."""
    seen = measured(one)
    second = np.where(np.arange(IMAGES) < hits, 0, 1).astype(np.int32)[None]
    measurement = Measurement.of(seen.size_bytes, np.concatenate([seen.ranks, second]), PIXELS)
    return replace(one, measurement=measurement)


def test_several_networks_are_told_one_by_one() -> None:
    standard = tuple(of_two(each, hits) for each, hits in zip(STANDARD, (80, 60, 20), strict=True))
    # The mean of 70 % at quality 50 is reached by the first at its ratio and more, by the second at the highest ratio.
    search = (of_two(trial(0, 12, 90), 50), of_two(trial(1, 15, 81), 59), of_two(trial(2, 20, 60), 40))
    summary = summarize(results(search, standard), (1.0, 0.0))
    assert summary.best_at_ratio is not None
    assert summary.best_at_accuracy is not None
    assert (summary.best_at_ratio.label, summary.best_at_accuracy.label) == ("1", "1")
    first, second = summary.networks
    assert (first.standard_top1, second.standard_top1) == (0.8, 0.6)
    assert (first.at_ratio_top1, second.at_ratio_top1) == (0.81, 0.59)
    assert first.at_ratio_gain_points == pytest.approx(81 - 70)  # its own curve has 70 % at ratio 15
    assert second.at_ratio_gain_points == pytest.approx(59 - 50)
    assert second.at_accuracy_gain_points == pytest.approx(59 - 50)
    assert summarize(results(), (1.0, 0.0)).networks == ()
    nothing = summarize(results((), standard), (1.0, 0.0)).networks
    assert [(each.standard_top1, each.at_ratio_top1, each.at_accuracy_top1) for each in nothing] == [
        (0.8, None, None),
        (0.6, None, None),
    ]


def test_results_know_their_trials() -> None:
    found = results()
    assert found.trial("standard:50") is STANDARD[1]
    assert found.trial("5") is SEARCH[5]
    assert list(found.standard) == [90, 50, 20]
    np.testing.assert_allclose(found.ratio, [6, 12, 15, 9, 15, 25], rtol=1e-2)
    for label in ("17", "standard:51", ""):
        with pytest.raises(InputError, match=f"run demo has no trial '{label}': "):
            found.trial(label)
    with pytest.raises(InputError, match=r"trial 6 failed \(no\): it has no measurement"):
        measured(SEARCH[6])
