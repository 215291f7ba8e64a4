"""Ladders and models that the tests share: learned in a second from made-up waves."""

from functools import cache

import numpy as np

from qsearch.learning.ladder import Ladder, LearnedOn, Rung
from qsearch.learning.settings import LearningSettings
from qsearch.models.choice import LadderChoice, Scores
from qsearch.models.descent import PerImageDescent
from qsearch.models.ladders import Constant
from qsearch.models.quality import PerImageQuality
from qsearch.quantizer import TableModel
from qsearch.tables import QuantTables
from tests.learning.networks import in_torch

QUALITIES = (20, 50, 80)
TRADE_OFFS = (2.0, 1.4, 1.0)


def ladder(subsampling: str = "4:2:0") -> Ladder:
    """The standard tables as a ladder for distortion."""
    settings = LearningSettings(qualities=QUALITIES, subsampling=subsampling)  # type: ignore[arg-type]
    learned_on = LearnedOn(dataset="made up", digest="0" * 64, images=4, height=40, width=40)
    rungs = [
        Rung(quality, trade_off, 1.0, (QuantTables.standard(quality),))
        for quality, trade_off in zip(QUALITIES, TRADE_OFFS, strict=True)
    ]
    return Ladder(settings, learned_on, tuple(rungs), digest="1" * 64)


@cache
def model(name: str) -> TableModel:
    """The model registered as ``name``, small."""
    made = {
        "constant": lambda: Constant(ladder()),
        "per-image-quality": lambda: PerImageQuality(ladder()),
        "per-image-descent": lambda: PerImageDescent(ladder()),
        "ladder-choice": lambda: LadderChoice(ladder(), Scores(in_torch(), "4:2:0", "entropy"), 0.5),
    }
    found: TableModel = made[name]()
    return found


def noise(count: int, side: int = 40, seed: int = 0) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """uint8 [count, side, side, 3], from nearly flat to strong noise."""
    draw = np.random.default_rng(seed)
    spread = np.linspace(2, 90, count)[:, None, None, None]
    return np.clip(128 + spread * draw.normal(size=(count, side, side, 3)), 0, 255).astype(np.uint8)
