"""Quantization tables: libjpeg's to the digit, JPEG's order, digests that stay, and refusal of what is no table."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from qsearch.errors import InputError
from qsearch.tables import STANDARD_CHROMA, STANDARD_LUMA, ZIGZAG, QuantTables, scale_table

ANY_TABLE = arrays(np.int64, (8, 8), elements=st.integers(1, 255))
ANY_TABLES = st.builds(lambda luma, cb, cr: QuantTables(luma, cb=cb, cr=cr), ANY_TABLE, ANY_TABLE, ANY_TABLE)


def pillow_file(**options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 90)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def quantization_segments(data: bytes) -> dict[int, list[int]]:
    """Table number to its 64 entries, as they stand in the DQT segments of a JPEG file."""
    tables, position = {}, 2
    while data[position + 1] != 0xDA:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if marker == 0xDB:
            for start in range(0, len(body), 65):
                tables[body[start]] = list(body[start + 1 : start + 65])
        position += 2 + length
    return tables


@pytest.mark.parametrize("quality", range(1, 101))
def test_standard_tables_are_those_libjpeg_writes(quality: int) -> None:
    written = quantization_segments(pillow_file(quality=quality))
    tables = QuantTables.standard(quality)
    assert QuantTables.from_zigzag(written[0], written[1]) == tables
    assert tables.luma.ravel()[ZIGZAG].tolist() == written[0]
    assert tables.chroma.ravel()[ZIGZAG].tolist() == written[1]


def test_quality_50_is_annex_k_itself() -> None:
    tables = QuantTables.standard(50)
    np.testing.assert_array_equal(tables.luma, STANDARD_LUMA)
    np.testing.assert_array_equal(tables.chroma, STANDARD_CHROMA)
    assert tables.luma[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert tables.chroma[:2, :4].tolist() == [[17, 18, 24, 47], [18, 21, 26, 66]]


def test_zigzag_goes_as_in_the_standard() -> None:
    assert ZIGZAG[:15].tolist() == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4]
    assert ZIGZAG[-4:].tolist() == [47, 55, 62, 63]
    assert sorted(ZIGZAG.tolist()) == list(range(64))


GOLDEN = {
    "standard 1": (QuantTables.standard(1), "14253735a04078282512bd1c98139c6cb05e1c41d8d1d2f9ef525e2b146a85e3"),
    "standard 50": (QuantTables.standard(50), "616e3de53bcd60cb8c56723707f11a7761499fa557b9d152b6302675c2f67d6a"),
    "standard 100": (QuantTables.standard(100), "1fba1519dbc42cb922045a93574327b59788a1ff7d877044d18cb65ac31f1282"),
    "shared": (
        QuantTables.shared(np.arange(1, 65)),
        "a54a15a6688ad957ad188ee1f8003d3a5bd8c89b95cab7c772bebdda30066a46",
    ),
    "ycbcr": (
        QuantTables(np.arange(1, 65), cb=np.arange(2, 66), cr=np.arange(3, 67)),
        "f5a1b4a5691f94e490a63b7e5748367269ef9e1276b6d1fd93f879f2460bd5cc",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_digests_never_change(name: str) -> None:
    """Archives, exports and papers name tables by them."""
    tables, digest = GOLDEN[name]
    assert tables.digest == digest


BAD_TABLES: dict[str, tuple[Any, str]] = {
    "too few entries": (np.full((8, 7), 9), "8x8 entries"),
    "one too many": (list(range(1, 66)), "8x8 entries"),
    "one dimension too many": (np.full((1, 8, 8), 9), "8x8 entries"),
    "a number": (7, "8x8 entries"),
    "nothing": ([], "8x8 entries"),
    "ragged rows": ([[1] * 8] * 7 + [[1] * 7], "rows of different lengths"),
    "zero": ([0] + [1] * 63, "1 to 255, got 0..1"),
    "negative": ([-3] + [1] * 63, "1 to 255, got -3..1"),
    "256": ([256] + [1] * 63, "1 to 255, got 1..256"),
    "wrapping round a byte": (np.full((8, 8), 257), "1 to 255"),
    "floats": (np.full((8, 8), 3.0), "holds integers, got float64"),
    "not a number": (np.full((8, 8), np.nan), "holds integers, got float64"),
    "truths": (np.ones((8, 8), dtype=bool), "holds integers, got bool"),
    "words": ([["a"] * 8] * 8, "holds integers"),
    "huge numbers": ([2**70] * 64, "holds integers"),
    "none": ([None] * 64, "holds integers"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_what_is_no_table_is_refused_where_it_is_made(name: str) -> None:
    bad, sentence = BAD_TABLES[name]
    good = np.full((8, 8), 9)
    makers: tuple[Callable[[], QuantTables], ...] = (
        lambda: QuantTables.shared(bad),
        lambda: QuantTables(good, bad),
        lambda: QuantTables(good, cb=bad, cr=good),
        lambda: QuantTables(good, cb=good, cr=bad),
        lambda: QuantTables.from_dict({"luma": bad, "chroma": good}),
    )
    for make in makers:
        with pytest.raises(InputError, match=sentence):
            make()


def test_the_sentence_names_the_table() -> None:
    good, bad = np.full((8, 8), 9), np.zeros((8, 8), dtype=int)
    makers: dict[str, Callable[[], QuantTables]] = {
        "luma": lambda: QuantTables(bad, good),
        "chroma": lambda: QuantTables(good, bad),
        "Cb": lambda: QuantTables(good, cb=bad, cr=good),
        "Cr": lambda: QuantTables(good, cb=good, cr=bad),
    }
    for part, make in makers.items():
        with pytest.raises(InputError, match=f"the {part} table"):
            make()


def test_chroma_is_given_once() -> None:
    good = np.full((8, 8), 9)
    with pytest.raises(InputError, match="not both"):
        QuantTables(good, good, cb=good)
    for missing in ({}, {"cb": good}, {"cr": good}):
        with pytest.raises(InputError, match="no table"):
            QuantTables(good, **missing)


@pytest.mark.parametrize("quality", [0, 101, -1, 50.0, True, "50", None, float("nan")])
def test_a_quality_is_an_integer_from_1_to_100(quality: Any) -> None:
    with pytest.raises(InputError, match="1 to 100"):
        QuantTables.standard(quality)
    with pytest.raises(InputError, match="1 to 100"):
        QuantTables.standard(50).scaled(quality)


@pytest.mark.parametrize("bad", [np.full((8, 8), np.inf), np.full((8, 8), np.nan), np.ones((4, 16))])
def test_a_base_table_to_scale_is_8x8_and_finite(bad: npt.NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="8x8 finite"):
        scale_table(bad, 50)


def test_scaling_rounds_half_up_and_clips() -> None:
    """Worked by hand: quality 25 doubles, 75 halves; libjpeg adds 50 and divides by 100."""
    base = np.full((8, 8), 3)
    assert scale_table(base, 25).ravel()[0] == 6
    assert scale_table(base, 75).ravel()[0] == 2  # 1.5
    assert scale_table(np.full((8, 8), 2.5), 50).ravel()[0] == 3
    assert scale_table(np.full((8, 8), 200), 25).ravel()[0] == 255
    assert scale_table(base, 100).ravel()[0] == 1


@given(ANY_TABLES)
def test_every_way_out_leads_back(tables: QuantTables) -> None:
    assert QuantTables.from_bytes(tables.to_bytes()) == tables
    assert QuantTables.from_dict(tables.to_dict()) == tables
    for copied in (pickle.loads(pickle.dumps(tables)), copy.deepcopy(tables), copy.copy(tables)):
        assert copied == tables
        assert hash(copied) == hash(tables)
        assert copied.digest == tables.digest
    assert tables.transposed().transposed() == tables
    assert tables.scaled(50) == tables


@given(ANY_TABLES)
def test_transposing_exchanges_rows_and_columns_of_every_table(tables: QuantTables) -> None:
    turned = tables.transposed()
    for part in ("luma", "cb", "cr"):
        np.testing.assert_array_equal(getattr(turned, part), getattr(tables, part).T)


@given(ANY_TABLES, st.integers(1, 100))
def test_a_higher_quality_never_has_coarser_entries(tables: QuantTables, quality: int) -> None:
    finer, coarser = tables.scaled(min(100, quality + 1)), tables.scaled(quality)
    for part in ("luma", "cb", "cr"):
        assert (getattr(finer, part) <= getattr(coarser, part)).all()


@given(ANY_TABLE, ANY_TABLE)
def test_equality_digest_and_layout_are_of_the_content(first: npt.NDArray[np.int64], second: Any) -> None:
    shared, both = QuantTables.shared(first), QuantTables(first, second)
    same = np.array_equal(first, second)
    assert (shared == both) == same == (shared.digest == both.digest)
    assert shared.layout == "shared"
    assert both.layout == ("shared" if same else "luma-chroma")
    three = QuantTables(first, cb=first, cr=second)
    assert three.layout == ("shared" if same else "ycbcr")
    assert QuantTables(first, cb=second, cr=second) == both
    if not same:
        with pytest.raises(InputError, match="use cb and cr"):
            _ = three.chroma


@given(arrays(np.int64, 64, elements=st.integers(1, 255)))
def test_zigzag_is_the_order_of_a_file(entries: npt.NDArray[np.int64]) -> None:
    tables = QuantTables.from_zigzag(entries)
    written = quantization_segments(pillow_file(qtables=[tables.luma.ravel().tolist()]))
    assert written[0] == entries.tolist()


def test_a_zigzag_list_has_64_entries() -> None:
    with pytest.raises(InputError, match="64 entries"):
        QuantTables.from_zigzag(np.ones((8, 8), dtype=int))


@pytest.mark.parametrize("length", [0, 64, 191, 193])
def test_bytes_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(InputError, match="192 bytes"):
        QuantTables.from_bytes(b"\1" * length)


@pytest.mark.parametrize("missing", ["luma", "chroma", "cr"])
def test_a_dict_without_a_table_is_refused_by_name(missing: str) -> None:
    table = [[9] * 8] * 8
    parts = ("luma", "cb", "cr") if missing == "cr" else ("luma", "chroma")
    data = {part: table for part in parts if part != missing}
    with pytest.raises(InputError, match="cb" if missing == "chroma" else missing):
        QuantTables.from_dict(data)


def test_tables_cannot_be_changed() -> None:
    given_array = np.full((8, 8), 9)
    tables = QuantTables.shared(given_array)
    given_array[0, 0] = 200
    assert tables.luma[0, 0] == 9
    for part in ("luma", "cb", "cr"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(tables, part)[0, 0] = 1
        with pytest.raises(AttributeError, match="immutable"):
            setattr(tables, part, given_array)
    for constant in (ZIGZAG, STANDARD_LUMA, STANDARD_CHROMA):
        with pytest.raises(ValueError, match="read-only"):
            constant[0] = 1


def test_tables_are_not_equal_to_something_else() -> None:
    tables = QuantTables.standard(50)
    assert tables != tables.to_bytes()
    assert tables != tables.digest
