"""Tables that a run names are confirmed by Pillow's real files, once, and a difference is told."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from qsearch.codecs.base import Encoded
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.errors import InputError, RunError
from qsearch.run.building import build_evaluator
from qsearch.run.folder import Run
from qsearch.run.real_files import FILE, check_files, unchecked
from qsearch.run.settings import CodecSettings
from tests.fakes import fake_images
from tests.run.test_folder import settings

pytestmark = pytest.mark.usefixtures("plugins")


def searched(path: Path, codec: str = "auto") -> Run:
    wanted = msgspec.structs.replace(settings(), codec=CodecSettings(name=codec))
    run = Run.create(path, wanted, build_evaluator(wanted, 1))
    run.resume(executor="serial", workers=1)
    return run


def test_what_the_fast_codec_measured_is_confirmed_once(tmp_path: Path) -> None:
    run = searched(tmp_path / "a")
    trials = list(run.trials()[1])[:2]
    assert unchecked(run, trials) == trials
    assert check_files(run, trials) == trials
    assert unchecked(run, trials) == []
    assert check_files(Run.open(tmp_path / "a"), trials) == []
    (tmp_path / "a" / FILE).write_text("{")  # what cannot be read is checked again
    assert check_files(run, trials) == trials


def test_what_pillow_measured_needs_no_confirmation(tmp_path: Path) -> None:
    run = searched(tmp_path / "a", "pillow")
    assert unchecked(run, list(run.trials()[1])) == []


@pytest.mark.parametrize(("larger", "other"), [(1, 0), (0, 1)])
def test_a_difference_is_told_with_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, larger: int, other: int
) -> None:
    run = searched(tmp_path / "a")
    encode, fourth = PillowCodec.encode, fake_images()[3]

    def differently(codec: PillowCodec, source: Any, tables: Any) -> Encoded:
        encoded = encode(codec, source, tables)
        for index in np.flatnonzero((source == fourth).all(axis=(1, 2, 3))):
            encoded.size_bytes[index] += larger
            encoded.images[index, 0, 0, 0] ^= other
        return encoded

    monkeypatch.setattr(PillowCodec, "encode", differently)
    with pytest.raises(RunError, match=r"are not what was measured, on 1 of 15 images \(000003, for one\)"):
        check_files(run, [run.trials()[1][0]])
    assert not (tmp_path / "a" / FILE).exists()


def test_other_images_confirm_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = searched(tmp_path / "a")
    monkeypatch.setenv("FAKE_DATASET_SEED", "1")
    with pytest.raises(InputError, match="not those that were measured any more"):
        check_files(run, [run.trials()[1][0]])


def test_runs_of_both_codecs_are_comparable(tmp_path: Path) -> None:
    fast, slow = searched(tmp_path / "a"), searched(tmp_path / "b", "pillow")
    assert fast.settings.recorded is not None
    assert slow.settings.recorded is not None
    assert fast.settings.recorded.codec["name"] == CoefficientCodec.name
    assert fast.settings.recorded.differences(slow.settings.recorded) == []
    assert list(fast.trials()[1]) == list(slow.trials()[1])
    unchecked = {**fast.settings.recorded.codec, "equals": ""}
    other = msgspec.structs.replace(fast.settings.recorded, codec=unchecked)
    assert other.differences(slow.settings.recorded) != []
