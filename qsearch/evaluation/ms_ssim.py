"""MS-SSIM: structural similarity over several scales (Wang 2003), as a measure and with gradients."""

from typing import TYPE_CHECKING, Any

import numpy as np

from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.measures import Floats, Measure, Seen, Total

if TYPE_CHECKING:
    import torch

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, from the images' own on (Wang 2003). Images too small for all of them have fewer, of weights that sum
to 1 again: 11x11 windows are to fit into every scale, and 176 pixels are needed for all five."""
WINDOW = 11
SMALLEST = WINDOW
"""Pixels of a side."""


def similarity(pixels: "torch.Tensor", originals: "torch.Tensor") -> "torch.Tensor":
    """[n] of ``pixels`` and ``originals`` [n, 3, H, W] in 0..255, the mean over R, G and B; 1 where they are equal.

    Contrasts below 0, which have no broken power, count as 0. InputError for images smaller than a window.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    side = min(pixels.shape[-2:])
    if side < SMALLEST:
        raise InputError(f"MS-SSIM compares images of at least {SMALLEST}x{SMALLEST} pixels, got {side}.")
    scales = max(
        scale for scale in range(1, len(WEIGHTS) + 1) if side // max(2 ** (scale - 1), (scale - 1) ** 2) >= WINDOW
    )
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    found: Any = multiscale_structural_similarity_index_measure(
        pixels,
        originals,
        kernel_size=WINDOW,
        data_range=255.0,
        betas=tuple(weights.tolist()),
        reduction="none",
        normalize="relu",
    )
    of_images: torch.Tensor = found.reshape(-1)
    return of_images


def _of(seen: Seen) -> Floats:
    import torch

    images, decoded = seen.pixels
    values = []
    with torch.no_grad():
        # One at a time, for the last bits of convolutions depend on the batch.
        for original, other in zip(images, decoded, strict=True):
            planes = [torch.from_numpy(np.ascontiguousarray(one.transpose(2, 0, 1)))[None] for one in (other, original)]
            try:
                values.append(float(similarity(*(each.double() for each in planes))[0]))
            except InputError as error:
                raise EvaluationError(str(error)) from error
    return np.array(values)


MS_SSIM = Measure(
    name="ms_ssim",
    title="MS-SSIM over RGB",
    unit="",
    dtype="<f4",
    per_network=False,
    needs="pixels",
    compute=_of,
    totals=(Total("ms_ssim", lambda values: values),),
    better="higher",
)
