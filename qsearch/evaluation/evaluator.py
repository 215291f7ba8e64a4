"""Evaluator: carries out tasks: a dataset through a codec into networks, and the measures of what comes out."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.labels import align_labels
from qsearch.codecs.base import Codec, Encoded, Images
from qsearch.datasets.base import Dataset
from qsearch.datasets.stored import StoredImages
from qsearch.errors import EvaluationError, QSearchError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.measures import ALWAYS, MEASURES, Array, Measure, Seen
from qsearch.evaluation.task import Task
from qsearch.quantizer import Quantizer, Uncompressed
from qsearch.text import reason_of

if TYPE_CHECKING:
    import torch

Positions = npt.NDArray[np.int64]
LARGEST_FILE_BYTES = 2**31 - 1
"""What an archive holds of one image; no JPEG file of an image in memory comes near."""


@dataclass(frozen=True)
class Evaluator:
    """Measures quantizers. Picklable: worker processes share the dataset's pixels and load networks of their own.

    measures: the names of those to record; those that need networks are left out where there is none.
    codec_threads: threads that encode and decode ahead of the network; worth having where a GPU does the rest.
    truths: per classifier what :func:`truth_of` says; found once and taken along to the workers.
    """

    dataset: Dataset
    codec: Codec
    classifiers: Sequence[Classifier] = ()
    measures: tuple[str, ...] = ALWAYS
    codec_threads: int = 1
    batch_images: int = 64
    truths: tuple[npt.NDArray[np.int64], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in self.measures:
            MEASURES.get(name)
        # Here, because a mismatch is the user's to know before anything is measured.
        truths = tuple(truth_of(self.dataset, classifier, self.batch_images) for classifier in self.classifiers)
        object.__setattr__(self, "truths", truths)

    def evaluate(self, task: Task) -> Measurement:
        """What the task's quantizer does to the images: the same answer for the same task, in any process.

        Raises EvaluationError where a classifier's answer is not finite logits for every image, or the codec's not
        sizes and pixels of every image; InputError where the quantizer does not choose tables for every image.
        """
        images = len(self.dataset)
        positions = np.arange(images) if task.subset is None else task.subset.positions
        if positions[-1] >= images:
            raise EvaluationError(f"{self.dataset.name} has {images} images, position {positions[-1]} was asked for.")
        wanted = self._wanted(task)
        arrays = {
            measure.name: np.empty((len(self.classifiers), len(positions)), measure.dtype)
            if measure.per_network
            else np.empty(len(positions), measure.dtype)
            for measure in wanted
        }
        for start, part, coded in self._coded(task, positions, wanted):
            self._measure(wanted, arrays, slice(start, start + len(part)), part, coded)
        return Measurement(self.dataset.pixels, arrays)

    def _wanted(self, task: Task) -> list[Measure]:
        always = ("bytes",) if self.dataset.pixels else ("bytes", "pixels")
        measures = [MEASURES.get(name) for name in dict.fromkeys((*always, *self.measures))]
        if not task.networks:
            return [measure for measure in measures if measure.needs == "sizes"]
        return [measure for measure in measures if measure.needs != "networks" or self.classifiers]

    def _measure(
        self, wanted: Sequence[Measure], arrays: dict[str, Array], where: slice, part: Positions, coded: "_Coded"
    ) -> None:
        encoded = coded.encoded
        images = self.dataset.images[part[0] : part[-1] + 1] if _gapless(part) else self.dataset.images[part]
        decoded = encoded.pixels if len(encoded.pixels) else None
        seen = Seen(images, encoded.size_bytes, decoded)
        for measure in wanted:
            if not measure.per_network:
                arrays[measure.name][where] = coded.values[measure.name] if coded.values else measure.of(seen)
        if decoded is None or not any(measure.per_network for measure in wanted):
            return
        for row, classifier in enumerate(self.classifiers):
            logits = checked_logits(_asked(classifier, decoded), len(part), classifier.classes)
            answered = Seen(
                images, encoded.size_bytes, decoded, logits, self.truths[row][part], self._uncompressed(row, part)
            )
            for measure in wanted:
                if measure.per_network:
                    arrays[measure.name][row, where] = measure.of(answered)

    def _coded(
        self, task: Task, positions: Positions, wanted: Sequence[Measure]
    ) -> Iterator[tuple[int, Positions, "_Coded"]]:
        starts = range(0, len(positions), self.batch_images)
        parts = [(start, positions[start : start + self.batch_images]) for start in starts]
        decode = any(measure.needs != "sizes" for measure in wanted)

        # Before there are threads, or several of them might prepare it.
        source = None if isinstance(task.quantizer, Uncompressed) else self._source_to(decode)

        def encode(part: Positions) -> _Coded:
            if self.dataset.stored is not None:
                return self._encode_stored(self.dataset.stored, task.quantizer, source, part, wanted, decode)
            which = slice(part[0], part[-1] + 1) if _gapless(part) else part
            images = self.dataset.images[which]
            return _Coded(self._encode(task.quantizer, images, source if source is None else source[which], decode))

        if self.codec_threads == 1 or len(parts) == 1:  # nothing to be ahead of
            yield from ((start, part, encode(part)) for start, part in parts)
            return
        with ThreadPoolExecutor(self.codec_threads) as pool:
            ahead: deque[tuple[int, Positions, Future[_Coded]]] = deque()
            for start, part in parts:
                ahead.append((start, part, pool.submit(encode, part)))
                if len(ahead) > 2 * self.codec_threads:  # further ahead would only fill the memory
                    yield _finished(ahead.popleft())
            while ahead:
                yield _finished(ahead.popleft())

    def _encode(self, quantizer: Quantizer, images: Images, source: Any, decode: bool) -> Encoded:
        if isinstance(quantizer, Uncompressed):
            return Encoded(np.full(len(images), images[0].size, dtype=np.int64), images if decode else images[:0])
        tables = quantizer.tables_for(images)
        if decode:
            encoded = self.codec.encode(source, tables)
            _check_pixels(encoded.pixels, images)
        else:
            encoded = Encoded(self.codec.size_bytes(source, tables), images[:0])
        _check_sizes(encoded.size_bytes, len(images))
        return encoded

    def _encode_stored(
        self,
        stored: StoredImages,
        quantizer: Quantizer,
        source: Any,
        part: Positions,
        wanted: Sequence[Measure],
        decode: bool,
    ) -> "_Coded":
        """One image at a time, of which no more is kept than networks are shown."""
        of_files = [measure for measure in wanted if not measure.per_network]
        values: dict[str, Array] = {measure.name: np.empty(len(part), measure.dtype) for measure in of_files}
        size_bytes = np.empty(len(part), dtype=np.int64)
        shown = np.empty((len(part) if decode else 0, *self.dataset.images.shape[1:]), dtype=np.uint8)
        for row, position in enumerate(part.tolist()):
            image = stored.one(position)
            one = self._encode(quantizer, image, source if source is None else source.one(position), decode)
            size_bytes[row] = one.size_bytes[0]
            seen = Seen(image, one.size_bytes, one.images if decode else None)
            for measure in of_files:
                values[measure.name][row] = measure.of(seen)[0]
            if decode:
                uncompressed = isinstance(quantizer, Uncompressed)
                shown[row] = self.dataset.images[position] if uncompressed else self.dataset.shown(one.images[0])
        return _Coded(Encoded(size_bytes, shown), values)

    def _source_to(self, decode: bool) -> Any:
        return self._source if not decode or self._source_on_device is None else self._source_on_device

    @cached_property
    def _source(self) -> Any:
        """What the codec encodes from; each process gets it once."""
        if self.dataset.stored is not None:
            return self.codec.prepare_stored(self.dataset.stored)
        return self.codec.prepare(self.dataset.images, self.dataset.digest)

    @cached_property
    def _source_on_device(self) -> Any | None:
        """The same where all networks read pixels on one device and the codec decodes there: no image then leaves it.

        Apart, for the process that only asks for sizes has no business on a GPU.
        """
        if self.dataset.stored is not None:  # what networks are shown is made here
            return None
        devices = {each.pixel_device(self.dataset.height, self.dataset.width) for each in self.classifiers}
        device = devices.pop() if len(devices) == 1 else None
        return None if device is None else self.codec.prepare_on(device, self.dataset.images, self.dataset.digest)

    @cached_property
    def _clean(self) -> dict[tuple[int, bytes], npt.NDArray[np.float32]]:
        """Answers on uncompressed images, by network and positions."""
        return {}

    def _uncompressed(self, row: int, part: Positions) -> Callable[[], npt.NDArray[np.float32]]:
        """The answers of network ``row`` on the uncompressed images of ``part``, asked for once in each process."""

        def answer() -> npt.NDArray[np.float32]:
            key = (row, part.tobytes())
            if key not in self._clean:
                self._clean[key] = answers_of(self.dataset.images[part], self.classifiers[row])
            return self._clean[key]

        return answer

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_clean", None)
        state.pop("_source", None)
        state.pop("_source_on_device", None)
        return state


@dataclass(frozen=True)
class _Coded:
    """What a codec made of n images as networks are shown it; values: what is measured of the files, [n] by the
    measure's name, where these show other images."""

    encoded: Encoded
    values: Mapping[str, Array] = field(default_factory=dict)


def _gapless(part: Positions) -> bool:
    return bool(part[-1] - part[0] + 1 == len(part))


def truth_of(dataset: Dataset, classifier: Classifier, batch_images: int = 64) -> npt.NDArray[np.int64]:
    """The right answers of ``classifier``, indices into its logits, int64 [N].

    They stand for the labels, or are its own answers on the uncompressed images where the dataset's truth is
    ``predicted``: accuracy is then agreement with itself. InputError as :func:`align_labels`; EvaluationError where it
    does not answer.
    """
    if dataset.truth != "predicted":
        return align_labels(dataset, classifier)
    starts = range(0, len(dataset), batch_images)
    answers = [answers_of(dataset.images[start : start + batch_images], classifier).argmax(axis=1) for start in starts]
    return np.concatenate(answers).astype(np.int64)


def answers_of(images: Images, classifier: Classifier) -> npt.NDArray[np.float32]:
    """The logits of ``classifier`` on uncompressed ``images``. EvaluationError where it gives none."""
    try:
        logits = classifier.logits(images)
    except QSearchError:
        raise
    except Exception as error:  # a user's classifier may raise anything
        raise EvaluationError(
            f"{classifier.name} does not answer on the uncompressed images ({reason_of(error)})."
        ) from error
    return checked_logits(logits, len(images), classifier.classes)


def checked_logits(logits: Any, images: int, classes: int) -> npt.NDArray[np.float32]:
    """``logits`` as they are. EvaluationError where they are not finite numbers [images, classes]."""
    array = np.asarray(logits)
    if array.shape != (images, classes):
        raise EvaluationError(
            f"the classifier gave logits of shape {list(array.shape)} for {images} images and {classes} classes."
        )
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise EvaluationError("the classifier gave logits that are not finite numbers.")
    return array.astype(np.float32, copy=False)


def _check_sizes(size_bytes: npt.NDArray[np.int64], images: int) -> None:
    if size_bytes.shape != (images,) or not np.issubdtype(size_bytes.dtype, np.integer):
        raise EvaluationError(
            f"the codec gave sizes {size_bytes.dtype} {list(size_bytes.shape)}: integers [{images}] were expected."
        )
    if size_bytes.min() < 1 or size_bytes.max() > LARGEST_FILE_BYTES:
        raise EvaluationError(
            f"the codec gave files of {size_bytes.min()} to {size_bytes.max()} bytes: 1 to {LARGEST_FILE_BYTES} were "
            "expected."
        )


def _asked(classifier: Classifier, decoded: "Images | torch.Tensor") -> npt.NDArray[np.float32]:
    return classifier.logits(decoded) if isinstance(decoded, np.ndarray) else classifier.logits_of_tensor(decoded)


def _check_pixels(decoded: "Images | torch.Tensor", images: Images) -> None:
    if decoded.shape != images.shape or str(decoded.dtype).removeprefix("torch.") != "uint8":
        raise EvaluationError(
            f"the codec gave pixels {decoded.dtype} {list(decoded.shape)} for images uint8 {list(images.shape)}."
        )


def _finished(part: tuple[int, Positions, Future[_Coded]]) -> tuple[int, Positions, _Coded]:
    return part[0], part[1], part[2].result()
