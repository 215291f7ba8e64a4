"""How the cores of a CPU are best shared out among networks: processes, threads and streams, by the batch.

    python -m benchmarks.inference [--repeats 5] [--out FILE.json]

Each arrangement keeps all cores busy with the same images; what counts is wall-clock milliseconds per image, medians of
interleaved repeats, and how many times faster than the default (one process per core with one thread, in batches of
qsearch.classifiers.network.BATCH) that is. Processor time stands beside it: it tells more where others use the machine
too, but not how long threads wait for one another. Logits are checked to be the default's to the bit. The embedded
network sees made-up images of 128x128, MobileNetV2, where ../shared (or QSEARCH_SHARED) has it, of 224x224.
"""

import argparse
import hashlib
import json
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.engines import pixel_model
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import BATCH
from qsearch.classifiers.openvino_models import core
from qsearch.run.building import usable_cores

BATCHES = (BATCH["cpu"], 8, 16, 32, 64)
PROCESSES, THREADS, STREAMS = "a process per core", "one process, a thread per core", "one process, a stream per core"
ARRANGEMENTS = (PROCESSES, THREADS, STREAMS)


@dataclass(frozen=True)
class Subject:
    """A network by the name that qsearch knows it by, the side of its images in pixels, and how many are timed."""

    title: str
    spec: str
    side: int
    images: int


@dataclass(frozen=True)
class Row:
    """One arrangement: milliseconds per image with all cores at work, and how many times the default's speed.

    cpu_ms: of processor time per image, all threads together.
    """

    ratio: float
    ms: float
    cpu_ms: float
    network: str
    arrangement: str
    batch: int


def subjects() -> Iterator[Subject]:
    """The networks to time."""
    yield Subject("embedded network", "textures-cnn", 128, 512)
    shared = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    file = shared / "models/mobilenet_v2.onnx"
    if file.is_file():
        yield Subject("MobileNetV2", str(file), 224, 128)
    else:
        print("MobileNetV2 is left out: it is not at ../shared or QSEARCH_SHARED")


def made_up(subject: Subject, parts: int) -> list[npt.NDArray[np.uint8]]:
    """Its images in equal parts."""
    shape = (subject.images, subject.side, subject.side, 3)
    return np.split(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), parts)


def requests(subject: Subject, batch: int, streams: int, threads: int) -> list[Any]:
    """As many requests as streams, of one compiled network with so many threads in all."""
    classifier = load_classifier(subject.spec, ClassifierOptions(device="cpu"))
    assert isinstance(classifier, InferenceClassifier)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": str(streams),
        "ENABLE_CPU_PINNING": False,
    }
    model = pixel_model(classifier.network, batch, subject.side, subject.side)
    compiled = core().compile_model(model, "CPU", settings)
    return [compiled.create_infer_request() for _ in range(streams)]


def logits_of(request: Any, images: npt.NDArray[np.uint8], batch: int) -> npt.NDArray[np.float32]:
    """The logits of ``images``, whole batches."""
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    return np.concatenate([np.array(request.infer({0: part}, share_inputs=True)[0]) for part in parts])


def serve(connection: Connection, subject: Subject, share: int, processes: int, streams: int, threads: int) -> None:
    """A process: compiles for every batch, then answers each batch it is sent: its images' logits, seconds spent."""
    own = made_up(subject, processes)[share]
    by_batch = {batch: requests(subject, batch, streams, threads) for batch in BATCHES}
    for batch, ready in by_batch.items():
        for request in ready:  # one by one: OpenVINO may wait for ever where first requests of a process meet
            logits_of(request, own[:batch], batch)
    parts = np.split(own, streams)
    with ThreadPoolExecutor(streams) as pool:
        connection.send(None)
        while (batch := connection.recv()) is not None:
            start = time.process_time()
            logits = list(pool.map(partial(logits_of, batch=batch), by_batch[batch], parts))
            connection.send((np.concatenate(logits), time.process_time() - start))


def measured(subject: Subject, repeats: int) -> Iterator[Row]:
    """Every arrangement at every batch, one after the other and all over again; the first time does not count."""
    cores = usable_cores()
    shapes = {PROCESSES: (cores, 1, 1), THREADS: (1, 1, cores), STREAMS: (1, cores, cores)}
    context = get_context("spawn")
    spent_ms: dict[tuple[str, int], list[tuple[float, float]]] = {}
    answers = set()
    with ExitStack() as stack:
        connections: dict[str, list[Connection]] = {}
        for name, (processes, streams, threads) in shapes.items():
            for share in range(processes):
                here, there = context.Pipe()
                arguments = (there, subject, share, processes, streams, threads)
                process = context.Process(target=serve, args=arguments, daemon=True)
                process.start()
                stack.callback(process.join)
                stack.callback(here.send, None)
                connections.setdefault(name, []).append(here)
                here.recv()  # compiled; one after the other, for together they would only wait
        for repeat in range(repeats + 1):
            for batch in BATCHES:
                for name in ARRANGEMENTS:
                    start = time.perf_counter()
                    for each in connections[name]:
                        each.send(batch)
                    logits, cpu_s = zip(*[each.recv() for each in connections[name]], strict=True)
                    if repeat:
                        each_ms = 1000 / subject.images
                        found = each_ms * (time.perf_counter() - start), each_ms * sum(cpu_s)
                        spent_ms.setdefault((name, batch), []).append(found)
                    answers.add(hashlib.sha256(np.concatenate(logits).tobytes()).hexdigest())
    if len(answers) != 1:
        raise SystemExit(f"{subject.title} does not answer the same in all arrangements: there is nothing to choose.")
    medians = {key: [statistics.median(each) for each in zip(*both, strict=True)] for key, both in spent_ms.items()}
    default_ms = medians[PROCESSES, BATCH["cpu"]][0]
    for (name, batch), (ms, cpu_ms) in medians.items():
        yield Row(round(default_ms / ms, 3), round(ms, 4), round(cpu_ms, 4), subject.title, name, batch)


def main() -> None:
    """Reads the arguments, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    print(f"{'ratio':>6} {'ms/image':>9} {'of CPU':>9}  {usable_cores()} cores")
    rows = []
    for subject in subjects():
        for found in measured(subject, arguments.repeats):
            what = f"{found.network}, batches of {found.batch}, {found.arrangement}"
            print(f"{found.ratio:6.3f} {found.ms:9.3f} {found.cpu_ms:9.3f}  {what}")
            rows.append(found)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps([vars(found) for found in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
