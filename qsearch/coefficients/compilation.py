"""Whether torch.compile has here what it needs."""

import os
import shutil
from functools import cache
from importlib.util import find_spec

OLDEST_GPU = (7, 0)
"""The lowest compute capability that Triton makes code for."""


@cache
def can_compile(device: str) -> bool:
    """Whether torch.compile can compile for ``device``: ``cpu``, or ``cuda`` with or without a number.

    It needs a C compiler, and for a GPU Triton and a processor that Triton knows.
    """
    compilers = [os.environ.get(name) or default for name, default in (("CC", "cc"), ("CXX", "g++"))]
    if not any(shutil.which(one) for one in (*compilers, "gcc", "clang")):
        return False
    if not device.startswith("cuda"):
        return True
    import torch

    return find_spec("triton") is not None and torch.cuda.get_device_capability(device) >= OLDEST_GPU
