"""The images of a folder, folder by folder: of millions of files only the names in one folder are in memory."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsearch.errors import InputError


@dataclass(frozen=True)
class Contents:
    """What lies in ``folder`` itself: the names of its images, sorted, and how many other files there are."""

    folder: Path
    images: list[str]
    others: int


def listing(
    root: Path, suffixes: Collection[str], *, links: bool = True, without: Path | None = None
) -> Iterator[Contents]:
    """``root`` and the folders below it, by name; hidden files and folders are not looked at.

    An image is a file whose suffix, in lower case, is one of ``suffixes``. ``links``: whether those of files are images
    and those of folders are followed, each folder once; else they count as other files. What lies in the folder
    ``without`` is left out, however it is reached. InputError where a folder may not be listed.
    """
    avoided = None if without is None else without.resolve()
    seen = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        real = folder.resolve()
        if real in seen or (avoided is not None and real.is_relative_to(avoided)):
            continue
        if links:
            seen.add(real)
        contents, subfolders = _look_into(folder, suffixes, links)
        waiting += (folder / name for name in sorted(subfolders, reverse=True))
        yield contents


def _look_into(folder: Path, suffixes: Collection[str], links: bool) -> tuple[Contents, list[str]]:
    images, subfolders, others = [], [], 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                link = entry.is_symlink()
                if entry.name.startswith("."):
                    continue
                if link and not links:
                    others += 1
                elif entry.is_dir():
                    subfolders.append(entry.name)
                elif (entry.is_file() or link) and entry.name[len(stem(entry.name)) :].lower() in suffixes:
                    images.append(entry.name)
                else:
                    others += 1
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror}): give read permission.") from error
    images.sort()
    return Contents(folder, images, others), subfolders


def same_stem(names: list[str]) -> dict[str, list[str]]:
    """Of names with suffixes those that differ only there, by what is before the suffix; mostly there are none."""
    if not names:
        return {}
    # Eight bytes a name, where a set of a million of them would take a hundred.
    hashes = np.fromiter((hash(stem(name)) for name in names), np.int64, len(names))
    values, counts = np.unique(hashes, return_counts=True)
    repeated = set(values[counts > 1].tolist())
    found: dict[str, list[str]] = {}
    for name in names if repeated else ():
        if hash(stem(name)) in repeated:
            found.setdefault(stem(name), []).append(name)
    return {shared: those for shared, those in found.items() if len(those) > 1}


def stem(name: str) -> str:
    """``name`` without its suffix."""
    return name.rpartition(".")[0]
