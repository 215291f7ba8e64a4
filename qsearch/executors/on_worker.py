"""What runs on a worker of a Dask cluster: the evaluator, loaded once, and one evaluation at a time."""

import copy
import os
import pickle
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

import cloudpickle
import numpy as np
import numpy.typing as npt
from distributed import Worker, WorkerPlugin, get_worker

from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset, digest_of
from qsearch.datasets.cache import IMAGES_FOLDER, PreparedImages, cache_folder, cached_pixels
from qsearch.disk import writing
from qsearch.errors import InputError, QSearchError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.task import Task
from qsearch.executors.base import carry_out, took_too_long
from qsearch.text import reason_of

LARGEST_INLINE_BYTES = 1 << 26
"""Images in memory, and no more than these, travel together with the networks; others are looked for on the disk."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a worker says of a task, as :func:`qsearch.executors.base.carry_out` says it.

    worker: its address. overdue: whether the evaluation still runs there, for nothing can stop it but its end.
    """

    measurement: Measurement | None
    reason: str
    evaluation_s: float
    worker: str
    overdue: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why a worker can carry out no task, a sentence without its beginning; it may lack nothing but the images."""

    reason: str
    worker: str
    what: Literal["images", "conditions"] = "conditions"


@dataclass(frozen=True)
class Pixels:
    """Where the images of a dataset are: in ``inline``, or at ``path``, which may be there on other machines too."""

    shape: tuple[int, ...]
    inline: npt.NDArray[np.uint8] | None = None
    path: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Conditions:
    """What is equal wherever one run is measured: versions, and what codec and networks say of themselves."""

    versions: Settings
    parts: tuple[Settings, ...]


class _LacksImagesError(Exception):
    """The images are not on this machine."""


class EvaluatorPlugin(WorkerPlugin):
    """An evaluator on its way to the workers. Each makes its own of it, at its first task.

    Dataset and networks are the sender's or the worker refuses: nothing is measured under two conditions.
    """

    def __init__(self, evaluator: Evaluator, *, timeout_s: float | None = None, devices: tuple[str, ...] = ()) -> None:
        """devices: what CUDA_VISIBLE_DEVICES is for the workers called 0, 1, ...; left alone where there are none."""
        self.timeout_s = timeout_s
        self._devices = devices
        light = copy.copy(evaluator)
        object.__setattr__(light, "dataset", None)
        self._evaluator: bytes = cloudpickle.dumps(light)
        self._pixels = _pixels_of(evaluator.dataset)
        # Without what a measurement does not ask for.
        empty = np.broadcast_to(np.uint8(0), evaluator.dataset.images.shape)
        self._rest: Dataset = replace(evaluator.dataset, images=empty, notes=(), sources=(), source_identities=())
        self._expected = _conditions(evaluator)
        self._loading = threading.Lock()
        self._loaded: Evaluator | Refusal | None = None

    def __getstate__(self) -> dict[str, Any]:
        rest = self._rest
        state = {name: value for name, value in vars(self).items() if name not in ("_loading", "_loaded", "_rest")}
        return {
            **state,
            "_fields": (rest.name, rest.labels, rest.class_names, rest.image_names, rest.digest, rest.truth),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        name, labels, class_names, image_names, digest, truth = state.pop("_fields")
        vars(self).update(state)
        empty = np.broadcast_to(np.uint8(0), self._pixels.shape)
        self._rest = Dataset(name, empty, labels, class_names, image_names, digest, truth=truth)
        self._loading = threading.Lock()
        self._loaded = None

    def setup(self, worker: Worker) -> None:
        """Called by Dask in each worker as it joins, before its first task."""
        if self._devices:
            os.environ["CUDA_VISIBLE_DEVICES"] = self._devices[int(worker.name) % len(self._devices)]

    @property
    def digest(self) -> str:
        """The dataset's."""
        return self._rest.digest

    def evaluator(self, worker: Worker) -> Evaluator | Refusal:
        """The evaluator here, or why there is none."""
        with self._loading:
            if not isinstance(self._loaded, Evaluator):
                self._loaded = self._load(worker)
            return self._loaded

    def _load(self, worker: Worker) -> Evaluator | Refusal:
        differences = differing(self._expected.versions, versions())
        if differences:
            return Refusal(differences, worker.address)
        try:
            evaluator: Evaluator = pickle.loads(self._evaluator)
        except Exception as error:  # a package that is not installed here, or that raises as it is imported
            return Refusal(f"cannot load the networks or the codec ({reason_of(error)})", worker.address)
        try:
            object.__setattr__(evaluator, "dataset", self._dataset())
            for expected, found in zip(self._expected.parts, _conditions(evaluator).parts, strict=True):
                if differences := differing(expected, found):
                    return Refusal(f"of {expected['name']}, {differences}", worker.address)
            for classifier in evaluator.classifiers:
                _load_weights(evaluator, classifier)
        except _LacksImagesError:
            return Refusal(f"lacks the images of {self._rest.name}", worker.address, "images")
        except (QSearchError, FileNotFoundError, ImportError) as error:
            return Refusal(f"cannot measure: {reason_of(error).rstrip('.')}", worker.address)
        return evaluator

    def _dataset(self) -> Dataset:
        """The dataset with its images, wherever they are. InputError where other images are at their place."""
        where, rest = self._pixels, self._rest
        if where.inline is not None:
            return replace(rest, images=where.inline)
        if where.path and Path(where.path).is_file():
            images = np.memmap(where.path, dtype=np.uint8, mode="r", offset=where.offset, shape=where.shape)
            found = digest_of(images, rest.labels, rest.class_names)
            if found != rest.digest:
                raise InputError(f"the images of {rest.name} have the digest {found[:12]}, not {rest.digest[:12]}")
            return replace(rest, images=images)
        return replace(rest, images=cached_pixels(f"shipped-{rest.digest}", self._received).images)

    def _received(self) -> PreparedImages:
        """What was sent here, whole and as it was."""
        arrived = _arrived.pop(self.digest, None)
        if arrived is None:
            raise _LacksImagesError
        images = np.lib.format.open_memmap(arrived, mode="r")
        arrived.unlink()  # open, it stays until it is read
        found = PreparedImages(images, self._rest.labels, self._rest.class_names, self._rest.image_names)
        if found.digest != self.digest:
            raise InputError(f"the images of {self._rest.name} arrived damaged: check that disk")
        return found


_arrived: dict[str, Path] = {}
"""Files of images that were sent here as a whole, by the dataset's digest."""
_one_at_a_time = threading.Lock()
"""A worker evaluates one task at a time, of whatever run, however many threads Dask gives it."""


def evaluate(plugin_name: str, task: Task) -> Answer | Refusal:
    """Carries out ``task`` on the worker that runs this, with the evaluator of that plugin."""
    worker = get_worker()
    plugin = worker.plugins[plugin_name]
    assert isinstance(plugin, EvaluatorPlugin)  # it was registered under that name
    with _one_at_a_time:
        answers: SimpleQueue[Answer | Refusal] = SimpleQueue()
        threading.Thread(target=lambda: answers.put(_answer(plugin, worker, task)), daemon=True).start()
        try:
            return answers.get(timeout=plugin.timeout_s)
        except Empty:
            assert plugin.timeout_s is not None  # else it waits
            return Answer(None, took_too_long(plugin.timeout_s), plugin.timeout_s, worker.address, overdue=True)


def _answer(plugin: EvaluatorPlugin, worker: Worker, task: Task) -> Answer | Refusal:
    evaluator = plugin.evaluator(worker)
    if isinstance(evaluator, Refusal):
        return evaluator
    return Answer(*carry_out(evaluator, task), worker.address)


def load(plugin_name: str) -> Refusal | None:
    """Makes the evaluator of that plugin ready on the worker that runs this, or says why it cannot be."""
    worker = get_worker()
    found = worker.plugins[plugin_name].evaluator(worker)  # type: ignore[attr-defined]
    return found if isinstance(found, Refusal) else None


def receive(digest: str, shape: tuple[int, ...], start: int, part: npt.NDArray[np.uint8], sender: str) -> None:
    """Keeps ``part``, the images from number ``start`` on of those of ``shape``, which come in their order."""
    folder = cache_folder() / IMAGES_FOLDER
    path = folder / f"receiving-{digest}-{sender}.npy"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if start == 0:
            np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        images = np.lib.format.open_memmap(path, mode="r+")
        images[start : start + len(part)] = part
        images.flush()
    if start + len(part) == len(images):
        _arrived[digest] = path


def end(dask_worker: Worker) -> None:
    """Ends the process of this worker where a nanny starts it anew."""
    if dask_worker.nanny is not None:
        os._exit(1)


def versions() -> dict[str, str]:
    """What has to be the same on all machines, whatever is measured."""
    settings = PillowCodec().settings()
    return {"qsearch": version("qsearch"), "Pillow": str(settings["pillow"]), "libjpeg": str(settings["libjpeg"])}


def differing(expected: Settings, found: Settings) -> str:
    """What ``found`` has otherwise, in words; empty where nothing is."""
    return " and ".join(
        f"{name} is {found.get(name, 'absent')} and not {expected.get(name, 'absent')}"
        for name in dict.fromkeys((*expected, *found))
        if expected.get(name) != found.get(name)
    )


def _conditions(evaluator: Evaluator) -> Conditions:
    codec: Settings = evaluator.codec.settings()
    return Conditions(versions(), (codec, *(each.settings() for each in evaluator.classifiers)))


def _pixels_of(dataset: Dataset) -> Pixels:
    images = dataset.images
    if isinstance(images, np.memmap) and images.filename is not None:
        return Pixels(images.shape, path=str(images.filename), offset=images.offset)
    return Pixels(images.shape, inline=images if images.nbytes <= LARGEST_INLINE_BYTES else None)


def _load_weights(evaluator: Evaluator, classifier: Any) -> None:
    """Has ``classifier`` answer once, so that what it needs and is not here is missed before a trial fails of it."""
    try:
        classifier.logits(evaluator.dataset.images[:1])
    except (QSearchError, FileNotFoundError, ImportError):
        raise
    except Exception:  # whatever else a network raises is the trial's failure, as everywhere
        return
