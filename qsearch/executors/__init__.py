"""Where evaluations run, found by name."""

from qsearch.evaluation.evaluator import Evaluator
from qsearch.executors.base import Executor
from qsearch.registry import Registry

EXECUTORS: Registry[type[Executor]] = Registry(
    "executors",
    {
        "processes": "qsearch.executors.processes:ProcessExecutor",
        "serial": "qsearch.executors.serial:SerialExecutor",
    },
)
DEFAULT = "processes"
"""Worker processes, even where there is one: a network that crashes takes its worker with it, not the search."""


def executor_for(
    evaluator: Evaluator, workers: int, *, name: str = DEFAULT, gpus: int = 0, timeout_s: float | None = None
) -> Executor:
    """The executor ``name`` with ``workers``, shared out among ``gpus``; see :class:`~qsearch.executors.base.Executor`.

    InputError where there is none of that name, or where it cannot do what is asked.
    """
    return EXECUTORS.get(name)(evaluator, workers, gpus=gpus, timeout_s=timeout_s)
