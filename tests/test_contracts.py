"""The contract suites over everything that is registered."""

from typing import Any

import numpy as np
import pytest

from qsearch.codecs import CODECS
from qsearch.codecs.base import SUBSAMPLINGS, Codec
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Strategy
from qsearch.tables import QuantTables
from qsearch.testing import CodecContract, StrategyContract

OPTIONS: dict[str, dict[str, Any]] = {
    "listed": {"tables": [QuantTables.shared(np.full((8, 8), entry)).to_bytes().hex() for entry in range(1, 70)]},
}
"""What a strategy needs, or what makes it quick."""


class TestStrategies(StrategyContract):
    @pytest.fixture(params=STRATEGIES.names())
    def strategy_class(self, request: pytest.FixtureRequest) -> type[Strategy]:
        return STRATEGIES.get(request.param)

    @pytest.fixture
    def options(self, strategy_class: type[Strategy]) -> dict[str, Any]:
        return OPTIONS.get(strategy_class.name, {})


class TestCodecs(CodecContract):
    @pytest.fixture(params=[(name, subsampling) for name in CODECS.names() for subsampling in SUBSAMPLINGS])
    def codec(self, request: pytest.FixtureRequest) -> Codec:
        name, subsampling = request.param
        return CODECS.get(name)(subsampling=subsampling)
