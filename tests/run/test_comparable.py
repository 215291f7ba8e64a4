"""Whether runs stand side by side, and which fitness they share."""

from pathlib import Path

import msgspec
import pytest

from qsearch.analysis.efficiency import common_parabola
from qsearch.errors import InputError
from qsearch.run.comparable import check_comparable, one_parabola, one_reference_point
from qsearch.run.folder import SETTINGS_FILE, Run
from qsearch.run.settings import BoundsSettings, CodecSettings, load_settings, save_settings
from tests.made_up_runs import done, make_run

OTHER = (done(0, 10, 0.85), done(1, 18, 0.80), done(3, 22, 0.60), done(5, 30, 0.45))


def run_by(path: Path, strategy: str, bounds: BoundsSettings | None = None, **made: object) -> Run:
    make_run(path, **made)  # type: ignore[arg-type]
    settings = load_settings(path / SETTINGS_FILE)
    search = msgspec.structs.replace(settings.search, strategy=strategy, bounds=bounds)
    save_settings(msgspec.structs.replace(settings, search=search), path / SETTINGS_FILE)
    return Run.open(path)


def test_what_was_measured_otherwise_is_not_compared(tmp_path: Path) -> None:
    one, same = run_by(tmp_path / "one", "bayesian"), run_by(tmp_path / "same", "sorted-random")
    check_comparable([one, same])
    other = run_by(tmp_path / "other", "bayesian", codec=CodecSettings(subsampling="4:4:4"))
    with pytest.raises(InputError, match="one and other cannot be compared: codec: subsampling was 4:2:0, is 4:4:4"):
        check_comparable([one, same, other])


def test_the_parabola_is_that_of_the_sorted_random_runs_wherever_they_stand(tmp_path: Path) -> None:
    runs = [run_by(tmp_path / "learner", "bayesian", search=OTHER), run_by(tmp_path / "random", "sorted-random")]
    results = [run.results() for run in runs]
    parabola, source = one_parabola(runs, results)
    assert parabola == common_parabola([results[1]]) != common_parabola([results[0]])
    assert source == "fitted on the frontier of random"


def test_without_a_sorted_random_run_it_is_that_of_a_runs_bounds_else_the_first_runs_own(tmp_path: Path) -> None:
    bounds = BoundsSettings(
        sources=("early",), window=(18, 22), sigma=0.5, parabola=(1, 2, 3), lower=(1,) * 64, upper=(9,) * 64
    )
    free, led = run_by(tmp_path / "free", "bayesian"), run_by(tmp_path / "led", "bayesian", bounds)
    results = [free.results(), led.results()]
    parabola, source = one_parabola([free, led], results)
    assert ((parabola.a, parabola.b, parabola.c), source) == ((1, 2, 3), "that of the bounds of led, from early")
    parabola, source = one_parabola([free], results[:1])
    assert (parabola, source) == (common_parabola(results[:1]), "fitted on the frontier of free")


def test_hypervolumes_of_different_reference_points_are_refused(tmp_path: Path) -> None:
    one, other = run_by(tmp_path / "one", "bayesian"), run_by(tmp_path / "other", "bayesian")
    assert one_reference_point([one, other]) == one.settings.search.hypervolume_reference
    moved = msgspec.structs.replace(other.settings.search, hypervolume_reference=(2.0, 0.5))
    other.settings = msgspec.structs.replace(other.settings, search=moved)
    with pytest.raises(InputError, match="different reference points"):
        one_reference_point([one, other])
