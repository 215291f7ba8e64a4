"""Judge: tables on images that nothing was searched or learned on, each measured once and kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsearch.archive.store import Archive
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.task import Task
from qsearch.executors import executor_for
from qsearch.executors.base import outcomes_of
from qsearch.run.building import usable_cores
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings
from qsearch.strategies.standard import REFERENCE_QUALITIES
from qsearch.tables import QuantTables

SHARED = Path(__file__).parents[2] / "shared"


@dataclass(frozen=True)
class Problem:
    """Images to search on, others to judge on, and what reads them."""

    searched: RunSettings
    unseen: RunSettings


def photographs(part: str, size: int | None = 224) -> DatasetSettings:
    """The 300 of ``search`` or ``validate``; without a size as they are, 299x299."""
    spec = f"folder:{SHARED / 'data' / 'photos' / part}"
    return DatasetSettings(spec=spec) if size is None else DatasetSettings(spec=spec, size=size, fit="stretch")


def problem(data: str, network: str) -> Problem:
    """``textures`` is embedded; ``photos`` lie beside the repository, with the networks that read them."""
    if data == "textures":
        return Problem(RunSettings(), RunSettings(dataset=DatasetSettings(spec="textures:validate")))
    networks = (ClassifierSettings(spec=str(SHARED / "models" / f"{network}.onnx")),)
    searched, unseen = (RunSettings(dataset=photographs(part), classifiers=networks) for part in ("search", "validate"))
    return Problem(searched, unseen)


class Judge:
    """The images that no search saw: every table is measured on them once, and kept in an archive."""

    def __init__(self, evaluator: Evaluator, path: Path) -> None:
        self._evaluator = evaluator
        self._archive = Archive.open(path) if path.exists() else Archive.create(path)
        self.known = {trial.quantizer.digest: trial for trial in self._archive.trials("search")}
        self._measure({quality: QuantTables.standard(quality) for quality in REFERENCE_QUALITIES}, "reference")

    def results(self, tables: Sequence[QuantTables]) -> list[Trial]:
        """The measurements of ``tables``, in their order."""
        missing = dict.fromkeys(one for one in tables if one.digest not in self.known)
        start = len(self.known)
        self._measure({start + number: one for number, one in enumerate(missing)}, "search")
        return [self.known[one.digest] for one in tables]

    @property
    def reference(self) -> Sequence[Trial]:
        """The standard tables."""
        return self._archive.trials("reference")

    def _measure(self, tables: dict[int, QuantTables], series: Any) -> None:
        recorded = {trial.number for trial in self._archive.trials(series)}
        wanted = {Task(one): number for number, one in tables.items() if number not in recorded}
        if not wanted:
            return
        with executor_for(self._evaluator, usable_cores()) as executor:
            for outcome in outcomes_of(list(wanted), executor):
                number = wanted[outcome.task]
                trial = Trial(series, number, "judged", tables[number], "done", outcome.measurement, outcome.reason)
                kept = self._archive.add(trial)
                if series == "search":
                    self.known[tables[number].digest] = kept
