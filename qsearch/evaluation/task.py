"""Task: what is to be evaluated: a quantizer, on all images or a named part of them, with the networks or without."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.quantizer import Quantizer


@dataclass(frozen=True, eq=False)
class Subset:
    """A named part of a dataset's images: their positions, int64 [n], rising. Equal where the positions are."""

    name: str
    positions: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        positions = np.array(self.positions, dtype=np.int64)
        if positions.ndim != 1 or not len(positions) or positions[0] < 0 or (np.diff(positions) <= 0).any():
            raise InputError(f"subset {self.name} names at least one position of an image, each once, in rising order.")
        positions.flags.writeable = False
        object.__setattr__(self, "positions", positions)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the positions."""
        return hashlib.sha256(self.positions.astype("<i8").tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Subset) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class Task:
    """One evaluation. Two tasks are equal where they ask for the same numbers.

    subset: the part of the images to measure, None for all.
    networks: False for the files' sizes alone, which no network is asked for.
    """

    quantizer: Quantizer
    subset: Subset | None = None
    networks: bool = True

    @cached_property
    def key(self) -> str:
        """What it is known by: of the quantizer, the subset and whether networks are asked."""
        part = "all" if self.subset is None else self.subset.digest
        return f"{self.quantizer.digest} {part} {'networks' if self.networks else 'sizes'}"

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Task) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)
