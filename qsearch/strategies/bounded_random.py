"""Uniform integers in the box that an earlier search's frontier bounds (Li 2020)."""

from typing import ClassVar

from qsearch.strategies.uniform_random import UniformRandom


class BoundedRandom(UniformRandom):
    """The uniform draw, in the bounds of an earlier search instead of every baseline table."""

    name: ClassVar[str] = "bounded-random"
    needs_bounds: ClassVar[bool] = True
