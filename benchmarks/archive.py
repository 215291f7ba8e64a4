"""What large archives cost: bytes per trial, and seconds and memory of the commands that read them.

    python -m benchmarks.archive [--trials 1000] [--images 600] [--folder FOLDER] [--only show,trials]

The trials are made up, of one network, and written through the Archive as a search writes them. Each command then reads
them in a process of its own, whose peak memory is its own: as Linux tells it. Results go to standard output as JSON, a
line each.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qsearch.archive.store import Archive
from qsearch.datasets.base import ImageIdentity
from qsearch.evaluation.measurement import UNCOMPRESSED_NUMBER, Measurement, Series, Trial
from qsearch.quantizer import UNCOMPRESSED
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE
from qsearch.run.settings import ClassifierSettings, CodecSettings, Recorded, RunSettings, SearchSettings, save_settings
from qsearch.tables import QuantTables

PIXELS = 128 * 128
CLASSES = 10
TOGETHER_BYTES = 1 << 26
"""Of measurements, written in one transaction."""
COMMANDS = {
    "open": None,
    "show": ("show",),
    "plot": ("plot",),
    "report": ("report",),
    "trials": ("trials", "--csv"),
}
"""Arguments of ``qsearch``; the first alone opens both series, and reads no more than their columns."""
OPEN = """
from qsearch.run.folder import Run
reference, search = Run.open({path!r}).trials()
assert len(search)
"""
MEASURED = """
import sys, time
start = time.perf_counter()
try:
    {work}
finally:
    spent_s = time.perf_counter() - start
    with open("/proc/self/status") as status:  # not getrusage, which counts what the parent held at the fork
        peak_kib = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(spent_s, peak_kib, file=sys.stderr)
"""


class MadeUp:
    """Measurements that resemble a search's: harder images are lost first, and the best tables differ by little."""

    def __init__(self, images: int) -> None:
        random = np.random.default_rng(1)
        self._complexity = random.lognormal(0, 0.4, images)
        self._difficulty = random.normal(0, 1, images)
        self._images = images

    def measurement(self, number: int, ratio: float, worse: float) -> Measurement:
        """Of tables of about that compression ratio, ``worse`` than the best ones of their ratio."""
        random = np.random.default_rng(number)
        size_bytes = 3 * PIXELS / ratio * self._complexity * random.lognormal(0, 0.05, self._images)
        strain = self._difficulty + 0.5 * math.log2(ratio) + worse + random.normal(0, 0.3, self._images)
        loss = np.log1p(np.exp(strain - 3)).astype(np.float32)
        ranks = np.minimum((loss / 0.7).astype(np.int32), CLASSES - 1)
        return Measurement.of(
            np.maximum(1, size_bytes).astype(np.int64),
            ranks[np.newaxis],
            PIXELS,
            loss=loss[np.newaxis],
            divergence=(loss / 2)[np.newaxis],
        )

    def trials(self, count: int) -> Iterator[Trial]:
        """The uncompressed images, the standard tables, and ``count`` trials of a search."""
        uncompressed = self.measurement(0, 1, 0)
        yield Trial("reference", UNCOMPRESSED_NUMBER, "uncompressed", UNCOMPRESSED, "done", uncompressed)
        for quality in range(10, 101, 5):
            tables = QuantTables.standard(quality)
            yield self._trial("reference", quality, "standard", tables, 60 / math.sqrt(quality), 0.1)
        random = np.random.default_rng(0)
        for number in range(count):
            entries = random.integers(1, 256, 64).reshape(8, 8)
            ratio, worse = 10 * random.lognormal(0, 0.4), random.exponential(0.3)
            yield self._trial("search", number, "sorted-random", QuantTables.shared(entries), ratio, worse)

    def _trial(self, series: Series, number: int, name: str, tables: QuantTables, ratio: float, worse: float) -> Trial:
        return Trial(series, number, name, tables, "done", self.measurement(number + 1, ratio, worse))


def make_run(path: Path, trials: int, images: int) -> None:
    """A run of so many made-up trials."""
    identities = [ImageIdentity(f"{image:06d}", "made up", f"{image:064x}") for image in range(images)]
    dataset = {"name": "made up", "digest": "0" * 64, "images": images, "height": 128, "width": 128}
    recorded = Recorded(dataset=dataset, classifiers=[{"name": "made up"}], codec={"name": "pillow"}, versions={"": ""})
    settings = RunSettings(
        qsearch="made up",
        created="2026-11-25T00:00:00+00:00",
        search=SearchSettings(trials=trials, objective="loss"),
        classifiers=(ClassifierSettings(),),
        codec=CodecSettings(name="pillow"),
        recorded=recorded,
    )
    path.mkdir(parents=True)
    save_settings(settings, path / SETTINGS_FILE)
    together = max(1, TOGETHER_BYTES // (16 * images))
    with Archive.create(path / ARCHIVE_FILE, identities) as archive:
        some: list[Trial] = []
        for trial in MadeUp(images).trials(trials):
            some.append(trial)
            if len(some) == together:
                archive.add_all(some)
                some = []
        archive.add_all(some)


def measured(path: Path, name: str) -> dict[str, Any]:
    """Seconds and peak memory in MiB of a command on the run at ``path``, the start of Python included."""
    arguments = COMMANDS[name]
    work = f"from qsearch.cli import main; main({[arguments[0], str(path), *arguments[1:]]!r})" if arguments else ""
    script = MEASURED.format(work=work or "exec(" + repr(OPEN.format(path=str(path))) + ")")
    start = time.perf_counter()
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    wall_s = time.perf_counter() - start
    if finished.returncode:
        raise SystemExit(f"{name} failed: {finished.stderr.decode()[-2000:]}")
    inside_s, peak_kib = finished.stderr.decode().split()[-2:]
    return {
        "what": name,
        "wall_s": round(wall_s, 2),
        "inside_s": round(float(inside_s), 2),
        "peak_mib": int(peak_kib) // 1024,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--folder", type=Path, help="Keep the run here, and use the one that is there already.")
    parser.add_argument("--only", default=",".join(COMMANDS), help="The commands to measure.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = (given.folder or Path(temporary)) / f"{given.trials}x{given.images}"
        start = time.perf_counter()
        if not path.exists():
            make_run(path, given.trials, given.images)
        size_bytes = (path / ARCHIVE_FILE).stat().st_size
        about = {"trials": given.trials, "images": given.images}
        per_trial = {"what": "archive", "bytes_per_trial": size_bytes // given.trials, "mib": size_bytes >> 20}
        print(json.dumps({**about, **per_trial, "written_s": round(time.perf_counter() - start, 1)}), flush=True)
        for name in given.only.split(","):
            print(json.dumps({**about, **measured(path, name)}), flush=True)


if __name__ == "__main__":
    main()
