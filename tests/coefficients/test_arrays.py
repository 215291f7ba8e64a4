"""The exact evaluator against Pillow, on every path of its dispatch, and against the definition."""

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsearch.coefficients import _kernel
from qsearch.coefficients.arrays import Coefficients, block_count, chunks_of, table_array
from qsearch.errors import InputError
from qsearch.tables import ZIGZAG, QuantTables
from tests.coefficients.matrix import (
    CODE_LENGTHS,
    IMAGES,
    KINDS,
    SUBSAMPLINGS,
    TABLES,
    bits_by_definition,
    by_pillow,
    made_up_image,
)

PATHS = _kernel.paths()
QUICK = settings(
    max_examples=300, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=PATHS, autouse=True)
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every code path that this processor can run."""
    _kernel.use(request.param)
    yield request.param
    _kernel.use(PATHS[0])


def check(pixels: npt.NDArray[np.uint8], tables: QuantTables, subsampling: str) -> None:
    """One image equals Pillow's, its size also where it is asked for alone."""
    size_bytes, expected = by_pillow(pixels, tables, subsampling)
    coefficients = Coefficients.of(pixels[None], subsampling)
    sizes, decoded = coefficients.encode([tables])
    assert sizes.tolist() == coefficients.size_bytes([tables]).tolist() == [size_bytes]
    np.testing.assert_array_equal(decoded[0], expected)


@QUICK
@given(IMAGES, TABLES, SUBSAMPLINGS)
def test_any_image_at_any_tables_is_pillows(pixels: Any, tables: QuantTables, subsampling: str) -> None:
    check(pixels, tables, subsampling)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", range(1, 101))
def test_every_quality_is_pillows(quality: int, subsampling: str) -> None:
    check(made_up_image("waves", 43, 58, quality), QuantTables.standard(quality), subsampling)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tables", [QuantTables.shared(np.full((8, 8), 1)), QuantTables.standard(75)], ids=repr)
def test_an_odd_size_of_many_blocks_is_pillows(kind: str, tables: QuantTables, subsampling: str) -> None:
    check(made_up_image(kind, 333, 251, 3), tables, subsampling)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_every_small_size_is_pillows(subsampling: str) -> None:
    """Where padding, blocks outside the image and the narrow chroma of libjpeg's own rule come together."""
    tables = QuantTables.standard(85)
    for height in range(1, 19):
        for width in range(1, 19):
            check(made_up_image("noise", height, width, height * width), tables, subsampling)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_each_image_has_tables_of_its_own(subsampling: str) -> None:
    images = np.stack([made_up_image(kind, 40, 35, 5) for kind in KINDS])
    draw = np.random.default_rng(8)
    tables = [QuantTables.standard(quality) for quality in (5, 60, 95)]
    tables += [QuantTables(*draw.integers(1, 99, (2, 8, 8))) for _ in range(2)]
    luma, cb, cr = draw.integers(1, 99, (3, 8, 8))
    tables.append(QuantTables(luma, cb=cb, cr=cr))
    coefficients = Coefficients.of(images, subsampling)
    sizes, decoded = coefficients.encode(tables)
    np.testing.assert_array_equal(sizes, coefficients.size_bytes(tables))
    for pixels, one, size_bytes, result in zip(images, tables, sizes, decoded, strict=True):
        expected_bytes, expected = by_pillow(pixels, one, subsampling)
        assert size_bytes == expected_bytes
        np.testing.assert_array_equal(result, expected)


def test_quantisation_rounds_at_the_half() -> None:
    """On both sides of every boundary between two levels, for every step: with monotony, for every value.

    Luma blocks in a row hold in turn the value in question and the middle of the level it should have. Where it has
    that level all differences but the first are 0, and the file is as long as if all blocks held the middle.
    """
    largest = 8224  # |DC| of 8-bit samples, times 8, and some rounding
    for step in range(1, 256):
        boundary = np.arange(4 * step, largest, 8 * step)
        level = np.arange(len(boundary))
        values = np.concatenate([boundary - 1, boundary, 1 - boundary, -boundary])
        middles = 8 * step * np.concatenate([level, level + 1, -level, -level - 1])
        sizes = []
        for tried in (values, middles):
            blocks = np.zeros((len(values), 3 * 16, 64), dtype=np.int16)
            blocks[:, 0:16:2, 0] = middles[:, None]
            blocks[:, 1:16:2, 0] = tried[:, None]
            coefficients = Coefficients(blocks, 8, 8 * 16, "4:4:4")
            sizes.append(coefficients.size_bytes([QuantTables.shared(np.full((8, 8), step))] * len(values)))
        np.testing.assert_array_equal(sizes[0], sizes[1])


@QUICK
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 40]), st.sampled_from([0.0, 0.5, 0.9, 0.98]))
def test_bits_are_those_of_the_definition(seed: int, largest: int, zeros: float) -> None:
    """Levels chosen at random, runs of more than 16 zeros included; the header and stuffed bytes are bounds."""
    draw = np.random.default_rng(seed)
    levels = draw.integers(-largest, largest + 1, (3, 64)) * (draw.random((3, 64)) >= zeros)
    bits = sum(bits_by_definition(levels[part], CODE_LENGTHS[part]) for part in range(3))
    coefficients = Coefficients((8 * levels[None]).astype(np.int16), 8, 8, "4:4:4")
    (size_bytes,) = coefficients.size_bytes([QuantTables.shared(np.full((8, 8), 1))])
    stuffed = size_bytes - 625 - (bits + 7) // 8
    assert 0 <= stuffed <= bits // 8
    if largest == 1 and zeros == 0.98:
        assert stuffed <= 1


def test_coefficients_are_the_dct_times_eight() -> None:
    """Within the rounding of 13-bit fixed point, in zig-zag order; a checkable block of luma."""
    pixels = made_up_image("grey", 8, 8, 4)
    values = Coefficients.of(pixels[None], "4:4:4").values[0]
    positions = np.arange(8)
    basis = np.cos((2 * positions[None] + 1) * positions[:, None] * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    exact = 8 * basis @ (pixels[..., 0].astype(float) - 128) @ basis.T
    np.testing.assert_allclose(values[0], exact.ravel()[ZIGZAG], atol=2)
    assert not values[1:].any()  # grey has no chroma


def test_threads_do_not_disturb_each_other() -> None:
    images = np.stack([made_up_image(kind, 60, 70, 9) for kind in KINDS])
    coefficients = Coefficients.of(images, "4:2:0")
    wanted = [[QuantTables.standard(quality)] * len(images) for quality in range(20, 100, 5)]
    alone = [coefficients.encode(tables) for tables in wanted]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(coefficients.encode, wanted * 4))
    for (sizes, pixels), (expected_sizes, expected) in zip(together, alone * 4, strict=True):
        np.testing.assert_array_equal(sizes, expected_sizes)
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("fill", [-32768, 32767, -1, 12345])
def test_values_no_image_has_are_harmless(fill: int) -> None:
    """A damaged cache may hold anything: sizes and pixels then mean nothing, and nothing else happens."""
    values = np.full((2, block_count(17, 30, "4:2:0"), 64), fill, dtype=np.int16)
    tables = [QuantTables.shared(np.full((8, 8), entry)) for entry in (1, 255)]
    sizes, pixels = Coefficients(values, 17, 30, "4:2:0").encode(tables)
    assert (sizes > 625).all()
    assert pixels.shape == (2, 17, 30, 3)


def test_slices_and_indices_are_of_the_images() -> None:
    images = np.stack([made_up_image("noise", 9, 11, seed) for seed in range(6)])
    whole = Coefficients.of(images, "4:4:4")
    tables = [QuantTables.standard(70)] * 6
    sizes = whole.size_bytes(tables)
    for chosen in (slice(2, 5), slice(None, None, 2), slice(None, None, -1), np.array([4, 0, 0]), [1, 3], slice(0, 0)):
        part = whole[chosen]
        expected = sizes[chosen]
        assert len(part) == len(expected)
        np.testing.assert_array_equal(part.size_bytes(tables[: len(part)]), expected)
        assert part.encode(tables[: len(part)])[1].shape == (len(part), 9, 11, 3)
    with pytest.raises(InputError, match="slices or arrays of indices, got the index 3"):
        whole[3]  # type: ignore[index]


def test_a_map_travels_as_its_file(tmp_path: Path) -> None:
    images = np.stack([made_up_image("waves", 40, 40, seed) for seed in range(5)])
    made = Coefficients.of(images, "4:2:0")
    np.save(tmp_path / "values.npy", made.values)
    mapped = Coefficients(np.load(tmp_path / "values.npy", mmap_mode="r"), 40, 40, "4:2:0")
    for original in (mapped, mapped[1:4], mapped[2:][1:]):
        data = pickle.dumps(original)
        assert len(data) < 1000
        copy = pickle.loads(data)
        assert isinstance(copy.values, np.memmap)
        np.testing.assert_array_equal(copy.values, original.values)
    for original in (made, mapped[::2], mapped[np.array([3, 1])]):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(original)).values, original.values)


def test_chunks_are_the_whole_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([made_up_image("noise", 16, 16, seed) for seed in range(7)])
    assert [part for part, _ in chunks_of(images, "4:2:0")] == [slice(0, 7)]
    monkeypatch.setattr("qsearch.coefficients.arrays.CHUNK_BYTES", 3 * 128 * block_count(16, 16, "4:2:0"))
    parts = list(chunks_of(images, "4:2:0"))
    assert [part for part, _ in parts] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    joined = np.concatenate([coefficients.values for _, coefficients in parts])
    np.testing.assert_array_equal(joined, Coefficients.of(images, "4:2:0").values)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Coefficients.of(np.zeros((1, 8, 8)), "4:4:4"), "images are uint8"),  # type: ignore[arg-type]
        (lambda: Coefficients.of(np.zeros((1, 8, 8, 4), np.uint8), "4:4:4"), r"got uint8 \[1, 8, 8, 4\]"),
        (lambda: Coefficients.of(np.zeros((1, 8, 8, 3), np.uint8), "4:2:2"), "4:2:0 or 4:4:4, got '4:2:2'"),
        (lambda: Coefficients.of(np.zeros((1, 1, 65501, 3), np.uint8), "4:4:4"), "1 to 65500 rows and columns"),
        (lambda: Coefficients(np.zeros((1, 2, 64), np.int16), 8, 8, "4:4:4"), r"int16 \[N, 3, 64\]"),
    ],
)
def test_what_is_no_image_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make()


class TestKernel:
    """The extension itself refuses what does not fit together, before it reads or writes anything."""

    def arguments(self) -> dict[str, Any]:
        return {
            "coefficients": np.zeros((2, 3, 64), np.int16),
            "tables": np.ones((2, 3, 64), np.uint8),
            "size_bytes": np.zeros(2, np.int64),
            "pixels": np.zeros((2, 8, 8, 3), np.uint8),
        }

    @pytest.mark.parametrize("name", ["coefficients", "tables", "size_bytes", "pixels"])
    def test_buffers_of_other_sizes(self, name: str) -> None:
        buffers = self.arguments()
        buffers[name] = buffers[name][:1]
        with pytest.raises(ValueError, match=r"2 images of this shape have \d+ bytes, got"):
            _kernel.encode(2, 8, 8, 1, *buffers.values())

    @pytest.mark.parametrize("name", ["size_bytes", "pixels"])
    def test_results_that_cannot_be_written(self, name: str) -> None:
        buffers = self.arguments()
        buffers[name].flags.writeable = False
        with pytest.raises((ValueError, BufferError), match="read-only"):
            _kernel.encode(2, 8, 8, 1, *buffers.values())

    def test_arrays_with_gaps(self) -> None:
        buffers = self.arguments()
        buffers["coefficients"] = np.zeros((4, 3, 64), np.int16)[::2]
        with pytest.raises((ValueError, BufferError), match="contiguous"):
            _kernel.encode(2, 8, 8, 1, *buffers.values())

    def test_a_zero_in_a_table(self) -> None:
        buffers = self.arguments()
        buffers["tables"][1, 2, 63] = 0
        with pytest.raises(ValueError, match="entries are 1 to 255, got 0"):
            _kernel.encode(2, 8, 8, 1, *buffers.values())

    @pytest.mark.parametrize(
        ("shape", "sentence"),
        [
            ((2, 0, 8, 1), "1 to 65500 rows and columns, got 0 and 8"),
            ((2, 8, 8, 3), "subsampled by 1 or 2, got 3"),
            ((-1, 8, 8, 1), "cannot have -1 images"),
            ((2**62, 8, 8, 1), f"cannot have {2**62} images"),
        ],
    )
    def test_shapes_without_images(self, shape: tuple[int, int, int, int], sentence: str) -> None:
        with pytest.raises(ValueError, match=sentence):
            _kernel.encode(*shape, *self.arguments().values())

    def test_an_unknown_path(self) -> None:
        with pytest.raises(ValueError, match="no path 'mmx'"):
            _kernel.use("mmx")

    def test_the_plain_path_is_everywhere_and_last(self) -> None:
        assert PATHS[-1] == "plain"


def test_tables_travel_in_raster_order() -> None:
    luma, cb, cr = np.arange(1, 193).reshape(3, 8, 8)
    assert (
        table_array([QuantTables(luma, cb=cb, cr=cr)] * 2).tolist() == [np.arange(1, 193).reshape(3, 64).tolist()] * 2
    )
