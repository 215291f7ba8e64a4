"""A Dask cluster for tests: scheduler and workers in processes of their own, on the loopback device alone."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import distributed

from tests.conftest import REPOSITORY

START_S = 60.0


@dataclass
class Cluster:
    """Processes in ``folder``, their output in files there. A context manager; what still runs in the end is killed.

    environment: beside this process's own; the cache of workers is ``folder/cache``.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    security: Sequence[str] = ()
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """What the scheduler writes its address into."""
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        """The scheduler's."""
        import json

        return str(json.loads(self.file.read_text())["address"])

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.scheduler = self._start("scheduler", "--scheduler-file", str(self.file), "--no-dashboard", "--port", "0")
        until = time.monotonic() + START_S
        while not self.file.is_file():
            assert time.monotonic() < until, self.said()
            assert self.scheduler.poll() is None, self.said()
            time.sleep(0.02)
        return self

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """A new worker without a nanny."""
        return self._start(
            "worker",
            *("--scheduler-file", str(self.file), "--nthreads", "1", "--no-nanny", "--no-dashboard"),
            *("--local-directory", str(self.folder / "scratch"), "--death-timeout", "60", *options),
        )

    def wait_for(self, workers: int) -> None:
        """Until so many workers are there."""
        with distributed.Client(scheduler_file=str(self.file), set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=START_S)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kills it, as a machine that loses its power."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def said(self) -> str:
        """All that was printed."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "QSEARCH_CACHE": str(self.folder / "cache"),
            **self.environment,
        }
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.dask_{what}",
            "--host",
            "127.0.0.1",
            *self.security,
            *options,
        ]
        with (self.folder / f"{what}-{uuid.uuid4().hex}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def __exit__(self, *error: Any) -> None:
        for process in self.processes:
            self.end(process)
