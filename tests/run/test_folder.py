"""A run's folder: made whole or not at all, resumed only under the conditions it was made under, by one process."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qsearch.archive.store import Archive
from qsearch.errors import DiskError, InputError, RunError
from qsearch.evaluation.measurement import Trial
from qsearch.pareto.fitness import LocalFit, Parabola
from qsearch.run.building import build_evaluator, build_strategy
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE, Run
from qsearch.run.settings import (
    BoundsSettings,
    ClassifierSettings,
    DatasetSettings,
    RunSettings,
    SearchSettings,
    load_settings,
    save_settings,
)

pytestmark = pytest.mark.usefixtures("plugins")
QUALITIES = (30, 50, 80)


def settings(classifier: str = "fake", **search: Any) -> RunSettings:
    return RunSettings(
        search=SearchSettings(**{"trials": 6, "seed": 3, "qualities": QUALITIES, **search}),
        dataset=DatasetSettings(spec="fake"),
        classifiers=(ClassifierSettings(spec=classifier),),
    )


def create(path: Path, wanted: RunSettings | None = None) -> Run:
    wanted = wanted or settings()
    return Run.create(path, wanted, build_evaluator(wanted, workers=1))


def trials(run: Run) -> list[Trial]:
    reference, search = run.trials()
    return [*reference, *search]


def test_a_new_run_holds_its_settings_and_an_empty_archive(tmp_path: Path) -> None:
    create(tmp_path / "runs" / "a")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]
    assert {path.name for path in (tmp_path / "runs" / "a").iterdir()} == {SETTINGS_FILE, ARCHIVE_FILE}
    run = Run.open(tmp_path / "runs" / "a")
    assert run.name == "a"
    assert trials(run) == []
    recorded = run.settings.recorded
    assert recorded is not None
    assert recorded.dataset["images"] == 15
    assert len(recorded.dataset["digest"]) == 64
    assert recorded.classifiers == [{"name": "fake", "digest": "0" * 64}]
    assert recorded.codec["subsampling"] == "4:2:0"
    assert {"python", "qsearch", "numpy", "pillow"} <= recorded.versions.keys()
    assert run.settings.search == settings().search


def test_it_is_searched_and_read_again(tmp_path: Path) -> None:
    heard: list[Trial] = []
    create(tmp_path / "a").resume(executor="serial", workers=1, on_trial=heard.append)
    found = trials(Run.open(tmp_path / "a"))
    assert [trial.label for trial in found] == ["uncompressed", "standard:30", "standard:50", "standard:80", *"012345"]
    assert len(heard) == 10
    results = Run.open(tmp_path / "a").results()
    assert results.name == "a"
    assert len(results.done) == 6


def test_any_number_of_workers_leaves_the_same_archive(tmp_path: Path) -> None:
    wanted = settings(classifier="fake:fail=5", strategy="fake-adaptive", trials=12)
    for workers in (1, 2):
        create(tmp_path / str(workers), wanted).resume(workers=workers)
    one, two = (trials(Run.open(tmp_path / name)) for name in "12")
    assert one == two
    assert {trial.status for trial in one} == {"done", "failed"}


def test_going_on_to_more_trials_is_remembered(tmp_path: Path) -> None:
    create(tmp_path / "a").resume(executor="serial", workers=1)
    Run.open(tmp_path / "a").resume(executor="serial", workers=1, trials=9)
    assert Run.open(tmp_path / "a").settings.search.trials == 9
    create(tmp_path / "b", settings(trials=9)).resume(executor="serial", workers=1)
    assert trials(Run.open(tmp_path / "a")) == trials(Run.open(tmp_path / "b"))


@pytest.mark.parametrize("fewer", [5, 1, 0, -3])
def test_going_on_to_fewer_trials_than_there_are_is_refused(tmp_path: Path, fewer: int) -> None:
    create(tmp_path / "a").resume(executor="serial", workers=1)
    with pytest.raises(InputError, match=f"has 6 trials already: go on to more than {fewer}"):
        Run.open(tmp_path / "a").resume(executor="serial", workers=1, trials=fewer)
    assert Run.open(tmp_path / "a").settings.search.trials == 6


def change_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DATASET_SEED", "1")


def change_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_WEIGHTS_DIGEST", "1" * 64)


def change_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qsearch.codecs.pillow.pillow_version", "99.1")


def change_libjpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qsearch.codecs.pillow._libjpeg_version", lambda: "mozjpeg 9")


CHANGES = {
    "dataset: digest was": change_dataset,
    "classifier fake: digest was 000000000000..., is 111111111111...": change_weights,
    "codec: pillow was": change_pillow,
    "codec: libjpeg was": change_libjpeg,
}


@pytest.mark.parametrize("phrase", CHANGES)
def test_resuming_under_other_conditions_is_refused_or_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phrase: str
) -> None:
    create(tmp_path / "a").resume(executor="serial", workers=1)
    before = (tmp_path / "a" / SETTINGS_FILE).read_bytes()
    CHANGES[phrase](monkeypatch)
    with pytest.raises(InputError, match=r"was measured under other conditions .* with --allow-changed") as error:
        Run.open(tmp_path / "a").resume(executor="serial", workers=1, trials=8)
    assert phrase in str(error.value)
    assert (tmp_path / "a" / SETTINGS_FILE).read_bytes() == before

    Run.open(tmp_path / "a").resume(executor="serial", workers=1, trials=8, allow_changed=True)
    run = Run.open(tmp_path / "a")
    (change,) = run.settings.changes
    assert change.at_trial == 6
    assert change.differences[0].startswith(phrase)
    assert len(run.trials()[1]) == 8
    Run.open(tmp_path / "a").resume(
        executor="serial", workers=1, trials=9
    )  # the new conditions are now those of the run
    assert len(Run.open(tmp_path / "a").settings.changes) == 1


def test_one_search_at_a_time(tmp_path: Path) -> None:
    create(tmp_path / "a")
    refusals: list[str] = []

    def second(trial: Trial) -> None:
        with pytest.raises(RunError, match="is in use by another process: wait for it to end, or stop it") as error:
            Run.open(tmp_path / "a").resume(executor="serial", workers=1)
        refusals.append(str(error.value))

    Run.open(tmp_path / "a").resume(executor="serial", workers=1, on_trial=second)
    assert len(refusals) == 10
    assert len(Run.open(tmp_path / "a").trials()[1]) == 6
    Run.open(tmp_path / "a").resume(executor="serial", workers=1)  # free again


def test_it_may_be_read_while_it_is_searched(tmp_path: Path) -> None:
    seen: list[int] = []

    def read(trial: Trial) -> None:
        seen.append(len(trials(Run.open(tmp_path / "a"))))

    create(tmp_path / "a").resume(executor="serial", workers=1, on_trial=read)
    assert seen == list(range(1, 11))


def test_an_interrupted_run_is_unlocked_and_goes_on(tmp_path: Path) -> None:
    def interrupt(trial: Trial) -> None:
        if trial.label == "2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "a").resume(executor="serial", workers=1, on_trial=interrupt)
    Run.open(tmp_path / "a").resume(executor="serial", workers=1)
    create(tmp_path / "b").resume(executor="serial", workers=1)
    assert trials(Run.open(tmp_path / "a")) == trials(Run.open(tmp_path / "b"))


@pytest.mark.parametrize("label", ["standard:50", "4", "14", "15", "20"])
def test_a_run_interrupted_about_its_warm_up_ends_as_one_that_never_was(tmp_path: Path, label: str) -> None:
    wanted = settings(strategy="bounded-random", warm_up=15, trials=25, window=(1.0, 1000.0))

    def interrupt(trial: Trial) -> None:
        if trial.label == label:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "a", wanted).resume(executor="serial", workers=1, on_trial=interrupt)
    Run.open(tmp_path / "a").resume(executor="serial", workers=1)
    create(tmp_path / "b", wanted).resume(executor="serial", workers=1)
    a, b = (Run.open(tmp_path / name) for name in "ab")
    assert trials(a) == trials(b)
    assert [trial.strategy for trial in trials(a)[4:]] == ["sorted-random"] * 15 + ["bounded-random"] * 10
    assert a.settings.search.bounds is not None
    assert a.settings.search.bounds.lower == b.settings.search.bounds.lower  # type: ignore[union-attr]


def test_a_run_that_optimised_the_parabola_goes_on_with_it(tmp_path: Path) -> None:
    """Bounds without a local fit, as versions wrote it that had none."""
    old = BoundsSettings(
        sources=("x",), window=(19, 21), sigma=0.5, parabola=(-1e-4, -2e-3, 0.64), lower=(10,) * 64, upper=(60,) * 64
    )
    new = msgspec.structs.replace(old, local_fit=(20.0, 18.0, 22.0, -0.5, -0.3, 0.6))
    wanted = SearchSettings(strategy="bayesian", bounds=old)
    save_settings(RunSettings(search=wanted), tmp_path / "run.toml")
    assert "local_fit" not in (tmp_path / "run.toml").read_text()
    assert build_strategy(load_settings(tmp_path / "run.toml").search).fitness == Parabola(-1e-4, -2e-3, 0.64)
    today = build_strategy(msgspec.structs.replace(wanted, bounds=new))
    assert today.fitness == LocalFit(20.0, 18.0, 22.0, -0.5, -0.3, 0.6)


def test_it_can_be_searched_from_a_thread(tmp_path: Path) -> None:
    """A notebook's or a server's: signals can be set in the main thread only."""
    run = create(tmp_path / "a")
    thread = threading.Thread(target=run.resume, kwargs={"workers": 2})
    thread.start()
    thread.join(timeout=60)
    assert len(run.trials()[1]) == 6


def test_a_run_is_not_made_over_something(tmp_path: Path) -> None:
    create(tmp_path / "a")
    (tmp_path / "file").write_text("mine")
    for name in ("a", "file"):
        with pytest.raises(InputError, match="exists already: go on with 'qsearch resume"):
            create(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_place_where_no_run_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DiskError, match=r"file/a cannot be written .*: check that its folder is there"):
        create(tmp_path / "file" / "a")
    with pytest.raises(DiskError, match="/proc/qsearch/a cannot be written"):
        create(Path("/proc/qsearch/a"))


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ({"strategy": "fake-adaptiv"}, "unknown strategy 'fake-adaptiv': did you mean fake-adaptive"),
        ({"options": {"drow": "uniform"}}, "sorted-random has no option 'drow': did you mean draw?"),
        ({"options": {"draw": "normal"}}, "half-normal or uniform"),
        ({"layout": "rgb"}, "unknown table layout 'rgb'"),
        ({"seed": -1}, "a seed is an integer of 0 or more"),
        ({"trials": 0}, "0 trials"),
    ],
)
def test_settings_that_make_no_search_are_refused_and_leave_nothing(
    tmp_path: Path, search: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as error:
        create(tmp_path / "runs" / "a", settings(**search))
    assert sentence in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_a_run_made_of_another_settings_is_equal_to_it(tmp_path: Path) -> None:
    create(tmp_path / "a", settings(strategy="fake-adaptive", options={"word": "b"})).resume(
        executor="serial", workers=1
    )
    again = msgspec.structs.replace(load_settings(tmp_path / "a" / SETTINGS_FILE), recorded=None)
    create(tmp_path / "b", again).resume(executor="serial", workers=1)
    assert trials(Run.open(tmp_path / "a")) == trials(Run.open(tmp_path / "b"))


def test_what_is_no_run_is_refused_with_the_nearest_runs(tmp_path: Path) -> None:
    create(tmp_path / "demo")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".demo.half-made").mkdir()
    (tmp_path / ".demo.half-made" / SETTINGS_FILE).touch()
    with pytest.raises(InputError, match=r"demoo is not a run \(it has no run.toml\): did you mean demo\?$"):
        Run.open(tmp_path / "demoo")
    with pytest.raises(InputError, match=r"empty is not a run \(it has no run.toml\): known: demo\."):
        Run.open(tmp_path / "empty")
    with pytest.raises(InputError, match=r"none is known"):
        Run.open(tmp_path / "nowhere" / "demo")


def test_a_settings_file_cut_short_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    create(tmp_path / "a").resume(executor="serial", workers=1)
    whole = Run.open(tmp_path / "a")
    text = (tmp_path / "a" / SETTINGS_FILE).read_text()
    refused = 0
    for length in range(0, len(text), 7):
        (tmp_path / "a" / SETTINGS_FILE).write_text(text[:length])
        try:
            run = Run.open(tmp_path / "a")
        except InputError:
            refused += 1
        else:  # only the list of versions is shorter
            assert run.settings.search == whole.settings.search
            assert run.settings.recorded is not None
            assert whole.settings.recorded is not None
            assert run.settings.recorded.codec == whole.settings.recorded.codec
    assert refused > len(text) / 14


def test_a_run_without_its_archive_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "a")
    (tmp_path / "a" / ARCHIVE_FILE).unlink()
    with pytest.raises(InputError, match=r"trials.sqlite is not there"):
        Run.open(tmp_path / "a").trials()
    with pytest.raises(InputError, match=r"trials.sqlite is not there"):
        Run.open(tmp_path / "a").resume(executor="serial", workers=1)


def test_the_archive_of_another_seed_is_noticed(tmp_path: Path) -> None:
    create(tmp_path / "a").resume(executor="serial", workers=1)
    create(tmp_path / "b", settings(seed=4)).resume(executor="serial", workers=1)
    (tmp_path / "a" / ARCHIVE_FILE).write_bytes((tmp_path / "b" / ARCHIVE_FILE).read_bytes())
    with pytest.raises(InputError, match="belongs to another seed"):
        Run.open(tmp_path / "a").resume(executor="serial", workers=1, trials=9)
    with Archive.open(tmp_path / "a" / ARCHIVE_FILE) as archive:
        assert archive.count("search") == 6
