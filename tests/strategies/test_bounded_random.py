import numpy as np
import pytest

from qsearch.errors import InputError
from qsearch.pareto.fitness import Parabola
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.strategies import STRATEGIES

FITNESS = Parabola(0.0, -0.01, 0.8)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_fill_the_box_and_nothing_else(layout: str) -> None:
    dimensions = 64 * LAYOUTS[layout]
    lower = np.arange(dimensions) % 7 + 1
    upper = lower + np.arange(dimensions) % 3  # every third entry is fixed
    space = SearchSpace(layout, lower, upper)
    strategy = STRATEGIES.get("bounded-random")(space, 1, fitness=FITNESS)
    vectors = np.array([space.to_vector(strategy.ask(number)) for number in range(100)])
    np.testing.assert_array_equal(vectors.min(axis=0), lower)
    np.testing.assert_array_equal(vectors.max(axis=0), upper)


def test_it_needs_an_earlier_search() -> None:
    with pytest.raises(InputError, match="earlier search"):
        STRATEGIES.get("bounded-random")(SearchSpace.full(), 1)
