"""Ladders and models that the tests share: learned in a second from made-up waves."""

from functools import cache

import numpy as np
import torch

from qsearch.learning.ladder import Ladder, LearnedOn, Rung
from qsearch.learning.settings import LearningSettings
from qsearch.models.architecture import TableNetwork
from qsearch.models.choice import LadderChoice, Scores
from qsearch.models.descent import PerImageDescent
from qsearch.models.files import About, NetworkFile
from qsearch.models.ladders import Constant, Rungs
from qsearch.models.network import NetworkModel
from qsearch.models.quality import PerImageQuality
from qsearch.models.settings import Architecture, NetworkSettings
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
    if name == "per-image-quality":
        return PerImageQuality(ladder())
    if name == "per-image-descent":
        return PerImageDescent(ladder())
    if name == "ladder-choice":
        return LadderChoice(ladder(), Scores(in_torch(), "4:2:0", "entropy"), 0.5)
    if name == "taqn":
        return network()
    return Constant(ladder())


def network() -> NetworkModel:
    """One of two strengths whose last layers were given numbers in place of training."""
    torch.manual_seed(0)
    how = Architecture(width=4, bottleneck=2, luma_blocks=1, chroma_blocks=1, hidden=8, hint=True)
    settings = NetworkSettings(task="distortion", strengths=(20.0, 80.0), ladder="1" * 64, architecture=how)
    tensors: dict[str, torch.Tensor] = {}
    for index, strength in enumerate(settings.strengths):
        steps = torch.from_numpy(Rungs(ladder()).steps(strength)[:2]).float()
        made = TableNetwork(how, steps)
        for head in (made.luma_head, made.chroma_head):
            torch.nn.init.normal_(head.layers[-1].weight, std=0.05)  # type: ignore[arg-type]
        tensors |= {f"networks.{index}.{key}": each for key, each in made.state_dict().items()}
    learned_on = LearnedOn(dataset="made up", digest="0" * 64, images=4, height=40, width=40)
    about = About(qsearch="", created="", settings=settings, learned_on=learned_on, progress=(), images=())
    return NetworkModel(NetworkFile(about, tensors, "2" * 64))


def noise(count: int, side: int = 40, seed: int = 0) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """uint8 [count, side, side, 3], from nearly flat to strong noise."""
    draw = np.random.default_rng(seed)
    spread = np.linspace(2, 90, count)[:, None, None, None]
    return np.clip(128 + spread * draw.normal(size=(count, side, side, 3)), 0, 255).astype(np.uint8)
