"""Contact sheet: a dataset at a glance, as one picture of small images with their classes."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qsearch.datasets.base import Dataset
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.report.pictures import readable, spread

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
    from PIL.ImageFont import FreeTypeFont, ImageFont

COLUMNS = 10
MOST_IMAGES = 100
SIDE_PX = 112
"""Of the square that an image is made to fit in."""
MARGIN_PX = 6
CAPTION_PX = 14
PAPER, INK = "white", "black"


def contact_sheet(dataset: Dataset) -> "PILImage":
    """At most 100 images of ``dataset``, evenly over it class by class, none enlarged beyond its pixels."""
    from PIL import Image, ImageDraw, ImageFont

    chosen = spread(np.argsort(dataset.labels, kind="stable"), MOST_IMAGES)
    columns = min(COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    across, down = SIDE_PX + MARGIN_PX, SIDE_PX + CAPTION_PX + MARGIN_PX
    sheet = Image.new("RGB", (columns * across + MARGIN_PX, rows * down + MARGIN_PX), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=10)
    for place, index in enumerate(chosen.tolist()):
        x, y = MARGIN_PX + place % columns * across, MARGIN_PX + place // columns * down
        small = Image.fromarray(np.ascontiguousarray(dataset.images[index]))
        small.thumbnail((SIDE_PX, SIDE_PX))
        sheet.paste(small, (x + (SIDE_PX - small.width) // 2, y + (SIDE_PX - small.height) // 2))
        draw.text((x, y + SIDE_PX), _caption(dataset, index, font), fill=INK, font=font)
    return sheet


def save_sheet(sheet: "PILImage", path: Path) -> None:
    """Writes ``sheet`` as PNG. InputError for another suffix, DiskError where the disk refuses."""
    if path.suffix.lower() != ".png":
        raise InputError(f"a contact sheet is written as .png, got {path.name!r}.")
    with replacing(path) as file:
        sheet.save(file, "PNG")


def _caption(dataset: Dataset, index: int, font: "ImageFont | FreeTypeFont") -> str:
    """The image's class, or its name where it has none, cut to the width there is."""
    if dataset.truth == "unknown":
        text = dataset.image_names[index]
    else:
        text = readable(dataset.class_names[dataset.labels[index]])
    while font.getlength(text) > SIDE_PX:
        text = text[:-1]
    return text
