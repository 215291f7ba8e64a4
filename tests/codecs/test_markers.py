"""What is read from a JPEG file's markers is what its encoder was given, and damage is a sentence."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from qsearch.codecs.markers import read_frame
from qsearch.errors import InputError
from qsearch.tables import QuantTables


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (40, 24), 128 if mode == "L" else None).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def numbered(*starts: int) -> list[list[int]]:
    return [list(range(start, start + 64)) for start in starts]


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_frame_of_a_colour_file(subsampling: str, progressive: bool) -> None:
    frame = read_frame(jpeg(qtables=numbered(1, 70, 140), subsampling=subsampling, progressive=progressive))
    assert frame.tables == QuantTables(np.arange(1, 65), cb=np.arange(70, 134), cr=np.arange(140, 204))
    assert (frame.width, frame.height, frame.subsampling) == (40, 24, subsampling)
    assert frame.sof == (2 if progressive else 0)


def test_metadata_and_restart_markers_are_passed_over() -> None:
    exif = Image.Exif()
    exif[270] = "\xff\xdb" * 300  # looks like a DQT marker
    frame = read_frame(jpeg(qtables=numbered(1, 9), exif=exif, comment=b"\xff\xda", restart_marker_blocks=1))
    assert frame.tables == QuantTables(np.arange(1, 65), np.arange(9, 73))


def test_greyscale_has_one_table_and_no_subsampling() -> None:
    frame = read_frame(jpeg("L", qtables=numbered(3)))
    assert frame.tables == QuantTables.shared(np.arange(3, 67))
    assert frame.subsampling is None


def test_sixteen_bit_tables_are_read_and_refused_as_baseline_tables() -> None:
    frame = read_frame(jpeg(qtables=numbered(250, 9)))
    assert frame.sof == 1
    assert frame.quantization[0].max() == 313
    with pytest.raises(InputError, match="1 to 255"):
        _ = frame.tables


def test_four_components_are_refused() -> None:
    with pytest.raises(InputError, match="has 4"):
        _ = read_frame(jpeg("CMYK")).tables


def test_another_file_is_refused() -> None:
    with pytest.raises(InputError, match="FF D8"):
        read_frame(b"\x89PNG")


@given(st.integers(min_value=0, max_value=600))
def test_a_file_cut_before_its_scan_is_refused(length: int) -> None:
    data = jpeg()
    assert data.index(b"\xff\xda") > 600
    with pytest.raises(InputError):
        read_frame(data[:length])


@given(st.binary(max_size=300))
def test_rubbish_is_an_input_error_or_a_frame(rubbish: bytes) -> None:
    try:
        frame = read_frame(b"\xff\xd8" + rubbish)
    except InputError:
        return
    assert all(component.table in frame.quantization for component in frame.components)
