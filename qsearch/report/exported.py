"""Exported: the files that ``qsearch export`` writes of the page's tables, for readers who have the page alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qsearch.analysis.results import Results
from qsearch.evaluation.measurement import Trial
from qsearch.run.folder import Run


@dataclass(frozen=True)
class ExportedFile:
    """A table as a text file called ``name``, and the ``command`` that writes the same one."""

    format: str
    name: str
    command: str
    text: str


Exporter = Callable[[Run, Results, Trial], Sequence[ExportedFile]]


@dataclass(frozen=True)
class KeptFile:
    """An :class:`ExportedFile` whose text is the lines of those numbers, joined by line ends."""

    format: str
    name: str
    command: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class KeptFiles:
    """Files by the cards they belong to; each line is kept once, for files of one run have most of theirs in common."""

    lines: tuple[str, ...]
    of: dict[str, tuple[KeptFile, ...]]


def keep(files: Mapping[str, Sequence[ExportedFile]]) -> KeptFiles:
    """``files`` by card, to be put into a page."""
    numbers: dict[str, int] = {}
    kept = {
        card: tuple(
            KeptFile(
                each.format,
                each.name,
                each.command,
                tuple(numbers.setdefault(line, len(numbers)) for line in each.text.split("\n")),
            )
            for each in exported
        )
        for card, exported in files.items()
    }
    return KeptFiles(tuple(numbers), kept)
