"""Real files: tables that a run names, encoded by Pillow and compared with what was measured."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.disk import replacing
from qsearch.errors import InputError, RunError
from qsearch.evaluation.measurement import Trial
from qsearch.run.building import build_codec, build_dataset, usable_cores
from qsearch.run.folder import Run

FILE = "pillow-checked.json"


def unchecked(run: Run, trials: Sequence[Trial]) -> list[Trial]:
    """Those of ``trials`` whose sizes and pixels were computed without making files, and not checked since."""
    recorded = {} if run.settings.recorded is None else run.settings.recorded.codec
    if recorded.get("name") != "coefficient":
        return []
    known = set(_checked(run))
    return [trial for trial in trials if trial.status == "done" and trial.quantizer.digest not in known]


def check_files(run: Run, trials: Sequence[Trial], dataset: Dataset | None = None) -> list[Trial]:
    """Encodes the images at the tables of ``trials`` by Pillow, and remembers in the run's folder that they agree.

    Returns the trials that were checked now; those that were before are not encoded again. ``dataset`` is the run's,
    built here where it is not given. RunError, naming the image, where a file has another size than was measured, or
    other pixels than the network was shown; InputError where the images are not those of the run any more.
    """
    wanted = unchecked(run, trials)
    if not wanted:
        return []
    dataset = dataset or build_dataset(run.settings.dataset)
    if run.settings.recorded is not None and dataset.digest != run.settings.recorded.dataset.get("digest"):
        raise InputError(f"the images of {dataset.name} are not those that were measured any more.")
    for trial in wanted:
        _check_files(run, trial, dataset)
    known = {**_checked(run), **{trial.quantizer.digest: trial.label for trial in wanted}}
    with replacing(run.path / FILE) as file:
        file.write(json.dumps(known, indent=1).encode())
    return wanted


def _check_files(run: Run, trial: Trial, dataset: Dataset) -> None:
    assert trial.measurement is not None  # only measured trials are wanted
    chosen = run.settings.codec
    encoder = EncoderOptions(subsampling=chosen.subsampling, optimize=chosen.optimize, progressive=chosen.progressive)
    pillow, fast = PillowCodec(encoder), build_codec(chosen)
    measured_bytes = trial.measurement.size_bytes

    def differs(index: int) -> bool:
        image = dataset.compressed(index)
        tables = trial.quantizer.tables_for(image)
        real, computed = pillow.encode(image, tables), fast.encode(image, tables)
        return real.size_bytes[0] != measured_bytes[index] or not np.array_equal(real.images, computed.images)

    with ThreadPoolExecutor(usable_cores()) as pool:
        wrong = list(pool.map(differs, range(len(dataset))))
    names = [name for name, different in zip(dataset.image_names, wrong, strict=True) if different]
    if names:
        raise RunError(
            f"Pillow's files at trial {trial.label} of run {run.name} are not what was measured, on {len(names)} of "
            f"{len(dataset)} images ({names[0]}, for one): measure again with --codec pillow."
        )


def _checked(run: Run) -> dict[str, str]:
    """Labels of the trials that were checked, by the digest of their tables."""
    try:
        found = json.loads((run.path / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return {}  # what cannot be read is checked again
    return {str(digest): str(label) for digest, label in found.items()} if isinstance(found, dict) else {}
