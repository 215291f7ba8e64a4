"""The command line within the test's own process: what starting Python anew would not change."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qsearch.cli import main


@dataclass(frozen=True)
class Finished:
    """What a process would leave."""

    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Finished]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[Call]:
    """``call("show", "demo")`` runs ``qsearch show demo`` in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QSEARCH_RUNS", raising=False)
    terminate = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> Finished:
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        captured = capfdbinary.readouterr()
        assert isinstance(exit_.value.code, int)
        return Finished(exit_.value.code, captured.out.decode(), captured.err.decode())

    yield run
    signal.signal(signal.SIGTERM, terminate)
