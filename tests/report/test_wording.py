"""Words: numbers as a reader should see them."""

import pytest

from qsearch.analysis.bootstrap import Estimate
from qsearch.report import wording

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("folder:/home/ann/photos", "folder:photos"),
        ("folder:/photos/", "folder:photos"),
        ("/home/ann/my nets/net.onnx", "net.onnx"),
        (r"folder:C:\Users\ann\photos", "folder:photos"),
        (r"C:\Users\ann\net.onnx", "net.onnx"),
        ("folder:/home/ann/photos, half 1 by classes", "folder:photos, half 1 by classes"),
        ("textures:search", "textures:search"),
        ("torchvision:resnet50", "torchvision:resnet50"),
        ("4:2:0", "4:2:0"),
        ("photos/search", "photos/search"),
    ],
)
def test_absolute_paths_lose_their_folders(path: str, short: str) -> None:
    assert wording.without_folders(path) == short


@pytest.mark.parametrize(
    ("kb", "said"), [(0.4, "0.40"), (9.99, "9.99"), (9.997, "10.0"), (41.26, "41.3"), (99.96, "100"), (1234.5, "1234")]
)
def test_sizes_have_three_digits(kb: float, said: str) -> None:
    assert wording.kilobytes(kb) == said


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (None, ""),
        (0, ""),
        (7, "about 7 more images would settle it"),
        (1738, "about 1,700 more images would settle it"),
        (100_000, "about 100,000 more images would settle it"),
        (100_001, "over 100,000 more images would settle it"),
    ],
)
def test_how_many_images_would_settle_a_number(further: int | None, said: str) -> None:
    assert wording.to_settle(further) == said


def test_differences_have_a_sign_and_zero_has_no_minus() -> None:
    assert plain(wording.points(1.204)) == "+1.20 points"
    assert plain(wording.points(-0.5)) == f"{MINUS}0.50 points"
    assert plain(wording.saving(-0.04)) == "+0.0 %"


def test_an_estimate_has_its_interval_or_says_why_not() -> None:
    estimate, bare = Estimate(1.0, -0.5, 2.5, 2000), Estimate(1.0, None, None, 2000, 300)
    unknown = Estimate(None, None, None, 2000, 2000)
    assert plain(wording.points_estimate(estimate)) == f"+1.00 points (95 % interval {MINUS}0.50 to +2.50)"
    assert plain(wording.points_estimate(bare)) == "+1.00 points (no interval: unknown in 300 of 2000 resamples)"
    assert wording.saving_estimate(unknown).startswith("not known")
    assert plain(wording.short_points(estimate)) == f"+1.00 ({MINUS}0.50 to +2.50)"
    assert plain(wording.short_saving(bare)) == "+1.0 % (?)"
    assert wording.short_saving(unknown) == "?"
    assert wording.short(estimate, "+.3f") == f"+1.000 ({MINUS}0.500 to +2.500)"
    assert (wording.short(bare, ".1f"), wording.short(unknown, ".1f")) == ("1.0 (?)", "?")


def plain(text: str) -> str:
    """With common blanks."""
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 2.0, "Better than the standard tables."),
        (-2.0, -0.1, "Worse than the standard tables."),
        (-0.1, 2.0, "Not told apart from the standard tables."),
        (0.0, 2.0, "Not told apart from the standard tables."),
        (None, None, "Too few resamples reach the standard curve to say more."),
    ],
)
def test_the_verdict_is_the_intervals(low: float | None, high: float | None, verdict: str) -> None:
    assert wording.verdict(Estimate(1.0, low, high, 2000)) == verdict


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("17", "trial 17"),
        ("17-scaled", "trial 17, scaled to the ratio"),
        ("standard", "the standard tables"),
        ("mean-of-best-and-published", "mean of best and published"),
        ("published:luo-2021", "published:luo-2021"),
        ("seed:/home/ann/mine.txt", "seed:mine.txt"),
        ("standard:50", "standard:50"),
    ],
)
def test_a_table_is_called_what_it_is(label: str, words: str) -> None:
    assert wording.called(label) == words
