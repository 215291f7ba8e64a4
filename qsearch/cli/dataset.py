"""``qsearch dataset``: getting and building the datasets that are not embedded."""

import dataclasses
from pathlib import Path

import click

from qsearch.cli.dataset_show import show
from qsearch.cli.progress import Progress
from qsearch.datasets.imagenetv2.publication import CLASSES, IMAGES_PER_CLASS, PUBLIC_SETS, Addresses

FETCHED = {f"imagenetv2-{sampling}": sampling for sampling in PUBLIC_SETS}

hub_option = click.option(
    "--hub", metavar="URL", help=f"The folder with the public tarballs, or a mirror of it.  [default: {Addresses.hub}]"
)
connections_option = click.option(
    "--connections", type=click.IntRange(1, 32), default=8, show_default=True, help="Downloads at once."
)


@click.group()
def dataset() -> None:
    """Look at, get and build datasets."""


dataset.add_command(show)


@dataset.group()
def build() -> None:
    """Build a dataset from what is public."""


@build.command("imagenetv2")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to build in, for --dataset imagenetv2:PATH.",
)
@click.option(
    "--sampling",
    type=click.Choice(list(PUBLIC_SETS)),
    default="matched-frequency",
    show_default=True,
    help="Which of the three test sets.",
)
@click.option("--classes", type=click.IntRange(1, CLASSES), default=500, show_default=True, help="So many, drawn.")
@click.option(
    "--per-class", type=click.IntRange(1, IMAGES_PER_CLASS), default=5, show_default=True, help="Images of each, drawn."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of both drawings.")
@click.option("--other-classes", is_flag=True, help="All the classes that are not drawn: the half to validate on.")
@click.option(
    "--metadata",
    type=click.Path(path_type=Path),
    help="A clone of the repository modestyachts/ImageNetV2.  [default: download its lists]",
)
@click.option(
    "--flickr-key",
    envvar="FLICKR_API_KEY",
    show_envvar=True,
    help="A Flickr API key, to find the largest sizes and the licences, at two seconds a photo as Flickr allows.  "
    "[default: the addresses of 2018]",
)
@click.option(
    "--public-images",
    type=click.Path(path_type=Path),
    help="The test set's public tarball, or the folder it was unpacked to.  [default: download it if needed]",
)
@click.option("--unreachable-as-missing", is_flag=True, help="Take public images also where a server does not answer.")
@click.option("--originals/--no-originals", default=True, help="Keep the photographs as they came.  [default: yes]")
@connections_option
@hub_option
@click.pass_context
def build_imagenetv2(
    ctx: click.Context,
    out: Path,
    sampling: str,
    classes: int,
    per_class: int,
    seed: int,
    other_classes: bool,
    metadata: Path | None,
    flickr_key: str | None,
    public_images: Path | None,
    unreachable_as_missing: bool,
    originals: bool,
    connections: int,
    hub: str | None,
) -> None:
    """Rebuild ImageNetV2 from the original photographs on Flickr (Li 2020).

    Photographs that are gone are taken from the public images of at most 500 pixels. The defaults give the 2,500
    images of the paper's search; the same with --other-classes gives those to validate on. Interrupted or killed, the
    same command goes on where it stopped.
    """
    from qsearch.datasets.download import Downloader, Politeness
    from qsearch.datasets.imagenetv2.build import Sources
    from qsearch.datasets.imagenetv2.build import build as build_
    from qsearch.datasets.imagenetv2.manifest import BuildSettings

    settings = BuildSettings(
        sampling=sampling,
        classes=classes,
        per_class=per_class,
        seed=seed,
        other_classes=other_classes,
        originals=originals,
    )
    sources = Sources(_addresses(ctx, hub), metadata, flickr_key or None, public_images, unreachable_as_missing)
    downloader = Downloader(Politeness(connections=connections))
    with Progress() as progress:
        built = build_(out, settings, sources, downloader, progress)
    click.echo(
        f"{out}: {built.originals + built.public} images, {built.originals} from the original photographs and "
        f"{built.public} from the public images of at most 500 pixels."
    )
    for reason, count in built.missing.items():
        click.echo(f"  {count} {reason}")
    click.echo(f"Use it with --dataset imagenetv2:{out}")


@dataset.command()
@click.argument("name", type=click.Choice(list(FETCHED)))
@click.option("--out", type=click.Path(path_type=Path), help="The folder to put it in.  [default: qsearch's cache]")
@hub_option
@click.pass_context
def fetch(ctx: click.Context, name: str, out: Path | None, hub: str | None) -> None:
    """Download a public tarball as it is.

    In the cache 'qsearch dataset build' finds it. Interrupted or killed, the same command goes on where it stopped.
    """
    import hashlib

    from qsearch.datasets.download import Downloader
    from qsearch.datasets.imagenetv2.public_images import downloads_folder, fetch_tarball

    with Progress() as progress:
        path = fetch_tarball(FETCHED[name], out or downloads_folder(), Downloader(), _addresses(ctx, hub), progress)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    click.echo(f"{path}: {path.stat().st_size} bytes, SHA-256 {sha256}")


def _addresses(ctx: click.Context, hub: str | None) -> Addresses:
    """The addresses of a caller from Python, else the usual ones, with the user's hub in place of theirs."""
    addresses = ctx.find_object(Addresses) or Addresses()
    return dataclasses.replace(addresses, hub=hub.rstrip("/")) if hub else addresses
