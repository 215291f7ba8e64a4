"""A small build of the made-up ImageNetV2: what it draws, how it is given, and what it leaves."""

from pathlib import Path
from typing import Any

from qsearch.datasets.download import Downloader
from qsearch.datasets.imagenetv2.build import Built, Sources, build
from qsearch.datasets.imagenetv2.manifest import BuildSettings, Entry, read_manifest
from qsearch.datasets.imagenetv2.metadata import Photo
from qsearch.datasets.imagenetv2.selection import select
from tests.datasets.imagenetv2.world import World

SETTINGS = BuildSettings(classes=4, per_class=3, seed=3)


def drawn(world: World) -> list[Photo]:
    """The 12 photographs of SETTINGS."""
    return select(world.photos(), SETTINGS.classes, SETTINGS.per_class, SETTINGS.seed, other_classes=False)


def run(world: World, out: Path, downloader: Downloader, settings: BuildSettings = SETTINGS, **sources: Any) -> Built:
    given = {"addresses": world.addresses, "metadata": world.metadata, **sources}
    return build(out, settings, Sources(**given), downloader)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, hidden ones included, with its content."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def entries(folder: Path) -> dict[str, Entry]:
    return {entry.candidate: entry for entry in read_manifest(folder)}


def recorded(photo: Photo) -> str:
    """The path of a photograph's recorded address."""
    return f"/static/{photo.flickr_id}_c.jpg"
