"""Measures: what is recorded of every image, each declared once with its unit and how it is computed and summed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from qsearch.codecs.base import as_array
from qsearch.errors import EvaluationError, InputError
from qsearch.registry import Registry

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LARGEST_FLOAT16 = 65504.0


@dataclass(frozen=True)
class Seen:
    """What a measure may look at: a batch of n images, and, for measures per network, one network's answers.

    images: uncompressed, uint8 [n, H, W, 3]; decoded: after compression, or None where only sizes were asked for; a
        torch tensor where it lies on a device, from which :attr:`pixels` brings it.
    size_bytes: int64 [n], of the files.
    logits: float32 [n, classes] on the decoded images; truth: int64 [n], the right answers, indices into the logits.
    answer_uncompressed: returns the logits on the uncompressed images, float32 [n, classes].
    """

    images: npt.NDArray[np.uint8]
    size_bytes: npt.NDArray[np.int64]
    decoded: "npt.NDArray[np.uint8] | torch.Tensor | None" = None
    logits: npt.NDArray[np.float32] | None = None
    truth: npt.NDArray[np.int64] | None = None
    answer_uncompressed: Callable[[], npt.NDArray[np.float32]] | None = None

    @cached_property
    def pixels(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """The images and what compression made of them."""
        if self.decoded is None:
            raise EvaluationError("this measure compares pixels, and only sizes were asked for.")
        return self.images, as_array(self.decoded)

    @cached_property
    def answers(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """A network's logits and the right answers."""
        if self.logits is None or self.truth is None:
            raise EvaluationError("this measure needs a network's answers, and none was asked.")
        return self.logits, self.truth

    @cached_property
    def log_probabilities(self) -> Floats:
        """[n, classes], natural logarithm, of the answers on the decoded images."""
        return log_softmax(self.answers[0])

    @cached_property
    def log_probabilities_uncompressed(self) -> Floats:
        """[n, classes], natural logarithm, of the answers on the uncompressed images."""
        if self.answer_uncompressed is None:
            raise EvaluationError("this measure needs the network's answers on the uncompressed images.")
        return log_softmax(self.answer_uncompressed())


@dataclass(frozen=True)
class Total:
    """One number over a set of images, and so a column: the sum of ``of`` the images' values [..., N].

    mean: whether users are shown it divided by the number of images.
    """

    name: str
    of: Callable[[Array], Array]
    mean: bool = True


def _values(values: Array) -> Array:
    return values


@dataclass(frozen=True)
class Measure:
    """One number per image, or per network and image.

    name: one word, as users say it; title: for axes and captions; unit: of the number, empty for a count of classes.
    dtype: little-endian NumPy type as stored; values are rounded to it at once, so that what is read is what was seen.
    per_network: whether each network has its own.
    needs: ``sizes`` of files, ``pixels`` of decoded images, or a network's answers: ``networks``.
    compute: from what was :class:`Seen` of n images to their values [n].
    totals: what sums over images are kept; the first one's name is the column's.
    better: which way is better.
    always: whether every run keeps it.
    """

    name: str
    title: str
    unit: str
    dtype: str
    per_network: bool
    needs: Literal["sizes", "pixels", "networks"]
    compute: Callable[[Seen], Array]
    totals: tuple[Total, ...]
    better: Literal["lower", "higher"]
    always: bool = False

    def __post_init__(self) -> None:
        for name in (self.name, *(total.name for total in self.totals)):
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise InputError(f"a measure is called by lower-case letters, digits and underscores, got {name!r}.")
        if self.per_network != (self.needs == "networks"):
            raise InputError(f"measure {self.name}: a measure is per network exactly where it needs networks.")

    def of(self, seen: Seen) -> Array:
        """The values [n] in the measure's dtype. EvaluationError where it gives another shape, or numbers too large."""
        values = np.asarray(self.compute(seen))
        if values.shape != seen.size_bytes.shape:
            raise EvaluationError(
                f"measure {self.name} gave an array of shape {values.shape} for {len(seen.size_bytes)} images."
            )
        kind = np.dtype(self.dtype)
        if kind.kind in "iu" and len(values) and (values.min() < 0 or values.max() > np.iinfo(kind).max):
            raise EvaluationError(
                f"measure {self.name} gave {values.min()}..{values.max()}, which {kind.name} does not hold."
            )
        if kind.kind == "f" and np.isnan(values).any():
            raise EvaluationError(f"measure {self.name} gave numbers that are none (NaN).")
        return values.astype(kind)


def log_softmax(logits: npt.NDArray[np.float32]) -> Floats:
    """Natural logarithm of the softmax of ``logits`` [n, classes]."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def true_class_ranks(logits: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """[n] how many classes come before the true one: those with a larger logit, or an equal one and a lower index.

    So a network that answers the same for everything is not right about everything. logits [n, classes], truth [n].
    """
    true = np.take_along_axis(logits, truth[:, None], axis=1)
    earlier = np.arange(logits.shape[1]) < truth[:, None]
    before = (logits > true) | ((logits == true) & earlier)
    return np.asarray(before.sum(axis=1), dtype=np.int32)


def psnr(images: npt.NDArray[np.uint8], decoded: npt.NDArray[np.uint8]) -> Floats:
    """[n] peak signal-to-noise ratio over all three RGB channels in dB; inf where the images are equal."""
    error = images.astype(np.float64) - decoded
    mean_squared_error = (error**2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(255**2 / mean_squared_error), dtype=np.float64)


def cross_entropy(log_probabilities: Floats, truth: npt.NDArray[np.int64]) -> Floats:
    """[n] minus the log probability of the true class, in nats, at most the largest float16."""
    chosen = np.take_along_axis(log_probabilities, truth[:, None], axis=1)[:, 0]
    return np.asarray(np.minimum(-chosen, LARGEST_FLOAT16))


def kullback_leibler(reference: Floats, log_probabilities: Floats) -> Floats:
    """[n] divergence from ``reference`` to ``log_probabilities`` [n, classes], in nats, at most the largest float16."""
    divergence = (np.exp(reference) * (reference - log_probabilities)).sum(axis=1)
    return np.asarray(np.clip(divergence, 0.0, LARGEST_FLOAT16))


BYTES = Measure(
    name="bytes",
    title="size of the file",
    unit="bytes",
    dtype="<i4",
    per_network=False,
    needs="sizes",
    compute=lambda seen: seen.size_bytes,
    totals=(Total("total_bytes", _values, mean=False),),
    better="lower",
    always=True,
)
PIXELS = Measure(
    name="pixels",
    title="pixels of the image that is compressed",
    unit="pixels",
    dtype="<i4",
    per_network=False,
    needs="sizes",
    compute=lambda seen: np.full(len(seen.images), seen.images.shape[1] * seen.images.shape[2]),
    totals=(Total("total_pixels", _values, mean=False),),
    better="lower",
)
RANK = Measure(
    name="rank",
    title="classes put before the true one",
    unit="",
    dtype="<i4",
    per_network=True,
    needs="networks",
    compute=lambda seen: true_class_ranks(*seen.answers),
    totals=(Total("top1", lambda ranks: ranks < 1), Total("top5", lambda ranks: ranks < 5)),
    better="lower",
    always=True,
)
LOSS = Measure(
    name="loss",
    title="cross-entropy of the true class",
    unit="nats",
    dtype="<f2",
    per_network=True,
    needs="networks",
    compute=lambda seen: cross_entropy(seen.log_probabilities, seen.answers[1]),
    totals=(Total("loss", _values),),
    better="lower",
    always=True,
)
DIVERGENCE = Measure(
    name="divergence",
    title="divergence from the answer on the uncompressed image",
    unit="nats",
    dtype="<f2",
    per_network=True,
    needs="networks",
    compute=lambda seen: kullback_leibler(seen.log_probabilities_uncompressed, seen.log_probabilities),
    totals=(Total("divergence", _values),),
    better="lower",
    always=True,
)
PSNR = Measure(
    name="psnr",
    title="peak signal-to-noise ratio over RGB",
    unit="dB",
    dtype="<f4",
    per_network=False,
    needs="pixels",
    compute=lambda seen: psnr(*seen.pixels),
    totals=(Total("psnr_db", _values),),
    better="higher",
)

MEASURES: Registry[Measure] = Registry(
    "measures",
    {
        **{
            measure.name: f"qsearch.evaluation.measures:{measure.name.upper()}"
            for measure in (BYTES, PIXELS, RANK, LOSS, DIVERGENCE, PSNR)
        },
        "ms_ssim": "qsearch.evaluation.ms_ssim:MS_SSIM",
    },
)
ALWAYS = tuple(measure.name for measure in (BYTES, RANK, LOSS, DIVERGENCE, PSNR) if measure.always)
"""What every run keeps."""
