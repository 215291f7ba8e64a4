"""The benchmark of images as stored compares like with like."""

import numpy as np
import pytest

from benchmarks.as_stored import QUALITIES, Measured, compared, measured, rank_correlation, savings
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.datasets.base import DatasetOptions
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.objective import DIVERGENCE
from tests import fakes


def test_ranks_agree_or_turn_round() -> None:
    """Spearman's correlation of three values, of which two change places, is 1/2."""
    first = [np.array([value, value]) for value in (1.0, 2.0, 3.0)]
    other = [np.array(values) for values in ((10.0, 20.0), (20.0, 10.0), (30.0, 30.0))]
    np.testing.assert_allclose(rank_correlation(first, other), [1.0, 0.5])
    np.testing.assert_allclose(rank_correlation(first, other[::-1]), [-1.0, -0.5])
    assert np.isnan(rank_correlation(first, [*other[:2], np.array([np.nan, 30.0])])[0])


def test_the_same_compression_twice_differs_in_nothing() -> None:
    dataset = fakes.load_dataset("", DatasetOptions())
    found = measured(Evaluator(dataset, CoefficientCodec(), [fakes.FakeClassifier("fake", {})]))
    assert list(found.curve) == list(QUALITIES)
    assert found.tables
    standard = found.curve[50].ratio
    assert all(table.ratio == pytest.approx(standard, rel=0.005) for table in found.tables.values())
    saved = savings(found, DIVERGENCE, np.ones((1, len(dataset))))
    inside = Measured(found.curve, {name: found.tables[name] for name in saved if not np.isnan(saved[name][0])})
    assert len(inside.tables) > 2
    rows = list(compared(inside, inside, DIVERGENCE))
    differences = [(value, resampled) for _, how, value, resampled in rows if how == "as stored - as shown"]
    assert [value[0] for value, _ in differences] == [0.0] * len(inside.tables)
    assert not any(np.nan_to_num(resampled).any() for _, resampled in differences)
    what, _, value, _ = rows[-1]
    assert (what, value[0]) == (f"rank of {len(inside.tables)} tables", pytest.approx(1))
