"""OpenVINO models: imported without usage reports, converted from torch, and kept in the cache for every process."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsearch.classifiers.network import file_digest
from qsearch.datasets.cache import CACHE_ADVICE, NETWORKS_FOLDER, cache_folder
from qsearch.disk import making_folder, writing
from qsearch.errors import InputError

if TYPE_CHECKING:
    import torch

FORMAT = 2
MODEL_FILES = ("model.xml", "model.bin")
DIGESTS = "digests.json"
"""SHA-256 of the model files by name: flipped bits in the weights would change answers and be found by nothing else."""


def import_openvino() -> Any:
    """The ``openvino`` module.

    OpenVINO reports its import and every conversion over the network unless its telemetry package is missing; so it
    is missing, unless the program around this one imported OpenVINO first.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@cache
def core() -> Any:
    """The ``openvino.Core`` of this process."""
    return import_openvino().Core()


def converted(name: str, digest: str, shape: tuple[int, ...], program: Callable[[], Any]) -> Any:
    """The torch program of a network as an ``openvino.Model`` of input ``shape``.

    ``program`` makes the ``torch.export.ExportedProgram``; it is called only where the cache lacks the model, or holds
    one that is no longer as it was written, so that worker processes need no torch. InputError where OpenVINO cannot
    express it, DiskError where the cache cannot be written.
    """
    from filelock import FileLock

    libraries = [f"{library} {version(library)}" for library in ("torch", "openvino")]
    key = hashlib.sha256(repr((FORMAT, name, digest, shape, libraries)).encode()).hexdigest()
    folder = cache_folder() / NETWORKS_FOLDER
    entry = folder / key
    if not _is_whole(entry):
        with writing(folder, CACHE_ADVICE):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{key}.lock"):
                if not _is_whole(entry):
                    model = _convert(name, program(), shape)
                    if entry.exists():
                        shutil.rmtree(entry)
                    _save(model, entry)
    try:
        return core().read_model(entry / "model.xml")
    except RuntimeError as error:
        raise InputError(
            f"the converted network {name} in {entry} does not read back: delete that folder and try again."
        ) from error


def _is_whole(entry: Path) -> bool:
    """Whether the model in the folder ``entry`` is there, just as it was written."""
    try:
        digests = json.loads((entry / DIGESTS).read_text(encoding="utf-8"))
        return bool(digests == {name: file_digest(entry / name) for name in MODEL_FILES})
    except (OSError, ValueError, RecursionError):
        return False


def exported_program(module: "torch.nn.Module", shape: tuple[int, ...]) -> Any:
    """``module`` as a ``torch.export.ExportedProgram`` for float32 input of ``shape``."""
    import torch

    with torch.no_grad():
        return torch.export.export(module, (torch.zeros(shape),))


def _convert(name: str, program: Any, shape: tuple[int, ...]) -> Any:
    openvino = import_openvino()
    try:
        model = openvino.convert_model(program)
        model.reshape(list(shape))
    except Exception as error:  # the converter raises whatever its front ends do
        raise InputError(
            f"OpenVINO cannot convert {name} ({last_line(error)}): run it on a GPU (--device cuda)."
        ) from error
    return model


def _save(model: Any, folder: Path) -> None:
    """Writes a model and the digests of its files into ``folder``, which appears complete, or not at all."""
    with making_folder(folder, CACHE_ADVICE) as unfinished:
        try:
            import_openvino().save_model(model, unfinished / "model.xml", compress_to_fp16=False)
        except RuntimeError as error:  # a full disk, say
            raise OSError(last_line(error)) from error
        digests = {name: file_digest(unfinished / name) for name in MODEL_FILES}
        (unfinished / DIGESTS).write_text(json.dumps(digests), encoding="utf-8")
        for file in unfinished.iterdir():
            descriptor = os.open(file, os.O_RDWR)
            os.fsync(descriptor)
            os.close(descriptor)


def last_line(error: Exception) -> str:
    """What an error of a library says: the last line that says something, without a full stop."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
