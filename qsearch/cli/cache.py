"""``qsearch cache``: what is kept beside the runs so that it need not be made again, and how to be rid of it."""

import json

import click

from qsearch.cli.declared import Number
from qsearch.datasets.cache import cache_folder
from qsearch.datasets.cache_contents import KINDS, cache_entries, clear
from qsearch.report import wording


@click.group()
def cache() -> None:
    """See and clear what is kept to save time: prepared images, converted networks, downloads."""


@cache.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def show(json_: bool) -> None:
    """Print where the cache is and how much of each kind it holds."""
    sizes = {kind: [entry.size_bytes for entry in cache_entries() if entry.kind == kind] for kind in KINDS}
    total = sum(map(sum, sizes.values()))
    if json_:
        kinds = {kind: {"entries": len(each), "bytes": sum(each)} for kind, each in sizes.items()}
        click.echo(json.dumps({"folder": str(cache_folder()), "bytes": total, "kinds": kinds}, indent=2))
        return
    click.echo(f"Cache {cache_folder()} (QSEARCH_CACHE names another place)")
    for kind, each in sizes.items():
        click.echo(f"  {kind:<10} {_entries(len(each)):>13}  {wording.size(sum(each)):>9}  {KINDS[kind]}")
    click.echo(f"In all {wording.size(total)}; 'qsearch cache clear' removes what is not in use.")


@cache.command("clear")
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="Only these.  [default: all]")
@click.option(
    "--older-than",
    type=Number(min=0),
    default=0.0,
    metavar="DAYS",
    help="Only what was neither read nor written for so many days.  [default: everything]",
)
def clear_(kinds: tuple[str, ...], older_than: float) -> None:
    """Remove what the cache holds. It is made again, or fetched again, when it is needed.

    What a process writes or uses at the moment stays.
    """
    done = clear((entry for entry in cache_entries() if entry.kind in (kinds or KINDS)), older_than)
    stays = f"; {_entries(done.in_use)} in use stayed" if done.in_use else ""
    click.echo(f"removed {_entries(done.entries)}, {wording.size(done.size_bytes)}{stays}")


def _entries(count: int) -> str:
    return f"{count:,} entr{'y' if count == 1 else 'ies'}"
