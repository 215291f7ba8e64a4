"""Images evaluated part by part come out as they do all at once, to the bit, with every network and codec at hand."""

import numpy as np
import pytest

from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.codecs.auto import choose_codec
from qsearch.codecs.base import Codec, EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import joined
from qsearch.evaluation.measures import MEASURES
from qsearch.evaluation.parts import order_of
from qsearch.evaluation.task import Task
from qsearch.tables import QuantTables
from tests import fakes

IMAGES = 150


def textures() -> tuple[Dataset, Classifier]:
    whole = load_dataset("textures")
    chosen = np.linspace(0, len(whole) - 1, IMAGES).astype(np.int64)
    dataset = Dataset.from_arrays(whole.images[chosen], whole.labels[chosen], whole.class_names)
    return dataset, load_classifier("textures-cnn", ClassifierOptions(threads=1))


def fake() -> tuple[Dataset, Classifier]:
    return fakes.load_many("", DatasetOptions()), fakes.load_classifier("", ClassifierOptions())


@pytest.mark.parametrize("made", [textures, fake])
@pytest.mark.parametrize("codec", [choose_codec(EncoderOptions())[0], PillowCodec()], ids=lambda codec: codec.name)
def test_parts_joined_are_the_whole(made: object, codec: Codec) -> None:
    assert callable(made)
    dataset, classifier = made()
    # MS-SSIM takes a fifth of a second an image: the fewer and smaller ones of the fake dataset are enough for it.
    measures = tuple(name for name in MEASURES.names() if made is fake or name != "ms_ssim")
    evaluator = Evaluator(dataset, codec, [classifier], measures=measures)
    tables, order = QuantTables.standard(40), order_of(dataset)
    whole = evaluator.evaluate(Task(tables))
    seen, part = 0, None
    for size in order.sizes:
        new = order.between(seen, size)
        piece = evaluator.evaluate(Task(tables, new))
        part = piece if part is None else joined([(order.part(seen).positions, part), (new.positions, piece)])
        seen = size
        assert part == whole.at(order.part(size).positions)
    assert part == whole
    for name in whole.measures:
        assert part is not None
        assert part[name].tobytes() == whole[name].tobytes()
    assert {name: sums.tolist() for name, sums in part.totals().items()} == {
        name: sums.tolist() for name, sums in whole.totals().items()
    }
