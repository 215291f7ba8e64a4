"""Candidates: families of tables that may do with fewer bytes: learned ones, published ones, lower qualities."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qsearch.classifiers.base import Classifier
from qsearch.datasets.base import Dataset
from qsearch.learning.family import Family
from qsearch.learning.ladder import Ladder
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import LearningSettings, Objective
from qsearch.learning.sheets import ladder_origin
from qsearch.shrink.settings import ShrinkSettings
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_source, published_tables

LEARNED_FROM = 300
"""Images that tables are learned from at most: more change them little, and sensitivity takes a network's time."""
STANDARD = "standard"
_STANDARD_RUNGS = (5, 15, 30, 50, 70, 85, 95)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A family by its name; ladder: what it goes through where it was learned."""

    name: str
    family: Family
    origin: tuple[str, ...]
    ladder: Ladder | None = None


def candidates(
    settings: ShrinkSettings,
    dataset: Dataset,
    classifier: Classifier | None,
    folder: Path,
    workers: int,
    on_progress: Callable[[str, int, int], None],
) -> list[Candidate]:
    """Families learned from ``dataset``, the most promising first, then those published; the standard tables at lower
    qualities last, where something may be lost. Ladders are kept in ``folder`` as they grow."""
    objectives: list[Objective] = ["distortion"] if classifier is None else ["accuracy", "mix", "distortion"]
    found: list[Candidate] = []
    network_weights = None
    for objective in objectives:
        learning = LearningSettings(
            objective=objective,
            subsampling=settings.codec.subsampling,
            images=min(LEARNED_FROM, len(dataset)),
            seed=settings.seed,
            label_free=objective != "distortion" and settings.by == "divergence",
            dataset=settings.dataset,
            classifier=None if objective == "distortion" else settings.classifier,
        )
        ladder = learn_ladder(
            dataset,
            learning,
            classifier=None if objective == "distortion" else classifier,
            network_weights=network_weights,
            out=folder / f"{objective}.ladder.json",
            workers=workers,
            on_progress=partial(_staged, on_progress, f"learning, {objective}"),
        )
        network_weights = ladder.network_weights
        found.append(Candidate(f"learned ({objective})", Family(ladder.tables), ladder_origin(ladder), ladder))
    for name in published_names():
        origin = (f"{published_source(name)}.",)
        found.append(Candidate(f"published:{name}", Family([published_tables(name)]), origin))
    if settings.tolerance:
        rungs = [QuantTables.standard(quality) for quality in _STANDARD_RUNGS]
        found.append(Candidate(STANDARD, Family(rungs), ("The standard tables of ITU-T T.81 Annex K, scaled.",)))
    return found


def _staged(on_progress: Callable[[str, int, int], None], stage: str, part: str, done: int, total: int) -> None:
    on_progress(f"{stage}, {part}", done, total)
