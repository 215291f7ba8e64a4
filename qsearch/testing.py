"""Contract suites for plug-in authors: subclass one in a pytest module, override its fixture, and run it.

class TestMyStrategy(StrategyContract):
    @pytest.fixture
    def strategy_class(self):
        return MyStrategy
"""

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.codecs.base import Codec
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import UNLABELLED, Dataset, digest_of
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.measures import MEASURES, Measure, Seen
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, Outcome
from qsearch.quantizer import Quantizer, restore
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.strategies.base import Strategy
from qsearch.tables import ZIGZAG, QuantTables

Evaluate = Callable[[QuantTables], Measurement | None]


class LinearFitness:
    """A stand-in for the parabola of an earlier search: accuracy falls by half a point per unit of ratio."""

    def gap(self, measurement: Measurement) -> float:
        """See :class:`qsearch.strategies.base.Fitness`."""
        return measurement.top1 - (0.8 - 0.005 * measurement.ratio)


def synthetic_measurement(tables: QuantTables, images: int = 40) -> Measurement:
    """What an imaginary dataset would measure: smooth, instant, and better where low frequencies are kept.

    Coarser entries save bytes everywhere; each image is lost once the coarseness, weighted towards low frequencies,
    passes its own threshold.
    """
    entries = np.stack([tables.luma, tables.cb, tables.cr]).reshape(3, 64)[:, ZIGZAG].astype(np.float64)
    bits = (np.array([4.0, 1.0, 1.0])[:, None] * np.log2(256.0 / entries)).sum() + 40.0
    harm = (entries / 255 * np.exp(-np.arange(64) / 12)).sum() / 12
    image = np.arange(images)
    size_bytes = np.ceil(bits * (1 + image / images)).astype(np.int64)
    ranks = np.where(harm > (image + 1) / images, 1 + image % 7, 0).astype(np.int32)
    return Measurement.of(size_bytes, ranks[None, :], 32 * 32)


def synthetic_with_failures(tables: QuantTables) -> Measurement | None:
    """As :func:`synthetic_measurement`, but about every fifth table fails (always the same ones)."""
    return None if int(tables.digest[:4], 16) % 5 == 0 else synthetic_measurement(tables)


def drive(
    strategy: Strategy,
    trials: int,
    *,
    look_ahead: int = 1,
    evaluate: Evaluate = synthetic_measurement,
    history: list[Trial] | None = None,
) -> list[Trial]:
    """Asks and tells ``strategy`` as the search does, up to ``trials`` in all; goes on after ``history`` if given.

    ``strategy`` is new; with a history it is first brought there by :meth:`Strategy.replay`. Returns all trials.
    """
    done = list(history or [])
    told = 0
    if done:
        strategy.replay(done, look_ahead)
        told = strategy.told_before(done[-1].number, look_ahead)
    for number in range(len(done), trials):
        while told < strategy.told_before(number, look_ahead):
            strategy.tell(done[told])
            told += 1
        tables = strategy.ask(number)
        measurement = evaluate(tables)
        done.append(
            Trial(
                "search",
                number,
                strategy.name,
                tables,
                "failed" if measurement is None else "done",
                measurement,
                reason="" if measurement else "synthetic failure",
                origin=strategy.origin(number),
            )
        )
    return done


class StrategyContract:
    """What every strategy keeps. Override the fixtures ``strategy_class`` and, to make it quicker, ``options``.

    trials: how many each test asks for at most; enough to pass a strategy's start-up phase.
    """

    trials: ClassVar[int] = 60

    def make(self, strategy_class: type[Strategy], options: dict[str, Any], space: SearchSpace, seed: int) -> Strategy:
        """A new strategy."""
        fitness = LinearFitness() if strategy_class.informed else None
        return strategy_class(space, seed, fitness=fitness, **options)

    def space(self, strategy_class: type[Strategy], layout: str) -> SearchSpace:
        """A box as an earlier search would give it for strategies that need one, else every baseline table."""
        if not strategy_class.informed:
            return SearchSpace.full(layout)
        lower = np.tile(1 + np.arange(64) // 2, LAYOUTS[layout])
        return SearchSpace(layout, lower, lower + 30)

    def count(self, strategy: Strategy, trials: int) -> int:
        """``trials``, or as many as the strategy has."""
        limit = strategy.trial_limit()
        return trials if limit is None else min(trials, limit)

    def test_has_its_registered_kind_of_name(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Names are lower case with hyphens."""
        assert strategy_class.name == strategy_class.name.lower().replace("_", "-").replace(" ", "-")

    def test_proposes_within_the_box_in_every_layout(
        self, strategy_class: type[Strategy], options: dict[str, Any]
    ) -> None:
        """Whatever the layout, all tables lie in the box."""
        for layout in strategy_class.layouts:
            space = self.space(strategy_class, layout)
            strategy = self.make(strategy_class, options, space, seed=3)
            for trial in drive(strategy, self.count(strategy, self.trials), look_ahead=3):
                assert space.contains(space.to_vector(trial.tables))

    def test_same_seed_same_tables(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Two strategies of one seed agree, also when both are alive at once and something else draws numbers."""
        space = self.space(strategy_class, strategy_class.layouts[0])
        first = self.make(strategy_class, options, space, seed=5)
        second = self.make(strategy_class, options, space, seed=5)
        trials = self.count(first, self.trials)
        expected = drive(first, trials, look_ahead=2, evaluate=synthetic_with_failures)
        random.seed(99)
        np.random.seed(99)
        assert [t.tables for t in drive(second, trials, look_ahead=2, evaluate=synthetic_with_failures)] == [
            t.tables for t in expected
        ]

    def test_other_seed_other_tables(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Unless it goes through a fixed list."""
        space = self.space(strategy_class, strategy_class.layouts[0])
        first, second = (self.make(strategy_class, options, space, seed) for seed in (5, 6))
        if first.trial_limit() is None:
            assert [t.tables for t in drive(first, 5)] != [t.tables for t in drive(second, 5)]

    def test_leaves_global_randomness_alone(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """A user's own random numbers do not depend on the strategy."""
        random.seed(7)
        np.random.seed(7)
        before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        space = self.space(strategy_class, strategy_class.layouts[0])
        drive(self.make(strategy_class, options, space, seed=1), 5)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]

    def test_replay_equals_going_on(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Killed at any trial and rebuilt from the trials so far, it proposes what it would have proposed."""
        space = self.space(strategy_class, strategy_class.layouts[0])
        for look_ahead in (1, 4):
            strategy = self.make(strategy_class, options, space, seed=11)
            trials = self.count(strategy, self.trials)
            whole = drive(strategy, trials, look_ahead=look_ahead, evaluate=synthetic_with_failures)
            for killed_at in (1, trials // 3, trials - 2):
                rebuilt = self.make(strategy_class, options, space, seed=11)
                resumed = drive(
                    rebuilt,
                    trials,
                    look_ahead=look_ahead,
                    evaluate=synthetic_with_failures,
                    history=whole[:killed_at],
                )
                assert [t.tables for t in resumed] == [t.tables for t in whole]
                assert [t.origin for t in resumed] == [t.origin for t in whole]

    def test_all_trials_may_fail(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """It goes on proposing."""
        space = self.space(strategy_class, strategy_class.layouts[0])
        strategy = self.make(strategy_class, options, space, seed=2)
        trials = self.count(strategy, self.trials)
        assert len(drive(strategy, trials, evaluate=lambda tables: None)) == trials

    def test_boxes_may_be_flat(self, strategy_class: type[Strategy], options: dict[str, Any]) -> None:
        """Some entries fixed, or all of them."""
        if not strategy_class.informed:
            return
        lower = np.arange(1, 65)
        for upper in (lower, np.where(lower % 3 == 0, lower + 9, lower)):
            space = SearchSpace("shared", lower, upper)
            strategy = self.make(strategy_class, options, space, seed=4)
            for trial in drive(strategy, self.trials, look_ahead=2):
                assert space.contains(space.to_vector(trial.tables))


class CodecContract:
    """What every codec keeps. Override the fixture ``codec``."""

    def images(self, height: int = 33, width: int = 50) -> npt.NDArray[np.uint8]:
        """Six images uint8 [6, height, width, 3]: noise, flat colours, gradients."""
        draw = np.random.RandomState(0)
        noise = draw.randint(0, 256, (2, height, width, 3))
        flat = np.broadcast_to(draw.randint(0, 256, (2, 1, 1, 3)), noise.shape)
        slope = np.linspace(0, 255, width)[None, None, :, None] * np.array([1, 0.5, 0.2])
        return np.concatenate([noise, flat, np.broadcast_to(slope, noise.shape)]).astype(np.uint8)

    def test_shapes_and_types(self, codec: Codec) -> None:
        """Sizes int64 [N], pixels uint8 of the same shape, also for odd sizes."""
        for height, width in ((33, 50), (8, 8), (1, 1), (17, 16)):
            images = self.images(height, width)
            encoded = codec.encode(images, [QuantTables.standard(50)] * len(images))
            assert encoded.size_bytes.shape == (len(images),)
            assert encoded.size_bytes.dtype == np.int64
            assert encoded.images.shape == images.shape
            assert encoded.images.dtype == np.uint8

    def test_images_are_independent(self, codec: Codec) -> None:
        """One at a time or all together, forwards or backwards: the same sizes and pixels."""
        images = self.images()
        tables = [QuantTables.standard(30)] * len(images)
        together = codec.encode(images, tables)
        backwards = codec.encode(images[::-1], tables)
        np.testing.assert_array_equal(together.size_bytes, backwards.size_bytes[::-1])
        np.testing.assert_array_equal(together.images, backwards.images[::-1])
        for index in range(len(images)):
            alone = codec.encode(images[index : index + 1], tables[:1])
            assert alone.size_bytes[0] == together.size_bytes[index]
            np.testing.assert_array_equal(alone.images[0], together.images[index])

    def test_coarser_tables_save_bytes_and_lose_detail(self, codec: Codec) -> None:
        """Quality 90, 50, 10: fewer bytes and more error each time."""
        images = self.images()
        encoded = [codec.encode(images, [QuantTables.standard(quality)] * len(images)) for quality in (90, 50, 10)]
        sizes = [e.size_bytes.sum() for e in encoded]
        errors = [((e.images.astype(float) - images) ** 2).mean() for e in encoded]
        assert sizes == sorted(sizes, reverse=True)
        assert errors == sorted(errors)

    def test_leaves_its_input_alone(self, codec: Codec) -> None:
        """Pixels may be a read-only memory map, and are not changed."""
        images = self.images()
        before = images.copy()
        images.flags.writeable = False
        codec.encode(images, [QuantTables.standard(50)] * len(images))
        np.testing.assert_array_equal(images, before)

    def test_distinguishes_all_three_tables(self, codec: Codec) -> None:
        """Luma, Cb and Cr tables each change the result."""
        images = self.images()[:2]
        fine, coarse = np.full((8, 8), 4), np.full((8, 8), 90)
        seen = [
            codec.encode(images, [QuantTables(luma, cb=cb, cr=cr)] * len(images)).images.tobytes()
            for luma, cb, cr in ((fine, fine, fine), (coarse, fine, fine), (fine, coarse, fine), (fine, fine, coarse))
        ]
        assert len(set(seen)) == 4

    def test_what_is_prepared_gives_the_same_as_images(self, codec: Codec) -> None:
        """Whole, sliced or by indices; and sizes alone are those that come with pixels."""
        images = self.images()
        tables = [QuantTables.standard(quality) for quality in (5, 40, 75, 90, 95, 100)]
        expected = codec.encode(images, tables)
        prepared = codec.prepare(images, "of these images")
        assert len(prepared) == len(images)
        for part in (slice(None), slice(1, 4), np.array([4, 0])):
            chosen = [tables[index] for index in np.arange(len(images))[part]]
            for source in (images[part], prepared[part]):
                encoded = codec.encode(source, chosen)
                np.testing.assert_array_equal(encoded.size_bytes, expected.size_bytes[part])
                np.testing.assert_array_equal(encoded.images, expected.images[part])
                np.testing.assert_array_equal(codec.size_bytes(source, chosen), expected.size_bytes[part])

    def test_what_is_prepared_on_a_device_gives_the_same_as_images(self, codec: Codec) -> None:
        """Where the codec decodes on devices: sizes and pixels are those of images, whole, sliced or by indices."""
        images = self.images()
        tables = [QuantTables.standard(quality) for quality in (5, 40, 75, 90, 95, 100)]
        prepared = codec.prepare_on("cpu", images, "of these images")
        if prepared is None:
            return
        for part in (slice(None), slice(1, 4), np.array([4, 0])):
            chosen = [tables[index] for index in np.arange(len(images))[part]]
            encoded, expected = codec.encode(prepared[part], chosen), codec.encode(images[part], chosen)
            np.testing.assert_array_equal(encoded.size_bytes, expected.size_bytes)
            np.testing.assert_array_equal(encoded.images, expected.images)

    def test_says_what_it_is(self, codec: Codec) -> None:
        """The settings name the codec and its encoder settings."""
        settings = codec.settings()
        assert settings["name"] == codec.name
        assert {"subsampling", "optimize", "progressive"} <= settings.keys()


class DatasetContract:
    """What every dataset keeps. Override the fixture ``dataset``."""

    def test_digest_is_of_its_content(self, dataset: Dataset) -> None:
        """What was recorded with the run is what is there."""
        assert dataset.digest == digest_of(dataset.images, dataset.labels, dataset.class_names)

    def test_names_are_unique(self, dataset: Dataset) -> None:
        """Images and classes can be told apart in reports."""
        assert len(set(dataset.image_names)) == len(dataset)
        assert len(set(dataset.class_names)) == len(dataset.class_names)

    def test_images_without_labels_are_not_taken_for_labelled_ones(self, dataset: Dataset) -> None:
        """Where the truth is unknown all are of the one class that says so, and nowhere else is there such a class."""
        assert (dataset.truth == "unknown") == (dataset.class_names == (UNLABELLED,))

    def test_sources_are_the_files_of_the_images(self, dataset: Dataset) -> None:
        """One for each image, and there; or none, where they are not known."""
        assert len(dataset.sources) in (0, len(dataset))
        assert len(dataset.source_identities) in (0, len(dataset))
        assert all(Path(source).is_file() for source in dataset.sources)

    def test_travels_to_workers_as_it_is(self, dataset: Dataset) -> None:
        """Pickled, it is the same dataset; a memory map stays one and is not copied."""
        import pickle

        data = pickle.dumps(dataset)
        copy: Dataset = pickle.loads(data)
        assert (copy.digest, copy.truth, copy.class_names) == (dataset.digest, dataset.truth, dataset.class_names)
        assert copy.source_identities == dataset.source_identities
        np.testing.assert_array_equal(copy.images, dataset.images)
        np.testing.assert_array_equal(copy.labels, dataset.labels)
        if isinstance(dataset.images, np.memmap):
            assert isinstance(copy.images, np.memmap)
            assert len(data) < dataset.images.nbytes


class ClassifierContract:
    """What every classifier keeps. Override the fixtures ``classifier`` and ``images`` (uint8 [N, H, W, 3], N >= 5)."""

    def test_logits_are_finite_numbers_per_class(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """float32 [N, classes]."""
        logits = classifier.logits(images)
        assert logits.shape == (len(images), classifier.classes)
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()

    def test_logits_do_not_depend_on_the_batch(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """To the bit: alone, together, and in another order."""
        together = classifier.logits(images)
        np.testing.assert_array_equal(classifier.logits(images[::-1])[::-1], together)
        for index in range(len(images)):
            np.testing.assert_array_equal(classifier.logits(images[index : index + 1])[0], together[index])

    def test_travels_to_workers(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """Pickled, it answers the same."""
        import pickle

        copy: Classifier = pickle.loads(pickle.dumps(classifier))
        assert copy.digest == classifier.digest
        np.testing.assert_array_equal(copy.logits(images), classifier.logits(images))

    def test_says_what_it_is(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """Name and digest are recorded; class names, where there are any, are one per logit."""
        settings = classifier.settings()
        assert settings["name"] == classifier.name
        assert settings["digest"] == classifier.digest
        assert classifier.class_names is None or len(classifier.class_names) == classifier.classes


@dataclass(frozen=True)
class Misbehaving:
    """A quantizer that does not answer: it raises, ends or kills its process, or sleeps for an hour.

    what: ``raise``, ``exit``, ``kill``, or ``hang``.
    """

    what: str
    kind: str = "misbehaving"

    @property
    def digest(self) -> str:
        """Of what it does."""
        return hashlib.sha256(self.what.encode()).hexdigest()

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[QuantTables]:
        """Never returns tables."""
        if self.what == "exit":
            raise SystemExit(0)
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "hang":
            time.sleep(3600)
        raise OSError("as planned")

    def to_bytes(self) -> bytes:
        """What it does."""
        return self.what.encode()


class ExecutorContract:
    """What every executor keeps. Override the fixture ``executor_class`` and, where it has no workers, set the others.

    workers: how many it is made with. isolated: whether a worker that dies is not the search's own process.
    times_out: whether it can stop an evaluation.
    """

    workers: ClassVar[int] = 2
    isolated: ClassVar[bool] = True
    times_out: ClassVar[bool] = True

    def evaluator(self) -> Evaluator:
        """Sizes of four small images: what there is to measure without a network."""
        images = np.random.RandomState(0).randint(0, 256, (4, 16, 16, 3)).astype(np.uint8)
        return Evaluator(Dataset.from_arrays(images, [0, 1, 0, 1]), PillowCodec(), measures=("bytes",))

    def finish(self, executor: Executor, tasks: Sequence[Task]) -> dict[Task, Outcome]:
        """Submits all and collects until each has come back."""
        for task in tasks:
            executor.submit(task)
        found: dict[Task, Outcome] = {}
        while len(found) < len(tasks):
            for outcome in executor.collect():
                assert outcome.task in tasks
                assert outcome.task not in found
                found[outcome.task] = outcome
        return found

    def test_every_task_comes_back_once_with_its_own_measurement(self, executor_class: type[Executor]) -> None:
        """Whatever the order."""
        tasks = [Task(QuantTables.standard(quality)) for quality in (90, 10, 50, 70, 30)]
        evaluator = self.evaluator()
        with executor_class(evaluator, self.workers) as executor:
            assert executor.capacity == self.workers
            found = self.finish(executor, tasks)
        assert {task: found[task].measurement for task in tasks} == {task: evaluator.evaluate(task) for task in tasks}
        assert all(outcome.reason == "" and outcome.evaluation_s > 0 for outcome in found.values())

    def test_failures_are_outcomes_with_a_reason(self, executor_class: type[Executor]) -> None:
        """Also a network that would end the process; what follows is measured."""
        tasks = [Task(Misbehaving("raise")), Task(Misbehaving("exit")), Task(QuantTables.standard(50))]
        with executor_class(self.evaluator(), self.workers) as executor:
            raised, ended, measured = map(self.finish(executor, tasks).__getitem__, tasks)
        assert (raised.measurement, raised.reason) == (None, "OSError: as planned")
        assert ended.measurement is None
        assert "SystemExit" in ended.reason
        assert measured.measurement is not None

    def test_a_worker_that_dies_takes_nothing_else_with_it(self, executor_class: type[Executor]) -> None:
        """Its task fails, its neighbours are measured."""
        if not self.isolated:
            return
        tasks = [Task(QuantTables.standard(20)), Task(Misbehaving("kill")), Task(QuantTables.standard(50))]
        with executor_class(self.evaluator(), self.workers) as executor:
            found = self.finish(executor, tasks)
        assert [found[task].measurement is None for task in tasks] == [False, True, False]
        assert found[tasks[1]].reason

    def test_an_evaluation_that_takes_too_long_fails(self, executor_class: type[Executor]) -> None:
        """Or the executor says at once that it cannot stop one."""
        if not self.times_out:
            try:
                executor_class(self.evaluator(), self.workers, timeout_s=5)
            except InputError:
                return
            raise AssertionError("an executor that stops no evaluation takes no timeout")
        tasks = [Task(Misbehaving("hang")), Task(QuantTables.standard(50))]
        with executor_class(self.evaluator(), self.workers, timeout_s=15) as executor:
            hung, measured = map(self.finish(executor, tasks).__getitem__, tasks)
        assert hung.measurement is None
        assert "took longer" in hung.reason
        assert measured.measurement is not None

    def test_closing_drops_what_has_not_finished(self, executor_class: type[Executor]) -> None:
        """It comes back, with nothing of its own left running."""
        executor = executor_class(self.evaluator(), self.workers)
        executor.submit(Task(Misbehaving("hang")))
        executor.close()


class MeasureContract:
    """What every measure keeps. Override the fixture ``measure``."""

    def seen(self, quality: int) -> Seen:
        """Eight images encoded at ``quality``, and a network of two classes that is sure where they are little changed.

        On the uncompressed images it is right about all; errors of 20 levels, root mean square, leave it undecided.
        """
        draw = np.random.RandomState(0)
        images = draw.randint(0, 256, (8, 32, 32, 3)).astype(np.uint8)
        encoded = PillowCodec().encode(images, [QuantTables.standard(quality)] * len(images))
        error = np.sqrt(((images - encoded.images.astype(float)) ** 2).mean(axis=(1, 2, 3)))
        truth = np.arange(8) % 2
        sign = np.where(np.arange(2) == truth[:, None], 1.0, -1.0)
        logits = (sign * (20 - error)[:, None] / 4).astype(np.float32)
        return Seen(images, encoded.size_bytes, encoded.images, logits, truth, lambda: (5 * sign).astype(np.float32))

    def test_one_number_of_its_type_for_each_image(self, measure: Measure) -> None:
        """And it is one."""
        for quality in (5, 50, 95):
            values = measure.of(self.seen(quality))
            assert values.shape == (8,)
            assert values.dtype == np.dtype(measure.dtype)
            assert not np.isnan(values.astype(float)).any()

    def test_an_image_does_not_change_the_number_of_another(self, measure: Measure) -> None:
        """Batches may be cut anywhere."""
        seen = self.seen(30)
        assert seen.decoded is not None
        assert seen.logits is not None
        assert seen.truth is not None
        assert seen.answer_uncompressed is not None
        clean = seen.answer_uncompressed()
        parts = [
            Seen(
                seen.images[one],
                seen.size_bytes[one],
                seen.decoded[one],
                seen.logits[one],
                seen.truth[one],
                lambda one=one: clean[one],  # type: ignore[misc]
            )
            for one in (slice(0, 3), slice(3, 8))
        ]
        np.testing.assert_array_equal(np.concatenate([measure.of(part) for part in parts]), measure.of(seen))

    def test_more_compression_is_better_for_sizes_alone(self, measure: Measure) -> None:
        """Where images are nearly destroyed, what they are worth is not better than where they are nearly kept."""
        coarse, fine = (float(measure.of(self.seen(quality)).astype(float).mean()) for quality in (3, 98))
        worse = coarse >= fine if measure.better == "lower" else coarse <= fine
        assert worse != (measure.needs == "sizes")

    def test_numbers_that_are_none_and_other_shapes_are_refused(self, measure: Measure) -> None:
        """As EvaluationError: a trial fails, and no archive holds them."""
        seen = self.seen(50)
        broken: list[Callable[[Seen], Any]] = [lambda seen: np.zeros(3)]
        if np.dtype(measure.dtype).kind == "f":
            broken.append(lambda seen: np.full(8, np.nan))
        for compute in broken:
            try:
                replace(measure, compute=compute).of(seen)
            except EvaluationError:
                continue
            raise AssertionError("EvaluationError was expected")

    def test_its_columns_are_nobody_elses(self, measure: Measure) -> None:
        """Sums are columns by their names, which no other measure has."""
        own = [total.name for total in measure.totals]
        others = [
            total.name for name in MEASURES.names() if name != measure.name for total in MEASURES.get(name).totals
        ]
        assert own
        assert len(set(own)) == len(own)
        assert not set(own) & set(others)


class QuantizerContract:
    """What every quantizer keeps. Override the fixtures ``quantizer`` and ``images`` (uint8 [N, H, W, 3], N >= 3)."""

    def test_each_image_has_its_tables(self, quantizer: Quantizer, images: npt.NDArray[np.uint8]) -> None:
        """The same ones alone, among others and in another order: its pixels alone decide."""
        chosen = list(quantizer.tables_for(images))
        assert len(chosen) == len(images)
        assert all(isinstance(tables, QuantTables) for tables in chosen)
        assert list(quantizer.tables_for(images[::-1]))[::-1] == chosen
        for index, tables in enumerate(chosen):
            assert list(quantizer.tables_for(images[index : index + 1])) == [tables]

    def test_leaves_its_images_alone(self, quantizer: Quantizer, images: npt.NDArray[np.uint8]) -> None:
        """They may be a read-only memory map."""
        kept = images.copy()
        kept.flags.writeable = False
        quantizer.tables_for(kept)
        np.testing.assert_array_equal(kept, images)

    def test_is_known_by_its_digest(self, quantizer: Quantizer) -> None:
        """Hexadecimal, of at least 128 bits; the kind is a word of its own."""
        assert len(quantizer.digest) >= 32
        int(quantizer.digest, 16)
        assert quantizer.kind == quantizer.kind.lower().strip()
        assert not any(letter.isspace() for letter in quantizer.kind)

    def test_travels_to_workers(self, quantizer: Quantizer, images: npt.NDArray[np.uint8]) -> None:
        """Pickled, it chooses the same."""
        import pickle

        copy: Quantizer = pickle.loads(pickle.dumps(quantizer))
        assert (copy.kind, copy.digest) == (quantizer.kind, quantizer.digest)
        assert list(copy.tables_for(images)) == list(quantizer.tables_for(images))

    def test_an_archive_knows_it_again(self, quantizer: Quantizer) -> None:
        """By kind, digest and bytes."""
        kept = restore(quantizer.kind, quantizer.digest, quantizer.to_bytes())
        assert (kept.kind, kept.digest, kept.to_bytes()) == (quantizer.kind, quantizer.digest, quantizer.to_bytes())
