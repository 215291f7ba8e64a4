"""Experiment: one network fine-tuned on a found table and, in the same way, on the standard one; both on new images."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from qsearch.analysis.comparison import Comparison, compare
from qsearch.classifiers.base import Classifier
from qsearch.classifiers.engines import TorchEngine
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import align_labels
from qsearch.classifiers.network import TorchNetwork
from qsearch.codecs.base import Codec, Encoded
from qsearch.datasets.base import Dataset, check_prepared, identities
from qsearch.disk import check_folder_name, locked, replacing, writing
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, bpp_of
from qsearch.evaluation.measures import true_class_ranks
from qsearch.finetuning.training import Examples, Schedule, repeatable, train
from qsearch.run.folder import Run
from qsearch.run.settings import ClassifierSettings, CodecSettings, DatasetSettings
from qsearch.run.validation import refuse_overlap, same_images
from qsearch.tables import QuantTables
from qsearch.text import one_line

FOLDER = "finetune"
SETTINGS_FILE = "finetune.json"
RESULT_FILE = "result.json"
BLOCK = 64
MEASURED_BATCH = 16
"""Images that a network sees at once where it is measured; the same everywhere, for logits may depend on it."""

Progress = Callable[[str, int, int], None]
Kept = TypeVar("Kept")


class FinetuneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that decides what comes out.

    found: how users call the table that was found; tables: it and the standard one, as in QuantTables.to_bytes, in
        hexadecimal.
    train_images: so many of the dataset, drawn; all where there are no more.
    recorded: digests of network and images, and the encoder, when the experiment began.
    """

    format: int = 1
    classifier: ClassifierSettings
    dataset: DatasetSettings
    held_out: DatasetSettings
    codec: CodecSettings
    found: str
    standard: str
    tables: tuple[str, str]
    train_images: int
    epochs: int
    batch: int
    learning_rate: float
    seed: int
    threads: int
    recorded: dict[str, Any] = {}


@dataclass(frozen=True)
class Row:
    """One network on the held-out images at one table: compression ratio, bytes, top-1 (0..1).

    losses: the training loss of each epoch; empty for the network as it was.
    """

    network: str
    tables: str
    ratio: float
    total_bytes: int
    top1: float
    losses: tuple[float, ...] = ()

    @property
    def bpp(self) -> float:
        """JPEG bits per pixel."""
        return bpp_of(self.ratio)


@dataclass(frozen=True)
class FinetuneResult:
    """What came out.

    tuned: the network tuned and read at the found table, against the one tuned and read at the standard table.
    as_it_was: the same of the network before any training.
    """

    rows: tuple[Row, ...]
    tuned: Comparison
    as_it_was: Comparison
    train_images: int
    held_out_images: int


@dataclass(frozen=True)
class Parts:
    """What an experiment is made of, built: the network, its training images, the held-out ones, the encoder.

    notes: what the user should look at, as :func:`qsearch.run.validation.refuse_overlap` says it.
    """

    network: TorchNetwork
    device: str
    train: Dataset
    train_labels: Any
    held_out: Dataset
    held_out_labels: Any
    codec: Codec
    notes: tuple[str, ...] = ()

    @property
    def recorded(self) -> dict[str, Any]:
        """What they say of themselves: with the settings, all that decides what comes out."""
        return {
            "network": self.network.digest,
            "dataset": self.train.digest,
            "held_out": self.held_out.digest,
            "codec": self.codec.settings(),
            "device": self.device.partition(":")[0],
        }


def parts_of(classifier: Classifier, train_on: Dataset, held_out: Dataset, codec: Codec, run: Run) -> Parts:
    """The parts, checked. InputError where the network cannot be trained, its classes do not fit, or images overlap.

    The held-out images are none that are trained on, and none that ``run`` chose its tables on.
    """
    network = classifier.network if isinstance(classifier, InferenceClassifier) else None
    if not isinstance(classifier, InferenceClassifier) or not isinstance(network, TorchNetwork):
        raise InputError(f"{classifier.name} cannot be trained: choose textures-cnn, torchvision:NAME or timm:NAME.")
    for dataset in (train_on, held_out):
        if dataset.truth != "labels":
            raise InputError(f"{dataset.name} has no labels: choose images with classes.")
    held = identities(held_out)
    shared = same_images(held, identities(train_on))
    if shared:
        raise InputError(
            f"{len(shared)} of the {len(held)} held-out images are also trained on ({shared[0]}, for one): hold out "
            "others with --held-out."
        )
    notes = refuse_overlap([run], held)
    return Parts(
        network=network,
        device=classifier.device,
        train=train_on,
        train_labels=align_labels(train_on, classifier),
        held_out=held_out,
        held_out_labels=align_labels(held_out, classifier),
        codec=codec,
        notes=tuple(notes),
    )


def open_experiment(run: Run, name: str, settings: FinetuneSettings) -> tuple[Path, FinetuneSettings]:
    """The folder of the experiment ``name`` of ``run``, made where there is none, and the settings it goes on with.

    They are those of ``settings`` but for the number of threads, which an experiment keeps. InputError where the
    experiment of that name is another one.
    """
    check_folder_name(name, "a fine-tuning")
    folder = run.path / FOLDER / name
    path = folder / SETTINGS_FILE
    if path.is_file():
        found = _read(path, FinetuneSettings, "choose another --name")
        wanted = msgspec.structs.replace(settings, threads=found.threads)
        changed = [field for field in wanted.__struct_fields__ if getattr(found, field) != getattr(wanted, field)]
        if changed:
            raise InputError(
                f"fine-tuning {name} of run {run.name} was begun otherwise ({', '.join(changed)} changed): choose "
                "another --name."
            )
        return folder, found
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(settings)))
    return folder, settings


def run_experiment(folder: Path, settings: FinetuneSettings, parts: Parts, progress: Progress) -> FinetuneResult:
    """Trains and measures what is not done yet; the result is kept in ``folder`` too.

    RunError where another process is at it; as :func:`qsearch.finetuning.training.train`.
    """
    with locked(folder):
        kept = folder / RESULT_FILE
        if kept.is_file():
            return _read(kept, FinetuneResult, "delete it to measure again")
        with repeatable(settings.threads, parts.device):
            result = _result(folder, settings, parts, progress)
        with replacing(kept) as file:
            file.write(msgspec.json.format(msgspec.json.encode(result)))
        return result


def _read(path: Path, kind: type[Kept], advice: str) -> Kept:
    """What was kept at ``path``. InputError, ending in ``advice``, where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, ValueError, RecursionError) as error:  # what is no UTF-8, no JSON, or too deep
        raise InputError(f"{path} cannot be read ({one_line(str(error))}): {advice}.") from error


def _result(folder: Path, settings: FinetuneSettings, parts: Parts, progress: Progress) -> FinetuneResult:
    schedule = Schedule(settings.epochs, settings.batch, settings.learning_rate, settings.seed, settings.threads)
    before: list[Measurement] = []
    after: list[Measurement] = []
    rows: list[Row] = []
    for kind, label, tables in zip(
        ("found", "standard"), (settings.found, settings.standard), settings.tables, strict=True
    ):
        arm = _Arm(label, QuantTables.from_bytes(bytes.fromhex(tables)), folder / f"{kind}.pt")
        network = parts.network.torch_module(parts.device)
        before.append(arm.measure(network, parts, settings.threads))
        rows.append(_row("as it was", label, before[-1]))
        losses = arm.train(network, parts, schedule, progress)
        after.append(arm.measure(network, parts, settings.threads))
        rows.append(_row("fine-tuned", label, after[-1], losses))
    return FinetuneResult(
        rows=tuple(sorted(rows, key=lambda row: row.network)),
        tuned=compare(after[1], [after[0]])[0],
        as_it_was=compare(before[1], [before[0]])[0],
        train_images=len(parts.train),
        held_out_images=len(parts.held_out),
    )


def harm(rows: Sequence[Row]) -> list[str]:
    """What to know where the network got worse by training, for then no table gained by it."""
    before, after = (
        {row.tables: row.top1 for row in rows if row.network == name} for name in ("as it was", "fine-tuned")
    )
    fallen = [
        f"from {100 * top1:.2f} to {100 * after[tables]:.2f} % at {tables}"
        for tables, top1 in before.items()
        if after.get(tables, top1) < top1
    ]
    if not fallen:
        return []
    return [
        f"Training hurt: top-1 fell {' and '.join(fallen)}. What it is compared with below is a network made worse: "
        "try a lower --learning-rate, or more images with --train-images."
    ]


@dataclass(frozen=True)
class _Arm:
    """One table's half of an experiment."""

    label: str
    tables: QuantTables
    checkpoint: Path

    def train(self, network: Any, parts: Parts, schedule: Schedule, progress: Progress) -> list[float]:
        encoded = encode_all(parts.codec, parts.train, self.tables, schedule.threads)
        examples = Examples(parts.network.input.prepare(encoded.images, parts.network.name), parts.train_labels)

        def on_batch(done: int, total: int) -> None:
            progress(f"training at {self.label}", done, total)

        return train(network, examples, schedule, parts.device, self.checkpoint, on_batch)

    def measure(self, network: Any, parts: Parts, threads: int) -> Measurement:
        encoded = encode_all(parts.codec, parts.held_out, self.tables, threads)
        takes = replace(parts.network.input, batch=MEASURED_BATCH)
        engine = TorchEngine(replace(parts.network, build=lambda: network, input=takes), parts.device, "float32")
        logits = engine(parts.network.input.prepare(encoded.images, parts.network.name))
        ranks = true_class_ranks(logits, parts.held_out_labels)
        pixels = parts.held_out.height * parts.held_out.width
        return Measurement.of(encoded.size_bytes, ranks[np.newaxis], pixels)


def encode_all(codec: Codec, dataset: Dataset, tables: QuantTables, threads: int) -> Encoded:
    """All of ``dataset`` encoded at ``tables``, sizes and decoded pixels, in memory."""
    check_prepared(dataset, "fine-tuning")
    parts = [dataset.images[start : start + BLOCK] for start in range(0, len(dataset), BLOCK)]
    with ThreadPoolExecutor(threads) as pool:
        encoded = list(pool.map(lambda images: codec.encode(images, tables.tables_for(images)), parts))
    return Encoded(
        np.concatenate([part.size_bytes for part in encoded]), np.concatenate([part.images for part in encoded])
    )


def draw(dataset: Dataset, count: int, seed: int) -> Dataset:
    """``count`` images of ``dataset``, drawn with ``seed``; all of it where it has no more."""
    if count >= len(dataset):
        return dataset
    random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence((seed, len(dataset)))))
    chosen = np.sort(random.permutation(len(dataset))[:count])
    drawn = Dataset.from_arrays(
        dataset.images[chosen], dataset.labels[chosen], dataset.class_names, f"{count} of {dataset.name}"
    )
    known = dataset.source_identities
    return replace(
        drawn,
        image_names=tuple(dataset.image_names[index] for index in chosen),
        source_identities=tuple(known[index] for index in chosen) if known else (),
    )


def experiments(run: Run) -> list[str]:
    """The names of the experiments kept with ``run``."""
    return [path.parent.name for path in sorted((run.path / FOLDER).glob(f"*/{SETTINGS_FILE}"))]


def _row(network: str, label: str, measurement: Measurement, losses: list[float] | None = None) -> Row:
    return Row(network, label, measurement.ratio, measurement.total_bytes, measurement.top1, tuple(losses or ()))
