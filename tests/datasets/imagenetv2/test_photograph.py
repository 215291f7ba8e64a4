"""What is taken for a photograph, what is not, and what becomes of it."""

import io

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets.download import Answer, DamagedError, UnavailableError
from qsearch.datasets.imagenetv2.photograph import photograph_from, photograph_of
from qsearch.datasets.preparation import resize_and_crop
from tests.datasets.imagenetv2.world import jpeg

PHOTO = jpeg("a", 640, 480)


def answer(content: bytes, *addresses: str, content_type: str = "image/jpeg") -> Answer:
    return Answer(content, content_type, addresses or ("https://live.staticflickr.com/1/2_3_o.jpg",))


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


@pytest.mark.parametrize("shape", [None, (640, 480), (4000, 3000), (3000, 4000), (500, 374)])
def test_the_photograph_at_any_scale_and_turned_is_itself(shape: tuple[int, int] | None) -> None:
    found = photograph_of(answer(PHOTO), shape)
    assert (found.content, found.suffix, found.width, found.height) == (PHOTO, ".jpeg", 640, 480)


def test_is_prepared_as_the_paper_did_without_loss_or_metadata() -> None:
    with Image.open(io.BytesIO(PHOTO)) as image:
        profiled = encoded(image.copy(), "PNG", icc_profile=b"a colour profile" * 20)
    prepared = photograph_from(profiled).prepared
    with Image.open(io.BytesIO(prepared)) as image, Image.open(io.BytesIO(PHOTO)) as original:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (224, 224))
        assert not image.info
        expected = resize_and_crop(original, 256, (224, 224))
        assert np.array_equal(np.asarray(image), np.asarray(expected))


def test_exif_turns_it_upright() -> None:
    with Image.open(io.BytesIO(PHOTO)) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        turned = encoded(image.copy(), "JPEG", exif=exif)
    found = photograph_of(answer(turned), (640, 480))
    assert (found.width, found.height) == (480, 640)


def test_a_format_of_another_name_keeps_its_own_suffix() -> None:
    with Image.open(io.BytesIO(PHOTO)) as image:
        assert photograph_of(answer(encoded(image.copy(), "PNG")), None).suffix == ".png"


@pytest.mark.parametrize("content", [b"", b"<html>busy</html>", PHOTO[: len(PHOTO) // 2], PHOTO[:200]])
def test_what_is_no_whole_image_may_be_next_time(content: bytes) -> None:
    with pytest.raises(DamagedError, match="a file of type text/html that is no whole image"):
        photograph_of(answer(content, content_type="text/html"), None)


@pytest.mark.parametrize(
    "address",
    [
        "https://s.yimg.com/pw/images/en-us/photo_unavailable.png",
        "https://combo.staticflickr.com/pw/images/en-us/photo_unavailable.png.v3",
        "https://live.staticflickr.com/images/photo-unavailable_l.gif",
    ],
)
def test_flickrs_placeholder_is_no_photograph(address: str) -> None:
    with pytest.raises(UnavailableError, match="placeholder"):
        photograph_of(answer(PHOTO, "https://live.staticflickr.com/1/2_3_o.jpg", address), (640, 480))


def test_a_picture_of_other_proportions_is_another_picture() -> None:
    with pytest.raises(UnavailableError, match="other proportions"):
        photograph_of(answer(PHOTO), (500, 374 - 60))
