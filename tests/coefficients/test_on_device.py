"""Pixels made on a torch device, here the CPU, against Pillow and the C kernel."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsearch.coefficients import on_device
from qsearch.coefficients.arrays import Coefficients, table_array
from qsearch.coefficients.on_device import COLUMNS_FIRST, DeviceCoefficients, basis_on, decoded
from qsearch.tables import QuantTables
from tests.coefficients.matrix import IMAGES, KINDS, SUBSAMPLINGS, TABLES, by_pillow, made_up_image


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are no work for several threads, which would only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


QUICK = settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(images: Any, tables: list[QuantTables], subsampling: str) -> None:
    """Sizes and pixels of all images are the C kernel's."""
    host = Coefficients.of(images, subsampling)
    expected_bytes, expected = host.encode(tables)
    size_bytes, pixels = DeviceCoefficients.of(host, "cpu").encode(tables)
    assert pixels.dtype == torch.uint8
    np.testing.assert_array_equal(pixels.numpy(), expected)
    np.testing.assert_array_equal(size_bytes, expected_bytes)


@QUICK
@given(IMAGES, TABLES, SUBSAMPLINGS)
def test_any_image_at_any_tables_is_pillows(pixels: Any, tables: QuantTables, subsampling: str) -> None:
    expected_bytes, expected = by_pillow(pixels, tables, subsampling)
    size_bytes, decoded_pixels = DeviceCoefficients.of(Coefficients.of(pixels[None], subsampling), "cpu").encode(
        [tables]
    )
    np.testing.assert_array_equal(decoded_pixels[0].numpy(), expected)
    assert size_bytes.tolist() == [expected_bytes]


@QUICK
@given(st.integers(0, 10**6), st.lists(TABLES, min_size=len(KINDS), max_size=len(KINDS)), SUBSAMPLINGS)
def test_each_image_has_tables_of_its_own(seed: int, tables: list[QuantTables], subsampling: str) -> None:
    check(np.stack([made_up_image(kind, 19, 35, seed) for kind in KINDS]), tables, subsampling)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_every_small_size_is_the_kernels(subsampling: str) -> None:
    """The narrow chroma of libjpeg's own rule and blocks outside the image among them."""
    for height in range(1, 19):
        for width in range(1, 19):
            check(made_up_image("noise", height, width, height * width)[None], [QuantTables.standard(85)], subsampling)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", range(5, 101, 5))
def test_every_quality_is_the_kernels(quality: int, subsampling: str) -> None:
    images = np.stack([made_up_image(kind, 61, 43, quality) for kind in KINDS])
    check(images, [QuantTables.standard(quality)] * len(images), subsampling)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_large_images_of_extremes_are_the_kernels(subsampling: str) -> None:
    images = np.stack([made_up_image(kind, 333, 251, 3) for kind in ("extremes", "checkerboard", "waves")])
    for entry in (1, 37, 255):
        check(images, [QuantTables.shared(np.full((8, 8), entry))] * len(images), subsampling)


@pytest.mark.parametrize("kept", [True, False])
def test_parts_are_of_the_images(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the device has room for all coefficients or they come batch by batch."""
    monkeypatch.setattr(on_device, "_fits", lambda *_: kept)
    images = np.stack([made_up_image("noise", 9, 11, seed) for seed in range(6)])
    whole = DeviceCoefficients.of(Coefficients.of(images, "4:2:0"), "cpu")
    assert (whole.kept is not None) == kept
    tables = [QuantTables.standard(quality) for quality in (10, 30, 50, 70, 90, 100)]
    expected_bytes, expected = whole.host.encode(tables)
    for chosen in (slice(2, 5), slice(None, None, 2), slice(None, None, -1), np.array([4, 0, 0]), [1, 3]):
        part = whole[chosen]
        positions = np.arange(6)[chosen]
        assert len(part) == len(positions)
        size_bytes, pixels = part.encode([tables[position] for position in positions])
        np.testing.assert_array_equal(size_bytes, expected_bytes[positions])
        np.testing.assert_array_equal(pixels.numpy(), expected[positions])


def test_many_images_are_brought_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([made_up_image("waves", 40, 40, seed) for seed in range(7)])
    host = Coefficients.of(images, "4:4:4")
    whole = DeviceCoefficients.of(host, "cpu")
    monkeypatch.setattr(on_device, "CHUNK_BYTES", host.values[:3].nbytes // 64)
    by_parts = DeviceCoefficients.of(host, "cpu")
    assert whole.kept is not None
    assert by_parts.kept is not None
    assert torch.equal(by_parts.kept, whole.kept)


def test_the_graph_is_one() -> None:
    """torch.compile sees all of it: nothing falls back to Python, and another number of images makes no new graph."""
    torch.compiler.reset()
    graphs = []

    def counting(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(decoded, backend=counting, fullgraph=True)
    for count in (6, 4, 3, 5):
        images = np.stack([made_up_image("noise", 33, 50, seed) for seed in range(count)])
        host = Coefficients.of(images, "4:2:0")
        tables = [QuantTables.standard(quality) for quality in range(40, 40 + count)]
        kept = DeviceCoefficients.of(host, "cpu").kept
        assert kept is not None
        given_tables = torch.tensor(table_array(tables)[..., COLUMNS_FIRST])
        pixels = compiled(kept, given_tables, basis_on("cpu"), 33, 50, 2)
        np.testing.assert_array_equal(pixels.numpy(), host.encode(tables)[1])
    assert len(graphs) <= 2
    torch.compiler.reset()
