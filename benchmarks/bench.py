"""``make bench``: what a search costs and against whom, in one table: ratios of one run on one machine.

    python -m benchmarks.bench [--parts codec,trial,steering,demo,inference,decisions,archive]
        [--images 250] [--out FILE.json]

codec: microseconds per image against Pillow, as benchmarks.codec. trial: a whole trial at 224x224 in one worker per
core, against the loop a user would write with Pillow and torchvision, medians of interleaved repeats. steering:
trials per hour inside the paper's window, on the photographs of ../shared. demo: trials per second of the embedded
default, and where their time goes. inference: processes, threads and streams by the batch, as benchmarks.inference.
decisions: milliseconds per proposal of every strategy after 100 and 1,000 trials. archive: the loop's own cost per
trial, and 100,000 trials of 600 images opened and summed up.
Results with the machine's description are appended to benchmarks/results.json, a line per run worth remembering.
"""

import argparse
import io
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import inference
from benchmarks.codec import REFERENCE, measured, photographs, processor, turbojpeg, ways
from qsearch.analysis.results import Results
from qsearch.analysis.summary import summarize
from qsearch.archive.store import Archive
from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import NetworkInput, TorchNetwork
from qsearch.codecs.auto import choose_codec
from qsearch.codecs.base import EncoderOptions, Subsampling
from qsearch.datasets.base import Dataset
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, Outcome
from qsearch.executors.processes import ProcessExecutor
from qsearch.pareto.hypervolume import REFERENCE_POINT
from qsearch.quantizer import Uncompressed, constant_tables
from qsearch.run.building import build_evaluator, usable_cores
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings
from qsearch.search import run_search
from qsearch.search.steering import gate_for, sizes_of
from qsearch.space import SearchSpace
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Strategy
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.tables import QuantTables
from qsearch.testing import LinearFitness, drive, synthetic_measurement

RESULTS = Path(__file__).with_name("results.json")
NOT_A_SEARCH = ("standard", "listed")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NETWORKS = ("mobilenet_v2", "resnet50")
REPEATS = 3
PARTS = ("codec", "trial", "steering", "demo", "inference", "decisions", "archive")

Row = dict[str, Any]


def codec_rows(images: int) -> Iterator[Row]:
    """Part codec: CPU microseconds per image, and how many times Pillow's encoding and decoding that is."""
    source, pixels = photographs(min(images, 64))
    subsamplings: tuple[Subsampling, ...] = ("4:2:0", "4:4:4")
    for subsampling in subsamplings:
        timed = ways(pixels, EncoderOptions(subsampling=subsampling), 50, turbojpeg())
        medians = measured(timed, len(pixels), 9)
        for name, median_us in medians.items():
            yield row(
                "codec",
                f"{name}, {subsampling} quality 50, {source}",
                median_us,
                "us/image",
                medians[REFERENCE] / median_us,
            )


def build(name: str) -> Any:
    """A torchvision network with random weights, behind ImageNet's normalisation."""
    import torchvision

    from qsearch.classifiers.network import normalised

    return normalised(getattr(torchvision.models, name)(weights=None).eval(), MEAN, STD)


def plain_trial(module: Any, images: npt.NDArray[np.uint8], tables: QuantTables) -> int:
    """A trial as a user would write it: Pillow, then torchvision in batches of 64. Returns the bytes of all files."""
    import torch

    qtables = [table.ravel().tolist() for table in (tables.luma, tables.cb)]
    total_bytes, batch = 0, []
    with torch.inference_mode():
        for index, pixels in enumerate(images):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", qtables=[list(each) for each in qtables], subsampling="4:2:0")
            total_bytes += len(buffer.getvalue())
            with Image.open(buffer, formats=("JPEG",)) as decoded:
                batch.append(torch.from_numpy(np.array(decoded)).permute(2, 0, 1).float() / 255)
            if len(batch) == 64 or index == len(images) - 1:
                module(torch.stack(batch)).argmax(dim=1)
                batch = []
    return total_bytes


def trial_rows(images: int) -> Iterator[Row]:
    """Part trial: seconds per trial, all cores at work on both sides."""
    import torch

    cores = usable_cores()
    torch.set_num_threads(cores)
    source, pixels = photographs(images)
    labels = np.arange(len(pixels)) % 1000
    dataset = Dataset.from_arrays(pixels, labels, tuple(map(str, range(1000))), name=source)
    for name in NETWORKS:
        digest = f"{name} of random weights {os.getpid()}"
        network = TorchNetwork(name, digest, 1000, NetworkInput(224, 224), partial(build, name))
        classifier = InferenceClassifier(network, ClassifierOptions(device="cpu"))
        evaluator = Evaluator(dataset, choose_codec(EncoderOptions())[0], [classifier])
        module = build(name)
        tables = [SortedRandom(SearchSpace.full(), 0).ask(number) for number in range(cores * REPEATS)]
        plain_s, ours_s = [], []
        with ProcessExecutor(evaluator, cores) as executor:
            all_of(executor, [QuantTables.standard(quality) for quality in range(30, 30 + cores)])  # compiles
            for repeat in range(REPEATS):
                part = tables[repeat * cores : (repeat + 1) * cores]
                start = time.perf_counter()
                plain_trial(module, pixels, part[0])
                plain_s.append(time.perf_counter() - start)
                start = time.perf_counter()
                all_of(executor, part)
                ours_s.append((time.perf_counter() - start) / cores)
        ours, plain = statistics.median(ours_s), statistics.median(plain_s)
        yield row("trial", f"{name}, {len(pixels)} {source}: Pillow and torchvision", plain, "s/trial", 1.0)
        yield row("trial", f"{name}, {len(pixels)} {source}: qsearch", ours, "s/trial", plain / ours)
        memory_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        yield row("trial", f"{name}: peak memory of the largest worker so far", memory_mib, "MiB", None)


WINDOW = (21.0, 23.0)


def steering_rows(trials: int = 16, proposals: int = 500) -> Iterator[Row]:
    """Part steering: trials per hour that land in the paper's window of ratios, on the photographs of ../shared."""
    shared = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    if not shared.is_dir():
        print("steering is left out: no photographs at ../shared or QSEARCH_SHARED")
        return
    cores = usable_cores()
    dataset = DatasetSettings(spec=f"folder:{shared / 'data/photos/search'}", size=224, fit="stretch")
    network = ClassifierSettings(spec=str(shared / "models/mobilenet_v2.onnx"))
    evaluator = build_evaluator(RunSettings(dataset=dataset, classifiers=(network,)), cores)
    strategy = SortedRandom(SearchSpace.full(), 1)
    ratios = np.array([sizes_of(evaluator, strategy.ask(number)).ratio for number in range(proposals)])
    landing = float(((ratios >= WINDOW[0]) & (ratios <= WINDOW[1])).mean())
    yield row("steering", f"share of {proposals} sorted random proposals in {WINDOW}", 100 * landing, "%", None)
    per_hour: dict[str, float] = {}
    gates = {
        "plain": None,
        "window": gate_for(evaluator, window=WINDOW),
        "steered to 22": gate_for(evaluator, ratio=22.0),
    }
    with ProcessExecutor(evaluator, cores) as executor:
        all_of(executor, [QuantTables.standard(quality) for quality in range(30, 30 + cores)])
        for name, gate in gates.items():
            with Archive.in_memory() as archive:
                start = time.perf_counter()
                run_search(strategy, executor, archive, trials=trials, qualities=(), gate=gate)
                elapsed_s = time.perf_counter() - start
                found = archive.trials("search").done().ratio
            inside = float(((found >= WINDOW[0]) & (found <= WINDOW[1])).mean()) if gate is not None else landing
            per_hour[name] = 3600 * trials * inside / elapsed_s
            what = f"{name}: trials inside {WINDOW} per hour, {cores} workers, MobileNetV2"
            yield row("steering", what, per_hour[name], "trials/h", per_hour[name] / per_hour["plain"])


def demo_rows() -> Iterator[Row]:
    """Part demo: the embedded default."""
    cores = usable_cores()
    evaluator = build_evaluator(RunSettings(), cores)
    count = 12 * cores
    tables = [SortedRandom(SearchSpace.full(), 0).ask(number) for number in range(count)]
    with ProcessExecutor(evaluator, cores) as executor:
        all_of(executor, [QuantTables.standard(quality) for quality in range(30, 30 + cores)])
        start = time.perf_counter()
        all_of(executor, tables)
        trial_s = (time.perf_counter() - start) / count
    yield row("demo", f"embedded default, {cores} workers", 1 / trial_s, "trials/s", None)
    yield row("demo", "4,000 trials of it would take", 4000 * trial_s / 60, "min", None)
    evaluator.evaluate(Task(tables[0]))
    whole_s = cpu_s(lambda: evaluator.evaluate(Task(tables[1])))
    sizes_s = cpu_s(lambda: evaluator.evaluate(Task(tables[1], networks=False)))
    source = evaluator.codec.prepare(evaluator.dataset.images, evaluator.dataset.digest)
    codec_s = cpu_s(lambda: evaluator.codec.encode(source, [tables[1]] * len(evaluator.dataset)))
    yield row("demo", "share of the codec in a trial's processor time", 100 * codec_s / whole_s, "%", None)
    yield row("demo", "sizes alone of all 600 images", 1000 * sizes_s, "ms", whole_s / sizes_s)


def inference_rows() -> Iterator[Row]:
    """Part inference: milliseconds per image with all cores at work, and how many times the default's speed."""
    for subject in inference.subjects():
        for found in inference.measured(subject, REPEATS):
            what = f"{found.network}, batches of {found.batch}, {found.arrangement}"
            yield row("inference", what, found.ms, "ms/image", found.ratio)


def cpu_s(work: Callable[[], object]) -> float:
    """Processor seconds of ``work``, the median of five."""
    spent = []
    for _ in range(5):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def decision_rows() -> Iterator[Row]:
    """Part decisions: the median of five proposals after so many trials."""
    for name in STRATEGIES.names():
        if name in NOT_A_SEARCH:
            continue
        strategy_class = STRATEGIES.get(name)
        for trials in (100, 1000):
            spent_ms = 1000 * statistics.median(decisions_s(strategy_class, trials))
            yield row("decisions", f"{name} after {trials} trials", spent_ms, "ms", None)


def decisions_s(strategy_class: type[Strategy], trials: int) -> list[float]:
    """Seconds of five proposals after ``trials``."""
    space = SearchSpace("shared", np.full(64, 5), np.full(64, 60))
    fitness = LinearFitness() if strategy_class.needs_bounds else None
    strategy = strategy_class(space, 1, fitness=fitness)
    if strategy.adaptive and not strategy.asking_changes_state:
        random = SortedRandom(space, 2)
        for number in range(trials):
            tables = random.ask(number)
            strategy.tell(Trial("search", number, "s", tables, "done", synthetic_measurement(tables)))
    else:
        drive(strategy, trials)
    spent = []
    for number in range(trials, trials + 5):
        start = time.perf_counter()
        tables = strategy.ask(number)
        spent.append(time.perf_counter() - start)
        strategy.tell(Trial("search", number, "s", tables, "done", synthetic_measurement(tables)))
    return spent


class Instant(Executor):
    """Answers at once with a made-up measurement of 600 images."""

    capacity = 2

    def __init__(self) -> None:  # no evaluator and no workers: what is left is the loop's own cost
        self._waiting: list[Task] = []

    def submit(self, task: Task) -> None:
        """See :meth:`Executor.submit`."""
        self._waiting.append(task)

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        done = [Outcome(task, made_up_measurement(task), "", 0.0) for task in self._waiting]
        self._waiting.clear()
        return done

    def close(self) -> None:
        """See :meth:`Executor.close`."""


_DRAW = np.random.default_rng(0)
_SMOOTH = _DRAW.gamma(1.0, 0.5, (64, 1, 600))


def made_up_measurement(task: Task) -> Measurement:
    """600 images whose sizes and answers look like those of a search."""
    lossless = isinstance(task.quantizer, Uncompressed)
    entry = 1.0 if lossless else float(constant_tables(task.quantizer).luma.mean())
    which = int(task.quantizer.digest[:6], 16)
    loss = _SMOOTH[which % 64] * (0.4 + entry / 60)
    sizes = np.maximum(200, (49152 / (4 + entry / 3) * (1 + _SMOOTH[(which + 1) % 64, 0] / 4))).astype(np.int64)
    ranks = np.floor(loss).astype(np.int32)
    return Measurement.of(sizes, ranks, 128 * 128, loss=loss, divergence=loss / 2)


def archive_rows(trials: int) -> Iterator[Row]:
    """Part archive: what the loop and a large archive cost."""
    with tempfile.TemporaryDirectory() as folder:
        with Archive.create(Path(folder) / "loop.sqlite") as archive:
            made_up_measurement(Task(QuantTables.standard(50)))
            start = time.perf_counter()
            run_search(SortedRandom(SearchSpace.full(), 1), Instant(), archive, trials=2000)
            yield row(
                "archive",
                "the loop and the archive, per trial of 600 images",
                (time.perf_counter() - start) / 2,
                "ms",
                None,
            )
        path = Path(folder) / "large.sqlite"
        strategy = SortedRandom(SearchSpace.full(), 1)
        with Archive.create(path) as archive:
            references = [*range(10, 101, 5)]
            archive.add_all(
                [made_up_trial("reference", quality, QuantTables.standard(quality)) for quality in references]
            )
            for start_at in range(0, trials, 5000):
                numbers = range(start_at, min(start_at + 5000, trials))
                archive.add_all([made_up_trial("search", number, strategy.ask(number)) for number in numbers])
        yield row(
            "archive", f"{trials} trials of 600 images on disk", path.stat().st_size / trials, "bytes/trial", None
        )
        start = time.perf_counter()
        with Archive.open(path, read_only=True) as archive:
            results = Results("large", archive.trials("reference"), archive.trials("search"))
        opened_s = time.perf_counter() - start
        summarize(results, REFERENCE_POINT)
        yield row("archive", f"{trials} trials opened", opened_s, "s", None)
        yield row("archive", f"{trials} trials opened and summed up", time.perf_counter() - start, "s", None)
        from qsearch.report.plots import plot_frontiers, save_figure

        start = time.perf_counter()
        save_figure(plot_frontiers([results], "made up"), Path(folder) / "large.png")
        yield row("archive", f"{trials} trials drawn", time.perf_counter() - start, "s", None)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield row("archive", "peak memory of this process", peak_mib, "MiB", None)


def made_up_trial(series: Any, number: int, tables: QuantTables) -> Trial:
    """A done trial of a made-up measurement."""
    return Trial(series, number, "sorted-random", tables, "done", made_up_measurement(Task(tables)))


def all_of(executor: Executor, tables: list[QuantTables]) -> None:
    """Carries out the tasks of ``tables``."""
    for one in tables:
        executor.submit(Task(one))
    left = len(tables)
    while left:
        for outcome in executor.collect():
            if outcome.measurement is None:
                raise SystemExit(f"a trial failed: {outcome.reason}")
            left -= 1


def row(part: str, what: str, value: float, unit: str, ratio: float | None) -> Row:
    """One line of the table, printed as soon as it is known."""
    found = {"ratio": None if ratio is None else round(ratio, 2), "value": round(value, 3), "unit": unit}
    print(f"{'' if ratio is None else format(ratio, '.2f'):>7} {value:12.3f} {unit:12} {part:10} {what}", flush=True)
    return {"part": part, "what": what, **found}


def main() -> None:
    """Reads the arguments, measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="which, with commas between")
    parser.add_argument("--images", type=int, default=250, help="of a trial")
    parser.add_argument("--trials", type=int, default=100_000, help="of the large archive")
    parser.add_argument("--note", default="", help="why this run is worth remembering")
    parser.add_argument("--out", type=Path, default=None, help=f"append to this file  [suggested: {RESULTS.name}]")
    arguments = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "codec": partial(codec_rows, arguments.images),
        "trial": partial(trial_rows, arguments.images),
        "steering": steering_rows,
        "demo": demo_rows,
        "inference": inference_rows,
        "decisions": decision_rows,
        "archive": partial(archive_rows, arguments.trials),
    }
    unknown = [name for name in arguments.parts.split(",") if name not in parts]
    if unknown:
        raise SystemExit(f"no part is called {unknown[0]!r}: {', '.join(parts)}.")
    print(f"{'ratio':>7} {'value':>12} {'unit':12} {'part':10} what")
    rows = [found for name in arguments.parts.split(",") for found in parts[name]()]
    if arguments.out is not None:
        kept = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else []
        about = {
            "at": datetime.now(UTC).date().isoformat(),
            "note": arguments.note,
            "machine": f"{processor()}, {usable_cores()} cores, {platform.system()}, "
            f"Python {platform.python_version()}",
        }
        arguments.out.write_text(json.dumps([*kept, {**about, "rows": rows}], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
