"""What an image is known by again: through files, sizes, splits and the cache."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions, identities
from qsearch.datasets.identity import NEAR_BITS, look_alikes, perceptual_hash, pixel_digest
from qsearch.datasets.splits import half_of
from qsearch.datasets.texture_scenes import SIDE
from qsearch.datasets.textures import render
from qsearch.errors import InputError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of four textures each."""
    for label in range(2):
        for index in range(4):
            path = tmp_path / "photos" / f"class-{label}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(render("search", 4 * label + index)).save(path)
    return tmp_path / "photos"


def load(root: Path, size: int | None, per_class: int | None = None) -> Dataset:
    return load_dataset(f"folder:{root}", DatasetOptions(size=size, per_class=per_class))


def test_files_keep_their_identity_at_every_size(root: Path) -> None:
    small, large = identities(load(root, 40)), identities(load(root, 48))
    assert [one.digest for one in small] != [one.digest for one in large]
    for one, other in zip(small, large, strict=True):
        assert (one.file_digest, one.source_digest, one.perceptual_hash) == (
            other.file_digest,
            other.source_digest,
            other.perceptual_hash,
        )
        path = root / one.name
        assert one.file_digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert one.source_digest == pixel_digest(np.asarray(Image.open(path)))


def test_the_same_pixels_in_another_file_share_the_source(root: Path, tmp_path: Path) -> None:
    for path in root.glob("*/*.png"):
        copy = tmp_path / "again" / path.parent.name / f"{path.stem}.bmp"
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(copy)
    before, after = identities(load(root, 40)), identities(load(tmp_path / "again", 48))
    assert {one.source_digest for one in before} == {one.source_digest for one in after}
    assert not {one.file_digest for one in before} & {one.file_digest for one in after}


def test_the_cache_remembers_them(root: Path) -> None:
    assert identities(load(root, 40)) == identities(load(root, 40))
    assert load(root, 40).source_identities


def test_halves_and_draws_take_theirs_along(root: Path) -> None:
    whole = {one.name: one for one in identities(load(root, 40))}
    for part in (half_of(load(root, 40), "images:1"), half_of(load(root, 40), "images:2"), load(root, 40, 2)):
        found = identities(part)
        assert found == [whole[one.name] for one in found]


def test_arrays_are_their_own_source() -> None:
    images = np.stack([render("search", index) for index in range(3)])
    for one, image in zip(identities(Dataset.from_arrays(images, [0, 1, 0])), images, strict=True):
        assert one.digest == one.source_digest == pixel_digest(image)
        assert one.perceptual_hash == perceptual_hash(Image.fromarray(image))
        assert not one.file_digest


def test_another_number_of_identities_is_refused(root: Path) -> None:
    dataset = load(root, 40)
    with pytest.raises(InputError, match="8 images come with as many source identities or none, got 7"):
        replace(dataset, source_identities=dataset.source_identities[1:])


def test_the_hash_of_a_gradient_derived_by_hand() -> None:
    """Of levels that rise evenly from left to right the mean is above 0, odd cosines are below and all others are 0."""
    ramp = np.repeat(np.arange(32, dtype=np.uint8)[None, :], 32, axis=0)
    assert perceptual_hash(Image.fromarray(np.stack([ramp] * 3, axis=2))) == "8000000000000000"
    assert perceptual_hash(Image.fromarray(np.stack([255 - ramp] * 3, axis=2))) == "d500000000000000"


def test_a_smaller_and_a_lossy_copy_look_alike_and_others_do_not(tmp_path: Path) -> None:
    hashes, copies = [], []
    for index in range(24):
        image = Image.fromarray(render("search", index))
        hashes.append(perceptual_hash(image))
        image.save(tmp_path / "copy.jpg", quality=60)
        copies.append(perceptual_hash(Image.open(tmp_path / "copy.jpg").resize((3 * SIDE // 4, 3 * SIDE // 4))))
    found = look_alikes(copies, hashes)
    assert len(found) >= 20
    assert all(place == other for place, other in found)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=6),
    st.lists(st.one_of(st.just(-1), st.integers(0, 2**64 - 1)), max_size=6),
    st.sets(st.integers(0, 63), max_size=8),
)
def test_look_alikes_are_those_within_the_distance(left: list[int], right: list[int], flipped: set[int]) -> None:
    right = [*right, *(value ^ sum(1 << bit for bit in flipped) for value in left)]
    found = dict(look_alikes([f"{value:016x}" for value in left], ["" if v < 0 else f"{v:016x}" for v in right]))
    for place, value in enumerate(left):
        least = min((value ^ other).bit_count() for other in right if other >= 0)
        assert (place in found) == (least <= NEAR_BITS)
        if place in found:
            assert (value ^ right[found[place]]).bit_count() == least
