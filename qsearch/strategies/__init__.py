"""What to try next: one file per strategy, found by name."""

from qsearch.registry import Registry
from qsearch.strategies.base import Strategy

STRATEGIES: Registry[type[Strategy]] = Registry(
    "strategies",
    {
        "standard": "qsearch.strategies.standard:Standard",
        "listed": "qsearch.strategies.listed:Listed",
        "uniform-random": "qsearch.strategies.uniform_random:UniformRandom",
        "sorted-random": "qsearch.strategies.sorted_random:SortedRandom",
        "bounded-random": "qsearch.strategies.bounded_random:BoundedRandom",
        "bayesian": "qsearch.strategies.bayesian:Bayesian",
        "bayesian-grid": "qsearch.strategies.bayesian_grid:BayesianGrid",
        "opentuner": "qsearch.strategies.opentuner:OpenTuner",
        "local-search": "qsearch.strategies.local_search:LocalSearch",
        "optuna-tpe": "qsearch.strategies.optuna:OptunaTpe",
        "optuna-nsga2": "qsearch.strategies.optuna:OptunaNsga2",
        "optuna-cmaes": "qsearch.strategies.optuna:OptunaCmaes",
    },
)
