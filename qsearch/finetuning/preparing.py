"""Preparing: from a run's table, a network and images to an experiment's settings and parts."""

from dataclasses import asdict, dataclass

from qsearch.analysis.choice import Choice
from qsearch.errors import InputError
from qsearch.finetuning.experiment import FinetuneSettings, Parts, draw, parts_of
from qsearch.report.wording import called
from qsearch.run.building import build_classifier, build_codec, build_dataset, usable_cores
from qsearch.run.folder import Run
from qsearch.run.settings import ClassifierSettings, DatasetSettings
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class Training:
    """How long and how hard is trained, on how many images, with which seed and on how many threads."""

    train_images: int
    epochs: int
    batch: int
    learning_rate: float
    seed: int
    threads: int


def prepare(
    run: Run,
    choice: Choice,
    network: ClassifierSettings,
    train_on: DatasetSettings,
    held_out: DatasetSettings,
    training: Training,
    *,
    trust_pickle: bool = False,
    trust_command: bool = False,
) -> tuple[FinetuneSettings, Parts]:
    """An experiment on the table of ``run`` that was chosen, against the standard tables at its ``like_quality``.

    InputError where the table is the standard one itself, the network cannot be trained, or images overlap.
    """
    quality = run.like_quality
    found, standard = choice.trial.tables, QuantTables.standard(quality)
    if found == standard:
        raise InputError(
            f"trial {choice.trial.label} is standard quality {quality} itself: choose another with --trial."
        )
    if network.precision != "float32":
        raise InputError("fine-tuning trains in float32: leave --precision out.")
    if network.compile:
        raise InputError("fine-tuning does not compile the network that it trains: leave --compile out.")
    classifier = build_classifier(network, usable_cores(), trust_pickle=trust_pickle)
    parts = parts_of(
        classifier,
        draw(build_dataset(train_on), training.train_images, training.seed),
        build_dataset(held_out),
        build_codec(run.settings.codec, trust_command=trust_command),
        run,
    )
    settings = FinetuneSettings(
        classifier=network,
        dataset=train_on,
        held_out=held_out,
        codec=run.settings.codec,
        found=called(choice.trial.label),
        standard=f"standard:{quality}",
        tables=(found.to_bytes().hex(), standard.to_bytes().hex()),
        recorded=parts.recorded,
        **asdict(training),
    )
    return settings, parts
