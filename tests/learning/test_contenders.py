"""Tables learned beside a search: which, of what, and how often networks are asked."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.function import FunctionClassifier
from qsearch.codecs.base import EncoderOptions, Subsampling
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.learning import contenders as module
from qsearch.learning.contenders import FEWEST_ASKED, MOST_ASKED, SHARE, contenders, images_asked
from qsearch.learning.ladder import Ladder
from qsearch.learning.learn import learn_ladder
from qsearch.learning.sensitivity import QUESTIONS
from qsearch.learning.settings import LearningSettings
from qsearch.search.steering import sizes_of
from tests.learning.networks import CB, LUMA, in_numpy
from tests.stored_images import stored_images

IMAGES = 32
MANY = 1000
"""Trials enough that a network is asked about all images."""


def dataset(count: int = IMAGES) -> Dataset:
    draw = np.random.default_rng(2)
    coarse = draw.normal(128, 40, (count, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    pixels = np.clip(coarse + draw.normal(0, 10, coarse.shape), 0, 255).astype(np.uint8)
    return Dataset.from_arrays(pixels, np.arange(count) % 2)


def evaluator(*networks: Classifier, subsampling: Subsampling = "4:2:0") -> Evaluator:
    return Evaluator(dataset(), PillowCodec(EncoderOptions(subsampling=subsampling)), networks)


@dataclass
class Counting:
    """The answers of a network, and how many images it was shown."""

    network: Classifier
    shown: list[int] = field(default_factory=list)

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        self.shown.append(len(pixels))
        return np.asarray(self.network.logits(pixels), dtype=np.float64)


@given(images=st.integers(1, 10**6), trials=st.integers(1, 10**5))
def test_asking_takes_a_share_of_the_search_or_nothing(images: int, trials: int) -> None:
    asked = images_asked(images, trials)
    assert asked == 0 or FEWEST_ASKED <= asked <= min(images, MOST_ASKED)
    assert asked * QUESTIONS <= SHARE * trials * images
    assert asked == min(images, MOST_ASKED) or (asked + 1) * QUESTIONS > SHARE * trials * images or asked == 0


def test_a_network_is_shown_each_image_as_often_as_is_said() -> None:
    counting = Counting(in_numpy())
    made = evaluator(FunctionClassifier(counting, 2, name="counting", version="1"))
    before = sum(counting.shown)
    distortion, accuracy = contenders(made, 9.0, MANY)
    assert (distortion.label, accuracy.label) == ("learned:distortion", "learned:accuracy")
    assert sum(counting.shown) - before == QUESTIONS * IMAGES


@pytest.mark.parametrize("ratio", [5.0, 8.0, 14.0])
def test_they_compress_about_as_much_as_is_wanted(ratio: float) -> None:
    made = evaluator(in_numpy())
    for one in contenders(made, ratio, MANY):
        # A network that minds luma alone has its trade-off at other ratios than the standard tables.
        assert ratio / 3 < sizes_of(made, one.tables).ratio < ratio * 3


def test_what_asks_no_network_is_the_same_whoever_reads_the_images() -> None:
    (alone,) = contenders(evaluator(), 9.0, MANY)
    first, _ = contenders(evaluator(in_numpy()), 9.0, MANY)
    (few,) = contenders(evaluator(in_numpy()), 9.0, 10)
    assert alone == first == few


def test_two_networks_count_alike() -> None:
    luma, chroma = in_numpy(LUMA), in_numpy(CB)
    found = [list(contenders(evaluator(*networks), 9.0, MANY))[1] for networks in ((luma,), (chroma,), (luma, chroma))]
    of_luma, of_chroma, of_both = (one.tables for one in found)
    assert of_luma.luma[0, 0] <= of_both.luma[0, 0] <= of_chroma.luma[0, 0]
    assert of_chroma.cb[0, 0] <= of_both.cb[0, 0] <= of_luma.cb[0, 0]
    assert len({of_luma, of_chroma, of_both}) == 3


@pytest.mark.parametrize(("limit", "value"), [("MOST_IMAGES", 5), ("MOST_PIXELS", 5 * 64 * 64 + 9)])
def test_of_many_images_or_large_ones_some_are_learned_from(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    seen: list[int | None] = []

    def learned(images: Dataset, settings: LearningSettings, **how: Any) -> Ladder:
        seen.append(settings.images)
        return learn_ladder(images, settings, **how)

    monkeypatch.setattr(module, "learn_ladder", learned)
    few = replace(evaluator(in_numpy()), dataset=dataset(5))
    assert len(list(contenders(few, 9.0, MANY))) == 1, "five images are too few to ask a network about"
    monkeypatch.setattr(module, limit, value)
    assert len(list(contenders(evaluator(in_numpy()), 9.0, MANY))) == 2
    assert seen == [None, 5, 5]


def test_images_compressed_as_stored_are_learned_from_as_they_are() -> None:
    small = dataset()
    twice = [image.repeat(2, axis=0).repeat(2, axis=1) for image in small.images]
    stored = replace(small, stored=stored_images(twice, small.height))
    made = Evaluator(stored, PillowCodec(EncoderOptions(subsampling="4:2:0")), (in_numpy(),))
    found = {one.label: one.tables for one in contenders(made, 9.0, MANY)}
    assert set(found) == {"learned:distortion", "learned:accuracy"}
    prepared = {one.tables for one in contenders(evaluator(in_numpy()), 9.0, MANY)}
    assert not prepared & set(found.values()), "twice as large, the same edges have lower frequencies"


def test_another_subsampling_is_refused() -> None:
    with pytest.raises(InputError, match="tables are learned for JPEG 4:2:0 and 4:4:4, got 4:2:2"):
        list(contenders(evaluator(subsampling="4:2:2"), 9.0, MANY))


def test_where_a_network_fails_there_are_still_those_that_ask_none() -> None:
    answers = in_numpy()

    def broken(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        return np.asarray(answers.logits(pixels), dtype=np.float64) * np.nan

    found = contenders(evaluator(FunctionClassifier(broken, 2, name="broken", version="1")), 9.0, MANY)
    assert next(found).label == "learned:distortion"
    with pytest.raises(EvaluationError, match="logits that are not finite numbers"):
        next(found)
