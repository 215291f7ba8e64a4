"""A table per image: measured, archived, read back and listed; and measurements of a part never pass for the whole."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qsearch.archive.store import Archive
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import DatasetOptions
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.task import Subset, Task
from qsearch.quantizer import RecordedQuantizer
from tests.conftest import Finished
from tests.fakes import BySmoothness, load_classifier, load_dataset

Cli = Callable[..., Finished]


@pytest.fixture
def evaluator() -> Evaluator:
    dataset = load_dataset("", DatasetOptions())
    return Evaluator(dataset, PillowCodec(), [load_classifier("", None)])  # type: ignore[arg-type]


def trial(evaluator: Evaluator, number: int) -> Trial:
    quantizer = BySmoothness()
    return Trial("search", number, "by-hand", quantizer, "done", evaluator.evaluate(Task(quantizer)))


def test_each_image_is_encoded_with_its_own_tables(evaluator: Evaluator) -> None:
    images = evaluator.dataset.images
    chosen = BySmoothness().tables_for(images)
    assert len(set(chosen)) > 3
    measured = evaluator.evaluate(Task(BySmoothness()))
    for index, tables in enumerate(chosen):
        assert measured["bytes"][index] == evaluator.evaluate(Task(tables))["bytes"][index]
        assert measured["rank"][0, index] == evaluator.evaluate(Task(tables))["rank"][0, index]


def test_an_archive_keeps_what_it_is_and_not_its_model(evaluator: Evaluator, tmp_path: Path) -> None:
    with Archive.create(tmp_path / "a.sqlite") as archive:
        archive.add(trial(evaluator, 0))
    with Archive.open(tmp_path / "a.sqlite", read_only=True) as archive:
        (found,) = archive.trials("search")
        assert archive.problems() == []
    assert found.quantizer == RecordedQuantizer("by-smoothness", BySmoothness().digest, b"90 20")
    assert found.measurement == trial(evaluator, 0).measurement
    with pytest.raises(InputError, match="by-smoothness has no one set of tables"):
        _ = found.tables
    with pytest.raises(InputError, match="is known by its digest only"):
        found.quantizer.tables_for(evaluator.dataset.images)


def test_it_is_listed_among_trials(cli: Cli, demo: Path, evaluator: Evaluator) -> None:
    with Archive.open(demo / "trials.sqlite") as archive:
        archive.add(trial(evaluator, 8))
    rows = json.loads(cli("trials", "demo", "--json").stdout)
    (row,) = [row for row in rows if row["quantizer"] == "by-smoothness"]
    measured = evaluator.evaluate(Task(BySmoothness()))
    assert (row["number"], row["digest"], row["tables"]) == (8, BySmoothness().digest, None)
    assert (row["ratio"], row["top1"]) == (measured.ratio, measured.top1)


def test_a_part_never_passes_for_the_whole(evaluator: Evaluator) -> None:
    """What a search knows it knows by task: of another subset, or without networks, it knows nothing."""
    quantizer = BySmoothness()
    whole = Task(quantizer)
    others = [
        Task(quantizer, Subset("half", np.arange(7))),
        Task(quantizer, Subset("half", np.arange(8))),
        Task(quantizer, networks=False),
        Task(BySmoothness(finest=80)),
    ]
    known = {whole: evaluator.evaluate(whole)}
    for other in others:
        assert other not in known
        known[other] = evaluator.evaluate(other)
    assert len(known) == 5
    assert Task(BySmoothness()) in known
    assert Task(quantizer, Subset("another name", np.arange(7))) in known
    assert known[others[0]].images == 7
    assert known[others[2]].measures == ("bytes",)
