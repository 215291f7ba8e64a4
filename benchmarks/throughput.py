"""Trials per second, and where the time goes: codec, inference, the rest.

    python benchmarks/throughput.py [--photos FOLDER --network FILE.onnx] [--trials 8]

Times one process with one thread, trial after trial, so that the shares are of CPU time; then the same trials in one
worker per core, for the speed a search has.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.codecs.base import Codec, Encoded
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor
from qsearch.executors.processes import ProcessExecutor
from qsearch.run.building import build_evaluator, usable_cores
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings
from qsearch.space import SearchSpace
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.tables import QuantTables


@dataclass
class Stopwatch:
    """Seconds spent in what it wraps."""

    spent_s: float = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed."""

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.spent_s += time.perf_counter() - start

        return timed


class TimedCodec(Codec):
    """A codec that tells a stopwatch."""

    def __init__(self, codec: Codec, stopwatch: Stopwatch) -> None:
        object.__setattr__(self, "_encode", stopwatch.around(codec.encode))

    def encode(self, source: npt.NDArray[np.uint8], tables: Sequence[QuantTables]) -> Encoded:
        """See :meth:`Codec.encode`."""
        encoded: Encoded = self._encode(source, tables)  # type: ignore[attr-defined]
        return encoded

    def settings(self) -> dict[str, str | bool | int]:
        """See :meth:`Codec.settings`."""
        return {"name": "timed"}


def measure(evaluator: Evaluator, tables: list[QuantTables]) -> None:
    """Prints the times of ``tables``."""
    codec_time, inference_time, total = Stopwatch(), Stopwatch(), Stopwatch()
    classifier: Classifier = evaluator.classifiers[0]
    evaluator.evaluate(Task(tables[0]))  # compiles the network and maps the pixels
    logits = classifier.logits
    timed = replace(evaluator, codec=TimedCodec(evaluator.codec, codec_time))
    classifier.logits = inference_time.around(logits)  # type: ignore[method-assign]
    for one in tables:
        total.around(timed.evaluate)(one)
    classifier.logits = logits  # type: ignore[method-assign]
    images = len(evaluator.dataset)
    rest_s = total.spent_s - codec_time.spent_s - inference_time.spent_s
    print(f"{evaluator.dataset.name}, {images} images, {classifier.name}")
    for what, spent_s in (("codec", codec_time.spent_s), ("inference", inference_time.spent_s), ("rest", rest_s)):
        per_image_us = 1e6 * spent_s / (images * len(tables))
        print(f"  {what:10} {per_image_us:8.0f} us an image {100 * spent_s / total.spent_s:5.1f} %")
    print(f"  one process  {len(tables) / total.spent_s:6.2f} trials/s")
    workers = usable_cores()
    with ProcessExecutor(evaluator, workers) as executor:
        _all_of(executor, tables[:workers])  # starts the workers
        start = time.perf_counter()
        _all_of(executor, tables)
        elapsed_s = time.perf_counter() - start
    print(f"  {workers} workers    {len(tables) / elapsed_s:6.2f} trials/s")


def _all_of(executor: Executor, tables: list[QuantTables]) -> None:
    for one in tables:
        executor.submit(Task(one))
    left = len(tables)
    while left:
        for outcome in executor.collect():
            if outcome.measurement is None:
                raise SystemExit(f"a trial failed: {outcome.reason}")
            left -= 1


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="a folder of class folders, prepared as 224x224 stretched")
    parser.add_argument("--network", help="the network for them, a file or a name")
    parser.add_argument("--trials", type=int, default=8)
    arguments = parser.parse_args()
    strategy = SortedRandom(SearchSpace.full(), seed=0)
    tables = [strategy.ask(number) for number in range(arguments.trials)]
    wanted = [RunSettings()]
    if arguments.photos and arguments.network:
        dataset = DatasetSettings(spec=f"folder:{arguments.photos}", size=224, fit="stretch")
        wanted.append(RunSettings(dataset=dataset, classifiers=(ClassifierSettings(spec=arguments.network),)))
    for settings in wanted:
        measure(build_evaluator(settings, workers=usable_cores()), tables)


if __name__ == "__main__":
    main()
