"""Contract suites for plug-in authors: subclass one in a pytest module, override its fixture, and run it.

class TestMyStrategy(StrategyContract):
    @pytest.fixture
    def strategy_class(self):
        return MyStrategy
"""

from qsearch.testing.classifiers import ClassifierContract
from qsearch.testing.codecs import CodecContract
from qsearch.testing.datasets import DatasetContract
from qsearch.testing.executors import ExecutorContract, Misbehaving
from qsearch.testing.measures import MeasureContract
from qsearch.testing.models import TableModelContract
from qsearch.testing.quantizers import QuantizerContract
from qsearch.testing.strategies import (
    Evaluate,
    LinearFitness,
    StrategyContract,
    drive,
    synthetic_measurement,
    synthetic_with_failures,
)

__all__ = [
    "ClassifierContract",
    "CodecContract",
    "DatasetContract",
    "Evaluate",
    "ExecutorContract",
    "LinearFitness",
    "MeasureContract",
    "Misbehaving",
    "QuantizerContract",
    "StrategyContract",
    "TableModelContract",
    "drive",
    "synthetic_measurement",
    "synthetic_with_failures",
]
