"""The embedded dataset: the same photographs everywhere, disjoint splits, balanced classes, natural statistics."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.datasets import load_dataset
from qsearch.datasets.base import DatasetOptions
from qsearch.datasets.texture_noise import Field, grain, octaves
from qsearch.datasets.texture_patterns import PATTERNS
from qsearch.datasets.textures import CLASS_NAMES, SPLITS, prepare, render
from qsearch.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))


def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qsearch.datasets.textures.SPLITS", dict.fromkeys(SPLITS, 24))


@given(split=st.sampled_from(sorted(SPLITS)), index=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_an_image_depends_on_its_split_and_index_alone(split: str, index: int) -> None:
    np.random.seed(index % 7)
    image = render(split, index)
    assert image.shape == (128, 128, 3)
    assert image.dtype == np.uint8
    render(split, index + 1)
    assert np.array_equal(image, render(split, index))


def test_another_process_renders_the_same_pixels() -> None:
    program = (
        "import hashlib; from qsearch.datasets.textures import prepare; "
        "print(hashlib.sha256(prepare('search', 12).images.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert other == hashlib.sha256(prepare("search", 12).images.tobytes()).hexdigest()


def test_no_image_is_in_two_splits_or_twice_in_one() -> None:
    images = [render(split, index).tobytes() for split in SPLITS for index in range(36)]
    assert len(set(images)) == len(images)


@pytest.mark.parametrize("split", ["search", "validate", "test", "train"])
def test_a_split_is_balanced_named_and_cached(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few_images(monkeypatch)
    dataset = load_dataset(f"textures:{split}")
    assert dataset.name == f"textures:{split}"
    assert dataset.class_names == CLASS_NAMES
    assert len(CLASS_NAMES) == 12
    assert np.bincount(dataset.labels).tolist() == [2] * 12
    assert dataset.image_names[13] == f"{split}-000013"
    assert np.array_equal(dataset.images[13], render(split, 13))
    monkeypatch.setattr("qsearch.datasets.textures.render", None)  # the second time nothing is rendered
    assert load_dataset(f"textures:{split}").digest == dataset.digest


def test_the_splits_for_searching_and_judging_have_600_images() -> None:
    assert [SPLITS[split] for split in ("search", "validate", "test")] == [600, 600, 600]
    assert all(count % len(CLASS_NAMES) == 0 for count in SPLITS.values())


def test_textures_alone_means_the_search_split(monkeypatch: pytest.MonkeyPatch) -> None:
    few_images(monkeypatch)
    assert load_dataset("textures").name == "textures:search"
    assert load_dataset("textures", DatasetOptions(size=128)).digest == load_dataset("textures").digest


def test_an_unknown_split_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no split 'validation': did you mean validate"):
        load_dataset("textures:validation")


def test_another_size_is_refused() -> None:
    with pytest.raises(InputError, match=r"128x128 pixels.*224"):
        load_dataset("textures", DatasetOptions(size=224))


def grid(period_px: int) -> tuple[Field, Field]:
    u, v = np.meshgrid(np.arange(128, dtype=np.float32) / period_px, np.arange(128, dtype=np.float32) / period_px)
    return u, v


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_fills_its_range_and_repeats_for_the_same_stream(name: str) -> None:
    u, v = grid(16)
    first = PATTERNS[name](u, v, 1 / 16, np.random.RandomState(5))
    assert first.dtype == np.float32
    assert 0 <= first.min() < 0.1
    assert 0.8 < first.max() <= 1.001
    assert np.array_equal(first, PATTERNS[name](u, v, 1 / 16, np.random.RandomState(5)))


def test_patterns_differ_from_each_other() -> None:
    u, v = grid(12)
    spectra = []
    for pattern in PATTERNS.values():
        texture = pattern(u, v, 1 / 12, np.random.RandomState(1))
        spectrum = np.abs(np.fft.rfft2(texture - texture.mean())).ravel()
        spectra.append(spectrum / np.linalg.norm(spectrum))
    likeness = np.array(spectra) @ np.array(spectra).T - np.eye(len(spectra))
    assert likeness.max() < 0.97


def test_background_noise_has_the_spectrum_of_natural_images() -> None:
    fields = np.stack([octaves(np.random.RandomState(seed), 128, 128)[..., 0] for seed in range(40)])
    assert abs(float(fields.mean())) < 0.1
    assert 0.8 < float(fields.std()) < 1.2
    power = (np.abs(np.fft.rfft2(fields)) ** 2).mean(axis=0)
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None, :]) * 128
    rings = [(low <= radius) & (radius < 2 * low) for low in (3, 6, 12, 24)]
    exponents = np.diff(np.log2([power[ring].mean() for ring in rings]))
    assert exponents == pytest.approx([-2, -2, -2], abs=0.7)


def test_sensor_noise_is_white_and_of_unit_variance() -> None:
    noise = grain(np.random.RandomState(3), (128, 128, 3))
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    neighbours = float((noise[:, 1:] * noise[:, :-1]).mean())
    assert neighbours == pytest.approx(0, abs=0.02)


def test_photographs_use_the_grey_levels_without_clipping_many() -> None:
    images = prepare("validate", 60).images
    assert 90 < images.mean() < 150
    assert images.std() > 35
    assert np.mean((images == 0) | (images == 255)) < 0.03
