"""Pictures: the same images at standard tables and at a found table of about that ratio (Luo 2021, Figure 8)."""

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qsearch.analysis.choice import measured_baseline
from qsearch.analysis.results import Results, measured
from qsearch.classifiers.base import Classifier
from qsearch.codecs.base import Codec
from qsearch.codecs.files import FileCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.datasets.imagenet_classes import imagenet_synsets
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import truth_of
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.run.building import build_classifiers, build_codec, build_dataset
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded

PER_OUTCOME = {"rescued": 4, "lost": 4, "kept": 2}
"""How many images of each outcome are shown at most."""
MOST_BYTES = 1_500_000
"""Of all pictures together, so that the page can be mailed."""


@dataclass(frozen=True)
class Version:
    """An image at some tables: the JPEG file as a data URI, its size in bytes, and what the network takes it for."""

    data_uri: str
    size_bytes: int
    answer: str
    right: bool


@dataclass(frozen=True)
class Picture:
    """One image in both versions. ``outcome``: ``rescued``, ``lost`` or ``kept`` (right both times)."""

    name: str
    true_class: str
    outcome: str
    standard: Version
    found: Version


@dataclass(frozen=True)
class Gallery:
    """Pictures at the tables ``label`` and at the standard ones, and how many of ``images`` have each outcome.

    neither: wrong both times.
    """

    label: str
    ratio: float
    standard_ratio: float
    measured_on: str
    network: str
    images: int
    width: int
    height: int
    rescued: int
    lost: int
    kept: int
    neither: int
    pictures: tuple[Picture, ...]


def gallery(
    run: Run, results: Results, trial: Trial, label: str, measured_on: str, *, trust_command: bool = False
) -> Gallery:
    """Images of ``run`` (or of a validation) at the standard tables of its ``like_quality`` and at those of ``trial``,
    which it measured.

    The first classifier says what they are taken for. InputError where dataset or classifier cannot be had any more,
    or are not those that were measured, and where the codec is a command that is not trusted.
    """
    standard, found = measured_baseline(results), measured(trial)
    codec = build_codec(run.settings.codec, trust_command=trust_command)  # first: cheap to refuse
    dataset, classifier = _parts(run)
    outcomes = outcomes_of(standard, found)
    chosen = {name: spread(np.flatnonzero(outcomes[name]), most) for name, most in PER_OUTCOME.items()}
    indices = np.concatenate(list(chosen.values()))
    names = [name for name, some in chosen.items() for _ in some]
    standard_trial = next(each for each in results.standard_trials if each.number == results.like_quality)
    before = _versions(codec, dataset, classifier, indices, standard_trial)
    after = _versions(codec, dataset, classifier, indices, trial)
    pictures = tuple(
        Picture(dataset.image_names[index], true_class, name, first, second)
        for index, true_class, name, first, second in zip(
            indices.tolist(), _true_classes(dataset, classifier, indices), names, before, after, strict=True
        )
    )
    return Gallery(
        label=label,
        ratio=found.ratio,
        standard_ratio=standard.ratio,
        measured_on=measured_on,
        network=classifier.name.replace("\\", "/").rpartition("/")[2],
        images=len(dataset),
        width=dataset.width,
        height=dataset.height,
        **{name: int(np.count_nonzero(which)) for name, which in outcomes.items()},
        pictures=_within_budget(pictures),
    )


def outcomes_of(standard: Measurement, found: Measurement) -> dict[str, npt.NDArray[np.bool_]]:
    """Which images [N] the first classifier gets right only at the found table, only at the standard one, ..."""
    before, after = standard.ranks[0] == 0, found.ranks[0] == 0
    return {"rescued": after & ~before, "lost": before & ~after, "kept": before & after, "neither": ~before & ~after}


def spread(indices: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    """At most ``most`` of ``indices``, evenly over them: nobody chose the prettiest."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(np.intp)]


def readable(class_name: str) -> str:
    """What the ImageNet class of a WordNet id is called; other class names stay as they are."""
    synsets = imagenet_synsets()
    if class_name not in synsets:
        return class_name
    from torchvision.models import ResNet50_Weights

    categories: Sequence[str] = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return categories[synsets.index(class_name)]


def _parts(run: Run) -> tuple[Dataset, Classifier]:
    recorded = run.settings.recorded or Recorded()
    classifier = build_classifiers(run.settings)[0]  # first: cheap to refuse, while images can take minutes
    if classifier.digest != recorded.classifiers[0].get("digest"):
        raise InputError(f"the weights of {classifier.name} are not those that were measured any more.")
    dataset = build_dataset(run.settings.dataset)
    if dataset.digest != recorded.dataset.get("digest"):
        raise InputError(f"the images of {dataset.name} are not those that were measured any more.")
    return dataset, classifier


def _true_classes(dataset: Dataset, classifier: Classifier, indices: npt.NDArray[np.intp]) -> list[str]:
    """What the images of ``indices`` show: by their labels, or as ``classifier`` takes them uncompressed."""
    if dataset.truth == "labels":
        return [readable(dataset.class_names[label]) for label in dataset.labels[indices]]
    chosen = replace(
        dataset,
        images=dataset.images[indices],
        labels=dataset.labels[indices],
        image_names=tuple(dataset.image_names[index] for index in indices),
        source_identities=(),
        stored=None,
    )
    return list(map(_class_names(dataset, classifier), truth_of(chosen, classifier).tolist()))


def _class_names(dataset: Dataset, classifier: Classifier) -> Callable[[int], str]:
    """What an answer of ``classifier``, an index into its logits, is called."""
    names = classifier.class_names or (dataset.class_names if dataset.truth == "labels" else ())
    return lambda answer: readable(names[answer]) if answer < len(names) else f"class {answer}"


def _versions(
    codec: Codec, dataset: Dataset, classifier: Classifier, indices: npt.NDArray[np.intp], trial: Trial
) -> list[Version]:
    # Where the codec makes no files the one for the eye is Pillow's; sizes and what the network sees are the codec's.
    by = codec if isinstance(codec, FileCodec) else PillowCodec(codec.encoder)
    images = [dataset.compressed(index) for index in indices.tolist()]
    tables = [trial.quantizer.tables_for(image) for image in images]
    decoded = [codec.encode(image, its_tables).images[0] for image, its_tables in zip(images, tables, strict=True)]
    logits = classifier.logits(np.stack([dataset.shown(each) for each in decoded]))
    called = _class_names(dataset, classifier)
    measurement = measured(trial)
    return [
        Version(
            data_uri="data:image/jpeg;base64," + base64.b64encode(by.compress(image[0], its_tables[0])).decode("ascii"),
            size_bytes=int(measurement.size_bytes[index]),
            answer=called(answer),
            right=bool(measurement.ranks[0, index] == 0),
        )
        for image, its_tables, index, answer in zip(
            images, tables, indices, logits.argmax(axis=1).tolist(), strict=True
        )
    ]


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _within_budget(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """The first of each outcome, then the second of each, ... as far as :data:`MOST_BYTES` reach; in their order."""
    places: Counter[str] = Counter()
    ranked = []
    for index, picture in enumerate(pictures):
        ranked.append((places[picture.outcome], index))
        places[picture.outcome] += 1
    kept, total = set(), 0
    for _, index in sorted(ranked):
        total += len(pictures[index].standard.data_uri) + len(pictures[index].found.data_uri)
        if total <= MOST_BYTES:
            kept.add(index)
    return tuple(picture for index, picture in enumerate(pictures) if index in kept)
