"""Coefficients on a torch device: decoded pixels are made where a network reads them, sizes meanwhile on the host.

The arithmetic is that of the C kernel, in whole numbers, so the pixels are the same on every device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import CHUNK_BYTES, FACTORS, Coefficients, table_array
from qsearch.coefficients.compilation import can_compile
from qsearch.tables import ZIGZAG, QuantTables

if TYPE_CHECKING:
    import torch

    Decode = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int, int, int], torch.Tensor]

ROOM = 0.5
"""The part of a GPU's free memory that coefficients may fill for good; where they are more, each batch is brought."""
EVEN = (
    (8192, 10703, 8192, 4433),
    (8192, 4433, -8192, -10704),
    (8192, -4433, -8192, 10704),
    (8192, -10703, 8192, -4433),
)
ODD = ((11363, 9633, 6437, 2260), (9633, -2259, -11362, -6436), (6437, -11362, 2261, 9633), (2260, -6436, 9633, -11363))
"""The inverse DCT times 2^13: what frequencies 0, 2, 4, 6 and 1, 3, 5, 7 give to samples 0 to 3; samples 7 to 4 are the
same with the odd ones turned round."""
COLUMNS_FIRST = np.arange(64).reshape(8, 8).T.ravel()
"""Raster index of each position on the device: a block's columns one after the other, for they are inverted first."""
_STARTING = Lock()
"""torch.compile is not made for several threads that call a function for the first time."""


@dataclass(frozen=True, eq=False)
class DeviceCoefficients:
    """The coefficients of N images on the host and, as far as there is room, on ``device`` too.

    kept: int16 [N, blocks, 64] on the device, columns first inside a block; None where there is no room.
    """

    host: Coefficients
    device: str
    kept: "torch.Tensor | None"

    @classmethod
    def of(cls, host: Coefficients, device: str) -> "DeviceCoefficients":
        """``host`` and a copy of it on ``device``, a name that torch knows."""
        return cls(host, device, _brought(host.values, device) if _fits(host, device) else None)

    def __len__(self) -> int:
        return len(self.host)

    def __getitem__(self, chosen: slice | npt.NDArray[np.integer[Any]] | Sequence[int]) -> "DeviceCoefficients":
        """Those of some of the images, as :meth:`Coefficients.__getitem__`."""
        host = self.host[chosen]
        if self.kept is None:
            return DeviceCoefficients(host, self.device, None)

        if not isinstance(chosen, slice) or chosen.step not in (None, 1):  # torch takes no slices that go backwards
            return DeviceCoefficients(host, self.device, self.kept[np.arange(len(self))[chosen].tolist()])
        return DeviceCoefficients(host, self.device, self.kept[chosen])

    @property
    def subsampling(self) -> str:
        """``4:2:0`` or ``4:4:4``."""
        return self.host.subsampling

    def size_bytes(self, tables: Sequence[QuantTables]) -> npt.NDArray[np.int64]:
        """As :meth:`Coefficients.size_bytes`, on the host."""
        return self.host.size_bytes(tables)

    def encode(self, tables: Sequence[QuantTables]) -> "tuple[npt.NDArray[np.int64], torch.Tensor]":
        """As :meth:`Coefficients.encode`, the pixels on the device.

        A GPU is only told what to do, so that it decodes while the sizes are counted here.
        """
        import torch

        values = _brought(self.host.values, self.device) if self.kept is None else self.kept
        on_device = torch.tensor(table_array(tables)[..., COLUMNS_FIRST]).to(self.device, non_blocking=True)
        with _STARTING:
            pixels = decoder_for(self.device)(
                values,
                on_device,
                basis_on(self.device),
                self.host.height,
                self.host.width,
                FACTORS[self.host.subsampling],
            )
        return self.host.size_bytes(tables), pixels


@cache
def basis_on(device: str) -> "torch.Tensor":
    """float64 [8, 8]: what each of eight frequencies gives to each of eight samples, times 2^13.

    They are the factors of libjpeg's slow integer inverse (islow) multiplied out.
    """
    import torch

    even, odd = np.array(EVEN), np.array(ODD)
    first, last = (np.stack([even, sign * odd], axis=-1).reshape(4, 8) for sign in (1, -1))
    return torch.tensor(np.concatenate([first, last[::-1]]).T, dtype=torch.float64, device=device)


def decoder_for(device: str) -> "Decode":
    """:func:`decoded`, on a GPU as compiled kernels where torch can compile here."""
    return compiled() if device.startswith("cuda") and can_compile(device) else decoded


@cache
def compiled() -> "Decode":
    """:func:`decoded` through torch.compile."""
    import torch

    return torch.compile(decoded)


def _fits(host: Coefficients, device: str) -> bool:
    import torch

    if not device.startswith("cuda"):
        return True
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return host.values.nbytes <= ROOM * free_bytes


def _brought(values: npt.NDArray[np.int16], device: str) -> "torch.Tensor":
    """``values`` [N, blocks, 64] on ``device``, columns first inside each block; a part at a time."""
    import torch

    order = torch.tensor(np.argsort(ZIGZAG)[COLUMNS_FIRST], device=device)
    found = torch.empty(values.shape, dtype=torch.int16, device=device)
    step = max(1, CHUNK_BYTES * 64 // max(1, values[:1].nbytes))
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        found[part] = torch.tensor(np.ascontiguousarray(values[part]), device=device)[..., order]
    return found


def decoded(
    values: "torch.Tensor", tables: "torch.Tensor", basis: "torch.Tensor", height: int, width: int, factor: int
) -> "torch.Tensor":
    """Pixels uint8 [N, height, width, 3] of what a decoder makes of the files.

    values: int16 [N, blocks, 64], luma blocks row by row, then Cb, then Cr, columns first inside a block, scaled by 8.
    tables: uint8 [N, 3, 64], columns first. basis: :func:`basis_on` the device. factor: 2 for 4:2:0, 1 for 4:4:4.
    """
    chroma_height, chroma_width = -(-height // factor), -(-width // factor)
    rows, columns = -(-height // 8), -(-width // 8)
    chroma_rows, chroma_columns = -(-chroma_height // 8), -(-chroma_width // 8)
    luma = values[:, : rows * columns].reshape(-1, 1, rows, columns, 64)
    chroma = values[:, rows * columns :].reshape(-1, 2, chroma_rows, chroma_columns, 64)
    y = _planes(luma, tables[:, :1], basis)[:, 0, :height, :width]
    cb_cr = _planes(chroma, tables[:, 1:], basis)
    cb_cr = cb_cr[..., :chroma_height, :chroma_width]
    if factor == 2:
        cb_cr = _upsampled(cb_cr, height, width)
    return _rgb(y, cb_cr[:, 0], cb_cr[:, 1])


def _planes(values: "torch.Tensor", tables: "torch.Tensor", basis: "torch.Tensor") -> "torch.Tensor":
    """Samples uint8 [N, C, 8 rows, 8 columns] of coefficients [N, C, rows, columns, 64] at tables [N, C, 64]."""
    import torch

    steps = tables[:, :, None, None].to(torch.int32)
    scaled = values.to(torch.int32)
    magnitudes = torch.div(scaled.abs() + 4 * steps, 8 * steps, rounding_mode="trunc")
    restored = (scaled.sign() * magnitudes * steps).to(torch.float64).reshape(*values.shape[:-1], 8, 8)
    columns_done = _inverse_pass(restored, basis, 11).clamp(-32768, 32767)
    samples = _inverse_pass(columns_done.transpose(-1, -2), basis, 18).clamp(-128, 127) + 128
    return samples.to(torch.uint8).permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3)


def _inverse_pass(lines: "torch.Tensor", basis: "torch.Tensor", bits: int) -> "torch.Tensor":
    """The one-dimensional inverse of ``lines`` [..., 8] without its last ``bits``, which are rounded."""
    import torch

    # Whole numbers below 2^31 and their sums are exact in float64, in whatever order a device adds them up.
    return torch.floor((lines @ basis + (1 << (bits - 1))) / (1 << bits))


def _upsampled(samples: "torch.Tensor", height: int, width: int) -> "torch.Tensor":
    """``height`` rows of ``width`` samples from half as many of each, uint8 [N, C, rows, columns].

    libjpeg's "fancy" filter: three parts of the nearer sample and one of the farther, down and across. At most two
    columns are repeated instead, as libjpeg does.
    """
    import torch

    rows, columns = samples.shape[-2:]
    row, column = (torch.arange(size, device=samples.device) for size in (height, width))
    if columns <= 2:
        return samples[..., row // 2, :][..., column // 2]
    wide = samples.to(torch.int32)
    sums = 3 * wide[..., row // 2, :] + wide[..., _farther(row, rows), :]
    upsampled = 3 * sums[..., column // 2] + sums[..., _farther(column, columns)] + 8 - column % 2
    return (upsampled >> 4).to(torch.uint8)


def _farther(position: "torch.Tensor", samples: int) -> "torch.Tensor":
    """Which of ``samples`` lies on the other side of each new position than the nearer one; at the edges the same."""
    return (position // 2 + 2 * (position % 2) - 1).clamp(0, samples - 1)


def _rgb(y: "torch.Tensor", cb: "torch.Tensor", cr: "torch.Tensor") -> "torch.Tensor":
    """Pixels uint8 [N, H, W, 3] of samples [N, H, W]: JFIF's conversion with factors times 2^16."""
    import torch

    luma, blue, red = y.to(torch.int32), cb.to(torch.int32) - 128, cr.to(torch.int32) - 128
    channels = (
        luma + ((91881 * red + 32768) >> 16),
        luma + ((-22554 * blue - 46802 * red + 32768) >> 16),
        luma + ((116130 * blue + 32768) >> 16),
    )
    return torch.stack(channels, dim=-1).clamp(0, 255).to(torch.uint8)
