"""Tables somebody chose, in their order: what a validation measures."""

from collections.abc import Sequence
from typing import ClassVar

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy
from qsearch.tables import QuantTables


class Listed(Strategy):
    """The tables of a list, as a validation measures them.

    Trial i is the i-th of ``tables``, each written as QuantTables.to_bytes in hexadecimal. ``labels``, where given,
    names them: what a validation of a run calls them is what the run called them.
    """

    name: ClassVar[str] = "listed"
    layouts: ClassVar[tuple[str, ...]] = ("ycbcr", "luma-chroma", "shared")

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        fitness: Fitness | None = None,
        tables: Sequence[str] = (),
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(space, seed, fitness=fitness)
        if not tables:
            raise InputError("strategy listed needs tables: a list of three tables each, in hexadecimal.")
        if labels and len(labels) != len(tables):
            raise InputError(f"strategy listed has {len(tables)} tables and {len(labels)} labels: give one for each.")
        try:
            self._tables = [QuantTables.from_bytes(bytes.fromhex(one)) for one in tables]
        except (TypeError, ValueError) as error:
            raise InputError(f"strategy listed takes tables in hexadecimal: {error}") from error
        for one in self._tables:
            space.to_tables(space.to_vector(one))  # in the box, and of the layout
        self._labels = list(labels)

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        return self._tables[number]

    def origin(self, number: int) -> str:
        """The label of the table."""
        return self._labels[number] if self._labels else ""

    def trial_limit(self) -> int:
        """See :meth:`Strategy.trial_limit`."""
        return len(self._tables)
