"""The comparison of strategies: its budget, and what it writes of choices and controls."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.methods import __main__ as methods
from benchmarks.methods import best_known
from benchmarks.methods.picture import draw
from qsearch.analysis.paired import above_standard
from qsearch.evaluation.objective import LOSS
from qsearch.learning.contenders import images_asked
from qsearch.learning.sensitivity import QUESTIONS
from qsearch.run.building import build_evaluator
from qsearch.run.folder import SETTINGS_FILE, Run
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings, SearchSettings
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names
from tests.made_up_confirmations import QUALITIES, measurement


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two strategies with three seeds, and a control that saves 5 %."""
    rows = [
        {
            "strategy": name,
            "seed": seed,
            "ratio": 22.0,
            "choice": choice,
            "label": choice,
            "saving_at_loss_percent": saving + seed,
            "low": saving + seed - 6,
            "high": saving + seed + 6,
            "over_control_percent": saving + seed - 5,
            "over_control_high": saving + seed - 2,
            "gain_points": 0.5,
            "best_known_percent": -1.0,
        }
        for name, saving in (("sorted-random", 3.0), ("local-search", 6.0))
        for choice in ("pick", "mean-of-all")
        for seed in range(3)
    ]
    control = {**rows[0], "strategy": "published:robidoux", "seed": None, "choice": "control", "label": "robidoux"}
    return pd.DataFrame([*rows, {**control, "saving_at_loss_percent": 5.0, "low": -1.0, "high": 11.0}])


def test_a_budget_that_a_confirmation_would_eat_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["methods", "--budget", "19"])
    with pytest.raises(SystemExit, match="2"):
        methods.main()
    assert "take 20 trials' worth or more, got 19" in capsys.readouterr().err


def test_the_table_gives_median_and_range_best_first(frame: pd.DataFrame) -> None:
    table = methods.summary_table(frame)
    assert table["what"].tolist()[0].startswith("local-search")
    picked = table.set_index("what").loc["sorted-random: pick"]
    assert picked["bytes saved at equal loss, %"] == "+4.0 (+3.0 to +5.0)"
    assert picked["median interval (95 %)"] == "-2.0 to +10.0"
    assert picked["over the best control, %"] == "-1.0 (-2.0 to +0.0)"
    assert picked["not told below it"] == "3 of 3"
    assert table.set_index("what").loc["published:robidoux"]["not told below it"] == ""


def test_the_picture_is_drawn(frame: pd.DataFrame, tmp_path: Path) -> None:
    draw(frame, tmp_path / "methods.png")
    assert (tmp_path / "methods.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_known_is_named_on_other_images_than_it_is_judged_on() -> None:
    """Of equal tables the luckiest is no better on others; one that is better is found, and by how much."""
    standard = [measurement(ratio, 0, noise=0) for ratio in QUALITIES.values()]
    equal = {f"{number}": measurement(20, 0.1, noise=0.1, seed=number) for number in range(30)}
    known = {**equal, "best": measurement(20, 0.3, noise=0.1, seed=99)}

    above = {digest: float(above_standard(standard, each, LOSS).mean()) for digest, each in known.items()}

    def beyond(*digests: str) -> "pd.Series[float]":
        # The loss is ln(ratio), so that a nat less saves a factor of e in bytes.
        saved = [100 * (1 - np.exp(-above[digest])) for digest in digests]
        rows = {"ratio": 20.0, "digest": digests, "saving_at_loss_percent": saved}
        return best_known.against_best_known(pd.DataFrame(rows), known, standard).set_axis(digests)

    among = beyond(*equal, "best")
    assert among["best"] == pytest.approx(0, abs=0.1)
    assert among.drop("best").mean() == pytest.approx(100 * (1 - np.exp(-0.2)), abs=1.5)
    assert abs(beyond(*equal).mean()) < 1, "of equal tables the best on one half is as any other on the other"
    assert beyond("0", "1").isna().all()


@pytest.mark.parametrize("layout", ["shared", "ycbcr"])
def test_published_tables_are_seeds_in_every_layout(layout: str) -> None:
    learned = [Seed("learned:distortion", QuantTables.standard(30))]
    seeds = methods.seeds_of(learned, layout)
    assert [seed.label for seed in seeds] == [*(f"published:{name}" for name in published_names()), learned[0].label]
    assert all(seed.gap is None for seed in seeds)


@given(budget=st.integers(20, 4000), images=st.integers(100, 5000))
def test_searching_confirming_and_asking_together_take_the_budget(budget: int, images: int) -> None:
    searched = images - round(methods.CONFIRM_SHARE * images)
    trials = methods.trials_for(budget, images, searched)
    asked = QUESTIONS * images_asked(searched, trials)
    taken = trials * searched + asked + methods.CONFIRMED_TABLES * (images - searched)
    assert taken <= budget * images
    one_more = (trials + 1) * searched + QUESTIONS * images_asked(searched, trials + 1)
    assert one_more + taken - asked - trials * searched > budget * images, "it could have had one trial more"


@pytest.mark.usefixtures("plugins")
def test_the_standard_tables_are_measured_once_for_all_searches(tmp_path: Path) -> None:
    settings = RunSettings(
        search=SearchSettings(trials=2, qualities=(30, 50)),
        dataset=DatasetSettings(spec="fake"),
        classifiers=(ClassifierSettings(spec="fake"),),
    )
    evaluator = build_evaluator(settings, workers=1)
    first, second = (Run.create(tmp_path / name, settings, evaluator) for name in ("first", "second"))
    others = list(tmp_path.glob(f"*/{SETTINGS_FILE}"))
    methods.carry_standard(second, others)
    assert not second.trials()[0]
    first.resume(executor="serial", workers=1, evaluator=evaluator)
    for _ in range(2):
        methods.carry_standard(second, others)
        assert list(second.trials()[0]) == list(first.trials()[0])
    second.resume(executor="serial", workers=1, evaluator=evaluator)
    assert list(second.trials()[1]) == list(first.trials()[1])


def test_what_is_no_search_is_left_out() -> None:
    assert set(methods.NOT_A_SEARCH) < set(STRATEGIES.names())
