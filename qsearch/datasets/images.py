"""``images:PATH``, ``kodak:PATH``: images without labels, anywhere below a folder."""

from qsearch.datasets.base import UNLABELLED, Dataset, DatasetOptions
from qsearch.datasets.files import Listing, existing_folder, image_suffixes, load_files, walk
from qsearch.errors import InputError

KODAK = tuple(f"kodim{number:02d}" for number in range(1, 25))
"""The 24 images of the Kodak Lossless True Color Image Suite, by their files' stems."""


def load(argument: str, options: DatasetOptions) -> Dataset:
    """images:PATH, images without labels in any folder: for --labels predicted.

    InputError where there is none, where images of each class are asked for, and as
    :func:`qsearch.datasets.files.load_files` does.
    """
    return load_files("images", argument, _list("images", argument, options), options)


def load_kodak(argument: str, options: DatasetOptions) -> Dataset:
    """kodak:PATH, the 24 Kodak images (kodim01 to kodim24), without labels.

    Six of them stand upright, so that a search needs a size. InputError as :func:`load`, and where one is missing or
    where there are others.
    """
    listing = _list("kodak", argument, options)
    stems = [name.rpartition("/")[2].rpartition(".")[0].lower() for name, _ in listing.files]
    if sorted(stems) != list(KODAK):
        wrong = sorted(set(KODAK) ^ set(stems)) or [stem for stem in stems if stems.count(stem) > 1]
        raise InputError(
            f"{argument} holds {len(stems)} images, and the Kodak images are kodim01 to kodim24, each once (see "
            f"{wrong[0]}): give all of them, or use images:PATH."
        )
    return load_files("kodak", argument, listing, options)


def _list(kind: str, argument: str, options: DatasetOptions) -> Listing:
    if options.per_class is not None:
        raise InputError(f"{kind} has no classes to draw from: leave --per-class out.")
    root = existing_folder(kind, argument)
    files, suffixes = list(walk(root)), image_suffixes()
    names = [path.relative_to(root).as_posix() for path in files if path.suffix.lower() in suffixes]
    if not names:
        raise InputError(f"{argument} holds no images: give a folder that does.")
    return Listing(root, (UNLABELLED,), tuple((name, 0) for name in names), len(files) - len(names), truth="unknown")
