"""Contact sheets: the images that a reader recognises, from every class, and files that are whole."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets.base import Dataset
from qsearch.errors import DiskError, InputError
from qsearch.report.contact_sheet import CAPTION_PX, COLUMNS, MARGIN_PX, SIDE_PX, contact_sheet, save_sheet


def flat(colours: list[tuple[int, int, int]], labels: list[int], side: int = 224) -> Dataset:
    """Images of one colour each."""
    images = np.stack([np.full((side, side, 3), colour, dtype=np.uint8) for colour in colours])
    return Dataset.from_arrays(images, labels, tuple(f"class {label}" for label in range(max(labels) + 1)))


def centre(sheet: Image.Image, place: int) -> tuple[int, ...]:
    """The colour in the middle of the image at ``place``, row by row."""
    across, down = SIDE_PX + MARGIN_PX, SIDE_PX + CAPTION_PX + MARGIN_PX
    x = MARGIN_PX + place % COLUMNS * across + SIDE_PX // 2
    pixel = sheet.getpixel((x, MARGIN_PX + place // COLUMNS * down + SIDE_PX // 2))
    assert isinstance(pixel, tuple)
    return pixel


def test_images_stand_class_by_class() -> None:
    red, green, blue = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    sheet = contact_sheet(flat([red, green, blue, red], [2, 0, 1, 0]))
    assert [centre(sheet, place) for place in range(4)] == [green, red, blue, red]
    assert sheet.size == (4 * (SIDE_PX + MARGIN_PX) + MARGIN_PX, SIDE_PX + CAPTION_PX + 2 * MARGIN_PX)


def test_of_many_some_of_every_class_are_shown() -> None:
    labels = [label for label in range(50) for _ in range(9)]
    colours = [(5 * label, 100, 0) for label in labels]
    sheet = contact_sheet(flat(colours, labels, side=16))
    shown = [centre(sheet, place)[0] for place in range(100)]
    assert shown == sorted(shown)
    assert set(shown) == {5 * label for label in range(50)}


def test_small_images_are_not_enlarged() -> None:
    sheet = contact_sheet(flat([(0, 0, 0)], [0], side=16))
    pixels = np.asarray(sheet)[MARGIN_PX : MARGIN_PX + SIDE_PX]
    assert (pixels.sum(axis=2) == 0).sum() == 16 * 16


def test_it_is_written_as_png(tmp_path: Path) -> None:
    sheet = contact_sheet(flat([(9, 9, 9)], [0]))
    save_sheet(sheet, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"
        assert image.size == sheet.size
    with pytest.raises(InputError, match=r"written as .png, got 'sheet.gif'"):
        save_sheet(sheet, tmp_path / "sheet.gif")
    with pytest.raises(DiskError, match="cannot be written"):
        save_sheet(sheet, tmp_path / "nowhere" / "sheet.png")
