"""What is learned on photos/search for the comparisons: ladders and dials, each once."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.judge import SHARED, photographs
from qsearch.codecs.base import EncoderOptions, Subsampling
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.datasets.base import Dataset
from qsearch.learning.dial import Dial, make_dial, read_dial, write_dial
from qsearch.learning.ladder import Ladder
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import LearningSettings, Objective
from qsearch.run.building import build_classifier, build_dataset, usable_cores
from qsearch.run.settings import ClassifierSettings


def codec_of(subsampling: Subsampling) -> CoefficientCodec:
    """Baseline JPEG with the standard Huffman tables."""
    return CoefficientCodec(msgspec.structs.replace(EncoderOptions(), subsampling=subsampling))


@dataclass
class Lessons:
    """Ladders and dials in ``folder``, learned on photos/search where they are not there yet."""

    folder: Path
    _datasets: dict[int | None, Dataset] = field(default_factory=dict)

    def searched(self, size: int | None = 224) -> Dataset:
        """The images learned from."""
        if size not in self._datasets:
            self._datasets[size] = build_dataset(photographs("search", size))
        return self._datasets[size]

    def ladder(
        self, objective: Objective, network: str = "", subsampling: Subsampling = "4:2:0", size: int | None = 224
    ) -> Ladder:
        """Learned for ``network`` of ../shared/models by Fisher information without labels, or for none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = msgspec.structs.replace(
            LearningSettings(objective=objective, label_free=bool(network), sensitivity="fisher"),
            subsampling=subsampling,
        )
        classifier = None
        if network:
            wanted = ClassifierSettings(spec=str(SHARED / "models" / f"{network}.pt2"))
            classifier = build_classifier(wanted, usable_cores())
        name = "-".join(filter(None, (objective, network, subsampling.replace(":", ""), str(size or "whole"))))
        return learn_ladder(
            self.searched(size), settings, classifier=classifier, out=self.folder / f"{name}.ladder.json"
        )

    def dial(
        self, objective: Objective, network: str = "", subsampling: Subsampling = "4:2:0", size: int | None = 224
    ) -> Dial:
        """Through that ladder, with the bytes of the same images."""
        ladder = self.ladder(objective, network, subsampling, size)
        path = self.folder / f"{ladder.digest[:16]}.dial.json"
        if not path.exists():
            searched = self.searched(size)
            made = make_dial(ladder.tables, searched, codec_of(subsampling), title=ladder.title, workers=usable_cores())
            write_dial(made, path)
        return read_dial(path)
