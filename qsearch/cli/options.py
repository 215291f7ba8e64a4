"""The options that say what a run measures and proposes, and how they become settings."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.classifiers.base import NetworkOptions
from qsearch.cli import completion
from qsearch.cli.declared import Number, assignment, field_names, given_fields, options_for
from qsearch.cli.run_names import like_quality_option
from qsearch.codecs import CODECS
from qsearch.codecs.base import Codec, EncoderOptions
from qsearch.datasets.base import DatasetOptions
from qsearch.datasets.splits import KINDS
from qsearch.errors import InputError
from qsearch.evaluation.measures import ALWAYS, MEASURES, PSNR
from qsearch.evaluation.objective import NAMES as OBJECTIVE_NAMES
from qsearch.executors import DEFAULT as DEFAULT_EXECUTOR
from qsearch.executors import EXECUTORS
from qsearch.registry import split_spec
from qsearch.run.building import default_layout, strategy_class
from qsearch.run.settings import (
    BOXES,
    Box,
    ClassifierSettings,
    CodecSettings,
    DatasetSettings,
    RunSettings,
    SearchSettings,
)
from qsearch.search.racing import DEFAULT_CHANCE, RaceOptions
from qsearch.space import LAYOUTS
from qsearch.strategies.sorted_random import DRAWS

DEFAULTS = RunSettings()
COMMAND_HELP = 'command:"cjpeg -optimize -qtables {tables} ..." runs an encoder of yours'
DEFAULT_WARM_UP: dict[Box, int] = {"paper": 400, "shape": 60}
"""Sorted random trials that give the bounds: as many as in the first comparisons; of steered ones all are of use."""


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


search_options = _options(
    click.option(
        "--strategy",
        shell_complete=completion.registered("strategies"),
        help=f"Who proposes tables; see 'qsearch list'.  [default: {DEFAULTS.search.strategy}]",
    ),
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
        "--objective",
        type=click.Choice(OBJECTIVE_NAMES),
        help="What is searched for and picked by; loss and divergence tell tables of equal ratio apart on a few "
        "hundred images, top-1 does not.  [default: loss; divergence without labels]",
    ),
    like_quality_option(
        "The JPEG quality that you would use otherwise: gains and picks are stated against the standard tables at it, "
        f"and --around follows it.  [default: {DEFAULTS.search.like_quality}]"
    ),
    click.option(
        "--ratio",
        type=click.FloatRange(min=0, min_open=True),
        help="Steer every proposal to this compression ratio: all its entries are scaled by one factor, found by the "
        "exact sizes of the files.  [default: none; with --box shape that of the standard tables at --around]",
    ),
    click.option(
        "--ratio-window",
        nargs=2,
        type=float,
        metavar="LOW HIGH",
        help="Ask networks only about tables of these ratios; others are refused by the exact sizes of their files "
        "and do not count as trials.  [default: all; of a strategy that needs no bounds, about --around if given]",
    ),
    click.option(
        "--race/--no-race",
        default=None,
        help="Begin each table on an eighth of the images, and show more of them only to those that may still be among "
        "the best; of strategies that do not learn.  [default: no]",
    ),
    click.option(
        "--race-chance",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="With --race: stop a table where its chance to be better than the best so far are on average is lower.  "
        f"[default: {DEFAULT_CHANCE:g}]",
    ),
    click.option(
        "--look-ahead",
        type=click.IntRange(min=1),
        help=f"Outstanding trials of a strategy that learns.  [default: {DEFAULTS.search.look_ahead}]",
    ),
)
box_option = click.option(
    "--box",
    type=click.Choice(BOXES),
    help="What is searched within bounds: shape, what entries are to each other, each proposal scaled to one ratio; "
    "or paper, the entries themselves (Li 2020).  [default: shape]",
)
bounds_options = _options(
    click.option(
        "--around",
        type=click.IntRange(1, 100),
        help="Bounds from tables at about the ratio of this standard quality.  [default: that of --like-quality]",
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
bounds_from_options = _options(
    click.option(
        "--from",
        "from",
        shell_complete=completion.runs,
        metavar="RUN",
        multiple=True,
        help="A run whose frontier gives the bounds, and the fitness in them.",
    ),
    click.option(
        "--warm-up",
        type=click.IntRange(min=1),
        help="Without --from: sorted random trials first, whose frontier gives the bounds; counted in --trials.  "
        f"[default: {DEFAULT_WARM_UP['shape']}; with --box paper {DEFAULT_WARM_UP['paper']}]",
    ),
    box_option,
    bounds_options,
)
dataset_own_option = click.option(
    "--dataset-option", "dataset_options", metavar="NAME=VALUE", multiple=True, help="An option of this dataset alone."
)
preparation_options = _options(options_for(DatasetOptions), dataset_own_option)
dataset_options = _options(
    click.option(
        "--dataset",
        shell_complete=completion.registered("datasets"),
        help=f"textures[:SPLIT], folder:PATH, ...; see 'qsearch list'.  [default: {DEFAULTS.dataset.spec}]",
    ),
    preparation_options,
    click.option(
        "--labels",
        type=click.Choice(["given", "predicted"]),
        help="Those of the images, or the network's own answers on them uncompressed.  [default: given]",
    ),
)
trust_option = click.option(
    "--trust-pickle",
    is_flag=True,
    help="FILE.pt2: load it as torch does, which may execute what the file says. Never recorded: give it each time.",
)
trust_command_option = click.option(
    "--trust-command",
    is_flag=True,
    help="Run the program that a run.toml or another file names as the codec's. Never recorded: give it each time.",
)
network_options = _options(options_for(NetworkOptions), trust_option)
classifier_options = _options(
    click.option(
        "--classifier",
        shell_complete=completion.registered("classifiers"),
        multiple=True,
        help="textures-cnn, torchvision:NAME, timm:NAME, FILE.onnx, FILE.pt2; of several, the mean accuracy.  "
        f"[default: {DEFAULTS.classifiers[0].spec}]",
    ),
    network_options,
)
OF_ONE_NETWORK = field_names(NetworkOptions, "of_one")
"""The options that say what one network is."""
measuring_options = _options(
    dataset_options,
    click.option(
        "--split",
        type=click.Choice(KINDS),
        help="Search on half of the classes, or of each class's images; 'validate --split' takes the other half.",
    ),
    classifier_options,
    click.option(
        "--codec",
        shell_complete=completion.registered("codecs"),
        help="What encodes and decodes: auto takes coefficient where it gives the installed Pillow's files and pixels, "
        f"to the bit, else pillow; {COMMAND_HELP}; see 'qsearch list'.  [default: {DEFAULTS.codec.name}]",
    ),
    options_for(EncoderOptions),
    click.option(
        "--codec-option", "codec_options", metavar="NAME=VALUE", multiple=True, help="An option of this codec alone."
    ),
    click.option(
        "--measure",
        "measures",
        multiple=True,
        metavar="NAME",
        help=f"Record this measure too: {PSNR.name}, or a plug-in's; {', '.join(ALWAYS)} are always recorded.",
    ),
    click.option("--psnr/--no-psnr", default=None, help=f"The same as --measure {PSNR.name}.  [default: no]"),
)
_workers_options = _options(
    click.option("--workers", type=click.IntRange(min=1), help="Trials at once.  [default: the cores, or one per GPU]"),
    click.option(
        "--executor",
        type=click.Choice(EXECUTORS.names()),
        default=DEFAULT_EXECUTOR,
        show_default=True,
        help="Where trials are measured; serial: in this process, one after the other; dask: on the workers of a Dask "
        "cluster.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="For --executor dask: the cluster's, tcp://HOST:PORT, or the file that it wrote.  [default: a cluster of "
        "this machine alone]",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        type=Number(min=0, min_open=True),
        metavar="SECONDS",
        help="A trial that takes longer fails; its first one in a worker loads the network.  [default: none]",
    ),
)


def workers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where a command measures: it is given ``workers``, ``timeout_s`` and ``executor``, with a scheduler's address."""

    @wraps(command)
    def given(*arguments: Any, executor: str, scheduler: str | None, workers: int | None, **others: Any) -> Any:
        if scheduler is not None:
            if executor != "dask":
                raise click.UsageError(f"--scheduler is for --executor dask: the workers of {executor} are here.")
            if workers is not None:
                raise click.UsageError(
                    "--workers is for workers of this machine's own; those of --scheduler are all used: leave one out."
                )
            executor = f"{executor}:{scheduler}"
        if executor == "serial":  # before anything is prepared
            workers = workers or 1
            if workers > 1:
                raise click.UsageError("--executor serial has one worker: leave --workers out.")
            if others["timeout_s"] is not None:
                raise click.UsageError("--executor serial can stop no evaluation: leave --timeout out.")
        return command(*arguments, executor=executor, workers=workers, **others)

    decorated: Callable[..., Any] = _workers_options(given)
    return decorated


json_option = click.option("--json", "json_", is_flag=True, help="Print the summary as JSON.")


def settings_of(settings: RunSettings, given: Mapping[str, Any], named: Collection[str] = ()) -> RunSettings:
    """``settings`` with what the user gave on the command line in place of theirs.

    named: those settings of the search that are somebody's choice; others are chosen here.
    """
    same_names = (
        "strategy",
        "trials",
        "seed",
        "look_ahead",
        "around",
        "window",
        "sigma",
        "warm_up",
        "ratio",
        "ratio_window",
        "objective",
        "box",
    )
    search = _with_like_quality(settings.search, given, named)
    search = _replaced(search, given, **{name: name for name in same_names})
    if search.strategy != settings.search.strategy:
        search = msgspec.structs.replace(search, options={})
    search = _with_race(_with_warm_up(_with_box(search, given, named), given), given)
    options = {**search.options, **dict(map(assignment("--set"), given["options"]))}
    if given["draw"] is not None:
        options["draw"] = given["draw"]
    layout = given["layout"] or default_layout(search.strategy, settings.search.layout)
    settings = measured_settings(settings, given)
    if given["split"]:
        settings = msgspec.structs.replace(
            settings, dataset=msgspec.structs.replace(settings.dataset, split=f"{given['split']}:1")
        )
    return msgspec.structs.replace(
        settings,
        search=msgspec.structs.replace(search, options=options, layout=layout),
        codec=_chosen_codec(settings.codec, given),
        measures=_chosen_measures(settings.measures, given),
    )


def settings_of_dataset(given: Mapping[str, Any]) -> DatasetSettings:
    """The dataset that the user gave."""
    own = dict(map(assignment("--dataset-option"), given["dataset_options"]))
    found = DatasetSettings(spec=_absolute(given["dataset"]), options=own, **given_fields(DatasetOptions, given))
    # Not every command asks whose labels count.
    return found if given.get("labels") is None else msgspec.structs.replace(found, labels=given["labels"])


def settings_of_prepared_dataset(given: Mapping[str, Any], command: str) -> DatasetSettings:
    """The dataset that the user gave to a ``command`` that compresses the images that networks are shown."""
    found = settings_of_dataset(given)
    if found.encode_size != "prepared":
        raise click.UsageError(
            f"'qsearch {command}' compresses the images that networks are shown: leave --encode-size "
            f"{found.encode_size} out."
        )
    return found


def settings_of_classifier(spec: str, given: Mapping[str, Any]) -> ClassifierSettings:
    """The classifier ``spec`` with the options that the user gave."""
    return with_network_options(ClassifierSettings(spec=_absolute(spec)), given)


def measured_settings(settings: RunSettings, given: Mapping[str, Any]) -> RunSettings:
    """``settings`` with the images and networks that the user gave in place of theirs."""
    dataset = settings.dataset
    if given["dataset"]:
        dataset = msgspec.structs.replace(
            dataset, spec=_absolute(given["dataset"]), split=None, kept_aside=0.0, options={}
        )
    own = {**dataset.options, **dict(map(assignment("--dataset-option"), given["dataset_options"]))}
    dataset = _replaced(dataset, given, labels="labels")
    dataset = msgspec.structs.replace(dataset, options=own, **given_fields(DatasetOptions, given))
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
    return msgspec.structs.replace(classifier, **given_fields(NetworkOptions, given))


def _chosen_codec(codec: CodecSettings, given: Mapping[str, Any]) -> CodecSettings:
    if given["codec"] is not None:
        codec = codec_called(given["codec"], codec)
    own = {**codec.options, **dict(map(assignment("--codec-option"), given["codec_options"]))}
    return msgspec.structs.replace(codec, options=own, **given_fields(EncoderOptions, given))


def codec_called(spec: str, before: CodecSettings) -> CodecSettings:
    """The codec ``NAME`` or ``NAME:ARGUMENT`` with the encoder's options that ``before`` has.

    Options of its own too where it is the same, unless they say what program runs: those come from nobody else. What
    the argument says of the encoder counts. InputError for an argument that the codec does not take.
    """
    name, argument = split_spec(spec)
    kind = CODECS.get(name) if name in CODECS else Codec
    if argument and kind is Codec:
        raise InputError(f"the codec {name} takes no argument: leave out {argument!r}.")
    own = before.options if name == before.name and not kind.executes else {}
    said = kind.settings_in(argument) if argument else {}
    encoder = {field: said.pop(field) for field in EncoderOptions.__struct_fields__ if field in said}
    return msgspec.structs.replace(before, name=name, options={**own, **said}, **encoder)


def _chosen_measures(measures: tuple[str, ...], given: Mapping[str, Any]) -> tuple[str, ...]:
    chosen = dict.fromkeys((*measures, *given["measures"]))
    if given["psnr"] is not None:
        chosen.pop(PSNR.name, None)
        chosen |= {PSNR.name: None} if given["psnr"] else {}
    for name in chosen:
        MEASURES.get(name)
    return tuple(chosen)


def _replaced(part: Any, given: Mapping[str, Any], **options: str) -> Any:
    """``part`` with each field whose option was given."""
    chosen = {field: given[option] for field, option in options.items() if given[option] is not None}
    return msgspec.structs.replace(part, **chosen)


def _with_like_quality(search: SearchSettings, given: Mapping[str, Any], named: Collection[str]) -> SearchSettings:
    """At the quality that the user gave, else at that of ``named`` settings, which say too where to look for bounds."""
    quality = given["like_quality"]
    if quality is not None:
        return search.at_quality(quality)
    if "like_quality" not in named:
        return search
    found = search.at_quality(search.like_quality)
    return msgspec.structs.replace(found, around=search.around) if "around" in named else found


def _with_box(search: SearchSettings, given: Mapping[str, Any], named: Collection[str]) -> SearchSettings:
    """Informed strategies search shapes unless somebody chose; others have no box, and no choice."""
    needs_bounds = strategy_class(search.strategy).needs_bounds
    if given["box"] is None and not (needs_bounds and "box" in named):
        search = msgspec.structs.replace(search, box="shape" if needs_bounds else "paper")
    elsewhere = given["around"] is not None or given["like_quality"] is not None
    if search.box == "shape" and elsewhere and given["ratio"] is None:
        return msgspec.structs.replace(search, ratio=None)
    return search


def _with_warm_up(search: SearchSettings, given: Mapping[str, Any]) -> SearchSettings:
    if not strategy_class(search.strategy).needs_bounds:
        useless = [f"--{option}".replace("_", "-") for option in ("from", "warm_up") if given[option]]
        if useless:
            raise click.UsageError(f"strategy {search.strategy} searches without bounds: leave {useless[0]} out.")
        return msgspec.structs.replace(search, bounds=None, warm_up=0)
    if given["from"]:
        if given["warm_up"]:
            raise click.UsageError("--from takes the bounds from other runs, --warm-up from this one: give one.")
        return msgspec.structs.replace(search, bounds=None, warm_up=0)
    kept = search.bounds
    if kept is not None and not search.warm_up and (kept.box, kept.objective) == (search.box, search.objective):
        return search
    return msgspec.structs.replace(search, bounds=None, warm_up=search.warm_up or DEFAULT_WARM_UP[search.box])


def _with_race(search: SearchSettings, given: Mapping[str, Any]) -> SearchSettings:
    race = search.race
    if given["race"] is not None:
        race = (race or RaceOptions()) if given["race"] else None
    if given["race_chance"] is not None:
        if race is None:
            raise click.UsageError("--race-chance says who is stopped in a race: give --race too.")
        race = msgspec.structs.replace(race, chance=given["race_chance"])
    return msgspec.structs.replace(search, race=race)


def _absolute(spec: str) -> str:
    """``spec`` with a path in it made absolute, so that a run can be resumed from any folder."""
    name, colon, argument = spec.partition(":")
    if colon and argument and Path(argument).exists():
        return f"{name}:{Path(argument).resolve()}"
    return str(Path(spec).resolve()) if Path(spec).is_file() else spec
