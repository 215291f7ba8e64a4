"""Evaluations on a Dask cluster: the same answers, whoever joins, leaves or dies. The contract: test_contracts.py."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import psutil
import pytest

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.function import FunctionClassifier
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.errors import InputError, MissingDependencyError, RunError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.task import Task
from qsearch.executors import EXECUTORS, executor_for
from qsearch.executors import dask as dask_executor
from qsearch.executors.base import Executor, Outcome
from qsearch.executors.dask import DaskExecutor
from qsearch.run.building import build_evaluator
from qsearch.run.folder import Run
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings, SearchSettings
from qsearch.tables import QuantTables
from tests.clusters import START_S, Cluster
from tests.conftest import Finished, forget_entry_points
from tests.fakes import FakeClassifier, fake_images, fake_weights

TASKS = [Task(QuantTables.standard(quality)) for quality in range(15, 100, 20)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as started:
        for _ in range(2):
            started.worker()
        started.wait_for(2)
        yield started


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler for workers of one test alone."""
    with Cluster(tmp_path_factory.mktemp("scheduler")) as started:
        yield started


@pytest.fixture
def own(scheduler: Cluster) -> Iterator[Cluster]:
    """The same; workers end with the test."""
    yield scheduler
    for process in scheduler.processes[1:]:
        scheduler.end(process)
    del scheduler.processes[1:]
    until = time.monotonic() + START_S
    while _workers_at(scheduler) and time.monotonic() < until:
        time.sleep(0.05)


def _workers_at(cluster: Cluster) -> int:
    import distributed

    with distributed.Client(scheduler_file=str(cluster.file), set_as_default=False) as client:  # type: ignore[no-untyped-call]
        return len(client.nthreads())


class Gated(Classifier):
    """Answers once ``workers`` processes were asked, or once there is a file ``go``; each leaves a file of its name."""

    class_names = None
    classes = 5
    name = "gated"
    digest = "0" * 64

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        (self.folder / f"began-{os.getpid()}").touch()
        while len(self.began()) < self.workers and not (self.folder / "go").exists():
            time.sleep(0.01)
        return (images.reshape(len(images), -1).astype(np.int64) @ fake_weights()).astype(np.float32)

    def began(self) -> list[int]:
        """The processes that were asked."""
        return [int(path.name.partition("-")[2]) for path in self.folder.glob("began-*")]

    def settings(self) -> dict[str, str | int | float | bool]:
        return {"name": self.name, "digest": self.digest}


class Elsewhere(FakeClassifier):
    """Other weights in every process that says so in its environment."""

    def settings(self) -> dict[str, str | int | float | bool]:
        return {"name": self.name, "digest": os.environ.get("WEIGHTS_HERE", "as on the client")}


class FromFile(FakeClassifier):
    """Needs a file to answer."""

    def __init__(self, path: Path) -> None:
        super().__init__("from-file", {})
        self.path = path

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.path.read_bytes()
        return super().logits(images)


def dataset(images: npt.NDArray[np.uint8] | None = None) -> Dataset:
    images = fake_images() if images is None else images
    return Dataset.from_arrays(images, np.arange(len(images)) % 5, tuple("abcde"), name="made-up")


def evaluator(classifier: Classifier | None = None, images: npt.NDArray[np.uint8] | None = None) -> Evaluator:
    return Evaluator(dataset(images), PillowCodec(), [classifier or FakeClassifier("fake", {})])


def finish(executor: Executor, tasks: list[Task]) -> dict[Task, Outcome]:
    for task in tasks:
        executor.submit(task)
    return collect(executor, tasks)


def collect(executor: Executor, tasks: list[Task]) -> dict[Task, Outcome]:
    found: dict[Task, Outcome] = {}
    while len(found) < len(tasks):
        for outcome in executor.collect():
            assert outcome.task not in found
            found[outcome.task] = outcome
    return found


def measurements(found: dict[Task, Outcome]) -> list[Measurement | None]:
    return [found[task].measurement for task in TASKS]


def expected(by: Evaluator) -> list[Measurement | None]:
    return [by.evaluate(task) for task in TASKS]


def mapped(path: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """``images`` as a memory map of the file at ``path``, as the cache gives them."""
    np.save(path, images)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def settings(**search: Any) -> RunSettings:
    return RunSettings(
        search=SearchSettings(**{"trials": 8, "seed": 3, "qualities": (30, 50, 80), **search}),
        dataset=DatasetSettings(spec="fake"),
        classifiers=(ClassifierSettings(spec="fake:fail=11"),),
    )


def trials(run: Run) -> list[Trial]:
    reference, search = run.trials()
    return [*reference, *search]


class TestCluster:
    def test_it_measures_what_this_process_measures(self, cluster: Cluster) -> None:
        with executor_for(evaluator(), 1, name=f"dask:{cluster.address}") as executor:
            assert executor.capacity == 2
            found = finish(executor, TASKS)
        assert measurements(found) == expected(evaluator())

    def test_pieces_are_on_all_workers_at_once_and_join_to_one_evaluation(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        images = fake_images(3 * 64 + 5)
        whole = evaluator(images=images).evaluate(TASKS[0])
        gated = Gated(tmp_path, workers=2)
        with DaskExecutor(evaluator(gated, images), 1, scheduler=cluster.address, piece_images=60) as executor:
            (outcome,) = finish(executor, TASKS[:1]).values()
        assert len(gated.began()) == 2
        assert outcome.measurement == whole
        assert outcome.measurement is not None
        for name, sums in whole.totals().items():
            np.testing.assert_array_equal(outcome.measurement.totals()[name], sums)

    def test_a_trial_fails_as_its_first_failing_piece_does(self, cluster: Cluster) -> None:
        images = fake_images(2 * 64)
        images[70] = images[3] = 255
        failing = FunctionClassifier(_fails_at_white, classes=5)
        with DaskExecutor(evaluator(failing, images), 1, scheduler=cluster.address, piece_images=64) as executor:
            (outcome,) = finish(executor, TASKS[-1:]).values()
        assert (outcome.measurement, outcome.reason) == (None, "ValueError: white at 3")

    def test_a_function_of_the_caller_travels(self, cluster: Cluster) -> None:
        weights = fake_weights()
        classifier = FunctionClassifier(lambda images: images.reshape(len(images), -1).astype(np.int64) @ weights, 5)
        with executor_for(evaluator(classifier), 1, name=f"dask:{cluster.file}") as executor:
            found = finish(executor, TASKS)
        assert measurements(found) == expected(evaluator())

    def test_images_that_are_not_there_are_sent_once(
        self, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images = mapped(tmp_path / "images.npy", fake_images(seed=4))
        (tmp_path / "images.npy").unlink()
        monkeypatch.setattr(dask_executor, "SHIPPED_BYTES", 4 * images[0].nbytes)
        for _ in range(2):
            with executor_for(evaluator(images=images), 1, name=f"dask:{cluster.address}") as executor:
                found = finish(executor, TASKS)
            assert measurements(found) == expected(evaluator(images=images))
        kept = sorted(path.suffix for path in (cluster.folder / "cache" / "images").iterdir())
        assert [suffix for suffix in kept if suffix != ".lock"] == [".json", ".npy"]

    def test_other_images_at_the_same_place_are_refused(self, cluster: Cluster, tmp_path: Path) -> None:
        images = mapped(tmp_path / "images.npy", fake_images(seed=5))
        mapped(tmp_path / "others.npy", fake_images(seed=6))
        (tmp_path / "others.npy").replace(tmp_path / "images.npy")
        ours, theirs = (dataset(fake_images(seed=seed)).digest[:12] for seed in (5, 6))
        with pytest.raises(InputError, match=f"images of made-up have the digest {theirs}, not {ours}"):
            run_on(cluster, evaluator(images=images))

    def test_a_network_that_is_only_here_is_refused(
        self, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "only_here.py").write_text(
            "from tests.fakes import FakeClassifier\nclass Ours(FakeClassifier): pass\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        import only_here  # type: ignore[import-not-found]

        with pytest.raises(InputError, match=r"cannot load the networks.*No module named 'only_here'"):
            run_on(cluster, evaluator(only_here.Ours("ours", {})))

    def test_a_network_whose_file_is_not_there_is_refused(self, cluster: Cluster, tmp_path: Path) -> None:
        (tmp_path / "weights").touch()
        (here := evaluator(FromFile(tmp_path / "weights"))).evaluate(TASKS[0])
        (tmp_path / "weights").unlink()
        with pytest.raises(InputError, match=r"cannot measure: FileNotFoundError: .*weights"):
            run_on(cluster, here)

    def test_the_command_measures_there(self, cluster: Cluster, cli: Callable[..., Finished], tmp_path: Path) -> None:
        same = ("--dataset", "fake", "--classifier", "fake", "--trials", "6", "--confirm", "0")
        there = ("--executor", "dask", "--scheduler", cluster.address)
        made = cli("run", "--name", "there", *same, *there)
        assert made.status == 0, made.stderr
        assert f"the workers of {cluster.address}" in made.stderr
        assert cli("run", "--name", "here", *same, "--workers", "1", "--executor", "serial").status == 0
        assert trials(Run.open(tmp_path / "runs" / "there")) == trials(Run.open(tmp_path / "runs" / "here"))


def _fails_at_white(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    white = np.flatnonzero((images > 250).all(axis=(1, 2, 3)))
    if len(white):
        raise ValueError(f"white at {white[0]}")
    return np.zeros((len(images), 5))


def run_on(cluster: Cluster, by: Evaluator) -> None:
    with executor_for(by, 1, name=f"dask:{cluster.address}") as executor:
        finish(executor, TASKS)


class TestWorkersComeAndGo:
    def test_one_is_killed_mid_trial_and_one_joins_late(self, own: Cluster, tmp_path: Path) -> None:
        gated = Gated(tmp_path, workers=2)
        first = own.worker()
        with executor_for(evaluator(gated), 1, name=f"dask:{own.address}") as executor:
            for task in TASKS:
                executor.submit(task)
            while not gated.began():
                time.sleep(0.01)
            own.end(first)
            second = own.worker()
            found = collect(executor, TASKS)
        assert set(gated.began()) == {first.pid, second.pid}
        assert measurements(found) == expected(evaluator())

    def test_one_that_dies_with_its_answer_is_replaced(
        self, own: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dask_executor, "GATHER_S", 0.1)
        first = own.worker()
        with executor_for(evaluator(), 1, name=f"dask:{own.address}") as executor:
            assert isinstance(executor, DaskExecutor)
            executor.submit(TASKS[0])
            while executor._finished.empty():
                time.sleep(0.01)
            own.end(first)
            own.worker()
            (outcome,) = collect(executor, TASKS[:1]).values()
        assert outcome.measurement == evaluator().evaluate(TASKS[0])

    def test_without_any_for_long_the_search_ends(self, own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dask_executor, "WORKERLESS_S", 0.0)
        with pytest.raises(RunError, match=f"no worker has been at {own.address} .* 'dask worker"):
            run_on(own, evaluator())

    def test_another_pillow_is_refused_by_name(self, own: Cluster, tmp_path: Path) -> None:
        (tmp_path / "other_pillow.py").write_text("import PIL.Image\nPIL.__version__ = '0.1'\n")
        own.worker("--preload", str(tmp_path / "other_pillow.py"))
        with pytest.raises(InputError, match=r"differs from this machine: Pillow is 0.1 and not \d"):
            run_on(own, evaluator())
        own.wait_for(1)
        with pytest.raises(InputError, match=r"differs from this machine: Pillow is 0.1 and not \d"):
            executor_for(evaluator(), 1, name=f"dask:{own.address}")

    def test_one_without_qsearch_is_named(self, own: Cluster, tmp_path: Path) -> None:
        (tmp_path / "without.py").write_text("import sys\nsys.modules['qsearch'] = None\n")
        own.worker("--preload", str(tmp_path / "without.py"))
        own.wait_for(1)
        with pytest.raises(InputError, match=r"the worker tcp://127.0.0.1:\d+ cannot run qsearch \d.*install it there"):
            executor_for(evaluator(), 1, name=f"dask:{own.address}")

    def test_other_weights_are_refused_by_name(self, own: Cluster, tmp_path: Path) -> None:
        (tmp_path / "weights.py").write_text("import os\nos.environ['WEIGHTS_HERE'] = 'others'\n")
        own.worker("--preload", str(tmp_path / "weights.py"))
        with pytest.raises(InputError, match="of elsewhere, digest is others and not as on the client"):
            run_on(own, evaluator(Elsewhere("elsewhere", {})))


@pytest.mark.usefixtures("plugins")
def test_a_run_whose_scheduler_is_killed_goes_on_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_executor, "GATHER_S", 0.5)  # for an answer that was on its way from there
    create = Run.create(tmp_path / "whole", settings(), build_evaluator(settings(), workers=1))
    create.resume(executor="serial", workers=1)
    broken = Run.create(tmp_path / "broken", settings(), build_evaluator(settings(), workers=1))
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.worker()

        def kill(trial: Trial) -> None:
            if trial.label == "2":
                cluster.end(cluster.scheduler)

        with pytest.raises(RunError, match=f"the scheduler at {cluster.address} is gone: .*'qsearch resume'"):
            broken.resume(executor=f"dask:{cluster.address}", on_trial=kill)
    before = trials(broken)
    assert "2" in [trial.label for trial in before]
    Run.open(tmp_path / "broken").resume(executor="serial", workers=1)
    after = trials(broken)
    assert after == trials(create)
    assert [trial for trial in after if trial in before] == before


def test_over_tls_by_dasks_own_configuration(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    certificate = tmp_path / "both.pem"
    command = "openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=test -keyout both.pem -out certificate.pem"
    subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    with certificate.open("a") as file:
        file.write((tmp_path / "certificate.pem").read_text())
    tls = {"ca-file": str(tmp_path / "certificate.pem")}
    tls |= {f"{who}.cert": str(certificate) for who in ("scheduler", "worker", "client")}
    configuration = {f"distributed.comm.tls.{name}": value for name, value in tls.items()}
    configuration["distributed.comm.require-encryption"] = "True"
    environment = {
        f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": value for name, value in configuration.items()
    }
    with Cluster(tmp_path / "cluster", environment, ("--protocol", "tls")) as cluster:
        cluster.worker()
        assert cluster.address.startswith("tls://")
        with dask.config.set(configuration):
            run_on(cluster, evaluator())
        with pytest.raises(InputError, match="no Dask scheduler answers"):  # without a certificate
            run_on(cluster, evaluator())


class TestThisMachine:
    def test_its_workers_listen_on_the_loopback_device_alone(self) -> None:
        before = set(listening())
        with DaskExecutor(evaluator(), 1):
            addresses = set(listening()) - before
        assert {address for address, _ in addresses} == {"127.0.0.1"}

    def test_each_worker_sees_one_gpu(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")

        def both(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
            (tmp_path / os.environ["CUDA_VISIBLE_DEVICES"]).touch()
            while len(list(tmp_path.iterdir())) < 2:
                time.sleep(0.01)
            return np.zeros((len(images), 5))

        with DaskExecutor(evaluator(FunctionClassifier(both, classes=5)), 2, gpus=2) as executor:
            found = finish(executor, TASKS)
        assert None not in measurements(found)
        assert {path.name for path in tmp_path.iterdir()} == {"4", "7"}

    def test_ctrl_c_reaches_this_process_alone(self, tmp_path: Path) -> None:
        gated = Gated(tmp_path, workers=2)
        with DaskExecutor(evaluator(gated), 1) as executor:
            executor.submit(TASKS[0])
            while not gated.began():
                time.sleep(0.01)
            for process in gated.began():
                os.kill(process, signal.SIGINT)
            (tmp_path / "go").touch()
            (outcome,) = collect(executor, TASKS[:1]).values()
        assert len(gated.began()) == 1
        assert outcome.measurement is not None


def listening() -> list[tuple[str, int]]:
    """Addresses and ports where this process and its descendants listen."""
    this = psutil.Process()
    found = [each.net_connections("tcp") for each in (this, *this.children(recursive=True))]
    return [tuple(each.laddr) for each in chain.from_iterable(found) if each.status == psutil.CONN_LISTEN]


class TestBadInput:
    @pytest.mark.parametrize("address", ["127.0.0.1:9", "tcp://127.0.0.1:9", "nowhere://x", "tcp://127.0.0.1:-1"])
    def test_where_nothing_listens(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dask_executor, "CONNECT_S", 0.3)
        with pytest.raises(InputError, match=f"no Dask scheduler answers at {address} within 0.3 s .*start one"):
            executor_for(evaluator(), 1, name=f"dask:{address}")

    def test_something_else_that_listens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import socket

        monkeypatch.setattr(dask_executor, "CONNECT_S", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(InputError, match=f"no Dask scheduler answers at 127.0.0.1:{port}"):
                executor_for(evaluator(), 1, name=f"dask:127.0.0.1:{port}")

    def test_workers_together_with_a_scheduler(self, cli: Callable[..., Finished]) -> None:
        finished = cli("run", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:9", "--workers", "2")
        assert finished.status == 2
        assert "--workers is for workers of this machine's own" in finished.sentence

    def test_a_scheduler_for_workers_of_this_machine(self, cli: Callable[..., Finished]) -> None:
        finished = cli("resume", "demo", "--executor", "serial", "--scheduler", "tcp://127.0.0.1:9")
        assert finished.status == 2
        assert "--scheduler is for --executor dask" in finished.sentence
        with pytest.raises(InputError, match="starts its own workers"):
            executor_for(evaluator(), 1, name="serial:tcp://127.0.0.1:9")

    def test_a_missing_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        monkeypatch.delitem(sys.modules, "qsearch.executors.dask")
        monkeypatch.delattr("qsearch.executors.dask")
        forget_entry_points()
        with pytest.raises(MissingDependencyError, match=r"pip install 'qsearch\[dask\]'"):
            EXECUTORS.get("dask")
        forget_entry_points()
