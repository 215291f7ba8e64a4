"""``qsearch dataset show``: what a dataset holds, in words, as JSON and as a contact sheet."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qsearch.cli.options import preparation_options, settings_of_dataset
from qsearch.datasets.overview import Overview, Sources, Spread, overview

NAMED = 5
"""How many groups of copies, and images of each, are named."""


@click.command()
@click.argument("dataset")
@preparation_options
@click.option("--sheet", type=click.Path(path_type=Path, dir_okay=False), help="Also write a contact sheet: a .png.")
@click.option("--json", "json_", is_flag=True, help="As JSON, every class and every copy included.")
def show(sheet: Path | None, json_: bool, **given: Any) -> None:
    """Print what DATASET (textures:search, folder:PATH, ...) holds: sizes, classes, copies, what its files were."""
    from qsearch.run.building import build_dataset

    dataset = build_dataset(settings_of_dataset(given))
    found = overview(dataset)
    if sheet is not None:
        from qsearch.report.contact_sheet import contact_sheet, save_sheet

        save_sheet(contact_sheet(dataset), sheet)
        click.echo(f"wrote {sheet}", err=True)
    click.echo(json.dumps(_as_json(found), indent=2) if json_ else "\n".join(_lines(found)))


def _as_json(found: Overview) -> dict[str, Any]:
    sources = None if found.sources is None else {**asdict(found.sources), "jpeg": found.sources.jpeg}
    return {**asdict(found), "sources": sources}


def _lines(found: Overview) -> Iterator[str]:
    yield f"Dataset {found.name}"
    yield f"Images:  {found.images} of {found.width}x{found.height} pixels"
    yield f"Classes: {_classes(found)}"
    yield f"Copies:  {_copies(found)}"
    yield from _sources(found.sources)
    yield f"Digest:  {found.digest}"
    yield from (f"Note:    {note}" for note in found.notes)


def _classes(found: Overview) -> str:
    if found.truth == "unknown":
        return "none, the images have no labels: search on them with --labels predicted"
    counts = Spread.of([count for count in found.images_per_class.values() if count])
    empty = sum(count == 0 for count in found.images_per_class.values())
    each = (
        f"{counts.smallest} images each"
        if counts.smallest == counts.largest
        else f"{counts.smallest} to {counts.largest} images each, median {counts.median}"
    )
    return f"{len(found.images_per_class) - empty}, {each}" + (f"; {empty} more without any image" if empty else "")


def _copies(found: Overview) -> str:
    if not found.copies:
        return "none, no two images have equal pixels"
    more = sum(len(group.images) - 1 for group in found.copies)
    groups = "; ".join(_some(group.images, " = ") for group in found.copies[:NAMED])
    rest = f"; {len(found.copies) - NAMED} more groups" if len(found.copies) > NAMED else ""
    contradicting = sum(len(group.classes) > 1 for group in found.copies)
    labels = f"; the labels of {contradicting} of {len(found.copies)} groups contradict" if contradicting else ""
    repeat = "1 image repeats another" if more == 1 else f"{more} images repeat others"
    return f"{repeat} ({groups}{rest}){labels}"


def _some(names: Sequence[str], between: str) -> str:
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return between.join(names[:NAMED]) + rest


def _sources(sources: Sources | None) -> Iterator[str]:
    if sources is None:
        yield "Files:   not known what the images were made from"
        return
    formats = ", ".join(f"{count} {name}" for name, count in sources.formats.items())
    width, height = sources.width, sources.height
    gone = f"; {sources.unreadable} more cannot be read any more" if sources.unreadable else ""
    yield (
        f"Files:   {formats}, {sources.size_bytes / 1e6:.1f} MB, {_from_to(width)} pixels wide, {_from_to(height)} high"
        f"{gone}"
    )
    if sources.jpeg:
        yield (
            f"JPEG:    {sources.jpeg} of {sources.files} files were JPEG before: what is measured on these is double "
            f"compression, {_scaled(sources)}"
        )
    else:
        yield "JPEG:    none of the files, though their pixels may have been JPEG earlier"


def _from_to(spread: Spread) -> str:
    if spread.smallest == spread.largest:
        return str(spread.smallest)
    return f"{spread.smallest} to {spread.largest} (median {spread.median})"


def _scaled(sources: Sources) -> str:
    if not sources.jpeg_unscaled:
        return "though at another size, which blurs the traces of the first"
    return f"with {sources.jpeg_unscaled} at their own size, where the 8x8 blocks of both coincide"
