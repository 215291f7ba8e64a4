"""Training: a network of tables for each strength, epoch by epoch, kept in the file that is written."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.coefficients.cache import cached_coefficients
from qsearch.datasets.base import Dataset, identities
from qsearch.errors import EvaluationError, InputError
from qsearch.learning.differentiable import Frame, some_at_a_time
from qsearch.learning.ladder import Ladder, LearnedOn, check_fits, drawn
from qsearch.models.files import About, NetworkFile, Progress, load_into, part_of, read_network, write_network
from qsearch.models.inputs import grids, hints_of
from qsearch.models.ladders import Rungs
from qsearch.models.network import start_tables, steps_of_images
from qsearch.models.settings import NetworkSettings
from qsearch.models.tasks import Batch, Costs, Criterion, criterion_of, price_at

if TYPE_CHECKING:
    import torch

    from qsearch.models.architecture import TableNetwork
    from qsearch.models.code_length import CodeLength

OnProgress = Callable[[str, int, int, str], None]
"""Hears a stage's name, how much of it is done, of how much, and a note."""
DIVERGED = 1.0
"""Held-out images that cost so much more than at the ladder's tables, in the task's unit, end a training."""
_CURRENT, _ADAM = "current", "adam"


def _nobody(stage: str, done: int, total: int, note: str) -> None:
    pass


def train_networks(
    dataset: Dataset,
    settings: NetworkSettings,
    ladder: Ladder,
    *,
    out: Path,
    classifier: Classifier | None = None,
    code_length: "CodeLength | None" = None,
    on_progress: OnProgress = _nobody,
) -> NetworkFile:
    """The networks that ``settings`` ask for, trained on ``dataset`` and written to ``out`` after every epoch.

    What is at ``out`` already is gone on from, on one number of threads to the bit as if it had never stopped.
    ladder: whose tables training starts at. classifier: for the tasks accuracy and features. code_length: the predictor
    for the rate ``taqn``.
    InputError where settings contradict the images, the ladder or the classifier, and where ``out`` holds something
    else. EvaluationError where training diverges: ``out`` then keeps the best weights up to the epoch before.
    """
    if ladder.digest != settings.ladder:
        raise InputError("training was to start at another ladder: give the one whose digest the settings hold.")
    check_fits(ladder, settings.subsampling, "luma-chroma")
    rungs = Rungs(ladder)
    low, high = rungs.strengths[0], rungs.strengths[-1]
    if not low <= settings.strengths[0] <= settings.strengths[-1] <= high:
        raise InputError(f"the ladder has strengths from {low:g} to {high:g}: train at those, or learn a longer one.")
    dataset = drawn_for(dataset, settings)
    learned_on = LearnedOn.by(dataset, classifier)
    state = _begun(settings, learned_on, tuple(identities(dataset)), out)
    if not state.is_complete:
        error = criterion_of(settings, dataset, classifier)
        for index in range(max(0, len(state.about.progress) - 1), len(settings.strengths)):
            lesson = _Lesson(dataset, settings, error, index, rungs, code_length)
            for after in lesson.epochs(state, on_progress):
                state = after
                write_network(out, state.about, state.tensors)
    return read_network(out)


def drawn_for(dataset: Dataset, settings: NetworkSettings) -> Dataset:
    """The images to train on and hold out. InputError where they are too few or too small."""
    from qsearch.learning.settings import LearningSettings

    dataset = drawn(dataset, LearningSettings(images=settings.images, seed=settings.seed))
    if len(dataset) < 2:
        raise InputError("training takes two images or more, one of them held out: give more.")
    side = settings.training.crop or min(dataset.height, dataset.width)
    if side > min(dataset.height, dataset.width):
        raise InputError(f"images of {dataset.width}x{dataset.height} pixels have no squares of {side}: ask for less.")
    Frame(side, side, settings.subsampling)
    return dataset


@dataclass(frozen=True)
class _State:
    """What is in the file."""

    about: About
    tensors: "dict[str, torch.Tensor]"

    @property
    def is_complete(self) -> bool:
        progress, wanted = self.about.progress, self.about.settings
        return len(progress) == len(wanted.strengths) and progress[-1].epochs == wanted.training.epochs

    def with_progress(self, index: int, progress: Progress) -> "_State":
        before = self.about.progress[:index]
        return replace(self, about=msgspec.structs.replace(self.about, progress=(*before, progress)))

    def with_tensors(self, **parts: "dict[str, torch.Tensor]") -> "_State":
        """With each of ``parts`` in place of what was under its name (an underscore stands for a dot)."""
        kept = dict(self.tensors)
        for prefix, part in parts.items():
            own = prefix.replace("_", ".")
            kept = {name: each for name, each in kept.items() if not name.startswith(f"{own}.")}
            kept |= {f"{own}.{name}": each.detach().clone() for name, each in part.items()}
        return replace(self, tensors=kept)


def _begun(settings: NetworkSettings, learned_on: LearnedOn, images: tuple[Any, ...], out: Path) -> _State:
    """What is at ``out``, or nothing trained."""
    if out.exists():
        found = read_network(out)
        if found.about.settings != settings or found.about.learned_on != learned_on:
            raise InputError(f"{out} was trained otherwise or on other images: choose another file, or remove it.")
        return _State(found.about, found.tensors)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return _State(
        About(
            qsearch=version("qsearch"),
            created=now,
            settings=settings,
            learned_on=learned_on,
            progress=(),
            images=images,
        ),
        {},
    )


class _Lesson:
    """One strength: its images, its network, and what is minimised."""

    def __init__(
        self,
        dataset: Dataset,
        settings: NetworkSettings,
        error: Criterion,
        index: int,
        rungs: Rungs,
        code_length: "CodeLength | None",
    ) -> None:
        self._dataset = dataset
        self._settings = settings
        self._error = error
        self._index = index
        self._strength = settings.strengths[index]
        self._steps = rungs.steps(self._strength)
        self._code_length = code_length
        self._coefficients = cached_coefficients(dataset.images, dataset.digest, settings.subsampling)
        order = np.random.default_rng([settings.seed, 1]).permutation(len(dataset))
        held = min(len(dataset) - 1, max(1, round(settings.training.held_out * len(dataset))))
        self._held, self._trained = np.sort(order[:held]), np.sort(order[held:])

    def epochs(self, state: _State, on_progress: OnProgress) -> Iterator[_State]:
        """The file's content at the ladder's tables, and after every epoch."""
        import torch

        from qsearch.models.architecture import TableNetwork

        settings, index, how = self._settings, self._index, self._settings.training
        torch.manual_seed(settings.seed)
        network = TableNetwork(settings.architecture, torch.from_numpy(self._steps[:2]).float())
        if len(state.about.progress) <= index:
            price = price_at(self._error, self._strength, self._dataset.images, self._coefficients)
        else:
            price = state.about.progress[index].price
        costs = Costs(settings, self._error, price, start_tables(network), self._code_length)
        optimiser = torch.optim.Adam(network.parameters(), lr=how.learning_rate)
        if len(state.about.progress) <= index:
            held_out = self._held_out(network.to(self._error.device), costs)
            state = state.with_progress(index, Progress(price=price, held_out=(held_out,)))
            state = state.with_tensors(**{f"networks_{index}": network.state_dict()})
            yield state
        elif state.about.progress[index].epochs:
            load_into(network, part_of(state.tensors, _CURRENT), "the file")
            _restore(optimiser, part_of(state.tensors, _ADAM))
        network.to(self._error.device)
        stage = f"epochs at strength {self._strength:g}"
        on_progress(stage, state.about.progress[index].epochs, how.epochs, "")
        for epoch in range(state.about.progress[index].epochs, how.epochs):
            done = state.about.progress[index]
            mean = self._epoch(network, optimiser, costs, epoch)
            held_out = self._held_out(network, costs)
            if not held_out - done.held_out[0] < DIVERGED:
                self._diverged(epoch)
            done = msgspec.structs.replace(done, costs=(*done.costs, mean), held_out=(*done.held_out, held_out))
            state = state.with_progress(index, done)
            if done.best == epoch + 1:
                state = state.with_tensors(**{f"networks_{index}": network.state_dict()})
            last = epoch + 1 == how.epochs
            state = state.with_tensors(
                current={} if last else network.state_dict(), adam={} if last else _kept(optimiser)
            )
            note = f"held-out cost {held_out - done.held_out[0]:+.4f} against the ladder's, best {done.best}"
            yield state
            on_progress(stage, epoch + 1, how.epochs, note)

    def _epoch(self, network: "TableNetwork", optimiser: "torch.optim.Adam", costs: Costs, epoch: int) -> float:
        """Trains once on all images but those held out; returns their mean cost."""
        import torch

        how = self._settings.training
        draw = np.random.default_rng([self._settings.seed, 2, self._index, epoch])
        order = draw.permutation(self._trained)
        batches = [order[start : start + how.batch] for start in range(0, len(order), how.batch)]
        network.train()
        sums = 0.0
        for number, which in enumerate(batches):
            batch = self._batch(which, draw)
            share = (epoch + number / len(batches)) / how.epochs
            for group in optimiser.param_groups:
                group["lr"] = how.learning_rate * (1 + math.cos(math.pi * share)) / 2
            told = None
            if self._settings.architecture.hint:
                told = hints_of(batch.coefficients, start_tables(network)).to(self._error.device)
            if len(which) == 1:
                network.eval()  # one image has no spread that a batch normalisation could learn of
            steps = network(*(grid.to(self._error.device) for grid in grids(batch.coefficients)), told)
            network.train()
            found, total = costs(batch, steps)
            optimiser.zero_grad()
            torch.autograd.backward(total)
            gradients = [each.grad for each in network.parameters() if each.grad is not None]
            if not (np.isfinite(found).all() and all(bool(each.isfinite().all()) for each in gradients)):
                self._diverged(epoch)
            optimiser.step()
            sums += float(found.sum())
        return sums / len(order)

    def _batch(self, which: npt.NDArray[np.int64], draw: np.random.Generator) -> Batch:
        """The images ``which``, cut and mirrored where that is asked for."""
        side, images = self._settings.training.crop, self._dataset.images
        if not side:
            return Batch(images[which], self._coefficients[which], which)
        cut = []
        for image in images[which]:
            top, left = (int(draw.integers(0, size - side + 1)) for size in image.shape[:2])
            square = image[top : top + side, left : left + side]
            cut.append(square[:, ::-1] if draw.integers(2) else square)
        return Batch.of(np.stack(cut), which, self._settings.subsampling)

    def _held_out(self, network: "TableNetwork", costs: Costs) -> float:
        """The mean cost of the images that are not trained on, whole."""
        import torch

        network.eval()
        sums = 0.0
        for part in some_at_a_time(len(self._held)):
            which = self._held[part]
            batch = Batch(self._dataset.images[which], self._coefficients[which], which)
            steps = torch.from_numpy(steps_of_images(network, batch.coefficients)).float().to(self._error.device)
            with torch.no_grad():
                sums += float(costs(batch, steps)[0].sum())
        return sums / len(self._held)

    def _diverged(self, epoch: int) -> None:
        raise EvaluationError(
            f"training at strength {self._strength:g} diverges in epoch {epoch + 1}: the best weights before it are "
            "kept; train with a lower --learning-rate, into another file."
        )


def _kept(optimiser: "torch.optim.Adam") -> "dict[str, torch.Tensor]":
    """Adam's moments by the number of the parameter and their name."""
    state = optimiser.state_dict()["state"]
    return {f"{number}.{name}": each for number, own in state.items() for name, each in own.items()}


def _restore(optimiser: "torch.optim.Adam", kept: "dict[str, torch.Tensor]") -> None:
    """InputError where they are not those of the optimiser's parameters."""
    state: dict[int, dict[str, Any]] = {}
    for name, each in kept.items():
        number, _, what = name.partition(".")
        state.setdefault(int(number), {})[what] = each
    parameters = [each for group in optimiser.param_groups for each in group["params"]]
    fits = len(state) == len(parameters) and all(
        set(own) == {"step", "exp_avg", "exp_avg_sq"} and own["exp_avg"].shape == parameters[number].shape
        for number, own in state.items()
    )
    if not fits:
        raise InputError(
            "the file's training cannot be gone on with, for Adam's moments are not its network's: "
            "train into another file."
        )
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
