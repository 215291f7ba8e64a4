"""Plug-ins for the tests of the core: a tiny dataset, a network of one matrix, strategies; installed as users would."""

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.evaluation.measurement import Trial
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy, rng
from qsearch.tables import QuantTables

SIDE = 24
CLASSES = 5
SEMAPHORES: list[object] = []

ENTRY_POINTS = """
[qsearch.datasets]
fake = tests.fakes:load_dataset
fake-many = tests.fakes:load_many

[qsearch.classifiers]
fake = tests.fakes:load_classifier

[qsearch.strategies]
fake-adaptive = tests.fakes:Adaptive
fake-repeating = tests.fakes:Repeating
fake-broken = tests.no_such_module:Broken
"""


def install(folder: Path) -> Path:
    """Makes ``folder`` an installed package as pip would leave it: put it on the path to have the plug-ins."""
    metadata = folder / "qsearch_fakes-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: qsearch-fakes\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def fake_images(count: int | None = None, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth images with noise of different strengths, so that coarser tables lose some before others."""
    return _images(count or int(os.environ.get("FAKE_DATASET_IMAGES", "15")), seed).copy()


@cache
def _images(count: int, seed: int) -> npt.NDArray[np.uint8]:
    random = np.random.RandomState(seed)
    coarse = random.randint(0, 256, (count, 3, 3, 3)).repeat(SIDE // 3, axis=1).repeat(SIDE // 3, axis=2)
    noise = random.normal(0, 1, (count, SIDE, SIDE, 3)) * np.linspace(4, 60, count)[:, None, None, None]
    return np.clip(coarse + noise, 0, 255).astype(np.uint8)


@cache
def fake_weights() -> npt.NDArray[np.int64]:
    """Integers, so that logits are exact whatever the batch."""
    weights = np.random.RandomState(1).randint(-9, 10, (SIDE * SIDE * 3, CLASSES))
    weights.flags.writeable = False
    return weights


def load_dataset(argument: str, options: DatasetOptions) -> Dataset:
    """``fake`` or ``fake:SEED``; every image's true class is what the network says of the uncompressed image."""
    seed = int(os.environ.get("FAKE_DATASET_SEED", argument or 0))
    images = fake_images(seed=seed)
    labels = (images.reshape(len(images), -1).astype(np.int64) @ fake_weights()).argmax(axis=1)
    names = tuple(f"class-{index}" for index in range(CLASSES))
    return Dataset.from_arrays(images, labels, names, name=f"fake:{argument}" if argument else "fake")


def load_many(argument: str, options: DatasetOptions) -> Dataset:
    """``fake-many``: 256 images, enough for a race."""
    images = fake_images(256)
    labels = (images.reshape(len(images), -1).astype(np.int64) @ fake_weights()).argmax(axis=1)
    return Dataset.from_arrays(images, labels, tuple(f"class-{index}" for index in range(CLASSES)), name="fake-many")


class FakeClassifier(Classifier):
    """One integer matrix. It misbehaves on request, always at the same images.

    behaviour: ``fail``, ``nan`` or ``die`` at about one batch of so many, ``sleep`` seconds at the others; ``die-once``
    the path of a file that says that it has died; ``semaphore``: opens one, as progress bars of libraries do;
    ``softmax``: answers probabilities. FAKE_SLEEP_S in the environment is a ``sleep`` that no run remembers.
    """

    class_names = None
    classes = CLASSES

    def __init__(self, name: str, behaviour: dict[str, str]) -> None:
        self.name = name
        self.behaviour = behaviour
        self.digest = os.environ.get("FAKE_WEIGHTS_DIGEST", "0" * 64)

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if "semaphore" in self.behaviour:
            SEMAPHORES.append(multiprocessing.RLock())
        if self.chosen("die", images):
            os.kill(os.getpid(), signal.SIGKILL)
        if "die-once" in self.behaviour and not Path(self.behaviour["die-once"]).exists():
            Path(self.behaviour["die-once"]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if sleep_s := float(self.behaviour.get("sleep", os.environ.get("FAKE_SLEEP_S", "0"))):
            time.sleep(sleep_s)
        if self.chosen("fail", images):
            raise OSError("the network\nbroke down")
        answer = (images.reshape(len(images), -1).astype(np.int64) @ fake_weights()).astype(np.float32)
        if "softmax" in self.behaviour:
            powers = np.exp((answer - answer.max(axis=1, keepdims=True)) / 1e4)
            answer = powers / powers.sum(axis=1, keepdims=True)
        if self.chosen("nan", images):
            answer[0, 0] = np.nan
        return answer

    def settings(self) -> dict[str, str | int | float | bool]:
        return {"name": self.name, "digest": self.digest}

    def chosen(self, what: str, images: npt.NDArray[np.uint8]) -> bool:
        if what not in self.behaviour:
            return False
        often = int(self.behaviour[what])
        data = np.ascontiguousarray(images).tobytes()
        if often > 1 and any(data in fake_images(seed=seed).tobytes() for seed in range(10)):
            return False  # uncompressed images are answered, or nothing could be said of the others
        return int.from_bytes(hashlib.sha256(data).digest()[:4], "little") % often == 0


def load_classifier(argument: str, options: ClassifierOptions) -> FakeClassifier:
    """``fake`` or ``fake:fail=7,sleep=0.1``."""
    behaviour = dict(item.split("=", 1) for item in argument.split(",") if item)
    return FakeClassifier(f"fake:{argument}" if argument else "fake", behaviour)


class Adaptive(Strategy):
    """Every proposal depends on every trial told before it, and so on their order."""

    name: ClassVar[str] = "fake-adaptive"
    adaptive: ClassVar[bool] = True

    def __init__(
        self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None, step: int = 3, word: str = "a"
    ) -> None:
        super().__init__(space, seed, fitness=fitness)
        self.step = step
        self.word = word
        self.told: list[Trial] = []
        self._state = hashlib.sha256(word.encode())

    def ask(self, number: int) -> QuantTables:
        memory = int.from_bytes(self._state.digest()[:4], "little")
        entries = rng(self.seed + memory, number).randint(0, 40, self.space.dimensions) * self.step + 1
        return self.space.to_tables(self.space.clip(entries))

    def tell(self, trial: Trial) -> None:
        self.told.append(trial)
        size = -1 if trial.measurement is None else trial.measurement.total_bytes
        self._state.update(f"{trial.number} {trial.status} {size}".encode())


class Repeating(Strategy):
    """Proposes every table three times in a row."""

    name: ClassVar[str] = "fake-repeating"

    def ask(self, number: int) -> QuantTables:
        return self.space.to_tables(np.full(self.space.dimensions, 1 + self.seed + number // 3))


@dataclass(frozen=True)
class BySmoothness:
    """A table per image: standard tables, finer where neighbouring pixels differ less.

    finest, coarsest: qualities, of flat images and of noise.
    """

    finest: int = 90
    coarsest: int = 20
    kind: str = "by-smoothness"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[QuantTables]:
        steps = np.abs(np.diff(images.astype(np.int64), axis=2)).mean(axis=(1, 2, 3))
        qualities = np.maximum(self.coarsest, self.finest - np.rint(steps)).astype(int)
        return [QuantTables.standard(int(quality)) for quality in qualities]

    def to_bytes(self) -> bytes:
        return f"{self.finest} {self.coarsest}".encode()
