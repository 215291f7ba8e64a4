"""JPEG in torch: the codec's pixels, and gradients that follow them."""

import subprocess
import sys
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.codec import made_up
from benchmarks.differentiable_jpeg import Comparison, cosine, entries_of
from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.coefficients.arrays import Coefficients
from qsearch.errors import InputError
from qsearch.learning.differentiable import (
    Frame,
    Rounding,
    coefficient_tensor,
    compressed,
    decoded,
    quantised,
    transform,
)
from qsearch.tables import QuantTables
from tests.coefficients.matrix import made_up_image

SUBSAMPLINGS = ("4:2:0", "4:4:4")


@cache
def photograph_like(count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(made_up(count)[:, :height, :width])


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("size", [(64, 64), (37, 50), (16, 71)])
def test_pixels_are_pillows_but_for_rounding(subsampling: str, size: tuple[int, int]) -> None:
    import torch

    images = photograph_like(2, *size)
    frame = Frame(*size, subsampling)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    codec = PillowCodec(EncoderOptions(subsampling=subsampling))  # type: ignore[arg-type]
    for quality in (20, 60, 95):
        tables = QuantTables.standard(quality)
        expected = codec.encode(images, [tables] * len(images)).images
        steps = torch.from_numpy(entries_of(tables)).float()[[0, 1, 1]]
        for coefficients, least_db in (
            (coefficient_tensor(Coefficients.of(images, subsampling)), 49),
            (transform(pixels, frame), 39),  # here and there a coefficient falls to the other side of a jump
        ):
            ours = compressed(coefficients, steps, frame).permute(0, 2, 3, 1).numpy()
            psnr_db = 10 * np.log10(255**2 / ((ours - expected) ** 2).mean(axis=(1, 2, 3)))
            assert psnr_db.min() > least_db


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_each_image_may_have_tables_of_its_own_and_each_component_too(subsampling: str) -> None:
    import torch

    images = photograph_like(2, 40, 40)
    frame = Frame(40, 40, subsampling)
    coefficients = coefficient_tensor(Coefficients.of(images, subsampling))
    steps = torch.from_numpy(np.random.default_rng(0).integers(1, 60, (2, 3, 64))).float()
    together = compressed(coefficients, steps, frame)
    for index in range(2):
        alone = compressed(coefficients[index : index + 1], steps[index], frame)
        torch.testing.assert_close(together[index : index + 1], alone)
        luma, cb, cr = steps[index].numpy().astype(int).reshape(3, 8, 8)
        real = Coefficients.of(images[index : index + 1], subsampling).encode([QuantTables(luma, cb=cb, cr=cr)])[1]
        assert np.abs(alone.permute(0, 2, 3, 1).numpy() - real).mean() < 0.5


@pytest.mark.parametrize("kind", ["noise", "extremes", "waves"])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_the_transform_is_libjpegs(kind: str, subsampling: str) -> None:
    import torch

    image = made_up_image(kind, 43, 38, 1)[None]
    expected = coefficient_tensor(Coefficients.of(image, subsampling))
    ours = transform(torch.from_numpy(image).permute(0, 3, 1, 2).float(), Frame(43, 38, subsampling))
    assert (ours - expected).abs().mean() < 0.3
    assert (ours - expected).abs().max() < 5


def test_decoding_undoes_the_transform() -> None:
    import torch

    pixels = torch.from_numpy(photograph_like(1, 24, 40)).permute(0, 3, 1, 2).float()
    frame = Frame(24, 40, "4:4:4")
    error = decoded(transform(pixels, frame), frame) - pixels
    assert error.abs().max() <= 2
    assert error.abs().mean() < 0.6


@pytest.mark.parametrize(
    ("value", "expected", "by_step"),
    [
        # level, less the ratio where a jump is near: at 0.5 the line rises by 1 over 0.425 to 0.575.
        (2.0, 0.0, {"secant": 0.0, "straight-through": -0.1}),
        (20.0, 20.0, {"secant": 1.0, "straight-through": 0.0}),
        (9.0, 0.0, {"secant": -0.45 / 0.15, "straight-through": -0.45}),
        (-10.0, -20.0, {"secant": -1 + 0.5 / 0.15, "straight-through": -0.5}),
        (206.0, 200.0, {"secant": -0.3, "straight-through": -0.3}),
    ],
)
def test_golden_quantised_values_and_their_slopes(
    value: float, expected: float, by_step: dict[Rounding, float]
) -> None:
    import torch

    for rounding, slope in by_step.items():
        step = torch.tensor(20.0, requires_grad=True)
        rounded = quantised(torch.tensor(value), step, rounding)
        (gradient,) = torch.autograd.grad(rounded, step)
        assert rounded.item() == expected
        assert gradient.item() == pytest.approx(slope, abs=1e-5)


def test_cubic_rounds_as_the_paper_says() -> None:
    import torch

    step = torch.tensor(20.0, requires_grad=True)
    rounded = quantised(torch.tensor(26.0), step, "cubic")  # 1.3 steps: 1 + 0.3**3
    assert rounded.item() == pytest.approx(20 * 1.027)
    (gradient,) = torch.autograd.grad(rounded, step)
    assert gradient.item() == pytest.approx(1.027 - 1.3 * 3 * 0.09)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_the_secant_points_where_the_codecs_differences_do(subsampling: str) -> None:
    comparison, tables = Comparison(photograph_like(6, 64, 64), subsampling), QuantTables.standard(50)
    differences = comparison.differences(tables)
    secant, straight_through = (
        cosine(comparison.gradient(tables, rounding), differences) for rounding in ("secant", "straight-through")
    )
    assert secant > max(0.85, straight_through)


def test_gradients_reach_the_pixels() -> None:
    import torch

    pixels = torch.from_numpy(photograph_like(1, 32, 32)).permute(0, 3, 1, 2).float().requires_grad_()
    frame = Frame(32, 32, "4:2:0")
    steps = torch.full((3, 64), 4.0)
    coefficients = transform(pixels, frame)
    (gradient,) = torch.autograd.grad(compressed(coefficients, steps, frame, "straight-through").mean(), pixels)
    # A pixel that grows makes the mean of them all grow by its share.
    assert gradient.sum().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("size", "subsampling", "words"),
    [
        ((15, 64), "4:2:0", "at least 16x16"),
        ((64, 7), "4:4:4", "at least 8x8"),
        ((64, 64), "4:2:2", "4:2:0 or 4:4:4, got the subsampling '4:2:2'"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(size: tuple[int, int], subsampling: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Frame(*size, subsampling)


def test_an_unknown_rounding_is_refused() -> None:
    import torch

    with pytest.raises(InputError, match=r"secant, straight-through, cubic, got 'stochastic'"):
        quantised(torch.ones(1), torch.ones(1), "stochastic")  # type: ignore[arg-type]


def test_importing_it_imports_no_torch() -> None:
    script = "import sys, qsearch.learning.differentiable; print('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"
