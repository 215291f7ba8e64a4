"""JPEG in torch: decoded pixels as a function of the quantization steps (and of the pixels), with gradients.

What is decoded is what libjpeg decodes, but for a level here and there; only the gradients are made up, for rounding
has none that are of use. Coefficients are real numbers in units of one dequantised level, raster order in each block.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from qsearch.errors import InputError
from qsearch.tables import ZIGZAG

if TYPE_CHECKING:
    import torch

    from qsearch.coefficients.arrays import Coefficients

Rounding = Literal["secant", "straight-through", "cubic"]
"""What stands for the derivative of the quantizer's rounding.

``secant``: the staircase rises along a line over 15 % to either side of each of its jumps, and is flat elsewhere, so
that coefficients in the dead zone stay there; ``straight-through``: rounding passes gradients as if it were not there;
``cubic``: rounding becomes r + (x - r)**3, forwards too (Shin 2017), as in Luo 2021.
"""
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
SECANT_REACH = 0.15
"""Of a jump's place, to either side: wide enough to meet coefficients, narrow enough not to see those in the dead zone.
Half a step is the widest, where lines meet and a secant is straight-through."""

_FACTORS = {"4:2:0": 2, "4:4:4": 1}
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


_AT_A_TIME = 16


def some_at_a_time(count: int) -> Iterator[slice]:
    """``count`` images in parts that are small enough to be held with all that torch makes of them."""
    return (slice(start, min(start + _AT_A_TIME, count)) for start in range(0, count, _AT_A_TIME))


@dataclass(frozen=True)
class Frame:
    """How images of one size fall into blocks. InputError for another subsampling, or less than one whole block.

    height, width: pixels. subsampling: ``4:2:0`` or ``4:4:4``.
    """

    height: int
    width: int
    subsampling: str

    def __post_init__(self) -> None:
        if self.subsampling not in _FACTORS:
            raise InputError(
                f"tables are learned at {' or '.join(_FACTORS)}, got the subsampling {self.subsampling!r}."
            )
        smallest = 8 * _FACTORS[self.subsampling]
        if min(self.height, self.width) < smallest:
            raise InputError(
                f"images of {self.width}x{self.height} pixels are too small to learn from at {self.subsampling}: "
                f"give images of at least {smallest}x{smallest}."
            )

    @property
    def planes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of Y, Cb and Cr, in samples."""
        factor = _FACTORS[self.subsampling]
        chroma = (math.ceil(self.height / factor), math.ceil(self.width / factor))
        return ((self.height, self.width), chroma, chroma)

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of the blocks of Y, Cb and Cr."""
        return tuple((math.ceil(height / 8), math.ceil(width / 8)) for height, width in self.planes)

    @property
    def blocks(self) -> list[int]:
        """How many blocks Y, Cb and Cr have."""
        return [rows * columns for rows, columns in self.grids]


def coefficient_tensor(coefficients: "Coefficients") -> "torch.Tensor":
    """libjpeg's integer coefficients as float32 [N, blocks, 64]: its forward transform, to the bit."""
    import torch

    raster = torch.empty(coefficients.values.shape)
    raster[..., torch.from_numpy(ZIGZAG.copy())] = torch.from_numpy(coefficients.values / 8.0).float()
    return raster


def transform(pixels: "torch.Tensor", frame: Frame) -> "torch.Tensor":
    """Coefficients [N, blocks, 64] of ``pixels`` [N, 3, H, W] RGB in 0..255, but for the rounding inside libjpeg's DCT.

    The blocks of Y row by row, then those of Cb and of Cr. Rounding to whole samples passes gradients.
    """
    import torch
    from torch.nn import functional

    ycc = torch.einsum("cd,ndhw->nchw", pixels.new_tensor(_TO_YCC), pixels)
    ycc = _rounded(torch.cat([ycc[:, :1] - 128, ycc[:, 1:]], dim=1))
    parts = []
    for component in range(3):
        (height, _), (rows, columns) = frame.planes[component], frame.grids[component]
        plane = ycc[:, component : component + 1]
        if component > 0 and frame.subsampling == "4:2:0":
            # As libjpeg has it: columns are replicated before means are taken, rows (but for an odd one) after, and
            # means are rounded up and down in turn, by a bias of 1 and 2 quarters.
            mean = functional.avg_pool2d(_extended(plane, 2 * height, 16 * columns), 2)
            bias = (torch.arange(8 * columns, device=plane.device) % 2 + 1) / 4
            plane = mean + ((mean + bias).floor() - mean).detach()
        plane = _extended(plane, 8 * rows, 8 * columns)
        blocks = plane.reshape(len(pixels), rows, 8, columns, 8).transpose(2, 3)
        parts.append(blocks.reshape(len(pixels), rows * columns, 64) @ _basis(pixels).T)
    return torch.cat(parts, dim=1)


def quantised(coefficients: "torch.Tensor", steps: "torch.Tensor", rounding: Rounding = "secant") -> "torch.Tensor":
    """``coefficients`` as whole multiples of ``steps``, which broadcast to them; gradients as ``rounding`` says."""
    ratio = coefficients / steps
    level = _half_away(ratio.detach())
    if rounding == "cubic":
        return steps * (level + (ratio - level) ** 3)
    if rounding not in ROUNDINGS:
        raise InputError(f"rounding is one of {', '.join(ROUNDINGS)}, got {rounding!r}.")
    slope: torch.Tensor | float = 1.0
    if rounding == "secant":
        size = ratio.detach().abs()
        jump = size.floor() + 0.5
        reach = (SECANT_REACH * jump).clamp(max=0.5)
        slope = ((size - jump).abs() < reach) / (2 * reach)
    return steps * (level + slope * (ratio - ratio.detach()))


def decoded(coefficients: "torch.Tensor", frame: Frame) -> "torch.Tensor":
    """Pixels [N, 3, H, W] RGB, whole numbers in 0..255, of dequantised ``coefficients`` [N, blocks, 64].

    Rounding to whole levels passes gradients; a sample beyond 0..255 has none.
    """
    import torch
    from torch.nn import functional

    count = len(coefficients)
    planes = []
    for component, blocks in enumerate(torch.split(coefficients, frame.blocks, dim=1)):
        (height, width), (rows, columns) = frame.planes[component], frame.grids[component]
        samples = (blocks @ _basis(coefficients) + 128).reshape(count, rows, columns, 8, 8).transpose(2, 3)
        plane = _as_bytes(samples.reshape(count, 1, 8 * rows, 8 * columns)[:, :, :height, :width])
        if component > 0 and frame.subsampling == "4:2:0":
            plane = functional.interpolate(plane, scale_factor=2, mode="bilinear", align_corners=False)
            plane = plane[:, :, : frame.height, : frame.width]
        planes.append(plane)
    ycc = torch.cat([planes[0], planes[1] - 128, planes[2] - 128], dim=1)
    return _as_bytes(torch.einsum("cd,ndhw->nchw", coefficients.new_tensor(_TO_RGB), ycc))


def compressed(
    coefficients: "torch.Tensor", steps: "torch.Tensor", frame: Frame, rounding: Rounding = "secant"
) -> "torch.Tensor":
    """Pixels [N, 3, H, W] that a decoder makes of images' ``coefficients`` [N, blocks, 64] quantised by ``steps``.

    steps: positive, [3, 64] for Y, Cb and Cr, or [N, 3, 64] for tables of each image's own. Where components share a
    table, let them share the tensor: ``parameters[[0, 1, 1]]`` for luma and chroma.
    """
    import torch

    parts = [
        quantised(blocks, steps[..., component, :].unsqueeze(-2), rounding)
        for component, blocks in enumerate(torch.split(coefficients, frame.blocks, dim=1))
    ]
    return decoded(torch.cat(parts, dim=1), frame)


def resized(pixels: "torch.Tensor", rows: "torch.Tensor", columns: "torch.Tensor") -> "torch.Tensor":
    """Pixels [N, 3, h, w], whole numbers in 0..255, of ``pixels`` [N, 3, H, W]; rows [h, H] and columns [w, W] say how.

    Rounding passes gradients, as in :func:`decoded`. Pillow rounds between rows and columns too, so that a level here
    and there differs.
    """
    return _as_bytes(rows @ pixels @ columns.T)


def _half_away(values: "torch.Tensor") -> "torch.Tensor":
    """Rounded, and halves away from zero, as libjpeg does."""
    return values.sign() * (values.abs() + 0.5).floor()


def _as_bytes(samples: "torch.Tensor") -> "torch.Tensor":
    return _rounded(samples.clamp(0, 255))


def _rounded(samples: "torch.Tensor") -> "torch.Tensor":
    return samples + (samples.round() - samples).detach()


def _extended(plane: "torch.Tensor", height: int, width: int) -> "torch.Tensor":
    from torch.nn import functional

    return functional.pad(plane, (0, width - plane.shape[-1], 0, height - plane.shape[-2]), mode="replicate")


def _basis(like: "torch.Tensor") -> "torch.Tensor":
    """The orthonormal two-dimensional DCT as [64 frequencies, 64 samples], of the type and device of ``like``."""
    import torch

    frequency, sample = torch.arange(8)[:, None], torch.arange(8)[None, :]
    cosines = torch.cos((2 * sample + 1) * frequency * (math.pi / 16)) / 2
    cosines[0] /= math.sqrt(2)
    return torch.kron(cosines, cosines).to(like)
