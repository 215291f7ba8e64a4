"""``qsearch classifier``: what a network is, how fast and how right; which networks the libraries have."""

import fnmatch
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
import msgspec

from qsearch.cli import completion
from qsearch.cli.options import network_options, preparation_options, settings_of_classifier, settings_of_dataset
from qsearch.errors import InputError
from qsearch.registry import nearest_names

if TYPE_CHECKING:
    from qsearch.analysis.network_card import NetworkCard


@click.group()
def classifier() -> None:
    """Look at networks."""


@classifier.command()
@click.argument("spec", metavar="CLASSIFIER", shell_complete=completion.registered("classifiers"))
@network_options
@click.option(
    "--dataset",
    shell_complete=completion.registered("datasets"),
    help="Measure top-1 on these images, uncompressed: textures:test, folder:PATH, ...",
)
@preparation_options
@click.option("--json", "json_", is_flag=True, help="As JSON, every class name included.")
def show(spec: str, json_: bool, **given: Any) -> None:
    """Print what CLASSIFIER takes and answers, its digest, its speed here, and its accuracy on a dataset."""
    from qsearch.analysis.network_card import network_card
    from qsearch.analysis.plausibility import better_normalisation
    from qsearch.run.building import build_classifier, build_dataset, usable_cores

    wanted = settings_of_classifier(spec, given)
    network = build_classifier(wanted, usable_cores(), trust_pickle=given["trust_pickle"])
    images = build_dataset(settings_of_dataset(given)) if given["dataset"] else None
    note = None if images is None else better_normalisation(network, images)
    if note is not None:
        click.echo(note, err=True)
    reference = None
    if (wanted.precision != "float32" or wanted.compile) and images is not None:
        exact = msgspec.structs.replace(wanted, precision="float32", compile=False)
        reference = build_classifier(exact, usable_cores(), trust_pickle=given["trust_pickle"])
    card = network_card(network, images, reference)
    click.echo(json.dumps(msgspec.to_builtins(asdict(card)), indent=2) if json_ else _as_text(card, usable_cores()))


def _as_text(card: "NetworkCard", threads: int) -> str:
    known = {"name", "digest", "input_size", "preprocessing", "device", "precision", "engine", "compiled"}
    settings = card.settings
    size = settings.get("input_size", "of its own")
    engine = settings.get("engine", "?")
    where = f"{engine} on {settings.get('device', 'cpu')}, {settings.get('precision', 'float32')}"
    where += ", compiled" if settings.get("compiled") else ""
    lines = {
        "Classifier": card.name,
        "Input": f"{size} pixels, RGB",
        "Preprocessing": settings.get("preprocessing", "its own"),
        "Classes": f"{card.classes}, {_named(card.class_names)}",
        "Digest": card.digest,
        **{key.replace("_", " "): value for key, value in settings.items() if key not in known},
        "Engine": where,
    }
    if card.images_per_s is not None:
        cores = "" if settings.get("device") == "cuda" else f" with {threads} threads"
        lines["Speed here"] = f"{card.images_per_s:.1f} images/s{cores}"
    if card.accuracy is not None:
        found = card.accuracy
        lines["Accuracy"] = (
            f"top-1 {100 * found.top1:.2f} %, top-5 {100 * found.top5:.2f} % on the {found.images} images of "
            f"{found.dataset}, uncompressed"
        )
    if card.flips is not None:
        lines["Flips"] = f"{card.flips.flipped} of {card.flips.images} first answers are others than in float32"
    width = max(map(len, lines)) + 2
    return "\n".join(f"{label + ':':{width}}{value}" for label, value in lines.items())


def _named(names: tuple[str, ...] | None) -> str:
    if names is None:
        return "without names: a dataset's classes go by their order"
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:3])}, ... {names[-1]}"


@classifier.command("list")
@click.argument("library", type=click.Choice(["torchvision", "timm"]))
@click.argument("pattern", default="*")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def list_(library: str, pattern: str, json_: bool) -> None:
    """List the networks of LIBRARY with their weight sets; PATTERN as in 'resnet*'."""
    networks = _networks(library)
    found = {name: sets for name, sets in networks.items() if fnmatch.fnmatch(name, pattern)}
    if not found:
        raise InputError(f"{library} has no network called {pattern!r}: {nearest_names(pattern, networks)}")
    if json_:
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for name, sets in found.items():
        click.echo(f"{name:{width}}  {', '.join(sets)}".rstrip())


def _networks(library: str) -> dict[str, tuple[str, ...]]:
    if library == "torchvision":
        from qsearch.classifiers import torchvision

        return torchvision.weight_sets()
    from qsearch.classifiers import timm

    return timm.weight_sets()
