"""The ImageNet classes: a fact that datasets and networks share."""

from functools import cache
from importlib import resources


@cache
def imagenet_synsets() -> tuple[str, ...]:
    """The WordNet ids (``n01440764``, ...) of the 1000 ImageNet classes, in the order in which networks answer."""
    text = resources.files("qsearch.datasets").joinpath("imagenet_synsets.txt").read_text(encoding="ascii")
    return tuple(text.split())
