"""An encoded image looks like its source, carries the tables and what belongs to it, and nothing else."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from qsearch.codecs.base import EncoderOptions, Subsampling
from qsearch.codecs.markers import read_frame
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.pixels import UnusableImageError
from qsearch.encode.image import encode_file, encode_image
from qsearch.tables import QuantTables

FINE = QuantTables.standard(98)
ORIENTATION, ARTIST, DESCRIPTION = 0x0112, 0x013B, 0x010E
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gradient(mode: str = "RGB", width: int = 48, height: int = 32) -> Image.Image:
    """Different in every corner and smooth, so that an encoder keeps it."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, np.full_like(x, 60)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def stored(image: Image.Image, format_: str, **options: Any) -> Image.Image:
    """``image`` as a file of a format, opened."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return opened(buffer.getvalue())


def exif(**tags: Any) -> Image.Exif:
    found = Image.Exif()
    found[ORIENTATION] = tags.get("orientation", 6)
    found[ARTIST] = "Ann"
    return found


def difference(left: Image.Image, right: Image.Image) -> float:
    """Mean difference of the pixels as they are shown, in 8-bit steps."""
    shown = [np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=float) for image in (left, right)]
    assert shown[0].shape == shown[1].shape
    return float(np.abs(shown[0] - shown[1]).mean())


def gamma_profile(space: bytes) -> bytes:
    """A colour profile, valid but for its colour space, which is all that decides whether it is kept."""
    return SRGB[:16] + space + SRGB[20:]


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_the_file_carries_the_tables_and_settings(subsampling: Subsampling) -> None:
    tables = QuantTables(np.arange(1, 65), cb=np.arange(100, 164), cr=np.arange(190, 254))
    codec = PillowCodec(EncoderOptions(subsampling=subsampling, optimize=True, progressive=True))
    frame = read_frame(encode_image(gradient(), tables, codec))
    assert (frame.tables, frame.subsampling, frame.sof) == (tables, subsampling, 2)


def test_the_image_given_is_not_changed() -> None:
    image = stored(gradient(), "PNG", exif=exif())
    encode_image(image, FINE, strip=True)
    assert image.size == (48, 32)
    assert image.getexif()[ORIENTATION] == 6


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "CMYK", "HSV", "YCbCr"])
def test_colour_modes_become_rgb(mode: str) -> None:
    data = encode_image(
        gradient(mode), FINE, PillowCodec(EncoderOptions(subsampling="4:4:4"))
    )  # a palette's dither is fine colour
    assert opened(data).mode == "RGB"
    assert difference(opened(data), gradient(mode)) < 4


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_greyscale_stays_greyscale_with_the_luma_table(mode: str) -> None:
    data = encode_image(gradient(mode), FINE, PillowCodec(EncoderOptions(subsampling="4:2:0")))
    frame = read_frame(data)
    assert opened(data).mode == "L"
    assert frame.tables == QuantTables.shared(FINE.luma)
    assert (frame.components[0].horizontal, frame.components[0].vertical) == (1, 1)
    assert difference(opened(data), gradient(mode)) < 4


def test_16_bits_are_scaled() -> None:
    wide = Image.fromarray(np.linspace(0, 65535, 48 * 32).reshape(32, 48).astype(np.uint16))
    grey = np.asarray(opened(encode_image(stored(wide, "PNG"), FINE)), dtype=float)
    assert np.abs(grey - np.asarray(wide, dtype=float) / 257).mean() < 2


def test_transparency_shows_white() -> None:
    image = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 8, 16))
    shown = np.asarray(opened(encode_image(image, FINE, PillowCodec(EncoderOptions(subsampling="4:4:4")))), dtype=int)
    assert np.abs(shown[:, 9:] - 255).max() < 12
    assert np.abs(shown[:, :7] - [0, 0, 200]).max() < 12


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_is_kept_and_the_image_shown_alike(format_: str) -> None:
    image = stored(gradient(), format_, exif=exif())
    encoded = opened(encode_image(image, FINE))
    assert encoded.getexif()[ARTIST] == "Ann"
    assert difference(encoded, image) < 4
    assert encoded.info["exif"].startswith(b"Exif\0\0")


def test_camera_and_place_of_a_tiff_survive_without_its_layout() -> None:
    written, tags = exif(), Image.Exif()
    written[0x8769], written[0x8825] = {0x9003: "2020:02:02 02:02:02"}, {1: "N"}
    tags.load(written.tobytes())  # Pillow writes into a TIFF file only directories that it has read
    found = opened(encode_image(stored(gradient(), "TIFF", exif=tags), FINE)).getexif()
    assert found.get_ifd(0x8769)[0x9003] == "2020:02:02 02:02:02"
    assert found.get_ifd(0x8825)[1] == "N"
    assert 0x0111 not in found  # where the TIFF file kept its pixels


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_strip_turns_the_image_upright(format_: str, orientation: int) -> None:
    image = stored(gradient(), format_, exif=exif(orientation=orientation), icc_profile=SRGB)
    encoded = opened(encode_image(image, FINE, strip=True))
    assert not encoded.getexif()
    assert "icc_profile" not in encoded.info
    assert difference(encoded, image) < 4


def test_comments_and_thumbnails_of_editors_are_dropped() -> None:
    image = stored(gradient(), "JPEG", comment=b"quality = 90", xmp=b"<x/>", quality=95)
    encoded = opened(encode_image(image, FINE))
    assert "comment" not in encoded.info
    assert "xmp" not in encoded.info


def test_the_colour_profile_is_kept_where_it_fits() -> None:
    fits = [("RGB", b"RGB ", True), ("P", b"RGB ", True), ("L", b"GRAY", True), ("L", b"RGB ", False)]
    for mode, space, kept in fits:
        profile = gamma_profile(space)
        encoded = opened(encode_image(stored(gradient(mode), "PNG", icc_profile=profile), FINE))
        assert encoded.info.get("icc_profile") == (profile if kept else None), (mode, space)


def test_a_cmyk_profile_never_labels_rgb_pixels() -> None:
    image = stored(gradient("CMYK"), "JPEG", quality=98, icc_profile=gamma_profile(b"CMYK"))
    encoded = opened(encode_image(image, FINE))
    assert encoded.mode == "RGB"
    assert "icc_profile" not in encoded.info
    assert difference(encoded, image) < 6


def test_strip_converts_other_colour_spaces_to_srgb() -> None:
    # sRGB under another name with the primaries red and blue exchanged.
    swapped = SRGB.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    swapped = swapped.replace(b"rXYZ", b"____", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"____", b"bXYZ", 1)
    encoded = opened(encode_image(stored(gradient(), "PNG", icc_profile=swapped), FINE, strip=True))
    red, green, blue = gradient().split()
    assert difference(encoded, Image.merge("RGB", (blue, green, red))) < 4


def test_strip_leaves_srgb_pixels_as_they_are() -> None:
    plain = encode_image(gradient(), FINE)
    assert encode_image(stored(gradient(), "PNG", icc_profile=SRGB), FINE, strip=True) == plain


def test_strip_with_a_damaged_profile_keeps_the_pixels() -> None:
    image = stored(gradient(), "PNG", icc_profile=gamma_profile(b"RGB ")[:200])
    assert difference(opened(encode_image(image, FINE, strip=True)), gradient()) < 4


def test_animations_and_pages_are_refused_but_not_phone_photographs(tmp_path: Path) -> None:
    frames = [gradient(), gradient().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    for format_ in ("GIF", "WEBP", "PNG", "TIFF"):
        image = stored(frames[0], format_, save_all=True, append_images=frames[1:])
        with pytest.raises(UnusableImageError, match="only the first of 2"):
            encode_image(image, FINE)
    photograph = stored(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95)
    assert difference(opened(encode_image(photograph, FINE)), gradient()) < 4


def test_exif_that_is_too_long_names_the_way_out() -> None:
    tags = exif()
    tags[DESCRIPTION] = "x" * 70_000
    image = stored(gradient(), "PNG", exif=tags)
    with pytest.raises(UnusableImageError, match="--strip"):
        encode_image(image, FINE)
    assert opened(encode_image(image, FINE, strip=True)).size == (32, 48)


def test_noise_at_the_finest_tables_is_encoded() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8))
    ones = QuantTables.shared(np.ones(64, dtype=int))
    for progressive in (False, True):
        codec = PillowCodec(EncoderOptions(subsampling="4:4:4", progressive=progressive))
        assert difference(opened(encode_image(noise, ones, codec)), noise) < 4


def damaged(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Files that cannot be encoded, and what is said of them."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(png, "PNG")
    gradient().save(jpeg, "JPEG")
    bomb = bytearray(png.getvalue())
    bomb[16:24] = (40_000).to_bytes(4) * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4)
    tall = io.BytesIO()
    Image.new("L", (1, 65_501)).save(tall, "PNG")
    return {
        "empty.png": (b"", "empty"),
        "text.png": (b"hello", "not an image"),
        "cut.png": (png.getvalue()[:-3000], "(?i)truncated"),
        "cut.jpg": (jpeg.getvalue()[:-200], "(?i)truncated"),
        "bomb.png": (bytes(bomb), "decompression bomb"),
        "tall.png": (tall.getvalue(), "65500 on each side"),
    }


@pytest.mark.parametrize("name", damaged(Path()))
def test_files_that_cannot_be_read_are_refused_and_leave_nothing(name: str, tmp_path: Path) -> None:
    content, sentence = damaged(tmp_path)[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnusableImageError, match=sentence):
        encode_file(tmp_path / name, tmp_path / "out.jpg", FINE)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_and_an_image_are_encoded_alike(tmp_path: Path) -> None:
    gradient().save(tmp_path / "in.png", exif=exif())
    done = encode_file(tmp_path / "in.png", tmp_path / "out.jpg", FINE)
    data = (tmp_path / "out.jpg").read_bytes()
    assert data == encode_image(Image.open(tmp_path / "in.png"), FINE)
    assert (done.source_format, done.bytes_after) == ("PNG", len(data))
    assert done.bytes_before == (tmp_path / "in.png").stat().st_size
