"""The options that say what a run measures and proposes, and how they become settings."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.classifiers.base import DEVICES, PRECISIONS
from qsearch.codecs.base import SUBSAMPLINGS
from qsearch.datasets.splits import KINDS
from qsearch.run.building import default_layout
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings, SearchSettings
from qsearch.space import LAYOUTS
from qsearch.strategies import STRATEGIES
from qsearch.strategies.sorted_random import DRAWS

DEFAULTS = RunSettings()
DEFAULT_WARM_UP = 400
"""Sorted random trials before an informed strategy's own: what its bounds were made of in the first comparisons."""


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


search_options = _options(
    click.option("--strategy", help=f"Who proposes tables; see 'qsearch list'.  [default: {DEFAULTS.search.strategy}]"),
    click.option("--trials", type=click.IntRange(min=1), help=f"Tables to try.  [default: {DEFAULTS.search.trials}]"),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        help=f"Trial i of a seed is always the same tables.  [default: {DEFAULTS.search.seed}]",
    ),
    click.option(
        "--layout",
        type=click.Choice(list(LAYOUTS)),
        help="Free entries: 64 for all components, 128, or 192.  [default: the strategy's, mostly shared]",
    ),
    click.option(
        "--draw",
        type=click.Choice(DRAWS),
        help="sorted-random: the authors' generator, or the paper's text.  [default: half-normal]",
    ),
    click.option(
        "--set", "options", metavar="NAME=VALUE", multiple=True, help="An option of the strategy; repeatable."
    ),
    click.option(
        "--look-ahead",
        type=click.IntRange(min=1),
        help=f"Outstanding trials of a strategy that learns.  [default: {DEFAULTS.search.look_ahead}]",
    ),
)
guidance_options = _options(
    click.option(
        "--around",
        type=click.IntRange(1, 100),
        help=f"Bounds from tables at about the ratio of this standard quality.  [default: {DEFAULTS.search.around}]",
    ),
    click.option(
        "--window", nargs=2, type=float, metavar="LOW HIGH", help="Bounds from tables of these ratios instead."
    ),
    click.option(
        "--sigma",
        type=click.FloatRange(min=0),
        help=f"Standard deviations the bounds reach beyond those tables.  [default: {DEFAULTS.search.sigma}]",
    ),
)
informed_options = _options(
    click.option("--from", "from", metavar="RUN", multiple=True, help="A run whose frontier gives bounds and fitness."),
    click.option(
        "--warm-up",
        type=click.IntRange(min=1),
        help="Without --from: sorted random trials first that give them; counted in --trials.  "
        f"[default: {DEFAULT_WARM_UP}]",
    ),
    guidance_options,
)
PREPARATION = ("size", "fit", "skip_unreadable", "per_class")
"""The options that say how images become a dataset."""
preparation_options = _options(
    click.option(
        "--size",
        type=click.IntRange(min=8),
        help="Prepare images as squares of so many pixels.  [default: as they are]",
    ),
    click.option(
        "--fit",
        type=click.Choice(["crop", "stretch"]),
        help="Shorter side to 256/224 of the size and centre crop, or the whole image.  [default: crop]",
    ),
    click.option("--skip-unreadable/--no-skip-unreadable", default=None, help="Leave out files that cannot be read."),
    click.option(
        "--per-class", type=click.IntRange(min=1), help="Draw so many images of each class.  [default: all of them]"
    ),
)
dataset_options = _options(
    click.option(
        "--dataset", help=f"textures[:SPLIT], folder:PATH, ...; see 'qsearch list'.  [default: {DEFAULTS.dataset.spec}]"
    ),
    preparation_options,
    click.option(
        "--labels",
        type=click.Choice(["given", "predicted"]),
        help="Those of the images, or the network's own answers on them uncompressed.  [default: given]",
    ),
)
network_options = _options(
    click.option("--weights", help="torchvision: a weight set's name; torchvision, timm: a file of weights."),
    click.option(
        "--mean",
        nargs=3,
        type=float,
        metavar="R G B",
        help="FILE.onnx, FILE.pt2: means of pixels in 0..1.  [default: 0]",
    ),
    click.option(
        "--std", nargs=3, type=float, metavar="R G B", help="Their standard deviations; (x - mean) / std.  [default: 1]"
    ),
    click.option(
        "--input-range",
        nargs=2,
        type=float,
        metavar="LOW HIGH",
        help="FILE.onnx, FILE.pt2: what the network takes for 0 and 1, after mean and std.  [default: 0 1]",
    ),
    click.option("--class-names", metavar="FILE", help="The classes in the order of the logits, one per line."),
    click.option(
        "--device", type=click.Choice(DEVICES), help="Where the network runs.  [default: auto, a GPU if there is one]"
    ),
    click.option("--precision", type=click.Choice(PRECISIONS), help="On a GPU.  [default: float32]"),
)
classifier_options = _options(
    click.option(
        "--classifier",
        multiple=True,
        help="textures-cnn, torchvision:NAME, timm:NAME, FILE.onnx, FILE.pt2; of several, the mean accuracy.  "
        f"[default: {DEFAULTS.classifiers[0].spec}]",
    ),
    network_options,
)
OF_ONE_NETWORK = ("weights", "mean", "std", "input_range", "class_names")
"""The options that say what one network is."""
measuring_options = _options(
    dataset_options,
    click.option(
        "--split",
        type=click.Choice(KINDS),
        help="Search on half of the classes, or of each class's images; 'validate --split' takes the other half.",
    ),
    classifier_options,
    click.option("--codec", help=f"[default: {DEFAULTS.codec.name}]"),
    click.option(
        "--subsampling",
        type=click.Choice(SUBSAMPLINGS),
        help=f"Chroma subsampling.  [default: {DEFAULTS.codec.subsampling}]",
    ),
    click.option("--optimize/--no-optimize", default=None, help="Huffman tables of each image's own.  [default: no]"),
    click.option("--progressive/--no-progressive", default=None, help="Progressive JPEG.  [default: no]"),
    click.option("--psnr/--no-psnr", default=None, help="Measure PSNR too.  [default: no]"),
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Trials at once.  [default: the cores, or one per GPU]"
)
json_option = click.option("--json", "json_", is_flag=True, help="Print the summary as JSON.")


def settings_of(settings: RunSettings, given: Mapping[str, Any]) -> RunSettings:
    """``settings`` with what the user gave on the command line in place of theirs."""
    same_names = ("strategy", "trials", "seed", "look_ahead", "around", "window", "sigma", "warm_up")
    search = _replaced(settings.search, given, **{name: name for name in same_names})
    if search.strategy != settings.search.strategy:
        search = msgspec.structs.replace(search, options={})
    search = _with_warm_up(search, given)
    options = {**search.options, **dict(map(_assignment, given["options"]))}
    if given["draw"] is not None:
        options["draw"] = given["draw"]
    layout = given["layout"] or default_layout(search.strategy, settings.search.layout)
    codec = {name: name for name in ("subsampling", "optimize", "progressive")}
    settings = measured_settings(settings, given)
    if given["split"]:
        settings = msgspec.structs.replace(
            settings, dataset=msgspec.structs.replace(settings.dataset, split=f"{given['split']}:1")
        )
    return msgspec.structs.replace(
        settings,
        search=msgspec.structs.replace(search, options=options, layout=layout),
        codec=_replaced(settings.codec, given, name="codec", **codec),
        psnr=settings.psnr if given["psnr"] is None else given["psnr"],
    )


def settings_of_dataset(given: Mapping[str, Any]) -> DatasetSettings:
    """The dataset that the user gave."""
    options = {name: given[name] for name in PREPARATION if given[name] is not None}
    return DatasetSettings(spec=_absolute(given["dataset"]), **options)


def settings_of_classifier(spec: str, given: Mapping[str, Any]) -> ClassifierSettings:
    """The classifier ``spec`` with the options that the user gave."""
    return with_network_options(ClassifierSettings(spec=_absolute(spec)), given)


def measured_settings(settings: RunSettings, given: Mapping[str, Any]) -> RunSettings:
    """``settings`` with the images and networks that the user gave in place of theirs."""
    if given["dataset"]:
        settings = msgspec.structs.replace(
            settings, dataset=msgspec.structs.replace(settings.dataset, spec=_absolute(given["dataset"]), split=None)
        )
    same_names = {name: name for name in (*PREPARATION, "labels")}
    dataset = _replaced(settings.dataset, given, **same_names)
    classifiers = [ClassifierSettings(spec=_absolute(spec)) for spec in given["classifier"]] or settings.classifiers
    for name in OF_ONE_NETWORK:
        if given[name] is not None and len(classifiers) > 1:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} belongs to one classifier, and there are several: leave it out.")
    return msgspec.structs.replace(
        settings,
        dataset=dataset,
        classifiers=tuple(with_network_options(each, given) for each in classifiers),
    )


def with_network_options(classifier: ClassifierSettings, given: Mapping[str, Any]) -> ClassifierSettings:
    """``classifier`` with what the user gave for it in place of its own."""
    files = {name: given[name] and _absolute(given[name]) for name in ("weights", "class_names")}
    same_names = {name: name for name in (*OF_ONE_NETWORK, "device", "precision")}
    options = {**given, **files}
    chosen: ClassifierSettings = _replaced(classifier, options, **same_names)
    return chosen


def _replaced(part: Any, given: Mapping[str, Any], **options: str) -> Any:
    """``part`` with each field whose option was given."""
    chosen = {field: given[option] for field, option in options.items() if given[option] is not None}
    return msgspec.structs.replace(part, **chosen)


def _with_warm_up(search: SearchSettings, given: Mapping[str, Any]) -> SearchSettings:
    if not STRATEGIES.get(search.strategy).informed:
        useless = [f"--{option}".replace("_", "-") for option in ("from", "warm_up") if given[option]]
        if useless:
            raise click.UsageError(f"strategy {search.strategy} searches without guidance: leave {useless[0]} out.")
        return msgspec.structs.replace(search, guidance=None, warm_up=0)
    if given["from"]:
        if given["warm_up"]:
            raise click.UsageError("--from takes the guidance from other runs, --warm-up from this one: give one.")
        return msgspec.structs.replace(search, guidance=None, warm_up=0)
    if search.guidance is not None and not search.warm_up:
        return search
    return msgspec.structs.replace(search, guidance=None, warm_up=search.warm_up or DEFAULT_WARM_UP)


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.UsageError(f"--set takes NAME=VALUE, got {text!r}.")
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError:
        parsed = value
    if parsed is None:
        raise click.UsageError(f"--set {text} gives no value: leave it out for the default.")
    return name.replace("-", "_"), parsed


def _absolute(spec: str) -> str:
    """``spec`` with a path in it made absolute, so that a run can be resumed from any folder."""
    name, colon, argument = spec.partition(":")
    if colon and argument and Path(argument).exists():
        return f"{name}:{Path(argument).resolve()}"
    return str(Path(spec).resolve()) if Path(spec).is_file() else spec
