"""How many tables of about one ratio beat the standard curve."""

import numpy as np
import pytest

from qsearch.analysis.distribution import distribution
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Series, Trial
from qsearch.tables import QuantTables

IMAGES = 100


def trial(number: int, ratio: float, hits: int, series: Series = "search") -> Trial:
    measurement = Measurement.of(
        np.full(IMAGES, round(3000 / ratio)),
        np.where(np.arange(IMAGES) < hits, 0, 1).astype(np.int32)[np.newaxis],
        1000,
    )
    return Trial(series, number, "any", QuantTables.standard(50), "done", measurement)


REFERENCE = (trial(90, 10, 80, "reference"), trial(20, 30, 40, "reference"))
"""Two points less of a hundred per unit of ratio."""


def test_counted_by_hand() -> None:
    search = [trial(0, 20, 63), trial(1, 20, 60), trial(2, 20, 59), trial(3, 12, 99), trial(4, 25, 50)]
    failed = Trial("search", 5, "any", QuantTables.standard(50), "failed", reason="no")
    found = distribution(Results("demo", REFERENCE, [*search, failed]), (20, 25))
    assert found.labels == ("0", "1", "2", "4")
    assert found.gain_points == pytest.approx((3, 0, -1, 0), abs=1e-9)
    assert (found.better, found.tied, found.worse, found.off_curve) == (1, 2, 1, 0)


def test_a_tie_is_within_half_an_answer() -> None:
    # At ratio 3000/131 = 22.90 the curve has 54.198 %.
    search = [trial(0, 22.9, 54), trial(1, 22.9, 55)]
    found = distribution(Results("demo", REFERENCE, search), (22, 23))
    assert found.gain_points == pytest.approx((-0.198, 0.802), abs=1e-3)
    assert (found.better, found.tied, found.worse) == (1, 1, 0)


def test_beyond_the_curve_a_table_neither_wins_nor_loses() -> None:
    found = distribution(Results("demo", REFERENCE, [trial(0, 30, 50), trial(1, 60, 99)]), (25, 100))
    assert (found.better, found.off_curve, found.labels) == (1, 1, ("0",))


@pytest.mark.parametrize(
    ("search", "reference", "window", "sentence"),
    [
        ([trial(0, 20, 60)], REFERENCE, (22.0, 21.0), "from a lower to a higher number"),
        ([trial(0, 20, 60)], REFERENCE, (float("nan"), 21.0), "from a lower to a higher number"),
        (
            [trial(0, 20, 60)],
            REFERENCE,
            (22.0, 23.0),
            "no trial with a ratio from 22 to 23: they go from 20.00 to 20.00",
        ),
        ([], REFERENCE, (22.0, 23.0), "none yet"),
        ([trial(0, 20, 60)], REFERENCE[:1], (10.0, 30.0), "no standard curve yet"),
    ],
)
def test_what_cannot_be_counted_is_said(
    search: list[Trial], reference: tuple[Trial, ...], window: tuple[float, float], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        distribution(Results("demo", reference, search), window)
