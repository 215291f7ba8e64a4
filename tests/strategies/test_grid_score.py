import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.strategies.gaussian_process import Floats, GaussianProcess, Prior, expected_improvement
from qsearch.strategies.grid_score import NOTICEABLE, Grid, _ScoredGrid, best_on_grid


@st.composite
def problems(draw: st.DrawFn) -> tuple[GaussianProcess, Grid]:
    """Few or many observations under any prior, and a grid of one to five entries, some with a single level."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    dimensions = len(sizes) + draw(st.integers(0, 4))
    prior = Prior(
        mean=0.01,
        amplitude=draw(st.floats(0.005, 0.1)),
        length=draw(st.floats(0.1, 30)),
        noise=draw(st.floats(3e-4, 0.05)),
    )
    count = draw(st.integers(2, 60))
    points = random.integers(0, 13, (count, dimensions)) / 12
    values = prior.mean + prior.amplitude * (random.normal(size=count) + points @ random.normal(size=dimensions))
    levels = [np.sort(random.choice(13, size, replace=False)) / 12 for size in sizes]
    entries = random.choice(dimensions, len(sizes), replace=False).tolist()
    point = random.integers(0, 13, dimensions) / 12
    return GaussianProcess(prior, points, values), Grid(point, entries, levels)


def one_by_one(process: GaussianProcess, grid: Grid, xi: float) -> tuple[Floats, Floats]:
    """Expected improvements and variances of the whole list."""
    points = grid.points(np.arange(np.prod(grid.shape)))
    cross = process.cross(points)
    variance = process.variance(cross)
    return expected_improvement(process.mean(cross), variance, process.best + xi), variance


def rounding_of_means(process: GaussianProcess, grid: Grid) -> float:
    """By how much two ways to add up a mean of the grid may differ: both err by n units in the last place of each term.

    Observations that contradict a smooth prior get weights of millions, which all but cancel.
    """
    terms = np.abs(process.weights)[:, np.newaxis] * process.cross(grid.points(np.arange(np.prod(grid.shape))))
    return float(2 * len(terms) * np.finfo(float).eps * terms.sum(axis=0).max())


@given(problems(), st.floats(0, 1.2))
@settings(deadline=None, max_examples=200)
def test_the_grids_best_is_the_lists_best(problem: tuple[GaussianProcess, Grid], share: float) -> None:
    process, grid = problem
    every, _ = one_by_one(process, grid, 1e-3)
    current = share * every.max()
    number, value = best_on_grid(process, grid, 1e-3, current)
    largest = every.max()
    # Nine digits, and what rounding may make of the means: an improvement changes by less than its mean does.
    tolerance = 1e-9 * largest + rounding_of_means(process, grid) + 1e-15
    if number >= 0:
        assert abs(every[number] - largest) <= tolerance
        assert abs(value - largest) <= tolerance
        assert value > current
    else:
        assert value == current
        assert largest <= current * (1 + 2 * NOTICEABLE) + tolerance


@given(problems())
@settings(deadline=None, max_examples=200)
def test_the_bound_of_the_variance_holds_everywhere(problem: tuple[GaussianProcess, Grid]) -> None:
    process, grid = problem
    _, variance = one_by_one(process, grid, 0.0)
    assert (_ScoredGrid(process, grid).variance_bound() >= variance).all()


def test_the_bound_is_tight_where_tables_vary_smoothly() -> None:
    random = np.random.default_rng(1)
    points = random.random((200, 20))
    process = GaussianProcess(Prior(0.0, 0.02, 3.0, 0.002), points, random.normal(size=200) / 50)
    grid = Grid(points[0], [2, 3, 5, 7, 11], [np.linspace(0, 1, 6)] * 5)
    _, variance = one_by_one(process, grid, 0.0)
    bound = _ScoredGrid(process, grid).variance_bound()
    assert (np.sqrt(bound) <= 1.1 * np.sqrt(variance)).all()


def test_few_variances_are_computed() -> None:
    random = np.random.default_rng(2)
    points = random.random((200, 20))
    process = GaussianProcess(Prior(0.0, 0.02, 3.0, 0.002), points, points @ random.normal(size=20) / 50)
    computed = 0
    variance = process.variance

    def counting(cross: Floats) -> Floats:
        nonlocal computed
        computed += cross.shape[1]
        return variance(cross)

    process.variance = counting  # type: ignore[method-assign]
    grid = Grid(np.full(20, 0.5), [2, 3, 5, 7, 11], [np.linspace(0, 1, 8)] * 5)
    assert best_on_grid(process, grid, 1e-3, 0.0)[0] >= 0
    assert computed < 8**5 / 20


def test_points_are_numbered_with_the_last_entry_fastest() -> None:
    grid = Grid(np.array([0.5, 0.5, 0.5]), [2, 0], [np.array([0.0, 1.0]), np.array([0.25, 0.75])])
    np.testing.assert_array_equal(
        grid.points(np.arange(4)), [[0.25, 0.5, 0.0], [0.75, 0.5, 0.0], [0.25, 0.5, 1.0], [0.75, 0.5, 1.0]]
    )
