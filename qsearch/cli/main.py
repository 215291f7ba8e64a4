"""The ``qsearch`` command: finds the subcommand, and turns errors into one line and an exit status."""

import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click

from qsearch.errors import DiskError, QSearchError
from qsearch.text import one_line

COMMANDS = {
    "run": "qsearch.cli.run:run",
    "resume": "qsearch.cli.run:resume",
    "validate": "qsearch.cli.validate:validate",
    "measure": "qsearch.cli.measure:measure",
    "verify": "qsearch.cli.verify:verify",
    "show": "qsearch.cli.show:show",
    "trials": "qsearch.cli.trials:trials",
    "plot": "qsearch.cli.plot:plot",
    "history": "qsearch.cli.history:history",
    "report": "qsearch.cli.report:report",
    "board": "qsearch.cli.board:board",
    "compare": "qsearch.cli.compare:compare_",
    "efficiency": "qsearch.cli.efficiency:efficiency",
    "curve": "qsearch.cli.curve:curve",
    "bounds": "qsearch.cli.bounds:bounds",
    "export": "qsearch.cli.export:export",
    "evaluate": "qsearch.cli.evaluate:evaluate",
    "encode": "qsearch.cli.encode:encode",
    "shrink": "qsearch.cli.shrink:shrink",
    "learn": "qsearch.cli.learn:learn",
    "dial": "qsearch.cli.dial:dial",
    "list": "qsearch.cli.list:list_",
    "dataset": "qsearch.cli.dataset:dataset",
    "finetune": "qsearch.cli.finetune:finetune",
    "classifier": "qsearch.cli.classifier:classifier",
    "cache": "qsearch.cli.cache:cache",
}
INTERRUPTED = 130
NO_ROOM = (errno.EDQUOT, errno.EFBIG, errno.ENOSPC)
LONGEST_SENTENCE = 4000
"""Characters of an error; a terminal is for reading."""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is named, so that help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, or None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="qsearch", prog_name="qsearch")
def cli() -> None:
    """Search JPEG quantization tables for image classifiers: smaller files at the same accuracy, or better accuracy
    at the same size.

    \b
    qsearch run --trials 300 --name demo     search on the embedded images and network
    qsearch show demo                        what was found
    qsearch plot demo                        the frontier, as a picture
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line.

    Exit status: 0 done, 1 the run failed or the reader of a pipe went away, 2 wrong input or a disk that refuses, 130
    interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files that are no text are shown escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: Any = cli(args=arguments, prog_name="qsearch", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        status = 0
        click.echo(error.format_message())
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "qsearch"
        _fail(f"{error.format_message()} (see '{where} --help')", error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except QSearchError as error:
        _fail(str(error), error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        _fail("interrupted.", INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): nobody is left to be told.
        _drop_output()
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno in NO_ROOM:  # files are written in words of their own
            _drop_output()
            _fail(f"standard output cannot be written ({error.strerror}): make room.", DiskError.exit_status)
        _fail(f"the system refused: {error}.", DiskError.exit_status)
    finally:
        signal.signal(signal.SIGTERM, handler)
    sys.exit(status if isinstance(status, int) else 0)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _drop_output() -> None:
    """What still waits to be written goes nowhere, so that the interpreter does not stumble over it in the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(sentence: str, status: int) -> None:
    click.echo(f"qsearch: {one_line(sentence, LONGEST_SENTENCE)}", err=True)
    sys.exit(status)
