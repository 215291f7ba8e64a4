"""MS-SSIM: what it says of images of known likeness, at sizes of few scales and of all."""

import numpy as np
import pytest
import torch

from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.measures import Seen
from qsearch.evaluation.ms_ssim import MS_SSIM, WEIGHTS, similarity
from tests.learning.images import waves


def planes(side: int, offset: float = 0.0) -> torch.Tensor:
    found = torch.from_numpy(waves(1, side).transpose(0, 3, 1, 2).copy()).double()
    return found + offset


@pytest.mark.parametrize("side", [11, 21, 22, 44, 90, 98, 99, 175, 176, 190])
def test_equal_images_are_alike_and_noise_is_not(side: int) -> None:
    images = planes(side)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=images.dtype)
    found = [float(similarity(images + amount * noise, images)) for amount in (0, 5, 40)]
    assert found[0] == pytest.approx(1)
    assert 1 > found[1] > found[2] > 0


def test_flat_images_differ_by_their_means_alone() -> None:
    """One scale: (2ab + c) / (a2 + b2 + c) with c = (0.01 x 255)2; the contrasts of flat images are alike."""
    grey, lighter = torch.full((1, 3, 16, 16), 100.0).double(), torch.full((1, 3, 16, 16), 150.0).double()
    small = (0.01 * 255) ** 2
    assert float(similarity(lighter, grey)) == pytest.approx((2 * 15000 + small) / (32500 + small))


def test_at_five_scales_only_the_last_sees_means() -> None:
    grey, lighter = torch.full((1, 3, 200, 200), 100.0).double(), torch.full((1, 3, 200, 200), 150.0).double()
    small = (0.01 * 255) ** 2
    weight = WEIGHTS[-1] / sum(WEIGHTS)
    assert float(similarity(lighter, grey)) == pytest.approx(((2 * 15000 + small) / (32500 + small)) ** weight)


def test_it_has_gradients() -> None:
    images = planes(40)
    other = (images + 3 * torch.cos(torch.arange(40.0))).requires_grad_()
    (gradient,) = torch.autograd.grad(similarity(other, images).sum(), other)
    assert bool(gradient.isfinite().all())
    before = other.detach()
    assert float(similarity(before + 10 * gradient / gradient.norm(), images)) > float(similarity(before, images))


def test_images_smaller_than_a_window_are_refused() -> None:
    with pytest.raises(InputError, match="at least 11x11 pixels, got 10"):
        similarity(planes(10), planes(10))
    images = waves(2, 10)
    with pytest.raises(EvaluationError, match="at least 11x11 pixels"):
        MS_SSIM.of(Seen(images, np.full(2, 9), images))
