"""The standard quality that a run is stated at: recorded, measured, and another one when looking."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from qsearch.analysis.results import Results
from qsearch.analysis.summary import gain_points
from qsearch.errors import InputError
from qsearch.report.distribution_plot import default_window
from qsearch.report.findings import searched
from qsearch.report.headline import headline
from qsearch.run.folder import Run
from qsearch.run.settings import load_settings, save_settings
from tests.conftest import FAKE, Finished
from tests.made_up_runs import REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS, make_loss_run

Cli = Callable[..., Finished]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run that measured standard qualities 25 (ratio 40), 50 (20) and 75 (15)."""
    return make_loss_run(tmp_path / "runs/made")


def test_a_run_records_it_measures_it_and_looks_for_bounds_there(cli: Cli, tmp_path: Path) -> None:
    finished = cli("run", "--name", "a", "--trials", "2", "--like-quality", "42", "--json", *FAKE)
    assert finished.status == 0, finished.stderr
    run = Run.open(tmp_path / "runs/a")
    search = run.settings.search
    assert (search.like_quality, search.around) == (42, 42)
    assert 42 in run.results().standard
    found = json.loads(finished.stdout)
    assert found["like_quality"] == found["summary"]["like_quality"] == 42
    assert found["summary"]["standard"]["label"] == "standard:42"
    assert "Standard quality 42:" in cli("show", "a").stdout


def test_around_is_its_own_where_it_is_given(cli: Cli, tmp_path: Path) -> None:
    for name, options in {"a": ["--like-quality", "85", "--around", "30"], "b": ["--around", "30"]}.items():
        assert cli("run", "--name", name, "--trials", "1", *options, *FAKE).status == 0
    kept = [Run.open(tmp_path / "runs" / name).settings.search for name in "ab"]
    assert [(each.like_quality, each.around) for each in kept] == [(85, 30), (50, 30)]


def test_a_config_says_it_and_the_command_line_says_otherwise(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "like.toml"
    config.write_text("[search]\nlike_quality = 42\nqualities = [20, 90]\n")
    options = ["--config", str(config), "--trials", "1", *FAKE]
    assert cli("run", "--name", "a", *options).status == 0
    assert cli("run", "--name", "b", *options, "--like-quality", "60").status == 0
    kept = [Run.open(tmp_path / "runs" / name).settings.search for name in "ab"]
    assert [(each.like_quality, each.around) for each in kept] == [(42, 42), (60, 60)]
    assert [each.qualities for each in kept] == [(20, 42, 90), (20, 60, 90)]
    again = ("--config", str(tmp_path / "runs/a/run.toml"), "--executor", "serial")
    assert cli("run", "--name", "c", *again, "--like-quality", "55").status == 0
    assert Run.open(tmp_path / "runs/c").settings.search.around == 55


def test_a_run_of_an_older_version_is_stated_at_50(made: Path) -> None:
    settings = made / "run.toml"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("like_quality")]
    assert len(lines) == len(settings.read_text().splitlines()) - 1
    settings.write_text("\n".join(lines))
    assert Run.open(made).results().like_quality == 50


def test_show_states_another_quality_and_changes_nothing(cli: Cli, made: Path) -> None:
    before = (made / "run.toml").read_bytes()
    found = json.loads(cli("show", "made", "--like-quality", "75", "--json").stdout)
    # Of 15 and more the lowest loss is that of trial 0, at 18; of 20 and more that of trial 3.
    assert (found["like_quality"], found["summary"]["best_at_ratio"]["label"]) == (75, "0")
    assert json.loads(cli("show", "made", "--json").stdout)["summary"]["best_at_ratio"]["label"] == "3"
    results = Results("made", REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS)
    assert found["summary"]["gain_points"] == gain_points(results, results.trial("0"))
    shown = cli("show", "made", "--like-quality", "75").stdout
    assert "Standard quality 75:" in shown
    assert "quality 50" not in shown
    assert (made / "run.toml").read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        ("show", "made"),
        ("plot", "made", "--kind", "distribution"),
        ("report", "made"),
        ("validate", "made", "--dataset", "fake"),
        ("export", "made", "--format", "json"),
        ("compare", "standard:50", "made"),
        ("finetune", "made"),
    ],
)
def test_a_quality_that_was_not_measured_is_refused_with_those_that_were(
    cli: Cli, made: Path, words: tuple[str, ...]
) -> None:
    finished = cli(*words, "--like-quality", "85")
    assert finished.status == 2
    assert finished.sentence == (
        "run made did not measure standard quality 85: give --like-quality one of those that it measured, 25, 50, 75."
    )


def test_the_report_and_the_window_of_a_distribution_follow(made: Path) -> None:
    run = Run.open(made).looked_at(75)
    (group,) = headline([searched(run)])
    assert group.findings[0].pick == "Picked by cross-entropy at the ratio of standard quality 75"
    assert default_window(run.results()) == pytest.approx((15 * 21 / 22, 15 * 23 / 22), rel=1e-3)


def test_several_runs_are_stated_at_the_quality_of_the_first(cli: Cli, tmp_path: Path, made: Path) -> None:
    other = make_loss_run(tmp_path / "runs/other", like_quality=75)
    assert cli("report", "other", "made").status == 0
    page = (other / "report.html").read_text()
    assert "at the ratio of standard quality 75" in page
    assert "quality 50" not in page.partition("<script")[0]


def test_tables_that_leave_a_run_say_it(cli: Cli, made: Path) -> None:
    text = cli("export", "made", "--like-quality", "75", "--format", "json").stdout
    assert "standard quality 75: ratio 15.00" in text
    assert "trial 0" in text
    compared = json.loads(cli("compare", "standard:50", "made", "--like-quality", "75", "--json").stdout)
    assert compared["comparisons"][0]["trial"] == "0"


def test_a_validation_is_stated_as_its_run_is(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", "--name", "a", "--trials", "6", "--like-quality", "42", *FAKE).status == 0
    words = ["validate", "a", "--dataset", "fake:7", "--executor", "serial", "--name", "unseen", "--json"]
    assert json.loads(cli(*words).stdout)["like_quality"] == 42
    kept = tmp_path / "runs/a/validations/unseen"
    assert Run.open(kept).results().like_quality == 42
    again = json.loads(cli(*words, "--like-quality", "90").stdout)
    assert again["like_quality"] == 90
    assert Run.open(kept).results().like_quality == 42
    shown = cli("show", "a", "--like-quality", "90").stdout
    assert "best at quality 90's" in shown


def test_a_validation_of_an_older_version_goes_on(cli: Cli, tmp_path: Path) -> None:
    """Its settings do not name the quality; they are the same all the same."""
    assert cli("run", "--name", "a", "--trials", "4", *FAKE).status == 0
    words = ["validate", "a", "--dataset", "fake:7", "--executor", "serial", "--name", "unseen"]
    assert cli(*words).status == 0
    settings = tmp_path / "runs/a/validations/unseen/run.toml"
    older = [line for line in settings.read_text().splitlines() if not line.startswith("like_quality")]
    settings.write_text("\n".join(older))
    assert cli(*words).status == 0


def test_a_quality_that_there_is_not_is_refused(made: Path) -> None:
    settings = load_settings(made / "run.toml")
    wrong = msgspec.structs.replace(settings, search=msgspec.structs.replace(settings.search, like_quality=101))
    save_settings(wrong, made / "run.toml")
    with pytest.raises(InputError, match="like_quality"):
        Run.open(made)
