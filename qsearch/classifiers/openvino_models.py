"""OpenVINO models: imported without usage reports, converted from torch, and kept in the cache for every process."""

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsearch.datasets.cache import CACHE_ADVICE, NETWORKS_FOLDER, cache_folder
from qsearch.disk import making_folder
from qsearch.errors import DiskError, InputError

if TYPE_CHECKING:
    import torch

FORMAT = 1


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

    ``program`` makes the ``torch.export.ExportedProgram``; it is called only where the cache lacks the model, so that
    worker processes need no torch. InputError where OpenVINO cannot express it, DiskError where the cache cannot be
    written.
    """
    libraries = [f"{library} {version(library)}" for library in ("torch", "openvino")]
    key = hashlib.sha256(repr((FORMAT, name, digest, shape, libraries)).encode()).hexdigest()
    folder = cache_folder() / NETWORKS_FOLDER
    file = folder / key / "model.xml"
    if not file.exists():
        _save(_convert(name, program(), shape), folder / key)
    try:
        return core().read_model(file)
    except RuntimeError as error:
        raise InputError(
            f"the converted network {name} in {file.parent} does not read back: delete that folder and try again."
        ) from error


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
    """Writes a model as ``folder/model.xml`` and ``.bin``; the folder appears complete, or not at all."""
    try:
        with making_folder(folder, CACHE_ADVICE) as unfinished:
            try:
                import_openvino().save_model(model, unfinished / "model.xml", compress_to_fp16=False)
            except RuntimeError as error:  # a full disk, say
                raise OSError(last_line(error)) from error
            for file in unfinished.iterdir():
                descriptor = os.open(file, os.O_RDWR)
                os.fsync(descriptor)
                os.close(descriptor)
    except DiskError:
        if not folder.exists():  # else another process was first with the same model
            raise


def last_line(error: Exception) -> str:
    """What an error of a library says: the last line that says something, without a full stop."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
