"""Rate models: the bits of images at any quantization steps, and how they change with each step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.errors import InputError
from qsearch.learning.densities import Densities, train_densities
from qsearch.learning.differentiable import Frame, some_at_a_time
from qsearch.tables import ZIGZAG, QuantTables

Floats = npt.NDArray[np.float64]
RateName = Literal["exact", "luo", "laplace", "linear"]
RATES: tuple[RateName, ...] = get_args(RateName)
REACH = 0.15
"""Of a step: gradients are secants between steps so much smaller and larger, since bits change by jumps."""
FIT_QUALITIES = (10, 30, 50, 70, 90)
"""Of the standard tables that numbers are fitted at."""
HEADER_BITS = 5000
"""Of a file with two tables and the standard Huffman tables: what no rate model counts."""


class Rate(NamedTuple):
    """The bits of N images: float64 [N], headers left out; gradient: float64 [N, 3, 64], by the steps of Y, Cb, Cr."""

    bits: Floats
    gradient: Floats


class RateModel(ABC):
    """Tells how many bits images take. Made by :func:`rate_model`."""

    name: ClassVar[RateName]

    @abstractmethod
    def rate(self, coefficients: Coefficients, steps: Floats) -> Rate:
        """Of each image at ``steps``, float64 [3, 64] from 1 to 255, for Y, Cb and Cr in raster order."""

    def settings(self) -> dict[str, Any]:
        """Name and numbers, for the record of what a table was learned with."""
        return {"name": self.name}


class ExactRate(RateModel):
    """libjpeg's own bits at the steps rounded to integers, without stuffed bytes."""

    name: ClassVar[RateName] = "exact"

    def rate(self, coefficients: Coefficients, steps: Floats) -> Rate:
        """See :meth:`RateModel.rate`."""
        from qsearch.coefficients.statistics import statistics

        found = statistics(coefficients, [rounded_tables(steps)] * len(coefficients), width=REACH)
        return Rate(found.bits.astype(np.float64), found.bits_gradient.reshape(-1, 3, 64))


class LaplaceRate(RateModel):
    """The entropy of rounded Laplacians, one for each frequency of each image; of DC, its differences."""

    name: ClassVar[RateName] = "laplace"

    def rate(self, coefficients: Coefficients, steps: Floats) -> Rate:
        """See :meth:`RateModel.rate`."""
        bits, gradient = np.empty(len(coefficients)), np.empty((len(coefficients), 3, 64))
        for part, component, values in components_of(coefficients):
            scale = np.abs(predicted(values)).mean(axis=1) + 1e-3
            entropy, slope = laplace_entropy(steps[component] / scale)
            own = values.shape[1] * entropy
            bits[part] = own.sum(axis=1) + (bits[part] if component else 0)
            gradient[part, component] = values.shape[1] * slope / scale
        return Rate(bits, gradient)


class LinearRate(RateModel):
    """So many bits for each block and each AC coefficient that is not 0, of luma and of chroma.

    numbers: per luma block and coefficient, then per chroma block and coefficient.
    """

    name: ClassVar[RateName] = "linear"

    def __init__(self, numbers: tuple[float, float, float, float]) -> None:
        self.numbers = numbers

    @classmethod
    def fitted(cls, coefficients: Coefficients) -> "LinearRate":
        """To the sizes of the images at FIT_QUALITIES, by the least squares of relative errors."""
        rows, targets = [], []
        for quality in FIT_QUALITIES:
            tables = QuantTables.standard(quality)
            size_bits = 8.0 * coefficients.size_bytes([tables] * len(coefficients)) - HEADER_BITS
            rows.append(cls._counts(coefficients, steps_of(tables)) / size_bits[:, None])
            targets.append(np.ones(len(coefficients)))
        numbers = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)[0]
        return cls(tuple(numbers.tolist()))

    def rate(self, coefficients: Coefficients, steps: Floats) -> Rate:
        """See :meth:`RateModel.rate`."""
        gradient = np.zeros((len(coefficients), 3, 64))
        finer, coarser = steps * (1 - REACH), steps * (1 + REACH)
        for part, component, values in components_of(coefficients):
            present = [
                (np.abs(values) >= ends[component] / 2).sum(axis=1, dtype=np.float64) for ends in (finer, coarser)
            ]
            slope = (present[1] - present[0]) / (coarser - finer)[component]
            slope[:, 0] = 0
            gradient[part, component] = slope * self.numbers[3 if component else 1]
        return Rate(self._counts(coefficients, steps) @ np.array(self.numbers), gradient)

    def settings(self) -> dict[str, Any]:
        """See :meth:`RateModel.settings`."""
        return {**super().settings(), "numbers": list(self.numbers)}

    @staticmethod
    def _counts(coefficients: Coefficients, steps: Floats) -> Floats:
        """[N, 4]: what the numbers are per."""
        counts = np.zeros((len(coefficients), 4))
        for part, component, values in components_of(coefficients):
            kind = 2 if component else 0
            counts[part, kind] += values.shape[1]
            counts[part, kind + 1] += (np.abs(values) >= steps[component] / 2)[:, :, 1:].sum(axis=(1, 2))
        return counts


class LuoRate(RateModel):
    """The entropy of levels by four densities, as Luo 2021 has it: of luma and chroma, DC differences and AC.

    All 63 AC frequencies share one, so that it tells far too many bits, but nearly in proportion.
    """

    name: ClassVar[RateName] = "luo"

    def __init__(self, densities: Densities, trained: dict[str, Any]) -> None:
        self._costs = densities.costs
        self._trained = trained

    @classmethod
    def fitted(
        cls,
        coefficients: Coefficients,
        seed: int,
        steps: int = 800,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> "LuoRate":
        """Densities trained on the levels of the images at standard qualities from 10 to 90, drawn anew each time."""
        draw = np.random.default_rng(seed)

        def levels() -> tuple[Floats, ...]:
            tables = steps_of(QuantTables.standard(int(draw.integers(10, 91))))
            chosen = coefficients[np.sort(draw.choice(len(coefficients), min(4, len(coefficients)), replace=False))]
            found: tuple[list[Floats], ...] = ([], [], [], [])
            for _, component, values in components_of(chosen):
                rounded = predicted(rounded_levels(values, tables[component]))
                kind = 2 if component else 0
                found[kind].append(rounded[:, :, 0].ravel())
                found[kind + 1].append(rounded[:, :, 1:].ravel())
            return tuple(np.concatenate(part) for part in found)

        densities = train_densities(levels, seed, steps, on_progress)
        return cls(densities, {"seed": seed, "steps": steps, "images": len(coefficients)})

    def rate(self, coefficients: Coefficients, steps: Floats) -> Rate:
        """See :meth:`RateModel.rate`."""
        bits, gradient = np.zeros(len(coefficients)), np.empty((len(coefficients), 3, 64))
        for part, component, values in components_of(coefficients):
            here, finer, coarser = (
                self._bits(component, predicted(rounded_levels(values, factor * steps[component])))
                for factor in (1, 1 - REACH, 1 + REACH)
            )
            bits[part] += here.sum(axis=1)
            gradient[part, component] = (coarser - finer) / (2 * REACH * steps[component])
        return Rate(bits, gradient)

    def settings(self) -> dict[str, Any]:
        """See :meth:`RateModel.settings`."""
        return {**super().settings(), **self._trained}

    def _bits(self, component: int, levels: Floats) -> Floats:
        """[n, 64]: by image and frequency, of ``levels`` [n, blocks, 64] whose first is the difference of DC."""
        kind = 2 if component else 0
        costs = np.stack([self._costs[kind], *[self._costs[kind + 1]] * 63])
        middle = costs.shape[1] // 2
        positions = np.clip(levels.astype(np.int64) + middle, 0, 2 * middle)
        return np.asarray(costs[np.arange(64), positions].sum(axis=1))


def rate_model(
    name: RateName,
    coefficients: Coefficients,
    *,
    seed: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RateModel:
    """The rate model ``name``, fitted to the images of ``coefficients`` where it has numbers to fit.

    seed, on_progress: of the training of ``luo``. InputError for an unknown name, and images too small.
    """
    Frame(coefficients.height, coefficients.width, coefficients.subsampling)
    match name:
        case "exact":
            return ExactRate()
        case "laplace":
            return LaplaceRate()
        case "linear":
            return LinearRate.fitted(coefficients)
        case "luo":
            return LuoRate.fitted(coefficients, seed, on_progress=on_progress)
    raise InputError(f"a rate model is one of {', '.join(RATES)}, got {name!r}.")


def steps_of(tables: QuantTables) -> Floats:
    """float64 [3, 64]: of Y, Cb and Cr in raster order."""
    return np.frombuffer(tables.to_bytes(), dtype=np.uint8).reshape(3, 64).astype(np.float64)


def rounded_tables(steps: Floats) -> QuantTables:
    """Tables of the integers from 1 to 255 that are nearest to ``steps`` [3, 64]."""
    luma, cb, cr = np.clip(np.rint(steps), 1, 255).astype(np.int64).reshape(3, 8, 8)
    return QuantTables(luma, cb=cb, cr=cr)


def components_of(coefficients: Coefficients) -> Iterator[tuple[slice, int, Floats]]:
    """Some images, a component, and its coefficients float32 [n, blocks, 64] in raster order, dequantised levels."""
    frame = Frame(coefficients.height, coefficients.width, coefficients.subsampling)
    ends = np.cumsum(frame.blocks)[:-1]
    position = np.argsort(ZIGZAG)
    for part in some_at_a_time(len(coefficients)):
        values = coefficients.values[part][:, :, position] / np.float32(8)
        for component, own in enumerate(np.split(values, ends, axis=1)):
            yield part, component, own


def rounded_levels(values: npt.NDArray[Any], steps: Floats) -> npt.NDArray[Any]:
    """The multiples of ``steps`` nearest to ``values``, halves away from zero."""
    ratio = np.abs(values) / steps.astype(np.float32)
    return np.asarray(np.copysign(np.floor(ratio + np.float32(0.5)), values))


def predicted(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``values`` [n, blocks, 64] with each DC less that of the block before it."""
    changed = values.copy()
    changed[:, 1:, 0] -= values[:, :-1, 0]
    return changed


def laplace_entropy(ratio: Floats) -> tuple[Floats, Floats]:
    """Entropy in bits, and its slope by the ratio, of a Laplacian rounded to whole steps ``ratio`` times its scale."""
    # s is the chance not to be rounded to 0; levels beyond it fall off by s**2 each.
    s = np.clip(np.exp(-ratio / 2), 1e-12, 1 - 1e-9)
    q, log_s = 1 - s**2, np.log(s)
    nats = -(1 - s) * np.log(1 - s) - s * log_s + s * np.log(2) - s * np.log(q) - 2 * s**3 * log_s / q
    slope = (
        np.log(1 - s)
        - log_s
        + np.log(2)
        - np.log(q)
        + 2 * s**2 / q
        - 2 * ((3 * s**2 * log_s + s**2) / q + 2 * s**4 * log_s / q**2)
    )
    return nats / np.log(2), -slope * s / 2 / np.log(2)
