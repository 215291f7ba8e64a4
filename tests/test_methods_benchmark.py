"""The comparison of strategies: budgets in which they can differ, and what it writes of them over trials."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.methods import __main__ as methods
from benchmarks.methods.picture import draw


def test_a_warm_up_that_is_most_of_the_budget_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["methods", "--trials", "60", "--warm-up", "30"])
    with pytest.raises(SystemExit, match="2"):
        methods.main()
    assert "a warm-up is at most a tenth of the 60 trials, got 30" in capsys.readouterr().err


def test_searches_are_looked_at_along_their_trials() -> None:
    assert methods.checkpoints(500) == list(range(25, 501, 25))
    assert methods.checkpoints(5) == [1, 2, 3, 4, 5]


def test_the_table_is_of_the_end_and_the_picture_of_all_trials(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "strategy": name,
            "seed": seed,
            "trials": trials,
            "gain_points": gain + seed + trials / 100,
            "unseen_gain_points": gain + seed,
            "mean_gain_points": gain,
            "decision_ms": 1.0,
        }
        for name, gain in (("sorted-random", 1.0), ("bayesian", 2.0), ("uniform-random", -20.0))
        for seed in range(3)
        for trials in (50, 100)
    )
    table = methods.summary_table(frame)
    assert table["strategy"].tolist() == ["bayesian", "sorted-random", "uniform-random"]
    assert table["gain in points, images searched"].iloc[0] == "+4.00 (+3.00 to +5.00)"
    draw(frame, 5, tmp_path / "methods.png")
    assert (tmp_path / "methods.png").read_bytes().startswith(b"\x89PNG")
