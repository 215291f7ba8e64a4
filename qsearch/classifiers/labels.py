"""Which logit stands for which class of a dataset: by the classes' names, or by their order."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.datasets.base import UNLABELLED, Dataset
from qsearch.datasets.imagenet_classes import imagenet_synsets
from qsearch.errors import InputError


def imagenet_class_names(classes: int) -> tuple[str, ...] | None:
    """The names of the classes of a network that does not say them: ImageNet's where there are 1000, else unknown."""
    synsets = imagenet_synsets()
    return synsets if classes == len(synsets) else None


def class_names_of(network: str, classes: int, file: str | None) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """The names of the classes of ``network``, and what a run's settings say of them.

    They are the lines of ``file`` where one is given, else as :func:`imagenet_class_names` says. InputError where the
    file cannot be read or does not name each of the ``classes`` once.
    """
    if file is None:
        return imagenet_class_names(classes), {}
    try:
        names = tuple(line.strip() for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} cannot be read ({error}): --class-names takes a text file, a name per line."
        ) from error
    if len(names) != classes:
        raise InputError(
            f"{file} names {len(names)} classes and {network} tells {classes} apart: give one name per line, in the "
            "order of the logits."
        )
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{file} names the class {repeated!r} twice: give each logit a name of its own.")
    return names, {"class_names": hashlib.sha256("\n".join(names).encode()).hexdigest()}


def align_labels(dataset: Dataset, classifier: Classifier) -> npt.NDArray[np.int64]:
    """The labels of ``dataset`` as indices into the logits of ``classifier``, int64 [N].

    By name where the classifier knows all the dataset's classes; by order where it does not name its classes, or the
    dataset only numbers its own (0, 1, ...). InputError where a classifier that names its classes knows some of the
    dataset's only or none, where the dataset has more classes than the classifier, and where it has no labels.
    """
    if dataset.class_names == (UNLABELLED,):
        raise InputError(
            f"{dataset.name} has no labels to classify by: let 'qsearch run' take the network's answers on the "
            "uncompressed images for them with --labels predicted, or compare tables by PSNR with 'qsearch curve'."
        )
    index = {name: position for position, name in enumerate(classifier.class_names or ())}
    unknown = [name for name in dataset.class_names if name not in index]
    if not unknown:
        return np.array([index[name] for name in dataset.class_names], dtype=np.int64)[dataset.labels]
    if len(unknown) < len(dataset.class_names):
        raise InputError(
            f"{classifier.name} knows {len(dataset.class_names) - len(unknown)} of the {len(dataset.class_names)} "
            f"classes of {dataset.name}, but not {_some(unknown)}: rename or remove those classes."
        )
    if len(dataset.class_names) > classifier.classes:
        raise InputError(
            f"{dataset.name} has {len(dataset.class_names)} classes and {classifier.name} tells only "
            f"{classifier.classes} apart: use a classifier trained on these classes."
        )
    if classifier.class_names is not None and list(dataset.class_names) != list(map(str, range(len(unknown)))):
        raise InputError(
            f"{classifier.name} knows none of the {len(unknown)} classes of {dataset.name} ({_some(unknown)}; its own "
            f"are {_some(list(classifier.class_names))}): rename the classes, give the network's own names with "
            "--class-names FILE, or measure agreement with its answers on the uncompressed images, with --labels "
            "predicted."
        )
    return dataset.labels


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"
