"""Measures of two classes, where every value is derived by hand."""

import math

import numpy as np
import pytest

from qsearch.evaluation.measures import MEASURES, Seen

THIRD = math.log(3)


def seen(logits: list[float], truth: int, uncompressed: tuple[float, float] = (0.0, 0.0)) -> Seen:
    """One image and a network of two classes."""
    image = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    return Seen(
        image,
        np.array([100]),
        image,
        np.array([logits], dtype=np.float32),
        np.array([truth]),
        lambda: np.array([uncompressed], dtype=np.float32),
    )


@pytest.mark.parametrize(("truth", "nats"), [(0, math.log(4 / 3)), (1, math.log(4))])
def test_loss(truth: int, nats: float) -> None:
    """Logits log 3 and 0 are probabilities 3/4 and 1/4."""
    (value,) = MEASURES.get("loss").of(seen([THIRD, 0.0], truth))
    assert value == pytest.approx(nats, rel=1e-3)


def test_divergence_from_undecided_to_decided() -> None:
    """1/2 log((1/2)/(3/4)) + 1/2 log((1/2)/(1/4)) = 1/2 log(4/3)."""
    (value,) = MEASURES.get("divergence").of(seen([THIRD, 0.0], 0))
    assert value == pytest.approx(math.log(4 / 3) / 2, rel=1e-3)


def test_divergence_from_decided_to_undecided() -> None:
    """3/4 log((3/4)/(1/2)) + 1/4 log((1/4)/(1/2)) = 3/4 log 3 - log 2; it goes from the uncompressed answer."""
    (value,) = MEASURES.get("divergence").of(seen([0.0, 0.0], 0, (THIRD, 0.0)))
    assert value == pytest.approx(0.75 * math.log(3) - math.log(2), rel=1e-3)


def test_an_equal_answer_has_no_divergence_and_needs_no_label() -> None:
    values = [MEASURES.get("divergence").of(seen([THIRD, 0.0], truth, (THIRD, 0.0)))[0] for truth in (0, 1)]
    assert values == [0.0, 0.0]


@pytest.mark.parametrize(("logits", "truth", "rank"), [([2, 1], 0, 0), ([2, 1], 1, 1), ([1, 1], 0, 0), ([1, 1], 1, 1)])
def test_rank(logits: list[float], truth: int, rank: int) -> None:
    """Of equal logits the class with the lower index comes first."""
    assert MEASURES.get("rank").of(seen(logits, truth)).tolist() == [rank]
