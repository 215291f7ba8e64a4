"""Rate-distortion curves against values worked by hand, and against what Luo 2021's tables are known to gain."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.analysis.rate_distortion import (
    RateDistortion,
    RateDistortionPoint,
    gain_db,
    measure_rate_distortion,
    saving_percent,
)
from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.errors import InputError
from qsearch.tables import QuantTables
from qsearch.tables.published import published_tables


def line(name: str, *points: tuple[float, float]) -> RateDistortion:
    return RateDistortion(name, tuple(RateDistortionPoint(50, bpp, psnr_db) for bpp, psnr_db in points))


STANDARD = line("standard", (1.0, 30.0), (3.0, 40.0))
BETTER = line("better", (1.0, 32.0), (3.0, 42.0))


def test_gains_interpolate_linearly() -> None:
    assert gain_db(BETTER, STANDARD, 2.0) == pytest.approx(2.0)
    # 36 dB: 2.2 bits per pixel for the standard tables, 1.8 for the others.
    assert saving_percent(BETTER, STANDARD, 36.0) == pytest.approx(100 * (1 - 1.8 / 2.2))


def test_nothing_is_extrapolated() -> None:
    assert math.isnan(gain_db(BETTER, STANDARD, 0.9))
    assert math.isnan(saving_percent(BETTER, STANDARD, 31.0))


def test_means_are_over_images_of_any_sizes(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    files = []
    for index, shape in enumerate([(40, 24), (24, 40), (9, 17)]):
        files.append(tmp_path / f"{index}.png")
        Image.fromarray(random.randint(0, 256, (*shape, 3)).astype(np.uint8)).save(files[-1])
    codec = PillowCodec(EncoderOptions(subsampling="4:4:4"))
    (measured,) = measure_rate_distortion(files, codec, {"standard": QuantTables.standard}, qualities=[90, 20])
    assert [point.quality for point in measured.points] == [20, 90]
    bpp = []
    for file in files:
        pixels = np.asarray(Image.open(file))
        bpp.append(8 * len(codec.compress(pixels, QuantTables.standard(90))) / (pixels.shape[0] * pixels.shape[1]))
    assert measured.points[1].bpp == pytest.approx(np.mean(bpp))


def test_files_are_found_from_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (16, 16)).save(tmp_path / name / f"{name}.png")
        monkeypatch.chdir(tmp_path / name)
        (curve,) = measure_rate_distortion(
            [Path(f"{name}.png")], PillowCodec(), {"standard": QuantTables.standard}, qualities=[50], workers=2
        )
        assert len(curve.points) == 1


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"broken\.png"):
        measure_rate_distortion([tmp_path / "broken.png"], PillowCodec(), {"standard": QuantTables.standard})


def test_luo_2021_gains_on_kodak_what_was_measured_before(shared: Path) -> None:
    files = sorted((shared / "data" / "kodak").glob("*.png"))
    standard, luo = measure_rate_distortion(
        files,
        PillowCodec(),
        {
            "standard": {quality: QuantTables.standard(quality) for quality in range(70, 95, 5)},
            "luo": {quality: published_tables("luo-2021", quality) for quality in range(40, 80, 5)},
        },  # of the qualities 30, 35, ... 95 those between which the numbers lie
        workers=2,
    )
    assert gain_db(luo, standard, 2.0) == pytest.approx(1.507, abs=0.002)
    assert [round(saving_percent(luo, standard, psnr_db)) for psnr_db in (34, 36, 38)] == [13, 17, 19]
