"""Training: a few epochs on decoded images, which go on after a kill where the last whole epoch ended."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.openvino_models import last_line
from qsearch.disk import replacing
from qsearch.errors import InputError, RunError

if TYPE_CHECKING:
    import torch

MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Examples:
    """What is learned from: images uint8 [N, H, W, 3] at the network's size, labels int64 [N] as indices of logits."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """How it is learned: SGD with momentum, the learning rate falling to 0 along a cosine, images mirrored at random.

    threads: of the CPU; the last bits of sums depend on them, so a resumed training keeps their number.
    """

    epochs: int
    batch: int
    learning_rate: float
    seed: int
    threads: int


def train(
    module: "torch.nn.Module",
    examples: Examples,
    schedule: Schedule,
    device: str,
    checkpoint: Path,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> list[float]:
    """Trains ``module`` in place and returns the mean loss of each epoch. It hears of batches done and in all.

    ``checkpoint`` is rewritten after every epoch and holds the trained weights at the end; where it is there already,
    training goes on from it and ends, on a CPU to the bit, as if it had never stopped. Batch normalisations keep the
    statistics they have: a few epochs are too few for new ones.
    RunError where the loss is no longer a number; InputError or DiskError where the checkpoint cannot be read
    or written.
    """
    import torch

    module.to(device).train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            layer.eval()
    optimizer = torch.optim.SGD(module.parameters(), schedule.learning_rate, MOMENTUM, weight_decay=WEIGHT_DECAY)
    losses = _load(checkpoint, module, optimizer, device)
    batches = math.ceil(len(examples.images) / schedule.batch)
    with repeatable(schedule.threads, device):
        for epoch in range(len(losses), schedule.epochs):
            total = 0.0
            torch.manual_seed(schedule.seed * 1_000_003 + epoch)  # for dropout
            for index, (images, labels) in enumerate(_batches(examples, schedule, epoch, device)):
                step = epoch * batches + index
                for group in optimizer.param_groups:
                    group["lr"] = _learning_rate(schedule, step, schedule.epochs * batches)
                loss = torch.nn.functional.cross_entropy(module(images), labels)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += loss.item() * len(labels)
                on_batch(step + 1, schedule.epochs * batches)
            losses.append(total / len(examples.images))
            if not math.isfinite(losses[-1]):
                raise RunError(
                    f"the training diverged in epoch {epoch + 1} (its loss is {losses[-1]}): give a --learning-rate "
                    f"below {schedule.learning_rate:g}."
                )
            _save(checkpoint, module, optimizer, losses)
    module.eval()
    return losses


def _learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))


def _batches(
    examples: Examples, schedule: Schedule, epoch: int, device: str
) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
    """The images of an epoch as float32 [B, 3, H, W] in 0..1; order and mirroring depend on seed and epoch alone."""
    import torch

    random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence((schedule.seed, epoch))))
    order = random.permutation(len(examples.images))
    mirrored = random.randint(0, 2, len(order)).astype(np.bool_)
    for start in range(0, len(order), schedule.batch):
        chosen = order[start : start + schedule.batch]
        pixels = examples.images[chosen]
        flip = mirrored[chosen]
        pixels[flip] = pixels[flip, :, ::-1]
        images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).to(torch.float32) / 255
        yield images, torch.from_numpy(examples.labels[chosen]).to(device)


@contextmanager
def repeatable(threads: int, device: str) -> Iterator[None]:
    """torch set to answer the same again; on a GPU as far as cuDNN can be told to."""
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.random.fork_rng(devices=[one.index or 0 for one in cuda]), flags:
        try:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(not cuda)
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])


def _save(checkpoint: Path, module: "torch.nn.Module", optimizer: "torch.optim.Optimizer", losses: list[float]) -> None:
    import torch

    state = {"losses": losses, "network": module.state_dict(), "optimizer": optimizer.state_dict()}
    with replacing(checkpoint) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # how torch reports a full disk
            raise OSError(last_line(error)) from error


def _load(checkpoint: Path, module: "torch.nn.Module", optimizer: "torch.optim.Optimizer", device: str) -> list[float]:
    """The losses of the epochs that are done; ``module`` and ``optimizer`` as they were after them."""
    import torch

    if not checkpoint.is_file():
        return []
    try:
        state: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
        module.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return list(state["losses"])
    except Exception as error:  # torch raises whatever its reader stumbled over
        raise InputError(
            f"{checkpoint} cannot be read ({last_line(error)}): delete it to train from the beginning."
        ) from error
