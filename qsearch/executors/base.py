"""The Executor contract: tables in, measurements out, in any order."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from qsearch.evaluation.measurement import Measurement
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class Outcome:
    """What became of one evaluation: a measurement, or the reason why there is none; and how long it took."""

    key: Hashable
    measurement: Measurement | None
    reason: str
    evaluation_s: float


class Executor(ABC):
    """Runs evaluations. Used from one thread; :meth:`close` it, or use it as a context manager."""

    capacity: int
    """How many evaluations run at once."""

    @abstractmethod
    def submit(self, key: Hashable, tables: QuantTables) -> None:
        """Asks for one evaluation; ``key`` comes back with its outcome."""

    @abstractmethod
    def collect(self) -> list[Outcome]:
        """Waits until something submitted has finished and returns all that has, each once.

        An evaluation that raises, or whose worker dies again and again, is an outcome with a reason.
        """

    @abstractmethod
    def close(self) -> None:
        """Drops what has not finished and frees the workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
