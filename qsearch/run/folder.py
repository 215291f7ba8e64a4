"""Run: one search in its folder, with its settings and its archive."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import msgspec

from qsearch.analysis.results import Results
from qsearch.archive.store import Archive
from qsearch.datasets.base import identities
from qsearch.disk import locked, making_folder
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import objective_called
from qsearch.evaluation.parts import order_of
from qsearch.evaluation.trials import Trials
from qsearch.executors import DEFAULT as DEFAULT_EXECUTOR
from qsearch.executors import executor_for
from qsearch.executors.base import Executor
from qsearch.registry import nearest_names
from qsearch.run.building import (
    build_evaluator,
    build_strategy,
    check_search,
    default_workers,
    gpus_for,
    learned_bounds,
    record,
    with_bounds,
    with_ratio,
)
from qsearch.run.settings import Change, Recorded, RunSettings, check_recorded, load_settings, save_settings
from qsearch.search import run_search
from qsearch.search.racing import Race
from qsearch.search.steering import gate_for
from qsearch.space import SearchSpace
from qsearch.strategies.sorted_random import SortedRandom

SETTINGS_FILE = "run.toml"
ARCHIVE_FILE = "trials.sqlite"


class Run:
    """A run's folder. Reading needs nothing but the folder; :meth:`resume` builds dataset, codec and classifiers."""

    def __init__(self, path: Path, settings: RunSettings, like_quality: int | None = None) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self.path = path
        self.settings = settings
        self._like_quality = like_quality

    @classmethod
    def create(cls, path: str | Path, settings: RunSettings, evaluator: Evaluator) -> Self:
        """A new run at ``path``, there whole or not at all.

        InputError where something is there already, DiskError where the disk refuses.
        """
        path = Path(path)
        if path.exists():
            raise InputError(f"{path} exists already: go on with 'qsearch resume {path}', or choose another --name.")
        settings = msgspec.structs.replace(
            settings,
            search=with_ratio(check_search(settings.search), evaluator),
            qsearch=version("qsearch"),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            recorded=record(evaluator),
        )
        with making_folder(path) as folder:
            save_settings(settings, folder / SETTINGS_FILE)
            Archive.create(folder / ARCHIVE_FILE, identities(evaluator.dataset)).close()
        return cls(path, settings)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run at ``path``. InputError where there is none, or one that this version cannot read."""
        path = Path(path)
        if not (path / SETTINGS_FILE).is_file():
            siblings = [entry.parent.name for entry in path.parent.glob(f"[!.]*/{SETTINGS_FILE}")]
            raise InputError(f"{path} is not a run (it has no {SETTINGS_FILE}): {nearest_names(path.name, siblings)}")
        settings = load_settings(path / SETTINGS_FILE)
        check_recorded(settings, path / SETTINGS_FILE)
        return cls(path, settings)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def like_quality(self) -> int:
        """The standard quality that what the run found is stated at: as recorded, or as it is :meth:`looked_at`."""
        return self.settings.search.like_quality if self._like_quality is None else self._like_quality

    def looked_at(self, like_quality: int) -> Self:
        """The run as it would be stated at another standard quality; nothing of it changes."""
        return type(self)(self.path, self.settings, like_quality)

    @property
    def images(self) -> int:
        """How many it was measured on."""
        return int((self.settings.recorded or Recorded()).dataset["images"])

    def archive(self) -> Archive:
        """The trials, to read; also while another process writes them."""
        return Archive.open(self.path / ARCHIVE_FILE, read_only=True)

    def trials(self) -> tuple[Trials, Trials]:
        """The reference trials and the search trials recorded so far."""
        with self.archive() as archive:
            return archive.trials("reference"), archive.trials("search")

    def results(self) -> Results:
        """The trials recorded so far, as points, frontier and curve."""
        objective = objective_called(self.settings.search.objective)
        return Results(self.name, *self.trials(), objective, self.like_quality)

    def resume(
        self,
        *,
        workers: int | None = None,
        executor: str = DEFAULT_EXECUTOR,
        timeout_s: float | None = None,
        trials: int | None = None,
        allow_changed: bool = False,
        retry_failed: bool = False,
        evaluator: Evaluator | None = None,
        on_trial: Callable[[Trial], None] = lambda trial: None,
        on_wait: Callable[[str, float], None] = lambda label, waited_s: None,
    ) -> None:
        """Goes on to ``trials`` search trials (default: as many as set), with ``workers`` of the ``executor``.

        The rest is as :func:`run_search` says.

        Raises InputError where dataset, classifiers or codec are no longer those of the run, unless
        ``allow_changed``, which is recorded; and RunError where another process is at it, or as :func:`run_search`
        does.
        """
        with locked(self.path), Archive.open(self.path / ARCHIVE_FILE, locked=True) as archive:
            workers = workers or default_workers(self.settings)
            evaluator = evaluator or build_evaluator(self.settings, workers)
            self._check_unchanged(evaluator, allow_changed, archive)
            if trials is not None and trials < (recorded := archive.count("search")):
                raise InputError(f"{self.path} has {recorded} trials already: go on to more than {trials}.")
            if trials is not None and trials != self.settings.search.trials:
                self.save(search=check_search(msgspec.structs.replace(self.settings.search, trials=trials)))
            gpus = gpus_for(self.settings)
            with executor_for(evaluator, workers, name=executor, gpus=gpus, timeout_s=timeout_s) as executing:
                self._search(
                    evaluator, executing, archive, retry_failed=retry_failed, on_trial=on_trial, on_wait=on_wait
                )

    def _search(self, evaluator: Evaluator, executor: Executor, archive: Archive, **how: Any) -> None:
        wanted = self.settings.search
        conditions: dict[str, Any] = {
            "look_ahead": wanted.look_ahead,
            "qualities": wanted.qualities,
            **how,
        }
        gate = gate_for(evaluator, wanted.ratio, wanted.ratio_window)
        if wanted.warm_up and (wanted.bounds is None or how["retry_failed"]):
            warm_up = SortedRandom(SearchSpace.full(wanted.layout), wanted.seed)
            of_warm_up = gate if wanted.box == "shape" else None
            run_search(warm_up, executor, archive, trials=wanted.warm_up, gate=of_warm_up, **conditions)
        if wanted.warm_up and wanted.bounds is None:
            first = len(archive.trials("search"))
            self.save(search=with_bounds(wanted, learned_bounds(wanted, [self.results()]), first))
        strategy, bounds = build_strategy(self.settings.search), self.settings.search.bounds
        first = wanted.warm_up if bounds is None or bounds.first is None else bounds.first
        trials = wanted.trials - wanted.warm_up + first  # screened trials of a warm-up have numbers and do not count
        race = None
        if wanted.race is not None:
            race = Race(wanted.race, order_of(evaluator.dataset))
        conditions |= {"gate": gate, "race": race}
        run_search(strategy, executor, archive, trials=trials, first=first, **conditions)

    def _check_unchanged(self, evaluator: Evaluator, allow_changed: bool, archive: Archive) -> None:
        now = record(evaluator)
        differences = (self.settings.recorded or Recorded()).differences(now)
        if not differences:
            return
        if not allow_changed:
            raise InputError(
                f"{self.path} was measured under other conditions ({'; '.join(differences)}): restore them, start a "
                "new run, or mix the two on your own responsibility with --allow-changed."
            )
        if self.settings.search.race is not None and any(each.startswith("dataset: digest") for each in differences):
            raise InputError(
                f"{self.path} is a race, which compares tables image by image, and its images changed: restore them, "
                "or start a new run."
            )
        archive.add_images(identities(evaluator.dataset))
        change = Change(at_trial=archive.count("search"), differences=differences)
        self.save(recorded=now, changes=(*self.settings.changes, change))

    def save(self, **changes: Any) -> None:
        """Writes the settings with ``changes``; for who holds the lock of the folder."""
        self.settings = msgspec.structs.replace(self.settings, **changes)
        save_settings(self.settings, self.path / SETTINGS_FILE)


def with_bounds_from(settings: RunSettings, sources: Sequence[Run], evaluator: Evaluator) -> RunSettings:
    """``settings`` with the bounds and fitness of earlier runs.

    Raises InputError where a source was measured under other conditions than ``evaluator`` would, or searched another
    table layout, naming the difference; where sources were searched for different objectives; and as
    :func:`qsearch.analysis.bounds.bounds_of` does.
    """
    wanted, now = with_ratio(settings.search, evaluator), record(evaluator)
    different = {source.settings.search.objective: source.name for source in sources}
    if len(different) > 1:
        named = ", ".join(f"{name} of {objective}" for objective, name in different.items())
        raise InputError(f"the runs that --from names were searched for different objectives ({named}): take one kind.")
    for source in sources:
        differences = (source.settings.recorded or Recorded()).differences(now)
        if source.settings.search.layout != wanted.layout:
            differences.append(f"table layout was {source.settings.search.layout}, is {wanted.layout}")
        if differences:
            raise InputError(
                f"run {source.name} gives this one no bounds, it was measured otherwise: {'; '.join(differences)}."
            )
    search = with_bounds(wanted, learned_bounds(wanted, [source.results() for source in sources]))
    assert search.bounds is not None  # it was just put there
    paths = tuple(str(source.path.resolve()) for source in sources)
    found = msgspec.structs.replace(search.bounds, paths=paths)
    return msgspec.structs.replace(settings, search=msgspec.structs.replace(search, bounds=found))
