"""Parts: what a run's settings name, built: dataset, codec, classifiers, strategy."""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import Any, TypeVar

import msgspec
import numpy as np

from qsearch.analysis.bounds import Bounds, bounds_of, shape_bounds_of
from qsearch.analysis.results import Results
from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import Classifier, ClassifierOptions, checked_settings
from qsearch.codecs import CODECS
from qsearch.codecs.auto import AUTO, choose_codec, described
from qsearch.codecs.base import Codec, EncoderOptions
from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.splits import half_of, share_of
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measures import ALWAYS
from qsearch.evaluation.objective import ObjectiveName, objective_called
from qsearch.pareto.bounds import check_reach
from qsearch.pareto.fitness import LocalFit, Parabola
from qsearch.registry import check_options, failures_explained, nearest_names, options_of
from qsearch.run.settings import (
    BoundsSettings,
    ClassifierSettings,
    CodecSettings,
    DatasetSettings,
    Recorded,
    RunSettings,
    SearchSettings,
    SeedSettings,
)
from qsearch.search.racing import check_raceable
from qsearch.search.steering import check_gate, check_reachable, sizes_of
from qsearch.space import SearchSpace
from qsearch.space.shapes import ShapeSpace
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Seed, Strategy, strategy_options
from qsearch.tables import QuantTables
from qsearch.text import one_line

Options = TypeVar("Options", bound=msgspec.Struct)


def default_workers(settings: RunSettings) -> int:
    """One worker per GPU where the classifiers run on GPUs, else one per core this process may use."""
    return gpus_for(settings) or usable_cores()


def gpus_for(settings: RunSettings) -> int:
    """How many GPUs the classifiers have to run on; 0 where they run on the CPU."""
    if all(classifier.device == "cpu" for classifier in settings.classifiers):
        return 0
    from qsearch.classifiers.engines import gpu_count

    return gpu_count()


def usable_cores() -> int:
    """The cores this process may use, container limits included."""
    from joblib import cpu_count

    return int(cpu_count())


def build_dataset(wanted: DatasetSettings) -> Dataset:
    """The dataset the settings name."""
    dataset = load_dataset(wanted.spec, _part_of(DatasetOptions, wanted), wanted.options)
    if wanted.split:
        dataset = half_of(dataset, wanted.split)
    if wanted.kept_aside:
        dataset = share_of(dataset, wanted.kept_aside, wanted.part)
    return replace(dataset, truth="predicted") if wanted.labels == "predicted" else dataset


def build_classifiers(settings: RunSettings, threads: int = 1, *, trust_pickle: bool = False) -> list[Classifier]:
    """The classifiers the settings name, as :func:`build_classifier`."""
    return [build_classifier(wanted, threads, trust_pickle=trust_pickle) for wanted in settings.classifiers]


def build_classifier(wanted: ClassifierSettings, threads: int = 1, *, trust_pickle: bool = False) -> Classifier:
    """The classifier the settings name, as :class:`ClassifierOptions` says of ``threads`` and ``trust_pickle``."""
    options = _part_of(ClassifierOptions, wanted, threads=threads, trust_pickle=trust_pickle)
    return load_classifier(wanted.spec, options)


def build_codec(wanted: CodecSettings, *, trust_command: bool = False) -> Codec:
    """The codec the settings name. InputError where it does not know one of them.

    trust_command: whether a codec may run the program that the settings name; InputError where it would and may not,
        for settings come from files too.
    """
    if wanted.name == AUTO:
        check_options(f"codec {AUTO}", wanted.options, {})
        return choose_codec(_part_of(EncoderOptions, wanted))[0]
    if wanted.name not in CODECS:
        raise InputError(f"unknown codec {wanted.name!r}: {nearest_names(wanted.name, [AUTO, *CODECS.names()])}")
    codec = CODECS.get(wanted.name)
    with failures_explained(f"the codec {wanted.name}"):
        known = options_of(codec, given=("encoder",))
        check_options(f"codec {wanted.name}", wanted.options, known)
        if codec.executes and not trust_command:
            said = ", ".join(f"{name}={value}" for name, value in (known | wanted.options).items())
            raise InputError(
                f"the codec {wanted.name} would run a program that a file names ({one_line(said, 300)}): if you trust "
                "whoever wrote it, add --trust-command."
            )
        return codec(_part_of(EncoderOptions, wanted), **wanted.options)


def codec_note(wanted: CodecSettings) -> str | None:
    """Why the codec that was chosen is not the fastest one, where it was left to choose; one sentence, or None."""
    return choose_codec(_part_of(EncoderOptions, wanted))[1] if wanted.name == AUTO else None


def _part_of(options: type[Options], settings: msgspec.Struct, **more: Any) -> Options:
    """The fields of ``options`` that ``settings``, which extends it, holds."""
    fields = {name: getattr(settings, name) for name in options.__struct_fields__ if name not in more}
    return options(**fields, **more)


def build_evaluator(
    settings: RunSettings, workers: int, *, trust_pickle: bool = False, trust_command: bool = False
) -> Evaluator:
    """Dataset, codec and classifiers together; the cores are shared out among ``workers``.

    ``trust_pickle`` as :class:`ClassifierOptions` says, ``trust_command`` as :func:`build_codec`.
    """
    threads = max(1, usable_cores() // workers)
    # First: cheap to refuse, while images can take minutes.
    codec = build_codec(settings.codec, trust_command=trust_command)
    classifiers = build_classifiers(settings, threads, trust_pickle=trust_pickle)
    return Evaluator(
        build_dataset(settings.dataset),
        codec,
        classifiers,
        measures=tuple(dict.fromkeys((*ALWAYS, *settings.measures))),
        codec_threads=threads,
    )


def default_layout(strategy: str, preferred: str) -> str:
    """``preferred`` where the strategy searches it, else the strategy's first."""
    layouts = strategy_class(strategy).layouts
    return preferred if preferred in layouts else layouts[0]


def strategy_class(name: str) -> type[Strategy]:
    """The strategy registered as ``name``. InputError where there is none, or where it is no strategy."""
    strategy: Any = STRATEGIES.get(name)
    if not (isinstance(strategy, type) and issubclass(strategy, Strategy)):
        raise InputError(f"{name} is no strategy: a subclass of qsearch.strategies.base.Strategy was expected.")
    return strategy


def build_strategy(wanted: SearchSettings) -> Strategy:
    """The strategy the settings name, new. InputError where it does not know one of its options."""
    strategy = strategy_class(wanted.strategy)
    check_options(f"strategy {wanted.strategy}", wanted.options, strategy_options(strategy))
    with failures_explained(f"the strategy {wanted.strategy}"):
        if wanted.bounds is None:
            return strategy(SearchSpace.full(wanted.layout), wanted.seed, **wanted.options)
        seeds: dict[str, Any] = {"seeds": _seeds(wanted)} if strategy.seeded else {}
        space, fitness = _space(wanted.layout, wanted.bounds), _fitness(wanted.bounds)
        return strategy(space, wanted.seed, fitness=fitness, **seeds, **wanted.options)


def _space(layout: str, bounds: BoundsSettings) -> SearchSpace:
    lower, upper = np.array(bounds.lower), np.array(bounds.upper)
    if bounds.box == "paper":
        return SearchSpace(layout, lower, upper)
    if bounds.origin is None or bounds.step is None:
        raise InputError("a box of shapes has an origin and a step beside its levels: restore the run's settings.")
    return ShapeSpace(layout, lower, upper, bounds.origin, bounds.step)


def _fitness(bounds: BoundsSettings) -> LocalFit | Parabola:
    if bounds.local_fit is not None:
        return LocalFit(*bounds.local_fit, objective_called(bounds.objective))
    if bounds.parabola is None:
        raise InputError("bounds have a local fit or a parabola: restore the run's settings.")
    return Parabola(*bounds.parabola)


def _seeds(wanted: SearchSettings) -> list[Seed]:
    """Those of earlier trials, and then those that somebody named; of equal tables the first."""
    found: dict[str, Seed] = {}
    for each in (*(wanted.bounds.seeds if wanted.bounds else ()), *wanted.seeds):
        found.setdefault(each.tables, Seed(each.label, tables_of_seed(each), each.gap))
    return list(found.values())


def tables_of_seed(seed: SeedSettings) -> QuantTables:
    """The tables that ``seed`` keeps. InputError where they are none."""
    try:
        return QuantTables.from_bytes(bytes.fromhex(seed.tables))
    except ValueError as error:
        raise InputError(f"the seed {seed.label} is no tables in hexadecimal: {error}.") from error


def check_search(wanted: SearchSettings) -> SearchSettings:
    """``wanted`` with no more trials than the strategy has; before anything is measured.

    InputError where no search can be made of these settings.
    """
    check_gate(wanted.ratio, wanted.ratio_window)
    check_reach(wanted.window, wanted.sigma)
    if wanted.box == "shape":
        if not strategy_class(wanted.strategy).needs_bounds:
            raise InputError(
                f"strategy {wanted.strategy} searches without bounds, so it has no box: leave --box out; --ratio "
                "steers its proposals."
            )
        if wanted.ratio_window is not None:
            raise InputError(
                "in a box of shapes every proposal is steered to one ratio: give --ratio in place of --ratio-window, "
                "or --box paper."
            )
    if wanted.trials <= wanted.warm_up:
        raise InputError(
            f"{wanted.trials} trials leave none after a warm-up of {wanted.warm_up}: ask for more --trials, or less "
            "--warm-up."
        )
    if wanted.warm_up and wanted.bounds is None:
        space = (ShapeSpace if wanted.box == "shape" else SearchSpace).full(wanted.layout)
        level = LocalFit(1, 1, 1, 0, 0, 0)
        strategy = build_strategy(with_bounds(wanted, Bounds(space, level, Parabola(0, 0, 0), (0, 0), 0, ())))
    else:
        strategy = build_strategy(wanted)
    if wanted.race is not None:
        check_raceable(strategy)
    limit = strategy.trial_limit()
    return wanted if limit is None else msgspec.structs.replace(wanted, trials=min(wanted.trials, limit))


def objective_for(evaluator: Evaluator, wanted: ObjectiveName | None) -> ObjectiveName:
    """What to search for: as ``wanted``, else the loss where images have labels, the divergence where they have none.

    InputError for a loss without labels: against the network's own answers it would reward being sure.
    """
    labelled = evaluator.dataset.truth == "labels"
    if wanted == "loss" and not labelled:
        raise InputError(
            f"the loss needs labels, and those of {evaluator.dataset.name} are not given: use --objective divergence, "
            "which asks how far answers move from those on the uncompressed images."
        )
    return wanted or ("loss" if labelled else "divergence")


def with_ratio(wanted: SearchSettings, evaluator: Evaluator) -> SearchSettings:
    """``wanted`` with the ratio that proposals are steered to, where they are.

    InputError where no tables reach it, by the sizes of the files alone.
    """
    ratio = wanted.ratio
    if ratio is None:
        if wanted.box == "paper":
            return wanted
        ratio = sizes_of(evaluator, QuantTables.standard(wanted.around)).ratio
    check_reachable(evaluator, ratio)
    return msgspec.structs.replace(wanted, ratio=ratio)


def with_bounds(wanted: SearchSettings, learned: Bounds, first: int | None = None) -> SearchSettings:
    """``wanted`` with the box and fitness that an earlier search gave; ``first`` as :class:`BoundsSettings` has it."""
    parabola, fit, space = learned.parabola, learned.fitness, learned.space
    shape: dict[str, Any] = {"origin": space.origin, "step": space.step} if isinstance(space, ShapeSpace) else {}
    seeds = learned.seeds if strategy_class(wanted.strategy).seeded else ()
    return msgspec.structs.replace(
        wanted,
        bounds=BoundsSettings(
            sources=learned.sources,
            window=learned.window,
            sigma=learned.sigma,
            parabola=None if parabola is None else (parabola.a, parabola.b, parabola.c),
            local_fit=(fit.center, fit.low, fit.high, fit.a, fit.b, fit.c),
            objective=fit.objective.name,
            box=wanted.box,
            lower=tuple(space.lower.tolist()),
            upper=tuple(space.upper.tolist()),
            seeds=tuple(seed_settings(each) for each in seeds),
            first=first,
            **shape,
        ),
    )


def seed_settings(seed: Seed) -> SeedSettings:
    """``seed`` as ``run.toml`` keeps it."""
    return SeedSettings(label=seed.label, tables=seed.tables.to_bytes().hex(), gap=seed.gap)


def learned_bounds(wanted: SearchSettings, sources: Sequence[Results]) -> Bounds:
    """The bounds that the settings ask for, from what earlier searches measured. InputError where they give none."""
    objective = objective_called(wanted.objective)
    if wanted.box == "paper":
        return bounds_of(
            sources,
            wanted.layout,
            around=wanted.around,
            window=wanted.window,
            sigma=wanted.sigma,
            objective=objective,
        )
    if wanted.ratio is None:
        raise InputError("a box of shapes is searched at one ratio: give --ratio.")
    controls = [tables_of_seed(each) for each in wanted.seeds]
    return shape_bounds_of(
        sources,
        wanted.layout,
        wanted.ratio,
        window=wanted.window,
        sigma=wanted.sigma,
        objective=objective,
        controls=controls,
    )


def record(evaluator: Evaluator) -> Recorded:
    """What the parts say of themselves; two runs are compared only where this is equal.

    InputError where a plug-in cannot say it.
    """
    dataset = evaluator.dataset
    parts: list[Classifier | Codec] = [*evaluator.classifiers, evaluator.codec]
    said = []
    for part in parts:
        with failures_explained(f"what {part.name} says of itself"):
            said.append(checked_settings(part.name, described(part) if isinstance(part, Codec) else part.settings()))
    *classifiers, codec = said
    return Recorded(
        dataset={
            "name": dataset.name,
            "digest": dataset.digest,
            "images": len(dataset),
            "classes": len(dataset.class_names),
            "height": dataset.height,
            "width": dataset.width,
            **({} if dataset.stored is None else {"encode_size": "as-stored", "stored": dataset.stored.extent}),
            **_labels(evaluator),
        },
        classifiers=classifiers,
        codec=codec,
        versions={"python": platform.python_version(), **_versions_of_packages()},
    )


@cache
def _versions_of_packages() -> dict[str, str]:
    return {name: version(name) for name in ("qsearch", "numpy", "pillow", "torch", "torchvision", "openvino")}


def _labels(evaluator: Evaluator) -> dict[str, str]:
    """Where labels are predicted that, and SHA-256 (hexadecimal) of them: other answers are another dataset."""
    if evaluator.dataset.truth != "predicted":
        return {}
    digest = hashlib.sha256(b"".join(truth.astype("<i8").tobytes() for truth in evaluator.truths)).hexdigest()
    return {"labels": "predicted", "predicted_labels_digest": digest}
