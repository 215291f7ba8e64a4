"""The paper's resize and crop, held against torchvision's."""

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets.preparation import resize_and_crop, shorter_side


@pytest.mark.parametrize(("width", "height"), [(300, 200), (201, 333), (256, 256), (64, 65), (57, 56), (40, 500)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_agrees_with_torchvision(width: int, height: int, interpolation: str) -> None:
    from torchvision.transforms import InterpolationMode, functional

    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    resized = functional.resize(image, 64, InterpolationMode(interpolation))
    expected = functional.center_crop(resized, [56, 56])
    np.testing.assert_array_equal(resize_and_crop(image, 64, (56, 56), interpolation), expected)


def test_the_papers_sizes() -> None:
    assert shorter_side(224) == 256
