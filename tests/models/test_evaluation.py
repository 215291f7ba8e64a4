"""Evaluation: what a model is measured beside."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from qsearch.analysis.equal_bytes import gains_at_equal_bytes
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.executors.serial import SerialExecutor
from qsearch.models.descent import PerImageDescent
from qsearch.models.evaluation import LADDER, MODEL, QUALITY, STANDARD, Evaluation, evaluate_model, strengths_of
from qsearch.models.ladders import Constant, LadderModel
from qsearch.quantizer import TableModel
from qsearch.tables import QuantTables
from tests.learning.images import dataset_of
from tests.models.made_up import ladder

Evaluate = Callable[[TableModel, Sequence[float]], Evaluation]


@pytest.fixture
def evaluate(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))
    executor = SerialExecutor(Evaluator(dataset_of(6), CoefficientCodec(), measures=("psnr",)), 1)
    return lambda model, strengths: evaluate_model(model, ladder(), strengths, executor)


def test_the_ladder_itself_gains_nothing_over_itself(evaluate: Evaluate) -> None:
    found = evaluate(Constant(ladder()), [44, 50])
    assert [point.strength for point in found.curves[MODEL]] == [44, 50]
    for point in found.curves[MODEL]:
        gain = gains_at_equal_bytes(found.measurements(LADDER), point.measurement)["psnr_db"]
        assert (gain.by_image.value, gain.on_average.value) == (0, 0)


def test_descent_gains_over_its_ladder(evaluate: Evaluate) -> None:
    found = evaluate(PerImageDescent(ladder()), [50])
    gain = gains_at_equal_bytes(found.measurements(LADDER), found.curves[MODEL][0].measurement)["psnr_db"]
    assert gain.by_image.value is not None
    assert gain.by_image.value > 0.1


def test_curves_go_beyond_the_strengths_and_along_their_own_tables(evaluate: Evaluate) -> None:
    found = evaluate(Constant(ladder()), [50])
    strengths = [point.strength for point in found.curves[LADDER]]
    assert strengths == [20, 30, 40, 50, 60, 70, 80]
    assert [point.strength for point in found.curves[QUALITY]] == strengths
    assert [point.strength for point in found.curves[STANDARD]] == list(range(5, 100, 5))
    for curve in (LADDER, STANDARD, QUALITY):
        sizes = [one.total_bytes for one in found.measurements(curve)]
        assert sizes == sorted(sizes)


def test_strengths_unless_told_otherwise_are_the_rungs() -> None:
    assert strengths_of(Constant(ladder()), ladder()) == [20, 50, 80]


def test_wrong_strengths_and_subsampling_are_refused(evaluate: Evaluate) -> None:
    with pytest.raises(InputError, match="strengths from 20 to 80, got 90"):
        evaluate(Constant(ladder()), [90])
    with pytest.raises(InputError, match="learned for JPEG 4:2:0, and 4:4:4 is wanted"):
        evaluate(Constant(ladder("4:4:4")), [50])
    with pytest.raises(InputError, match="one strength or more"):
        evaluate(Constant(ladder()), [])


def test_a_model_that_fails_is_told(evaluate: Evaluate) -> None:
    class Broken(LadderModel):
        name = "broken"

        def tables(self, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", strength: float) -> QuantTables:
            raise ZeroDivisionError("no pixels")

    with pytest.raises(EvaluationError, match=r"broken could not be measured: .*no pixels"):
        evaluate(Broken(ladder()), [50])
