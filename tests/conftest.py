"""What the tests of the core share: the fake plug-ins, and the command line in a process of its own."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from qsearch.classifiers import CLASSIFIERS
from qsearch.cli import main
from qsearch.codecs import CODECS
from qsearch.datasets import DATASETS, load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.evaluation.measures import MEASURES
from qsearch.executors import EXECUTORS
from qsearch.models import MODELS
from qsearch.strategies import STRATEGIES
from tests import fakes

MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""
ROOM_BYTES = 2 << 30


def keep_temporary_files_in_memory() -> None:
    """For this process and its children, where there is room: tests write much that no power cut needs to leave, and
    wait longer for the disk to say that it would than for all else. TMPDIR in the environment has its way."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        return
    if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:  # tests write programs too
        return
    folder = MEMORY / f"qsearch-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid == os.getuid():
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


keep_temporary_files_in_memory()

# The same examples in every run of CI; elsewhere new ones are tried each time.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

# In the background a shell has its children ignore Ctrl-C, and so would the commands that are to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).parents[1]
MAIN = "from qsearch.cli import main; main()"
FAKE = ("--dataset", "fake", "--classifier", "fake", "--workers", "1", "--executor", "serial")
"""Options for a search that takes milliseconds."""


def pytest_collection() -> None:
    """What is imported and collected stays: to look through it for garbage again and again takes seconds."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on only what the tests make is looked through."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photographs and networks that lie beside the repository; without it the test skips."""
    folder = Path(os.environ.get("QSEARCH_SHARED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no photographs and networks at ../shared or QSEARCH_SHARED")
    return folder


@pytest.fixture
def few_photographs(shared: Path, tmp_path: Path) -> Dataset:
    """A photograph of every fourth class of ``photos/search``, 224 pixels square: 53 in all."""
    chosen = tmp_path / "photographs"
    chosen.mkdir()
    for folder in sorted((shared / "data" / "photos" / "search").iterdir())[::4]:
        (chosen / folder.name).symlink_to(folder)
    return load_dataset(f"folder:{chosen}", DatasetOptions(size=224, fit="stretch", per_class=1))


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, on the path, installs the plug-ins of :mod:`tests.fakes`."""
    return fakes.install(tmp_path_factory.mktemp("plugins"))


REGISTRIES = (CLASSIFIERS, CODECS, DATASETS, EXECUTORS, MEASURES, MODELS, STRATEGIES)


@pytest.fixture(scope="session")
def entry_points(plugin_folder: Path) -> dict[str, dict[str, EntryPoint]]:
    """By kind, what the registries find with the fake plug-ins: to look through all packages takes longer than most
    tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin_folder))
        forget_entry_points()
        found = {registry.kind: dict(registry._entry_points) for registry in REGISTRIES}
    forget_entry_points()
    return found


@pytest.fixture
def plugins(
    plugin_folder: Path, entry_points: dict[str, dict[str, EntryPoint]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The fake plug-ins, installed in this process."""
    monkeypatch.syspath_prepend(str(plugin_folder))
    forget_entry_points()
    for registry in REGISTRIES:
        vars(registry)["_entry_points"] = dict(entry_points[registry.kind])
    yield
    forget_entry_points()


def forget_entry_points() -> None:
    """Has the registries look again for what is installed."""
    for registry in REGISTRIES:
        vars(registry).pop("_entry_points", None)
        vars(registry).pop("_loaded", None)


class Command:
    """``qsearch`` in a process of its own, with the fake plug-ins, in a folder of its own."""

    def __init__(self, folder: Path, plugin_folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("QSEARCH_", "COV_"))},
            "PYTHONPATH": os.pathsep.join([str(plugin_folder), str(REPOSITORY)]),
            "QSEARCH_CACHE": str(folder / "cache"),
        }

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        return subprocess.run(
            [sys.executable, "-c", MAIN, *arguments],
            cwd=self.folder,
            env={**self.environment, **options.pop("env", {})},
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
            **options,
        )

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Starts it as a terminal does: the leader of a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments],
            cwd=self.folder,
            env={**self.environment, **options.pop("env", {})},
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )


@pytest.fixture
def qsearch(tmp_path: Path, plugin_folder: Path) -> Command:
    """The command line; relative paths are in ``tmp_path``."""
    return Command(tmp_path, plugin_folder)


@dataclass(frozen=True)
class Finished:
    """What a command line did."""

    status: int
    stdout: str
    stderr: str

    @property
    def sentence(self) -> str:
        """What it says of an error: its one line that begins with the command's name, the last one."""
        *others, last = self.stderr.splitlines()
        assert last.startswith("qsearch: "), self.stderr
        assert not any(line.startswith("qsearch: ") for line in others), self.stderr
        return last.removeprefix("qsearch: ")


@pytest.fixture
def cli(
    tmp_path: Path, plugins: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Finished]]:
    """The command line in this process, in ``tmp_path``, with the fake plug-ins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("QSEARCH_RUNS", raising=False)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> Finished:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        output = capsys.readouterr()
        assert "Traceback" not in output.err
        return Finished(int(ended.value.code or 0), output.out, output.err)

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def succeed(cli: Callable[..., Finished]) -> Callable[..., str]:
    """The command line in this process where it has to work: what it prints."""

    def run(*arguments: str) -> str:
        finished = cli(*arguments)
        assert finished.status == 0, finished.stderr
        return finished.stdout

    return run


@pytest.fixture(scope="session")
def made_demo(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """The folder of a finished run of eight trials, one of which failed; nobody changes it."""
    command = Command(tmp_path_factory.mktemp("made"), plugin_folder)
    for name in [name for name in command.environment if name.startswith("FAKE_")]:
        del command.environment[name]  # the test that happens to be the first has them otherwise
    finished = command("run", "--name", "demo", "--trials", "8", *FAKE, "--classifier", "fake:fail=11", "--psnr")
    assert finished.returncode == 0, finished.stderr
    return command.folder / "runs" / "demo"


@pytest.fixture
def demo(cli: Callable[..., Finished], made_demo: Path, tmp_path: Path) -> Path:
    """A copy of that run, ``demo``."""
    return Path(shutil.copytree(made_demo, tmp_path / "runs" / "demo"))
