"""The options that say how a picture looks: its size and its title."""

import re
from pathlib import Path

import click
from click.decorators import FC

from qsearch.report.axes import Look

LARGEST_INCHES = 60


class _Size(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 alone
    """WIDTHxHEIGHT in inches, as two numbers."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: str | tuple[float, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        sides = re.fullmatch(r"(\d{1,3}(?:\.\d{1,4})?)x(\d{1,3}(?:\.\d{1,4})?)", value)
        width, height = (0.0, 0.0) if sides is None else (float(side) for side in sides.groups())
        if not (1 <= width <= LARGEST_INCHES and 1 <= height <= LARGEST_INCHES):
            self.fail(f"a size is WIDTHxHEIGHT in inches from 1 to {LARGEST_INCHES}, 6.5x4 for one; got {value!r}.")
        return width, height


def look_of(out: Path | None, title: str | None, size: tuple[float, float] | None) -> Look:
    """How the picture ``out`` is to look; UsageError where there is none and somebody said how."""
    if out is None and (title is not None or size is not None):
        raise click.UsageError("--size and --title are a picture's: give --out FILE, too.")
    return Look(title, size)


def look_options(function: FC) -> FC:
    """``--size WIDTHxHEIGHT`` and ``--title TEXT``, of the whole picture."""
    size = click.option("--size", type=_Size(), help="Of the picture, in inches: 6.5x4.  [default: what it holds]")
    title = click.option(
        "--title",
        help="Over the picture in place of its own title; '' leaves out the line that says what was measured, too.",
    )
    return size(title(function))
