"""The ImageNet classes, and which each flat ILSVRC2012 validation image is of, in the lists that go round.

- ``ILSVRC2012_validation_ground_truth.txt`` of the development kit: line i is the class of image i as the kit numbers
  classes, which is not their sorted order; ``meta.mat``, beside it in the kit, gives the WordNet ids.
- ``synset_labels.txt``: line i is the WordNet id of image i.
- ``val.txt``: lines of an image's name and its WordNet id, or its place from 0 in the sorted WordNet ids.
- ``LOC_val_solution.csv`` of Kaggle's copy: an image's name without suffix, and its WordNet id first of more.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from qsearch.errors import InputError

LISTS = (
    "ILSVRC2012_validation_ground_truth.txt",
    "val.txt",
    "synset_labels.txt",
    "imagenet_2012_validation_synset_labels.txt",
    "LOC_val_solution.csv",
)
META = "meta.mat"
WNID = re.compile(r"n\d{8}")


@cache
def imagenet_synsets() -> tuple[str, ...]:
    """The WordNet ids (``n01440764``, ...) of the 1000 ImageNet classes, in the order in which networks answer."""
    text = resources.files("qsearch.datasets").joinpath("imagenet_synsets.txt").read_text(encoding="ascii")
    return tuple(text.split())


def find_truth(root: Path) -> Path:
    """The list for the images in ``root``: there or one folder up, also in a development kit that lies there.

    InputError where there is none.
    """
    for folder in (root, root.parent):
        kits = sorted(folder.glob("*devkit*"))
        for place in (folder, *kits, *(inner / "data" for inner in (folder, *kits))):
            for name in LISTS:
                if (place / name).is_file():
                    return place / name
    raise InputError(
        f"the images of {root} lie in no class folders, and no list tells their classes: put {LISTS[0]} and {META} of "
        f"the development kit beside them, or a val.txt with a file name and a WordNet id in each line."
    )


def wnids_of(images: Sequence[str], truth: Path, root: Path) -> dict[str, str]:
    """The WordNet id of each image of ``root``, by file name, as the list ``truth`` tells.

    InputError where the list cannot be read, and where it is not of exactly these images.
    """
    lines = _read(truth)
    if len(lines) != len(images):
        raise InputError(
            f"{truth} tells the classes of {len(lines)} images and there are {len(images)} in {root}: give the whole "
            "validation set with its own list."
        )
    if any(len(line) == 1 for line in lines):
        wnid = _by_kit(truth) if lines[0][0].isdigit() else _by_wnid(truth)
        places = {f"ILSVRC2012_val_{number:08d}": line[0] for number, line in enumerate(lines, start=1)}
    else:
        wnid = _by_wnid(truth) if WNID.fullmatch(lines[0][1]) else _by_place(truth)
        places = {Path(line[0]).stem: line[1] for line in lines}
    unknown = [name for name in images if Path(name).stem not in places]
    if unknown:
        raise InputError(f"{truth} does not tell the class of {unknown[0]}: give the list of these images.")
    return {name: wnid(places[Path(name).stem]) for name in images}


def _read(truth: Path) -> list[list[str]]:
    """The first two words, or one, of each line that is not empty; a heading is left out."""
    try:
        text = truth.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{truth} cannot be read as text: {error}.") from error
    lines = [re.split(r"[,\s]+", line.strip())[:2] for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if line[0] != "ImageId"]
    if not lines:
        raise InputError(f"{truth} is empty: it should tell the class of each image.")
    return lines


def _by_wnid(truth: Path) -> Callable[[str], str]:
    def wnid(word: str) -> str:
        if not WNID.fullmatch(word):
            raise InputError(f"{truth} calls a class {word!r}: expected a WordNet id such as n01440764.")
        return word

    return wnid


def _by_place(truth: Path) -> Callable[[str], str]:
    synsets = imagenet_synsets()

    def wnid(word: str) -> str:
        if not (word.isdecimal() and int(word) < len(synsets)):
            raise InputError(
                f"{truth} calls a class {word!r}: expected its place from 0 to {len(synsets) - 1} among the sorted "
                "WordNet ids, or its WordNet id."
            )
        return synsets[int(word)]

    return wnid


def _by_kit(truth: Path) -> Callable[[str], str]:
    wnids = _read_meta(truth.parent / META)

    def wnid(word: str) -> str:
        if not word.isdecimal() or int(word) not in wnids:
            raise InputError(f"{truth} calls a class {word!r}: expected a number that {META} knows.")
        return wnids[int(word)]

    return wnid


def _read_meta(path: Path) -> dict[int, str]:
    """WordNet ids by the numbers that the development kit gives to classes."""
    if not path.is_file():
        raise InputError(
            f"{path} is missing, and without it the numbers of {LISTS[0]} say no class: put it there from the folder "
            "data of the development kit."
        )
    from scipy.io import loadmat

    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        pairs: Iterable[tuple[int, str]] = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
        return {int(number): str(wnid) for number, wnid in pairs}
    except Exception as error:  # on damaged files scipy's readers raise nearly everything
        raise InputError(
            f"{path} cannot be read as the development kit's list of classes ({error}): unpack it again."
        ) from error
