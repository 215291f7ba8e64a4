"""Where evaluations run, found by name."""

from typing import Any

from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.executors.base import Executor
from qsearch.registry import Registry, split_spec

EXECUTORS: Registry[type[Executor]] = Registry(
    "executors",
    {
        "processes": "qsearch.executors.processes:ProcessExecutor",
        "serial": "qsearch.executors.serial:SerialExecutor",
        "dask": "qsearch.executors.dask:DaskExecutor",
    },
)
DEFAULT = "processes"
"""Worker processes, even where there is one: a network that crashes takes its worker with it, not the search."""


def executor_for(
    evaluator: Evaluator, workers: int, *, name: str = DEFAULT, gpus: int = 0, timeout_s: float | None = None
) -> Executor:
    """The executor ``name`` with ``workers``, shared out among ``gpus``; see :class:`~qsearch.executors.base.Executor`.

    ``dask:ADDRESS`` uses the workers of the scheduler at that address, however many there are.
    InputError where there is none of that name, or where it cannot do what is asked.
    """
    known_as, scheduler = split_spec(name)
    executor = EXECUTORS.get(known_as)
    more: dict[str, Any] = {}
    if scheduler:
        if not executor.takes_scheduler:
            raise InputError(f"the executor {known_as} starts its own workers: --scheduler is for --executor dask.")
        more["scheduler"] = scheduler
    return executor(evaluator, workers, gpus=gpus, timeout_s=timeout_s, **more)
