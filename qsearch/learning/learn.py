"""Learning: a dataset, and where the objective needs one a network, to a ladder that is kept as it grows."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.coefficients.arrays import Coefficients
from qsearch.datasets.base import Dataset, check_prepared, identities
from qsearch.errors import InputError
from qsearch.learning.descent import Descent, scaled_tables
from qsearch.learning.ladder import Ladder, LearnedOn, Rung, check_fits, drawn, read_ladder, write_ladder
from qsearch.learning.objectives import Target, checked_loss_weights, target_at, target_of_loss
from qsearch.learning.rates import rate_model
from qsearch.learning.sample import check_sizes, learning_coefficients
from qsearch.learning.settings import SUBSAMPLINGS, LearningSettings
from qsearch.tables import QuantTables

OnProgress = Callable[[str, int, int], None]
"""Hears a stage's name, how much of it is done, and of how much."""
KEEP_EVERY_S = 15.0
"""A ladder per image is written so often while it grows; a rung for all images, as it is learned."""
_START_QUALITY = 50


def _nobody(stage: str, done: int, total: int) -> None:
    pass


def learn_ladder(
    dataset: Dataset,
    settings: LearningSettings,
    *,
    classifier: Classifier | None = None,
    start: Ladder | None = None,
    network_weights: npt.NDArray[np.float64] | None = None,
    out: Path | None = None,
    workers: int = 1,
    on_progress: OnProgress = _nobody,
) -> Ladder:
    """The ladder that ``settings`` ask for, learned from ``dataset``.

    With ``out`` it is written there as it grows, and goes on from what is there already. classifier: what the
    objectives ``accuracy`` and ``mix`` are for; network_weights: what was found of it before, on the same images with
    the same settings, so that it need not be asked again. start: the ladder whose digest is ``settings.start``.
    workers: processes, for a ladder per image; others are learned in one. Of images that are compressed as stored,
    squares are drawn (:mod:`qsearch.learning.sample`), and the network is shown what becomes of the whole images.
    InputError where settings contradict one another, the images or ``start``, and where ``out`` holds something else.
    EvaluationError where a gradient is not a number.
    """
    check_settings(settings)
    _check_start(settings, start)
    if settings.per_image or settings.method == "gradient":
        check_prepared(dataset, "learning tables for each image" if settings.per_image else "learning by gradients")
    dataset = drawn(dataset, settings)
    check_sizes(dataset, settings.subsampling)
    if settings.objective == "distortion":
        classifier = None
    elif classifier is None:
        raise InputError(f"the objective {settings.objective} needs a network: say which one with --classifier.")
    learned_on = LearnedOn.by(dataset, classifier)
    ladder = _begun(settings, learned_on, out)
    if ladder.is_complete:
        return ladder
    if classifier is not None and settings.method == "descent" and ladder.network_weights is None:
        if network_weights is None:
            from qsearch.learning.sensitivity import frequency_weights

            network_weights = frequency_weights(
                classifier,
                dataset,
                settings.subsampling,
                label_free=settings.label_free,
                seed=settings.seed,
                method=settings.sensitivity,
                on_progress=partial(on_progress, "network"),
            )
        ladder = replace(ladder, network_weights=network_weights)
    ladder = replace(ladder, images=tuple(identities(dataset)))
    coefficients = learning_coefficients(dataset, settings.subsampling, settings.seed)
    if settings.per_image:
        grown = _per_image(ladder, coefficients, workers, on_progress)
    elif settings.method == "descent":
        lesson = _ByDescent(settings, coefficients, ladder.network_weights)
        grown = _universal(ladder, coefficients, lesson, on_progress)
    else:
        by_gradient = _ByGradient(settings, dataset, coefficients, classifier, start, on_progress)
        grown = _universal(ladder, coefficients, by_gradient, on_progress)
    for larger in grown:
        ladder = larger
        if out is not None:
            write_ladder(ladder, out)
    return ladder if out is None else read_ladder(out)


def check_settings(settings: LearningSettings) -> None:
    """InputError where what they say does not go together."""
    qualities = settings.qualities
    if settings.subsampling not in SUBSAMPLINGS:
        raise InputError(f"tables are learned for JPEG {' and '.join(SUBSAMPLINGS)}, got {settings.subsampling}.")
    if not settings.rungs:
        raise InputError("a ladder has one rung or more: name one standard quality at least.")
    if list(qualities) != sorted(set(qualities)) or (qualities and not 1 <= qualities[0] <= qualities[-1] <= 100):
        raise InputError(f"qualities are from 1 to 100, each once and rising, got {', '.join(map(str, qualities))}.")
    for weights in settings.loss_weights:
        checked_loss_weights(weights)
    if settings.loss_weights and settings.objective == "accuracy" and any(each[1] for each in settings.loss_weights):
        raise InputError("the objective accuracy has no c_d: give 0 for it, or learn mix.")
    if settings.loss_weights and settings.objective == "distortion" and any(each[2] for each in settings.loss_weights):
        raise InputError("the objective distortion has no c_c: give 0 for it, or learn mix.")
    if settings.method == "gradient":
        if settings.adam is None:
            raise InputError("the method gradient is told its steps, batch, learning rate and rounding, got none.")
        if settings.per_image:
            raise InputError("tables of each image are learned by descent: leave the method gradient out.")
        if settings.sensitivity != "auto":
            raise InputError("the method gradient asks the network itself: a sensitivity is what the descent takes.")
    elif settings.adam is not None or settings.start or settings.rate != "exact":
        raise InputError(
            "the descent counts bits exactly, takes no steps of Adam and starts where it likes: a rate, steps and a "
            "start are for the method gradient."
        )


def _check_start(settings: LearningSettings, start: Ladder | None) -> None:
    if settings.start != ("" if start is None else start.digest):
        raise InputError("the gradient was to start at another ladder: give the one whose digest the settings hold.")
    if start is None:
        return
    check_fits(start, settings.subsampling, settings.layout)
    if len(start.tables) != settings.rungs or start.settings.qualities != settings.qualities:
        raise InputError(
            "the ladder to start at has other rungs than those to be learned: give the qualities of both alike."
        )


def _begun(settings: LearningSettings, learned_on: LearnedOn, out: Path | None) -> Ladder:
    """What is at ``out``, or a ladder without rungs."""
    if out is not None and out.exists():
        found = read_ladder(out)
        if found.settings != settings or found.learned_on != learned_on:
            raise InputError(f"{out} was learned otherwise or from other images: choose another file, or remove it.")
        return found
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Ladder(settings, learned_on, (), qsearch=version("qsearch"), created=now)


class _Lesson(Protocol):
    def rung(self, index: int, before: QuantTables | None) -> tuple[float, QuantTables]:
        """Trade-off and tables of rung ``index``; ``before`` are those of the rung before, where there is one."""
        ...


def _universal(
    ladder: Ladder, coefficients: Coefficients, lesson: _Lesson, on_progress: OnProgress
) -> Iterator[Ladder]:
    """``ladder`` with one rung more each time."""
    total = ladder.settings.rungs
    on_progress("rungs", len(ladder.rungs), total)
    for index in range(len(ladder.rungs), total):
        trade_off, tables = lesson.rung(index, ladder.rungs[-1].tables[0] if index else None)
        size_bytes = coefficients.size_bytes([tables] * len(coefficients))
        rung = _rung(ladder.settings, index, trade_off, _bpp(size_bytes, coefficients), (tables,))
        ladder = replace(ladder, rungs=(*ladder.rungs, rung))
        on_progress("rungs", index + 1, total)
        yield ladder


def _per_image(ladder: Ladder, coefficients: Coefficients, workers: int, on_progress: OnProgress) -> Iterator[Ladder]:
    """``ladder`` with tables for more images each time."""
    from joblib import Parallel, delayed

    settings, total = ladder.settings, len(coefficients)
    rungs = [_Grown.of(rung) for rung in ladder.rungs] or [_Grown() for _ in range(settings.rungs)]
    begun = len(rungs[0].tables)
    on_progress("images", begun, total)
    answers = Parallel(n_jobs=workers, return_as="generator")(
        delayed(_learn_image)(settings, coefficients[index : index + 1], ladder.network_weights)
        for index in range(begun, total)
    )
    kept_at = time.monotonic()
    for done, answer in enumerate(answers, start=begun + 1):
        for rung, (trade_off, bpp, tables) in zip(rungs, answer, strict=True):
            rung.add(trade_off, bpp, tables)
        on_progress("images", done, total)
        if done == total or time.monotonic() - kept_at >= KEEP_EVERY_S:
            kept_at = time.monotonic()
            yield replace(
                ladder,
                rungs=tuple(
                    _rung(settings, index, rung.trade_off, rung.bpp, tuple(rung.tables))
                    for index, rung in enumerate(rungs)
                ),
            )


def _learn_image(
    settings: LearningSettings,
    coefficients: Coefficients,
    network_weights: npt.NDArray[np.float64] | None,
) -> list[tuple[float, float, QuantTables]]:
    """Trade-off, bits per pixel and tables of one image at every rung."""
    lesson = _ByDescent(settings, coefficients, network_weights)
    found: list[tuple[float, float, QuantTables]] = []
    for index in range(settings.rungs):
        trade_off, tables = lesson.rung(index, found[-1][2] if found else None)
        found.append((trade_off, _bpp(coefficients.size_bytes([tables]), coefficients), tables))
    return found


class _Grown:
    """A rung per image while images are added: means of what was measured, and the tables."""

    def __init__(self) -> None:
        self.trade_off = self.bpp = 0.0
        self.tables: list[QuantTables] = []

    @classmethod
    def of(cls, rung: Rung) -> "_Grown":
        grown = cls()
        grown.trade_off, grown.bpp, grown.tables = rung.trade_off, rung.bpp, list(rung.tables)
        return grown

    def add(self, trade_off: float, bpp: float, tables: QuantTables) -> None:
        self.tables.append(tables)
        share = 1 / len(self.tables)
        self.trade_off += share * (trade_off - self.trade_off)
        self.bpp += share * (bpp - self.bpp)


class _ByDescent:
    """Images laid out for all rungs of a ladder."""

    def __init__(
        self,
        settings: LearningSettings,
        coefficients: Coefficients,
        network_weights: npt.NDArray[np.float64] | None,
    ) -> None:
        self._settings = settings
        self._coefficients = coefficients
        self._network_weights = network_weights
        self._descent = Descent(coefficients, settings.layout)
        self._last: tuple[int, Target] | None = None

    def rung(self, index: int, before: QuantTables | None) -> tuple[float, QuantTables]:
        """See :class:`_Lesson`."""
        target = self._target(index)
        if before is None:
            quality = _START_QUALITY if self._settings.loss_weights else self._settings.qualities[0]
            start = QuantTables.standard(quality)
        else:
            # In the limit of fine steps the best ones grow with the root of the trade-off.
            start = scaled_tables(before, float(np.sqrt(target.steepness / self._target(index - 1).steepness)))
        self._last = index, target
        return target.trade_off, self._descent.minimize(target.weights, target.trade_off, start).tables

    def _target(self, index: int) -> Target:
        if self._last is not None and self._last[0] == index:
            return self._last[1]
        if self._settings.loss_weights:
            return target_of_loss(
                self._settings.loss_weights[index], self._coefficients.subsampling, self._network_weights
            )
        return target_at(
            self._settings.objective,
            self._coefficients,
            self._settings.qualities[index],
            self._network_weights,
        )


class _ByGradient:
    """Images, what tells their bits and what their tables are learned for, for all rungs of a ladder."""

    def __init__(
        self,
        settings: LearningSettings,
        dataset: Dataset,
        coefficients: Coefficients,
        classifier: Classifier | None,
        start: Ladder | None,
        on_progress: OnProgress,
    ) -> None:
        from qsearch.learning.gradient import NetworkLoss

        self._settings = settings
        self._images = dataset.images
        self._coefficients = coefficients
        self._start = start
        self._on_progress = on_progress
        self._network_loss = None if classifier is None else NetworkLoss(classifier, dataset, settings.label_free)
        self._rate_model = rate_model(
            settings.rate, coefficients, seed=settings.seed, on_progress=partial(on_progress, "densities")
        )

    def rung(self, index: int, before: QuantTables | None) -> tuple[float, QuantTables]:
        """See :class:`_Lesson`; ``before`` is not looked at."""
        from qsearch.learning.gradient import learn_by_gradient, weights_at, weights_of_loss

        settings, coefficients = self._settings, self._coefficients
        assert settings.adam is not None
        if settings.loss_weights:
            quality = _START_QUALITY
            weights = weights_of_loss(settings.loss_weights[index], coefficients.height * coefficients.width)
        else:
            quality = settings.qualities[index]
            weights = weights_at(settings.objective, quality, self._images, coefficients, self._network_loss)
        learned = learn_by_gradient(
            self._images,
            coefficients,
            weights,
            self._rate_model,
            QuantTables.standard(quality) if self._start is None else self._start.tables[index],
            layout=settings.layout,
            adam=settings.adam,
            seed=settings.seed,
            network_loss=self._network_loss,
            on_progress=lambda done, total: self._on_progress(f"steps of rung {index}", done, total),
        )
        return weights.trade_off, learned.tables


def _rung(
    settings: LearningSettings, index: int, trade_off: float, bpp: float, tables: tuple[QuantTables, ...]
) -> Rung:
    quality = None if settings.loss_weights else settings.qualities[index]
    return Rung(quality, trade_off, bpp, tables)


def _bpp(size_bytes: npt.NDArray[np.int64], coefficients: Coefficients) -> float:
    return 8 * float(size_bytes.mean()) / (coefficients.height * coefficients.width)
