"""PairedCurve: the standard tables image by image, so that most of what images differ in cancels from a gain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairedCurve:
    """The standard tables on n images by rising ratio: values of the objective and sizes of files in bytes, [m, n]."""

    values: Floats
    size_bytes: Floats

    @classmethod
    def of(cls, standard: Sequence[tuple[Floats, Floats]]) -> "PairedCurve":
        """Of each standard table its values and sizes [n]."""
        # Of two with one ratio the better is the one to beat.
        by_size = {float(sizes.sum()): (values, sizes) for values, sizes in sorted(standard, key=_worth)}
        apart = [by_size[size] for size in sorted(by_size, reverse=True)]
        return cls(np.array([values for values, _ in apart]), np.array([sizes for _, sizes in apart]))

    @property
    def ratios(self) -> Floats:
        """[m] ratios in units of an image's raw bytes, rising."""
        return _ratio(self.size_bytes)

    def at(self, positions: npt.NDArray[np.int64]) -> "PairedCurve":
        """The same on the images at ``positions`` alone."""
        return PairedCurve.of([*zip(self.values[:, positions], self.size_bytes[:, positions], strict=True)])

    def gains(self, values: Floats, size_bytes: Floats) -> Floats | None:
        """[n], what a table with these ``values`` and ``size_bytes`` [n] gains image by image, larger is better.

        Their mean is the table's value less the curve's, linear in the ratio between two standard tables, at the
        table's ratio. Each image has its share in the ratios, too: the gains are linear in the images to the first
        order (the influence function, Hampel 1974), so that their spread is that of the gain. None outside the curve.
        """
        ratios, ratio = self.ratios, float(_ratio(size_bytes[None])[0])
        if len(ratios) < 2 or not ratios[0] <= ratio <= ratios[-1]:
            return None
        left = min(int(np.searchsorted(ratios, ratio, side="right")) - 1, len(ratios) - 2)
        low, high = self.values[left], self.values[left + 1]
        width = ratios[left + 1] - ratios[left]
        share = (ratio - ratios[left]) / width
        pull = _influence(ratio, size_bytes)
        pull = pull - (1 - share) * _influence(ratios[left], self.size_bytes[left])
        pull = pull - share * _influence(ratios[left + 1], self.size_bytes[left + 1])
        slope = (high.mean() - low.mean()) / width
        return np.asarray(values - (1 - share) * low - share * high - slope * pull)


def _worth(point: tuple[Floats, Floats]) -> float:
    return float(point[0].sum())


def _ratio(size_bytes: Floats) -> Floats:
    """[m] raw over compressed, in units of an image's raw bytes; size_bytes [m, n]."""
    return np.asarray(size_bytes.shape[-1] / size_bytes.sum(axis=-1))


def _influence(ratio: float, size_bytes: Floats) -> Floats:
    """[n], how far each image moves the ratio."""
    return np.asarray(ratio * (1 - size_bytes / size_bytes.mean()))
