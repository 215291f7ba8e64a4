"""What is asked of a shrinking, and what is to stay as it is: yardsticks, by which images count as good as before."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import msgspec

from qsearch.analysis.bootstrap import Floats
from qsearch.analysis.equal_bytes import values_of
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.learning.settings import SUBSAMPLINGS
from qsearch.run.settings import ClassifierSettings, CodecSettings, DatasetSettings, Quality

By = Literal["divergence", "loss", "psnr", "ms_ssim"]
BYS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True)
class Yardstick:
    """A value that is to stay as good as at the standard quality.

    total: its name among a measurement's totals; sign: 1 where more of it is better, -1 where less is.
    """

    measure: By
    total: str
    sign: int
    title: str
    unit: str
    of_network: bool

    def values(self, measurement: Measurement) -> Floats:
        """float64 [N], image by image; larger is better."""
        return self.sign * values_of(measurement)[self.total]

    def shown(self, value: float) -> float:
        """A value as users know it: a divergence is positive."""
        return self.sign * value


YARDSTICKS: dict[By, Yardstick] = {
    each.measure: each
    for each in (
        Yardstick("divergence", "divergence", -1, "divergence", "nats", True),
        Yardstick("loss", "loss", -1, "cross-entropy", "nats", True),
        Yardstick("psnr", "psnr_db", 1, "PSNR", "dB", False),
        Yardstick("ms_ssim", "ms_ssim", 1, "MS-SSIM", "", False),
    )
}


class ShrinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what is found, the images' pixels and the network's weights aside.

    like_quality: the standard quality that images are to be as good as.
    by: the yardstick. tolerance: what may be lost of it: percentage points of top-1 with a network, else the
        yardstick's unit.
    kept_aside: the share of the images that nothing is learned or chosen on.
    budget: how many tables are measured at most while choosing.
    """

    like_quality: Quality
    by: By
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    kept_aside: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    budget: Annotated[int, msgspec.Meta(ge=1)] = 60
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    dataset: DatasetSettings = DatasetSettings()
    classifier: ClassifierSettings | None = None
    codec: CodecSettings = CodecSettings()

    @property
    def yardstick(self) -> Yardstick:
        """What :attr:`by` names."""
        return YARDSTICKS[self.by]


def check_settings(settings: ShrinkSettings) -> None:
    """InputError where what they say does not go together."""
    if settings.yardstick.of_network != (settings.classifier is not None):
        fitting = ", ".join(name for name, one in YARDSTICKS.items() if one.of_network == bool(settings.classifier))
        raise InputError(
            f"{'with' if settings.classifier else 'without'} a network images are judged by {fitting}, got "
            f"{settings.by}: choose one of these, or {'leave --classifier out' if settings.classifier else 'name one'}."
        )
    if settings.codec.subsampling not in SUBSAMPLINGS:
        raise InputError(
            f"tables are learned for JPEG {' and '.join(SUBSAMPLINGS)}, got {settings.codec.subsampling}: choose "
            "one of these with --subsampling."
        )
