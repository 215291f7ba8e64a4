"""What a confirmation says, from measurements made up: whom it picks, when nobody gains, what failed or is too far."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest

from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import ObjectiveName
from qsearch.run.confirmation import Confirmed, confirmed, owner_of, picks_on_others
from qsearch.run.folder import SETTINGS_FILE, Run
from qsearch.run.settings import save_settings
from tests.made_up_confirmations import IMAGES, make, many, measurement, standard


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that keeps images aside; only its settings matter."""
    path = make(tmp_path / "demo", {"0": measurement(20, 0)})
    settings = Run.open(path).settings
    searched = msgspec.structs.replace(settings.dataset, part="searched")
    save_settings(msgspec.structs.replace(settings, dataset=searched), path / SETTINGS_FILE)
    return Run.open(path)


def confirm(
    run: Run,
    found: Mapping[str, Measurement | None],
    *,
    name: str = "9-trials",
    objective: ObjectiveName = "loss",
    networks: int = 1,
) -> Confirmed:
    """What the confirmation ``name`` says once it has measured ``found`` and the standard tables."""
    path = run.path / "confirmations" / name
    make(path, {"standard": standard(20, networks), **found}, objective=objective, networks=networks)
    confirmation = confirmed(run)
    assert confirmation is not None
    return confirmation


def test_the_pick_is_expected_to_gain_most(run: Run) -> None:
    found = confirm(run, {**many(0.02), "mean-of-all": measurement(20, 0.10, seed=50)})
    assert (found.pick.label, found.pick.kind, found.images, found.trials) == ("mean-of-all", "average", IMAGES, 9)
    assert [each.above for each in found.considered] == sorted((each.above for each in found.considered), reverse=True)
    # Noise of 0.05 on 400 images leaves a standard error of 0.0025.
    assert found.pick.above == pytest.approx(0.10, abs=0.01)
    assert found.standard_errors == pytest.approx(0.10 / 0.0025, rel=0.2)
    assert found.further_images == 0
    # The loss is ln(ratio): 0.10 less is the ratio times e^0.10, a little more where the curve is a chord.
    saving = found.pick.saving
    assert saving.value is not None
    assert saving.low is not None
    assert saving.high is not None
    assert saving.low < saving.value < saving.high
    assert 100 * (1 - np.exp(-0.10)) == pytest.approx(-saving.value, abs=20)


def test_standard_tables_are_what_they_are(run: Run) -> None:
    """They are no sample of tables from elsewhere: that they gain nothing says nothing of published ones."""
    others = {f"published:{name}": measurement(20, 0.08, seed=number) for number, name in enumerate("abcdef")}
    found = confirm(run, {**others, "3": measurement(20, 0.01, seed=40)})
    standard = next(each for each in found.considered if each.kind == "standard")
    assert (standard.above, standard.deviation, standard.saving.value) == (0, 0, 0)
    assert all(each.above > 0.06 for each in found.considered if each.kind == "elsewhere")


def test_where_nothing_is_expected_to_gain_it_is_the_standard_tables(run: Run) -> None:
    found = confirm(run, {**many(-0.05), "published:flat": measurement(20, -0.02, seed=60)})
    assert (found.falls_back, found.trial.label, found.pick.above) == (True, "standard", 0)
    assert (found.standard_errors, found.further_images) == (0, None)
    assert found.considered[1].label == "published:flat"


def test_the_luckiest_of_equal_tables_is_not_believed(run: Run) -> None:
    found = confirm(run, {label: measurement(20, 0.01, noise=0.5, seed=int(label)) for label in map(str, range(20))})
    luckiest = max(measured_above(found, each.label) for each in found.considered if each.kind != "standard")
    assert found.kept < 0.5
    assert found.pick.above < 0.7 * luckiest


def measured_above(found: Confirmed, label: str) -> float:
    """By how much its mean loss lies below that of the standard tables at ratio 20."""
    of = {trial.label: trial.measurement for trial in found.results.done}
    mine, standard = of[label], of["standard"]
    assert mine is not None
    assert standard is not None
    return standard.mean("loss") - mine.mean("loss")


def test_more_images_would_settle_what_these_do_not(run: Run) -> None:
    found = confirm(run, {"mean-of-all": measurement(20, 0.02, noise=0.5, seed=2)})
    assert not found.falls_back
    errors, more = found.standard_errors, found.further_images
    assert 0 < errors < 1.959964
    # Standard errors grow with the root of the number of images.
    assert more == pytest.approx(IMAGES * ((1.959964 / errors) ** 2 - 1), abs=1)


def test_what_failed_is_not_considered_and_does_not_stop_the_rest(run: Run) -> None:
    found = confirm(run, {**many(0.05), "mean-of-all": None})
    assert "mean-of-all" not in {each.label for each in found.considered}
    assert found.pick.kind == "searched"


def test_what_lies_beyond_the_standard_curve_is_not_considered(run: Run) -> None:
    found = confirm(run, {**many(0.05), "far": measurement(41, 0.9, seed=70)})
    assert "far" not in {each.label for each in found.considered}


def test_without_the_standard_tables_nothing_is_picked(run: Run) -> None:
    make(run.path / "confirmations" / "9-trials", {"standard": None, **many(0.1)})
    assert confirmed(run) is None


def test_the_latest_that_is_finished_counts(run: Run) -> None:
    first = confirm(run, many(0.05))
    second = confirm(run, many(0.05, first=20), name="12-trials")
    assert (first.trials, second.trials) == (9, 12)
    make(run.path / "confirmations" / "100-trials", {"standard": standard(20)}, trials=5)
    last = confirmed(run)
    assert last is not None
    assert last.trials == 12


def test_it_can_be_by_top1_and_of_several_networks(run: Run) -> None:
    """Two networks that answer alike say what one says."""
    ones, twos = ({"mean-of-all": measurement(20, 0.3, seed=3, networks=count)} for count in (1, 2))
    one, two = confirm(run, ones, objective="top1"), confirm(run, twos, networks=2, name="10-trials", objective="top1")
    assert one.objective.name == "top1"
    assert one.pick.above > 0
    assert (two.trials, two.pick.above, two.standard_errors) == (10, one.pick.above, one.standard_errors)


def test_a_confirmation_is_no_search_that_keeps_images_aside(run: Run) -> None:
    confirmation = confirm(run, many(0.05)).run
    assert picks_on_others(run.settings)
    assert not picks_on_others(confirmation.settings)
    assert owner_of(confirmation) == run.path.resolve()
    assert owner_of(run) is None
