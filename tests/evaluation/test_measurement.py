"""Measurements and trials: what is derived from images one by one, worked by hand."""

from typing import Any

import numpy as np
import pytest

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial, joined
from qsearch.tables import QuantTables

TABLES = QuantTables.standard(50)


def measurement(**changes: Any) -> Measurement:
    """Four images of 10x10 pixels under two classifiers."""
    fields: dict[str, Any] = {
        "size_bytes": np.array([10, 20, 30, 40]),
        "ranks": np.array([[0, 1, 4, 5], [0, 0, 7, 0]], dtype=np.int32),
        "pixels": 100,
    }
    return Measurement.of(**{**fields, **changes})


def test_ratio_is_of_the_totals_not_the_mean_of_ratios() -> None:
    assert measurement().total_bytes == 100
    assert measurement().ratio == 3 * 100 * 4 / 100
    assert measurement().bpp == 8 * 100 / 400
    assert measurement().images == 4


def test_accuracy_is_the_mean_over_classifiers() -> None:
    assert measurement().top1 == (1 / 4 + 3 / 4) / 2
    assert measurement().top5 == (3 / 4 + 3 / 4) / 2
    np.testing.assert_array_equal(measurement().hits, [1, 0.5, 0, 0.5])


def test_without_classifiers_there_is_no_accuracy() -> None:
    bare = measurement(ranks=np.empty((0, 4), dtype=np.int32))
    assert np.isnan(bare.top1)
    assert bare.ratio == 12


def test_psnr_is_the_mean_over_images_or_none() -> None:
    assert measurement().mean_psnr_db is None
    assert measurement(psnr_db=np.array([30.0, 32, 34, 36])).mean_psnr_db == 33
    assert measurement(psnr_db=np.array([30.0, 32, 34, np.inf])).mean_psnr_db == np.inf


@pytest.mark.parametrize(
    "changes",
    [
        {"ranks": np.zeros((1, 3), dtype=np.int32)},
        {"ranks": np.zeros(4, dtype=np.int32)},
        {"size_bytes": np.ones((2, 2), dtype=np.int64)},
        {"size_bytes": np.empty(0, dtype=np.int64), "ranks": np.empty((1, 0), dtype=np.int32)},
        {"psnr_db": np.ones(3)},
        {"pixels": 0},
        {"pixels": None},
        {"size_bytes": np.array([10, 20, 30, 0])},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"a measurement of|at least one"):
        measurement(**changes)


def test_measurements_are_equal_when_every_image_is() -> None:
    assert measurement() == measurement()
    assert measurement() != measurement(size_bytes=np.array([20, 10, 30, 40]))
    assert measurement() != measurement(pixels=101)
    assert measurement() != measurement(ranks=np.array([[0, 1, 4, 5], [0, 0, 7, 1]], dtype=np.int32))
    assert measurement() != measurement(psnr_db=np.ones(4))
    assert measurement(psnr_db=np.ones(4)) == measurement(psnr_db=np.ones(4))
    assert measurement() != "measurement"


def test_what_was_measured_cannot_be_changed() -> None:
    one = measurement(psnr_db=np.ones(4))
    for array in (one.size_bytes, one.ranks, one.psnr_db):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(("status", "measured"), [("done", None), ("failed", measurement())])
def test_a_done_trial_has_a_measurement_and_a_failed_one_none(status: Any, measured: Measurement | None) -> None:
    with pytest.raises(InputError, match="a done trial has a measurement, a failed one none"):
        Trial("search", 3, "s", TABLES, status, measured)


def test_trials_are_called_as_users_call_them() -> None:
    assert Trial("search", 17, "sorted-random", TABLES, "done", measurement()).label == "17"
    assert Trial("reference", 50, "standard", TABLES, "done", measurement()).label == "standard:50"


def test_how_long_a_trial_took_does_not_make_it_another() -> None:
    quick = Trial("search", 1, "s", TABLES, "failed", reason="no", evaluation_s=0.1, decision_s=1)
    slow = Trial("search", 1, "s", TABLES, "failed", reason="no", evaluation_s=9.0, decision_s=2)
    assert quick == slow
    assert quick != Trial("search", 1, "s", TABLES, "failed", reason="other")


def test_pieces_joined_are_the_whole() -> None:
    whole = measurement(psnr_db=np.array([30.0, 32, 34, np.inf]))
    some, others = np.array([1, 3]), np.array([0, 2])
    for pieces in ([(some, whole.at(some)), (others, whole.at(others))], [(np.arange(4), whole)]):
        again = joined(pieces)
        assert again == whole
        assert again.measures == whole.measures
        assert {name: sums.tolist() for name, sums in again.totals().items()} == {
            name: sums.tolist() for name, sums in whole.totals().items()
        }
    lone = joined([(np.array([7]), whole.at(some[:1])), (np.array([2]), whole.at(others[:1]))])
    assert lone.size_bytes.tolist() == [10, 20]


def test_pieces_that_do_not_fit_are_refused() -> None:
    whole = measurement()
    first, rest = np.array([0]), np.array([1, 2])
    with pytest.raises(InputError, match="no image in common"):
        joined([(first, whole.at(first)), (np.array([0, 1]), whole.at(rest))])
    with pytest.raises(InputError, match="measure the same"):
        joined([(first, whole.at(first)), (rest, whole.only(["bytes"]).at(rest))])
    with pytest.raises(InputError, match="a piece of 2 images has as many positions, got 1"):
        joined([(first, whole.at(rest))])


def test_a_part_keeps_what_was_measured_of_its_images() -> None:
    part = measurement().at(np.array([0, 3]))
    assert part.size_bytes.tolist() == [10, 40]
    assert part.ranks.tolist() == [[0, 5], [0, 0]]
    assert part.ratio == 3 * 100 * 2 / 50
    assert measurement().only(["bytes"]).measures == ("bytes",)
