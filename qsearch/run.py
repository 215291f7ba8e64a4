"""Run: one search in its folder, with its settings, its archive, and the parts that its settings name."""

import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import msgspec
from filelock import FileLock, Timeout

from qsearch.analysis.results import Results
from qsearch.archive import Archive
from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.codecs import CODECS
from qsearch.codecs.base import Codec
from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.errors import InputError, RunError
from qsearch.evaluator import Evaluator
from qsearch.executors.local import executor_for
from qsearch.measurement import Trial
from qsearch.registry import nearest_names
from qsearch.search import search
from qsearch.settings import Change, CodecSettings, Recorded, RunSettings, load_settings, save_settings
from qsearch.space import SearchSpace
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Strategy, options_of

SETTINGS_FILE = "run.toml"
ARCHIVE_FILE = "trials.sqlite"
LOCK_FILE = "lock"


class Run:
    """A run's folder. Reading needs nothing but the folder; :meth:`resume` builds dataset, codec and classifiers."""

    def __init__(self, path: Path, settings: RunSettings) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self.path = path
        self.settings = settings

    @classmethod
    def create(cls, path: str | Path, settings: RunSettings, evaluator: Evaluator) -> Self:
        """A new run at ``path``, there whole or not at all. InputError where something is there already."""
        path = Path(path)
        if path.exists():
            raise InputError(f"{path} exists already: go on with 'qsearch resume {path}', or choose another --name.")
        build_strategy(settings)
        settings = msgspec.structs.replace(
            settings,
            qsearch=version("qsearch"),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            recorded=record(evaluator),
        )
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
            temporary.chmod(0o755)
            save_settings(settings, temporary / SETTINGS_FILE)
            Archive.create(temporary / ARCHIVE_FILE).close()
            temporary.rename(path)
        except OSError as error:
            raise InputError(f"no run can be made at {path} ({error}): choose a folder you can write to.") from error
        finally:
            if temporary is not None and temporary.exists():
                shutil.rmtree(temporary)
        return cls(path, settings)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run at ``path``. InputError where there is none, or one that this version cannot read."""
        path = Path(path)
        if not (path / SETTINGS_FILE).is_file():
            siblings = [entry.parent.name for entry in path.parent.glob(f"*/{SETTINGS_FILE}")]
            raise InputError(f"{path} is not a run (it has no {SETTINGS_FILE}): {nearest_names(path.name, siblings)}")
        return cls(path, load_settings(path / SETTINGS_FILE))

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def archive(self) -> Archive:
        """The trials, to read; also while another process writes them."""
        return Archive.open(self.path / ARCHIVE_FILE, read_only=True)

    def trials(self) -> tuple[list[Trial], list[Trial]]:
        """The reference trials and the search trials recorded so far."""
        with self.archive() as archive:
            return archive.trials("reference"), archive.trials("search")

    def results(self) -> Results:
        """The trials recorded so far, as points, frontier and curve."""
        return Results(self.name, *self.trials())

    def resume(
        self,
        *,
        workers: int | None = None,
        trials: int | None = None,
        allow_changed: bool = False,
        evaluator: Evaluator | None = None,
        on_trial: Callable[[Trial], None] = lambda trial: None,
    ) -> None:
        """Goes on to ``trials`` search trials (default: as many as set), in ``workers`` processes.

        Raises InputError where dataset, classifiers or codec are no longer those of the run, unless
        ``allow_changed``, which is recorded; and RunError where another process is at it, or as :func:`search` does.
        """
        with self._locked(), Archive.open(self.path / ARCHIVE_FILE) as archive:
            workers = workers or default_workers(self.settings)
            evaluator = evaluator or build_evaluator(self.settings, workers)
            self._check_unchanged(evaluator, allow_changed, archive.count("search"))
            if trials is not None and trials != self.settings.search.trials:
                if trials < 1:
                    raise InputError(f"a run has at least one trial, got {trials}.")
                self._save(search=msgspec.structs.replace(self.settings.search, trials=trials))
            with executor_for(evaluator, workers) as executor:
                search(
                    build_strategy(self.settings),
                    executor,
                    archive,
                    trials=self.settings.search.trials,
                    look_ahead=self.settings.search.look_ahead,
                    qualities=self.settings.search.qualities,
                    on_trial=on_trial,
                )

    def _check_unchanged(self, evaluator: Evaluator, allow_changed: bool, at_trial: int) -> None:
        now = record(evaluator)
        differences = (self.settings.recorded or Recorded()).differences(now)
        if not differences:
            return
        if not allow_changed:
            raise InputError(
                f"{self.path} was measured under other conditions ({'; '.join(differences)}): restore them, start a "
                "new run, or mix the two on your own responsibility with --allow-changed."
            )
        change = Change(at_trial=at_trial, differences=differences)
        self._save(recorded=now, changes=(*self.settings.changes, change))

    def _save(self, **changes: Any) -> None:
        self.settings = msgspec.structs.replace(self.settings, **changes)
        save_settings(self.settings, self.path / SETTINGS_FILE)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.path / LOCK_FILE, timeout=0)
        try:
            with lock:
                yield
        except Timeout as error:
            raise RunError(f"{self.path} is in use by another process: wait for it to end, or stop it.") from error
        except PermissionError as error:
            raise InputError(f"{self.path} cannot be written to ({error}): check its permissions.") from error


def default_workers(settings: RunSettings) -> int:
    """One worker per GPU where the classifiers run on GPUs, else one per core this process may use."""
    if any(classifier.device != "cpu" for classifier in settings.classifiers):
        from qsearch.classifiers.engines import gpu_count

        if gpus := gpu_count():
            return gpus
    return usable_cores()


def usable_cores() -> int:
    """The cores this process may use, container limits included."""
    from joblib import cpu_count

    return int(cpu_count())  # type: ignore[no-untyped-call]


def build_dataset(settings: RunSettings) -> Dataset:
    """The dataset the settings name."""
    wanted = settings.dataset
    options = DatasetOptions(size=wanted.size, fit=wanted.fit, skip_unreadable=wanted.skip_unreadable)
    return load_dataset(wanted.spec, options)


def build_classifiers(settings: RunSettings, threads: int = 1) -> list[Classifier]:
    """The classifiers the settings name, each with ``threads`` CPU threads."""
    return [
        load_classifier(
            wanted.spec,
            ClassifierOptions(
                weights=wanted.weights, device=wanted.device, precision=wanted.precision, threads=threads
            ),
        )
        for wanted in settings.classifiers
    ]


def build_codec(settings: CodecSettings) -> Codec:
    """The codec the settings name. InputError where it does not know one of them."""
    return CODECS.get(settings.name)(
        subsampling=settings.subsampling, optimize=settings.optimize, progressive=settings.progressive
    )


def build_evaluator(settings: RunSettings, workers: int) -> Evaluator:
    """Dataset, codec and classifiers together; the cores are shared out among ``workers``."""
    threads = max(1, usable_cores() // workers)
    return Evaluator(
        build_dataset(settings),
        build_codec(settings.codec),
        build_classifiers(settings, threads),
        psnr=settings.psnr,
        codec_threads=threads,
    )


def default_layout(strategy: str, preferred: str) -> str:
    """``preferred`` where the strategy searches it, else the strategy's first."""
    layouts = STRATEGIES.get(strategy).layouts
    return preferred if preferred in layouts else layouts[0]


def build_strategy(settings: RunSettings) -> Strategy:
    """The strategy the settings name, new. InputError where it does not know one of its options."""
    wanted = settings.search
    strategy = STRATEGIES.get(wanted.strategy)
    known = options_of(strategy)
    for option in wanted.options:
        if option not in known:
            raise InputError(f"strategy {wanted.strategy} has no option {option!r}: {nearest_names(option, known)}")
    return strategy(SearchSpace.full(wanted.layout), wanted.seed, **wanted.options)


def record(evaluator: Evaluator) -> Recorded:
    """What the parts say of themselves; two runs are compared only where this is equal."""
    dataset = evaluator.dataset
    packages = ("qsearch", "numpy", "pillow", "torch", "torchvision", "openvino")
    return Recorded(
        dataset={
            "name": dataset.name,
            "digest": dataset.digest,
            "images": len(dataset),
            "classes": len(dataset.class_names),
            "height": dataset.height,
            "width": dataset.width,
        },
        classifiers=[classifier.settings() for classifier in evaluator.classifiers],
        codec=evaluator.codec.settings(),
        versions={"python": platform.python_version(), **{name: version(name) for name in packages}},
    )
