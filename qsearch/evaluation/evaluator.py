"""Evaluator: a dataset through a codec into classifiers, QuantTables -> Measurement."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.labels import align_labels
from qsearch.codecs.base import Codec, Encoded, Images
from qsearch.datasets.base import Dataset
from qsearch.errors import EvaluationError, QSearchError
from qsearch.evaluation.measurement import Measurement
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class Evaluator:
    """Measures tables. Picklable: worker processes share the dataset's pixels and load classifiers of their own.

    codec_threads: threads that encode and decode ahead of the network; worth having where a GPU does the rest.
    truths: per classifier what :func:`truth_of` says; found once and taken along to the workers.
    """

    dataset: Dataset
    codec: Codec
    classifiers: Sequence[Classifier] = ()
    psnr: bool = False
    codec_threads: int = 1
    batch_images: int = 64
    truths: tuple[npt.NDArray[np.int64], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Here, because a mismatch is the user's to know before anything is measured.
        truths = tuple(truth_of(self.dataset, classifier, self.batch_images) for classifier in self.classifiers)
        object.__setattr__(self, "truths", truths)

    def evaluate(self, tables: QuantTables) -> Measurement:
        """What ``tables`` do to the dataset: the same answer for the same tables, in any process.

        Raises EvaluationError where a classifier's answer is not finite logits for every image.
        """
        images = len(self.dataset)
        size_bytes = np.empty(images, dtype=np.int64)
        ranks = np.empty((len(self.classifiers), images), dtype=np.int32)
        psnr_db = np.empty(images, dtype=np.float64) if self.psnr else None
        for part, encoded in self._encoded(tables):
            size_bytes[part] = encoded.size_bytes
            for row, classifier in enumerate(self.classifiers):
                ranks[row, part] = true_class_ranks(classifier.logits(encoded.images), self.truths[row][part])
            if psnr_db is not None:
                psnr_db[part] = psnr(self.dataset.images[part], encoded.images)
        return Measurement(size_bytes, ranks, self.dataset.height * self.dataset.width, psnr_db)

    def _encoded(self, tables: QuantTables) -> Iterator[tuple[slice, Encoded]]:
        starts = range(0, len(self.dataset), self.batch_images)
        parts = [slice(start, start + self.batch_images) for start in starts]

        def encode(part: slice) -> Encoded:
            return self.codec.encode(self.dataset.images[part], tables)

        if self.codec_threads == 1:
            yield from ((part, encode(part)) for part in parts)
            return
        with ThreadPoolExecutor(self.codec_threads) as pool:
            ahead: deque[tuple[slice, Future[Encoded]]] = deque()
            for part in parts:
                ahead.append((part, pool.submit(encode, part)))
                if len(ahead) > 2 * self.codec_threads:  # further ahead would only fill the memory
                    yield _finished(ahead.popleft())
            while ahead:
                yield _finished(ahead.popleft())


def truth_of(dataset: Dataset, classifier: Classifier, batch_images: int = 64) -> npt.NDArray[np.int64]:
    """The right answers of ``classifier``, indices into its logits, int64 [N].

    They stand for the labels, or are its own answers on the uncompressed images where the dataset's truth is
    ``predicted``: accuracy is then agreement with itself. InputError as :func:`align_labels`; EvaluationError where it
    does not answer.
    """
    if dataset.truth != "predicted":
        return align_labels(dataset, classifier)
    return np.concatenate(
        [
            _answers(dataset.images[start : start + batch_images], classifier)
            for start in range(0, len(dataset), batch_images)
        ]
    )


def _answers(images: Images, classifier: Classifier) -> npt.NDArray[np.int64]:
    try:
        logits = classifier.logits(images)
    except QSearchError:
        raise
    except Exception as error:  # a user's classifier may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise EvaluationError(f"{classifier.name} does not answer on the uncompressed images ({reason}).") from error
    _check_logits(logits, len(images))
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def _check_logits(logits: npt.NDArray[np.float32], images: int) -> None:
    if logits.ndim != 2 or len(logits) != images:
        raise EvaluationError(f"the classifier gave logits of shape {logits.shape} for {images} images.")
    if not np.isfinite(logits).all():
        raise EvaluationError("the classifier gave logits that are not finite numbers.")


def _finished(part: tuple[slice, Future[Encoded]]) -> tuple[slice, Encoded]:
    return part[0], part[1].result()


def true_class_ranks(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """[N] how many classes come before the true one: those with a larger logit, or an equal one and a lower index.

    So a network that answers the same for everything is not right about everything. logits [N, classes], labels [N].
    """
    _check_logits(logits, len(labels))
    true = np.take_along_axis(logits, labels[:, None], axis=1)
    earlier = np.arange(logits.shape[1]) < labels[:, None]
    before = (logits > true) | ((logits == true) & earlier)
    return np.asarray(before.sum(axis=1), dtype=np.int32)


def psnr(images: Images, decoded: Images) -> npt.NDArray[np.float64]:
    """[N] peak signal-to-noise ratio over all three RGB channels in dB; inf where the images are equal."""
    error = images.astype(np.float64) - decoded
    mean_squared_error = (error**2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(255**2 / mean_squared_error), dtype=np.float64)
