"""What to try next: one file per strategy, found by name."""

from qsearch.registry import Registry
from qsearch.strategies.base import Strategy

STRATEGIES: Registry[type[Strategy]] = Registry(
    "strategies",
    {
        "standard": "qsearch.strategies.standard:Standard",
        "uniform-random": "qsearch.strategies.uniform_random:UniformRandom",
        "sorted-random": "qsearch.strategies.sorted_random:SortedRandom",
        "bounded-random": "qsearch.strategies.bounded_random:BoundedRandom",
    },
)
