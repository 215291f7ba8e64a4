"""Tarballs of public images: what is damaged, or not what was published, is found before an image of it is used."""

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qsearch.datasets.download import DamagedError, Downloader
from qsearch.datasets.imagenetv2.public_images import check_tarball, fetch_tarball, public_images
from qsearch.datasets.imagenetv2.publication import PUBLIC_SETS, Addresses
from qsearch.errors import InputError, RunError
from tests.datasets.imagenetv2.world import TARBALL, World

CANDIDATE = "c" * 40
IMAGE = bytes(range(256)) * 40


def tarball(*links: tarfile.TarInfo) -> bytes:
    """An image and these links, not compressed."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(f"0/{CANDIDATE}.jpeg")
        member.size = len(IMAGE)
        archive.addfile(member, io.BytesIO(IMAGE))
        for link in links:
            archive.addfile(link)
    return file.getvalue()


def link(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"0/{'d' * 40}.jpeg")
    member.type, member.linkname = kind, "0/nothing.jpeg"
    return member


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def damaged() -> Iterator[tuple[str, bytes]]:
    plain = tarball()
    # Stored, so that a flipped bit of the image leaves a stream that unpacks; only the checksum at its end can tell.
    stored = gzip.compress(plain, compresslevel=0)
    yield "image.tar.gz", flipped(stored, stored.index(IMAGE) + 99)
    yield "end.tar.gz", stored[:-8]
    packed = lzma.compress(plain)
    yield "middle.tar.xz", flipped(packed, len(packed) // 2)
    yield "cut.tar.xz", packed[: len(packed) // 2]
    yield "hard.tar", tarball(link(tarfile.LNKTYPE))
    yield "soft.tar", tarball(link(tarfile.SYMTYPE))
    yield "headers.tar", tarfile.TarInfo("x").tobuf()[:156] + b"L" + b"\0" * 355


@pytest.mark.parametrize(
    ("name", "content"), list(damaged()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_damaged_tarball_is_refused_before_an_image_is_taken(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    images = public_images(path, {CANDIDATE, "d" * 40})
    if name in ("hard.tar", "soft.tar"):  # a whole tarball, whose link leads nowhere
        assert next(images)[0] == CANDIDATE
    with pytest.raises(InputError, match=rf"{name} cannot be read as a tarball of public ImageNetV2 images"):
        next(images)


def test_a_whole_tarball_gives_its_images(tmp_path: Path) -> None:
    for name, content in (
        ("a.tar", tarball()),
        ("a.tar.gz", gzip.compress(tarball())),
        ("a.tar.xz", lzma.compress(tarball())),
    ):
        (tmp_path / name).write_bytes(content)
        check_tarball(tmp_path / name, hashlib.sha256(content).hexdigest())
        assert list(public_images(tmp_path / name, {CANDIDATE})) == [(CANDIDATE, IMAGE, f"{name}/0/{CANDIDATE}.jpeg")]


def test_another_file_than_was_published(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tarball())
    with pytest.raises(DamagedError, match="another file than was published, of SHA-256"):
        check_tarball(tmp_path / "a.tar", "0" * 64)


def test_the_published_digests_are_looked_at_unless_told_otherwise(
    world: World, downloader: Downloader, tmp_path: Path
) -> None:
    assert Addresses().sha256[TARBALL] == PUBLIC_SETS["matched-frequency"].sha256
    world.host_tarball(world.photos()[:3])
    fetch_tarball("matched-frequency", tmp_path / "right", downloader, world.addresses)
    other = Addresses(hub=world.addresses.hub)
    with pytest.raises(RunError, match="another file than was published"):
        fetch_tarball("matched-frequency", tmp_path / "wrong", downloader, other)
    assert not list((tmp_path / "wrong").glob("*.gz"))
