"""How much an error in each DCT coefficient costs a network: weights of the squared errors, by frequency.

To second order, errors e of dequantised coefficients add sum(w e**2) / 2 nats to a network's loss where they are
independent: w is the curvature. It is had from gradients, as Fisher information, or without them, by measuring what
noise in bands of frequencies costs. But errors of coarse steps are not independent of the image: a coefficient that
becomes 0 takes detail away, which networks mind less than noise. What bands cost that are quantized coarsely says it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.gradients import differentiable
from qsearch.codecs.base import Images
from qsearch.coefficients.arrays import Coefficients
from qsearch.datasets.base import UNLABELLED, Dataset
from qsearch.datasets.stored import StoredImages
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import checked_logits, truth_of
from qsearch.evaluation.measures import cross_entropy, kullback_leibler, log_softmax
from qsearch.learning.differentiable import Frame, decoded, resized, some_at_a_time, transform
from qsearch.learning.sample import check_sizes
from qsearch.learning.settings import SENSITIVITIES, Sensitivity
from qsearch.tables import ZIGZAG, QuantTables

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

_PROBES = 2
"""Backward passes per image where no label says which logit counts."""
_BANDS = ((0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 7), (0, 0.5, 1.5, 2.5, 4.5), (0, 0.5, 1.5, 2.5, 4.5))
"""Of Y, Cb and Cr: where bands begin, as distances from DC; networks care more for luma, and it has more to lose."""
QUESTIONS = 1 + sum(map(len, _BANDS))
"""How often ``quantization`` shows a network each image: as it is, and with one band quantized."""
_COARSE_QUALITY = 30
"""The standard quality whose steps bands are quantized by: so coarse that a network minds each band."""
_NOISE_QUALITY = 50
"""The standard quality whose errors noise is as large as."""
_ASKED_AT_ONCE = 64
"""Images that a network is shown in one call, as an evaluation does."""
_SIZES_KEPT = 16
"""Sizes of images whose matrices are kept: albums have few, and for large ones making them takes longer than using."""
_LEAST_NOISE = 1.0


def frequency_weights(
    classifier: Classifier,
    dataset: Dataset,
    subsampling: str,
    *,
    label_free: bool,
    seed: int,
    method: Sensitivity = "auto",
    on_progress: Progress | None = None,
) -> Floats:
    """What an error in each coefficient costs ``classifier`` on the images of ``dataset``: float64 [3, 8, 8].

    Of Y, Cb and Cr in raster order, in nats per squared level of a dequantised coefficient: the mean, over images and
    blocks, of the squared gradient of the loss, at the uncompressed images. So the weighted sum of the squared errors
    of all blocks is twice what the loss rises by. Where images are compressed as stored, the coefficients are theirs,
    and the network is shown what becomes of them.

    label_free: the loss is the divergence from the network's answers on the uncompressed images, whose curvature is
        the mean squared gradient of the log probability over its own answers; else the cross-entropy of the truth.
    seed: of the random directions and of the noise; quantization draws nothing.
    method: ``fisher`` takes gradients. ``quantization`` measures the loss where one band of frequencies is quantized
        coarsely, and ``noise`` where there is noise in it, each sign of it once; these need nothing but logits.
        ``auto`` is ``quantization``, whose tables saved most on halves of photographs: docs/learning.md.
    on_progress: hears of images answered and in all.
    InputError for images too small or without labels where they are needed, a network without gradients asked for
    ``fisher``, and one that sees no difference between images. EvaluationError for answers or gradients that are not
    numbers.
    """
    check_sizes(dataset, subsampling)
    if method not in SENSITIVITIES:
        raise InputError(f"weights are had by {', '.join(SENSITIVITIES)}, got {method!r}.")
    if not label_free and dataset.class_names == (UNLABELLED,) and dataset.truth != "predicted":
        raise InputError(
            f"{dataset.name} has no labels for the loss of {classifier.name}: take the divergence from its answers on "
            "the uncompressed images instead (--label-free), which needs none."
        )
    hear = on_progress or (lambda done, total: None)
    if method == "fisher":
        weights = _fisher(classifier, dataset, subsampling, label_free, seed, hear)
    else:
        disturb = _noise(dataset, subsampling, seed) if method == "noise" else _quantization
        weights = _measured(classifier, dataset, subsampling, label_free, disturb, hear)
    if not weights.any():
        raise InputError(f"{classifier.name} answers the same whatever errors images have: no tables can be learned.")
    return weights


@dataclass(frozen=True, eq=False)
class _Part:
    """Some images of one size, uint8 [n, H, W, 3], as they are compressed; where: their places in the dataset."""

    where: slice
    images: Images
    frame: Frame

    def blocks_of(self, component: int) -> slice:
        """Those of one component among an image's blocks."""
        start = sum(self.frame.blocks[:component])
        return slice(start, start + self.frame.blocks[component])


def _parts(dataset: Dataset, subsampling: str) -> Iterator[_Part]:
    """All images, in their order."""
    if dataset.stored is None:
        frame = Frame(dataset.height, dataset.width, subsampling)
        for where in some_at_a_time(len(dataset)):
            yield _Part(where, dataset.images[where], frame)
        return
    for index, (height, width) in enumerate(dataset.stored.sizes.tolist()):
        where = slice(index, index + 1)
        yield _Part(where, dataset.stored.one(index), Frame(height, width, subsampling))


def _blocks(dataset: Dataset, subsampling: str) -> Floats:
    """[3], of each component in an image, on average."""
    sizes = [(dataset.height, dataset.width)] if dataset.stored is None else dataset.stored.sizes.tolist()
    return np.asarray(np.mean([Frame(height, width, subsampling).blocks for height, width in sizes], axis=0))


class _ShownInTorch:
    """From pixels that a decoder gives to those that a network is shown, with gradients."""

    def __init__(self, stored: StoredImages | None, device: "torch.device") -> None:
        import torch

        def matrices(height: int, width: int) -> "tuple[torch.Tensor, torch.Tensor]":
            assert stored is not None
            rows, columns = stored.view_matrices(height, width)
            return torch.tensor(rows, device=device), torch.tensor(columns, device=device)

        self._matrices = None if stored is None else lru_cache(_SIZES_KEPT)(matrices)

    def __call__(self, pixels: "torch.Tensor") -> "torch.Tensor":
        if self._matrices is None:
            return pixels
        return resized(pixels, *self._matrices(int(pixels.shape[2]), int(pixels.shape[3])))


def _fisher(
    classifier: Classifier, dataset: Dataset, subsampling: str, label_free: bool, seed: int, hear: Progress
) -> Floats:
    import torch

    network = differentiable(classifier)
    truth = None if label_free else torch.from_numpy(np.ascontiguousarray(truth_of(dataset, classifier)))
    generator = torch.Generator().manual_seed(seed)
    shown = _ShownInTorch(dataset.stored, network.device)
    sums = np.zeros((3, 64))
    for part in _parts(dataset, subsampling):
        pixels = torch.tensor(part.images).to(network.device)
        coefficients = transform(pixels.permute(0, 3, 1, 2).float(), part.frame).requires_grad_()
        log_probabilities = network(shown(decoded(coefficients, part.frame))).log_softmax(dim=1)
        if truth is None:
            # A sum of the answers' scores with random signs: its square has the mean over the answers in its mean.
            probes = _signs(log_probabilities, generator) * log_probabilities.detach().div(2).exp()
        else:
            chosen = torch.nn.functional.one_hot(truth[part.where], network.classes)
            probes = chosen.to(log_probabilities)[None]
        for probe in probes:
            (gradient,) = torch.autograd.grad((probe * log_probabilities).sum(), coefficients, retain_graph=True)
            _check_finite(gradient, dataset.image_names[part.where], classifier.name)
            squares = torch.split(gradient.double().square() / len(probes), part.frame.blocks, dim=1)
            sums += [component.sum(dim=(0, 1)).cpu().numpy() for component in squares]
        hear(part.where.stop, len(dataset))
    return np.asarray(sums / len(dataset) / _blocks(dataset, subsampling)[:, None]).reshape(3, 8, 8)


def _signs(log_probabilities: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
    import torch

    draws = torch.randint(0, 2, (_PROBES, *log_probabilities.shape), generator=generator)
    return (2 * draws - 1).to(log_probabilities)


def _check_finite(gradient: "torch.Tensor", names: tuple[str, ...], network: str) -> None:
    finite = gradient.isfinite().all(dim=(1, 2)).tolist()
    if not all(finite):
        raise EvaluationError(
            f"the gradient of {network} on {names[finite.index(False)]} is not a number: leave that image out, or "
            "ask what quantization costs it instead."
        )


Disturb = Callable[[_Part, npt.NDArray[np.int16], int, npt.NDArray[np.bool_]], list[npt.NDArray[np.int16]]]
"""From images' coefficients to those with errors in one component and some of its frequencies [64], once or more."""


def _measured(
    classifier: Classifier, dataset: Dataset, subsampling: str, label_free: bool, disturb: Disturb, hear: Progress
) -> Floats:
    """From the rise of the loss under errors in one band at a time; between the bands' centres along straight lines."""
    truth = None if label_free else truth_of(dataset, classifier)
    bands = list(_bands())
    rises, power = np.zeros((len(bands), len(dataset))), np.zeros(len(bands))
    for part in _parts(dataset, subsampling):
        where, frame = part.where, part.frame
        clean = Coefficients.of(np.ascontiguousarray(part.images), subsampling)
        shown, shares = [_shown(clean, dataset)], []
        for row, (component, within) in enumerate(bands):
            disturbed = disturb(part, clean.values, component, within)
            for values in disturbed:
                power[row] += np.square((values - clean.values) / 8.0).sum() / len(disturbed)
                shown.append(_shown(Coefficients(values, frame.height, frame.width, subsampling), dataset))
                shares.append((row, 1 / len(disturbed)))
        reference, *answers = _log_probabilities(classifier, shown)
        for (row, share), answer in zip(shares, answers, strict=True):
            if truth is None:
                rises[row, where] += share * kullback_leibler(reference, answer)
            else:
                rises[row, where] += share * (
                    cross_entropy(answer, truth[where]) - cross_entropy(reference, truth[where])
                )
        hear(where.stop, len(dataset))
    # What cannot be told from nothing counts as the error of its mean.
    rise = np.maximum(rises.mean(axis=1), rises.std(axis=1) / np.sqrt(len(dataset)))
    if not rise.any():
        return np.zeros((3, 8, 8))
    weights = np.empty((3, 64))
    for component in range(3):
        # Where there is nothing to lose, nothing is lost: a band without power has its neighbours' weights.
        own = [row for row, (of, _) in enumerate(bands) if of == component and power[row] > 0]
        centres = [_DISTANCES[bands[row][1]].mean() for row in own]
        levels = np.log(np.maximum(2 * rise[own] / (power[own] / len(dataset)), np.finfo(np.float64).tiny))
        weights[component] = np.exp(np.interp(_DISTANCES, centres, levels)) if own else 0.0
    return weights.reshape(3, 8, 8)


def _quantization(
    part: _Part, values: npt.NDArray[np.int16], component: int, within: npt.NDArray[np.bool_]
) -> list[npt.NDArray[np.int16]]:
    """A :data:`Disturb`: what the standard tables at _COARSE_QUALITY leave."""
    tables = QuantTables.standard(_COARSE_QUALITY)
    chosen = within[ZIGZAG]
    steps = 8.0 * (tables.luma, tables.cb, tables.cr)[component].ravel()[ZIGZAG][chosen]
    own = part.blocks_of(component)
    changed = values.copy()
    changed[:, own, chosen] = steps * np.rint(values[:, own, chosen] / steps)
    return [changed]


def _noise(dataset: Dataset, subsampling: str, seed: int) -> Disturb:
    """Random signs of the size of the errors that the standard tables at _NOISE_QUALITY make, and the same turned."""
    amplitudes = _noise_amplitudes(dataset, subsampling)

    @lru_cache(1)  # the same in all bands of an image
    def signs(start: int, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        return np.random.default_rng([seed, start]).choice(np.array([-1, 1]), size=shape)

    def disturb(
        part: _Part, values: npt.NDArray[np.int16], component: int, within: npt.NDArray[np.bool_]
    ) -> list[npt.NDArray[np.int16]]:
        levels = np.zeros(values.shape[1:])
        levels[part.blocks_of(component)] = 8 * (amplitudes[component] * within)[ZIGZAG]
        noise = np.rint(signs(part.where.start, values.shape) * levels).astype(np.int16)
        return [values + noise, values - noise]

    return disturb


def _noise_amplitudes(dataset: Dataset, subsampling: str) -> Floats:
    """[3, 64], levels: the root mean square of what the standard tables at _NOISE_QUALITY do to each frequency."""
    tables = QuantTables.standard(_NOISE_QUALITY)
    sums = np.zeros((3, 64))
    for part in _parts(dataset, subsampling):
        values = Coefficients.of(np.ascontiguousarray(part.images), subsampling).values / 8.0
        ends = np.cumsum(part.frame.blocks)[:-1]
        for component, (blocks, table) in enumerate(
            zip(np.split(values, ends, axis=1), (tables.luma, tables.cb, tables.cr), strict=True)
        ):
            steps = table.ravel()[ZIGZAG]
            errors = blocks - steps * np.rint(blocks / steps)
            sums[component, ZIGZAG] += np.square(errors).sum(axis=(0, 1))
    means = sums / len(dataset) / _blocks(dataset, subsampling)[:, None]
    return np.asarray(np.maximum(np.sqrt(means), _LEAST_NOISE))


def _shown(coefficients: Coefficients, dataset: Dataset) -> Images:
    """What networks are shown of what a decoder makes of ``coefficients``, as they are, of images of ``dataset``."""
    finest = QuantTables.shared(np.ones((8, 8), dtype=np.int64))
    _, pixels = coefficients.encode([finest] * len(coefficients))
    return pixels if dataset.stored is None else np.stack([dataset.shown(image) for image in pixels])


def _log_probabilities(classifier: Classifier, shown: list[Images]) -> list[Floats]:
    """Of the answers on each of ``shown``, all as many images; several are asked at once."""
    images = len(shown[0])
    together = max(1, _ASKED_AT_ONCE // images)
    found = []
    for start in range(0, len(shown), together):
        asked = np.concatenate(shown[start : start + together])
        logits = checked_logits(classifier.logits(asked), len(asked), classifier.classes)
        found += np.split(log_softmax(logits), len(asked) // images)
    return found


_DISTANCES: Floats = np.hypot(*np.indices((8, 8))).ravel()
"""[64] of each frequency from DC."""


def _bands() -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """The component and the frequencies [64] of each band."""
    for component, starts in enumerate(_BANDS):
        for start, end in zip(starts, (*starts[1:], np.inf), strict=True):
            yield component, (start <= _DISTANCES) & (end > _DISTANCES)
