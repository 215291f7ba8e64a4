"""The rules that every strategy keeps: `pytest examples/flat-random-plugin`, once the package is installed."""

from typing import Any

import pytest
from my_strategies import FlatRandom

from qsearch.testing import StrategyContract


class TestFlatRandom(StrategyContract):
    @pytest.fixture
    def strategy_class(self) -> type[FlatRandom]:
        return FlatRandom

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {}
