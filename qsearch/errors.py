"""The error tree: every sentence a user may see comes from here; each also is the built-in error it resembles."""


class QSearchError(Exception):
    """Base of all errors this package raises on purpose. ``str(error)`` is one sentence for the user."""

    exit_status = 1


class InputError(QSearchError, ValueError):
    """What the user gave cannot be used: an argument, a file, a folder, an array."""

    exit_status = 2


class MissingDependencyError(InputError, ImportError):
    """An optional package is needed and not installed; the sentence names the extra to install."""


class RunError(QSearchError, RuntimeError):
    """A run cannot go on: too many failures, another process at work on it."""


class DiskError(RunError):
    """A file cannot be written or read: the disk is full or read-only, or its folder is not there."""

    exit_status = 2


class EvaluationError(QSearchError, RuntimeError):
    """One evaluation went wrong; the search records the trial as failed with this reason and goes on."""
