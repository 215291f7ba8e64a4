"""Words to calls and results to words: the ``qsearch`` command, one file per group of subcommands."""

from qsearch.cli.main import main

__all__ = ["main"]
