"""Writes docs/commands.md, every command with every option, from the commands themselves: `make commands`."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from qsearch.cli.main import cli

PAGE = Path(__file__).parent / "commands.md"
HEAD = """\
<!-- Made by docs/generate_commands.py from the commands' own help; `make commands` makes it anew. -->

# Every command

What `qsearch COMMAND --help` says, for all of them. `-h` and `--help` are options of each.
"""


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """``command`` and all below it, each with the context that it is called in."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, click.Context(below, context, info_name=name))


def page() -> str:
    """The page, as Markdown."""
    sections = [_section(each, context) for each, context in commands(cli, click.Context(cli, info_name="qsearch"))]
    return "\n".join([HEAD, *sections])


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"{'#' * min(2 + context.command_path.count(' '), 4)} {context.command_path}", ""]
    lines += [f"    {context.command_path} {usage}", "", *_paragraphs(command.help or "")]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts and not isinstance(parameter, click.Argument):
            declared, text = record
            lines.append(f"- `{declared}`" + (f": {_escaped(text)}" if text else ""))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                lines.append(f"- [{name}](#{context.command_path.replace(' ', '-')}-{name}): {_summary(below)}")
    return "\n".join(lines).rstrip() + "\n"


def _paragraphs(text: str) -> list[str]:
    """As Markdown; what click is told not to wrap (``\\b``) is code."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(line.strip() for line in text.strip().splitlines())):
        if paragraph.startswith("\b"):
            lines += [f"    {line}" for line in paragraph.splitlines()[1:]]
        else:
            lines.append(_escaped(" ".join(paragraph.split())))
        lines.append("")
    return lines


def _summary(command: click.Command) -> str:
    return _escaped(command.get_short_help_str(limit=200))


def _escaped(text: str) -> str:
    return re.sub(r"([*<\\`])", r"\\\1", " ".join(text.split()))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
