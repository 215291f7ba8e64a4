"""The error tree: what users catch, and the exit statuses that scripts rely on."""

import pytest

from qsearch import errors


@pytest.mark.parametrize(
    ("error", "built_in", "exit_status"),
    [
        (errors.InputError, ValueError, 2),
        (errors.MissingDependencyError, ImportError, 2),
        (errors.RunError, RuntimeError, 1),
        (errors.DiskError, RuntimeError, 2),
        (errors.EvaluationError, RuntimeError, 1),
    ],
)
def test_errors_are_also_the_built_in_ones_they_resemble(
    error: type[errors.QSearchError], built_in: type[Exception], exit_status: int
) -> None:
    assert issubclass(error, errors.QSearchError)
    assert issubclass(error, built_in)
    assert error.exit_status == exit_status
    assert str(error("one sentence.")) == "one sentence."
