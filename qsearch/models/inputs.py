"""What a network of tables reads of images: their DCT coefficients on a grid, and hints."""

from typing import TYPE_CHECKING

import numpy as np

from qsearch.coefficients.arrays import FACTORS, Coefficients
from qsearch.coefficients.statistics import rgb_weights, statistics
from qsearch.learning.differentiable import coefficient_tensor
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import torch

_LEAST_SHARE = 1e-4


def grids(coefficients: Coefficients) -> "list[torch.Tensor]":
    """Of Y, Cb and Cr float32 [N, 64, rows, columns], in dequantised levels, the frequencies in raster order."""
    import torch

    factor = FACTORS[coefficients.subsampling]
    shapes = [
        (-(-coefficients.height // (8 * each)), -(-coefficients.width // (8 * each))) for each in (1, factor, factor)
    ]
    parts = torch.split(coefficient_tensor(coefficients), [rows * columns for rows, columns in shapes], dim=1)
    return [
        part.reshape(len(part), rows, columns, 64).permute(0, 3, 1, 2)
        for part, (rows, columns) in zip(parts, shapes, strict=True)
    ]


def hints_of(coefficients: Coefficients, tables: QuantTables) -> "torch.Tensor":
    """float32 [N, 2, 64]: of each entry of ``tables`` the logarithm of its share in what a change of all entries saves
    in bits, less that of its share in what this costs in squared error over RGB. Both are exact."""
    import torch

    found = statistics(coefficients, [tables] * len(coefficients))
    entries = np.stack([tables.luma, tables.cb, tables.cr]).astype(np.float64)
    saved = -found.bits_gradient * entries
    cost = found.squared_error_gradient * rgb_weights(coefficients.subsampling) * entries
    shares = []
    for change in (saved, cost):
        by_entry = change.reshape(-1, 3, 64)
        by_table = np.maximum(np.stack([by_entry[:, 0], by_entry[:, 1] + by_entry[:, 2]], axis=1), 0)
        total = by_table.sum(axis=(1, 2), keepdims=True)
        shares.append(np.log(by_table / np.where(total > 0, total, 1) + _LEAST_SHARE))
    return torch.from_numpy(shares[0] - shares[1]).float()
