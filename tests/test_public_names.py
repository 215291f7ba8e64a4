"""The names of the package: importable, documented, and cheap until they are used."""

import subprocess
import sys

import pytest

import qsearch


@pytest.mark.parametrize("name", qsearch.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    assert getattr(qsearch, name).__doc__


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        qsearch.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, qsearch; print([m for m in ('numpy', 'torch', 'PIL') if m in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
