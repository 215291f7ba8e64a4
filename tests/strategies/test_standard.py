"""The quality sweep."""

import numpy as np
import pytest

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.strategies.standard import REFERENCE_QUALITIES, Standard
from qsearch.tables import QuantTables


def test_it_goes_through_all_hundred_qualities() -> None:
    strategy = Standard(SearchSpace.full("luma-chroma"), seed=3)
    assert strategy.trial_limit() == 100
    assert [strategy.ask(number) for number in (0, 49, 99)] == [QuantTables.standard(q) for q in (1, 50, 100)]


def test_the_reference_is_qualities_10_to_100_in_steps_of_5() -> None:
    assert (*range(10, 100, 5), 100) == REFERENCE_QUALITIES


def test_it_refuses_what_it_cannot_do() -> None:
    with pytest.raises(InputError, match="searches the layouts luma-chroma, ycbcr, got shared"):
        Standard(SearchSpace.full("shared"), seed=0)
    with pytest.raises(InputError, match="no bounds"):
        Standard(SearchSpace("luma-chroma", np.full(128, 2), np.full(128, 255)), seed=0)
