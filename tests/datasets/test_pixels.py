"""Image files of every kind to RGB pixels."""

import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from qsearch.datasets.files import image_suffixes
from qsearch.datasets.pixels import UnusableImageError, image_formats, prepared_image, read_rgb
from qsearch.encode.image import encode_file
from qsearch.tables import QuantTables


def pixels_of(path: Path) -> npt.NDArray[np.uint8]:
    found = prepared_image(path, None, "crop")
    assert not isinstance(found, str), found
    return found.pixels


def corners(pixels: npt.NDArray[np.uint8]) -> list[list[int]]:
    """The pixels in the middle of the four quarters, row by row."""
    height, width = pixels.shape[:2]
    return [pixels[y, x].tolist() for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


RED, GREEN, BLUE, GREY, WHITE, BLACK = (
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [128, 128, 128],
    [255, 255, 255],
    [0, 0, 0],
)


def quarters() -> Image.Image:
    """32x16: red and green above blue and grey."""
    quarter = np.array([[RED, GREEN], [BLUE, GREY]], dtype=np.uint8)
    return Image.fromarray(np.kron(quarter, np.ones((8, 16, 1), dtype=np.uint8)))


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "ppm", "webp", "tga", "jp2", "avif"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    quarters().save(path, quality=100)
    np.testing.assert_allclose(corners(pixels_of(path)), [RED, GREEN, BLUE, GREY], atol=4)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, GREY]),
        (2, [GREEN, RED, GREY, BLUE]),
        (3, [GREY, BLUE, GREEN, RED]),
        (4, [BLUE, GREY, RED, GREEN]),
        (5, [RED, BLUE, GREEN, GREY]),
        (6, [BLUE, RED, GREY, GREEN]),
        (7, [GREY, GREEN, BLUE, RED]),
        (8, [GREEN, GREY, RED, BLUE]),
    ],
)
def test_exif_orientation(tmp_path: Path, orientation: int, expected: list[list[int]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quarters().save(tmp_path / "turned.jpg", quality=100, subsampling=0, exif=exif)
    np.testing.assert_allclose(corners(pixels_of(tmp_path / "turned.jpg")), expected, atol=6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"])
def test_modes_of_a_grey_ramp(mode: str) -> None:
    ramp = np.repeat(np.linspace(0, 255, 16).round().astype(np.uint8)[None, :], 16, axis=0)
    scales = {"I": (257, np.int32), "I;16": (257, np.uint16), "F": (1 / 255, np.float32)}
    if mode in scales:
        factor, dtype = scales[mode]
        image = Image.fromarray((ramp * float(factor)).astype(dtype))
        assert image.mode == mode
    elif mode == "PA":
        image = Image.fromarray(ramp).convert("P").convert("PA")
    else:
        image = Image.fromarray(ramp).convert("RGB" if mode in ("YCbCr", "HSV", "CMYK") else "L").convert(mode)
    pixels = np.asarray(read_rgb(image)).astype(int)
    if mode == "1":
        assert set(np.unique(pixels)) == {0, 255}
        assert pixels[:, :4].mean() < pixels[:, -4:].mean()
    else:
        np.testing.assert_allclose(pixels, np.repeat(ramp[:, :, None], 3, axis=2), atol=3)


def test_16_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert pixels_of(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 1, 1, 128, 255]


def test_floats_from_0_to_255(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 127.6, 255]], dtype=np.float32)).save(tmp_path / "float.tif")
    assert pixels_of(tmp_path / "float.tif")[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("values", [[-1.0, 0.5], [0.0, 300.0], [0.0, float("nan")]])
def test_floats_of_no_known_scale_are_refused(tmp_path: Path, values: list[float]) -> None:
    Image.fromarray(np.array([values], dtype=np.float32)).save(tmp_path / "float.tif")
    assert "expected 0 to" in str(prepared_image(tmp_path / "float.tif", None, "crop"))


def test_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    quarters().convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    np.testing.assert_allclose(corners(pixels_of(tmp_path / "print.jpg")), [RED, GREEN, BLUE, GREY], atol=6)


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    image = quarters().convert("RGBA")
    alpha = np.full((16, 32), 255, dtype=np.uint8)
    alpha[:8, :16] = 0
    alpha[8:, 16:] = 128
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / "alpha.png")
    half = [191, 191, 191]
    np.testing.assert_allclose(corners(pixels_of(tmp_path / "alpha.png")), [WHITE, GREEN, BLUE, half], atol=1)


def test_transparent_palette_entry_shows_white(tmp_path: Path) -> None:
    palette = Image.fromarray(np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((8, 8), np.uint8))).convert(
        "P"
    )
    palette.putpalette([*RED, *GREEN, *BLUE, *BLACK])
    palette.save(tmp_path / "palette.gif", transparency=2)
    assert corners(pixels_of(tmp_path / "palette.gif")) == [RED, GREEN, WHITE, BLACK]


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert corners(pixels_of(tmp_path / "moving.gif")) == [RED] * 4


@given(st.sampled_from(["png", "gif", "tif", "jpg", "bmp", "webp"]), st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_told_not_raised(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    path = tmp_path / f"damaged.{suffix}"
    quarters().save(path)
    content = bytearray(path.read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[position] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    result = prepared_image(path, 8, "crop")
    assert result if isinstance(result, str) else result.pixels.shape == (8, 8, 3)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.skipif(sys.platform == "win32", reason="the program in Ghostscript's place is a shell script")
@pytest.mark.parametrize("name", ["photo.jpg", "photo.eps"])
def test_no_image_runs_a_program(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    path = tmp_path / name
    path.write_bytes(EPS)
    assert prepared_image(path, None, "crop") == "not an image"
    with pytest.raises(UnusableImageError, match="not an image"):
        encode_file(path, tmp_path / "out.jpg", QuantTables.standard(50))
    assert not ran.exists()
    assert path.suffix in image_suffixes() or name == "photo.eps"


def test_every_format_that_is_meant_is_read() -> None:
    assert {"JPEG", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000"} <= set(image_formats())
    assert {".jpg", ".jpeg", ".png", ".tif", ".webp", ".avif", ".jp2", ".mpo"} <= image_suffixes()
    assert not {".eps", ".ps", ".wmf", ".emf", ".pdf"} & image_suffixes()
