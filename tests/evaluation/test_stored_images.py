"""Images that are compressed as they are stored: what is measured is what a user would by hand, image by image."""

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from qsearch.analysis.bootstrap import weighted_points
from qsearch.archive.store import Archive
from qsearch.codecs.base import Codec, Encoded, EncoderOptions
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset, Fit
from qsearch.datasets.pixels import read_rgb
from qsearch.datasets.preparation import shorter_side
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial, joined
from qsearch.evaluation.measures import ALWAYS
from qsearch.evaluation.task import Subset, Task
from qsearch.evaluation.trials import Trials
from qsearch.executors import executor_for
from qsearch.quantizer import UNCOMPRESSED
from qsearch.tables import QuantTables
from tests import fakes
from tests.stored_images import SIDES, loaded, photograph, photographs

TABLES = QuantTables.standard(30)
MEASURES = (*ALWAYS, "psnr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(autouse=True)
def _cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(folder.parent / "cache"))


def evaluator(dataset: Dataset, **changes: Any) -> Evaluator:
    fields: dict[str, Any] = {
        "dataset": replace(dataset, truth="predicted"),
        "codec": PillowCodec(),
        "classifiers": [fakes.FakeClassifier("fake", {})],
        "measures": MEASURES,
    }
    return Evaluator(**{**fields, **changes})


def logits_of(image: Image.Image) -> Any:
    return np.asarray(image).astype(np.int64).reshape(-1) @ fakes.fake_weights()


def check_by_hand(measured: Measurement, paths: Sequence[Path], fit: Fit) -> None:
    """PIL.Image.open, encode, decode, resize, crop, network."""
    assert measured.psnr_db is not None
    for index, path in enumerate(paths):
        with Image.open(path) as opened:
            source = read_rgb(opened)
        buffer = io.BytesIO()
        source.save(buffer, "JPEG", quality=30, subsampling="4:2:0")
        decoded = Image.open(buffer)
        shown = []
        for image in (source, decoded):
            if fit == "stretch":
                shown.append(image.resize((fakes.SIDE, fakes.SIDE), Image.Resampling.BILINEAR))
                continue
            shorter = shorter_side(fakes.SIDE)
            width, height = (shorter * side // min(image.size) for side in image.size)
            resized = image.resize((width, height), Image.Resampling.BILINEAR)
            left, top = round((width - fakes.SIDE) / 2), round((height - fakes.SIDE) / 2)
            shown.append(resized.crop((left, top, left + fakes.SIDE, top + fakes.SIDE)))
        truth = int(logits_of(shown[0]).argmax())
        logits = logits_of(shown[1])
        assert measured.size_bytes[index] == len(buffer.getvalue())
        assert measured.ranks[0, index] == int((logits > logits[truth]).sum())
        error = np.mean((np.asarray(decoded).astype(float) - np.asarray(source)) ** 2)
        if error:
            assert measured.psnr_db[index] == pytest.approx(10 * np.log10(255**2 / error), rel=1e-5)


@pytest.mark.parametrize("codec", [PillowCodec, CoefficientCodec])
def test_it_measures_what_a_user_would_by_hand(folder: Path, codec: type[Codec]) -> None:
    measured = evaluator(loaded(folder), codec=codec()).evaluate(Task(TABLES))
    assert measured.ranks.any(), "or nothing was compared"
    check_by_hand(measured, sorted(folder.iterdir()), "stretch")


def test_a_crop_is_cut_after_decoding(tmp_path: Path) -> None:
    for index, (width, height) in enumerate(((33, 57), (101, 75), (30, 200), (64, 48))):
        photograph(width, height, index + 5).save(tmp_path / f"{index}.png")
    measured = evaluator(loaded(tmp_path, fit="crop")).evaluate(Task(TABLES))
    check_by_hand(measured, sorted(tmp_path.iterdir()), "crop")


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_both_codecs_say_the_same_of_every_size(folder: Path, subsampling: Any) -> None:
    encoder = EncoderOptions(subsampling=subsampling)
    for tables in (QuantTables.standard(5), QuantTables.standard(95)):
        one, other = (
            evaluator(loaded(folder), codec=codec(encoder)).evaluate(Task(tables))
            for codec in (PillowCodec, CoefficientCodec)
        )
        assert one == other


@dataclass(frozen=True)
class Lossless(Codec):
    """Loses nothing, and takes a byte a pixel."""

    name: ClassVar[str] = "lossless"

    def encode(self, source: Any, tables: Sequence[QuantTables]) -> Encoded:
        return Encoded(np.full(len(source), source[0, ..., 0].size, dtype=np.int64), source.copy())

    def settings(self) -> dict[str, str | bool | int]:
        return {"name": self.name}


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_what_loses_nothing_is_answered_as_the_prepared_images_are(tmp_path: Path, fit: Fit) -> None:
    """The same resampling is at work before and after compression."""
    for index, (width, height) in enumerate(((33, 57), (101, 75), (24, 24), (64, 48))):
        photograph(width, height, index).save(tmp_path / f"{index}.png")
    as_stored = evaluator(loaded(tmp_path, fit=fit), codec=Lossless()).evaluate(Task(TABLES))
    prepared = evaluator(loaded(tmp_path, "prepared", fit)).evaluate(Task(UNCOMPRESSED))
    np.testing.assert_array_equal(as_stored["loss"], prepared["loss"])
    np.testing.assert_array_equal(as_stored.ranks, prepared.ranks)
    assert not as_stored["divergence"].any()
    assert as_stored.ratio == 3.0
    assert as_stored.bpp == 8.0


def test_uncompressed_images_are_those_that_networks_are_shown(folder: Path) -> None:
    as_stored, prepared = (
        evaluator(loaded(folder, how)).evaluate(Task(UNCOMPRESSED)) for how in ("as-stored", "prepared")
    )
    for measure in ("rank", "loss", "divergence"):
        np.testing.assert_array_equal(as_stored[measure], prepared[measure])
    pixels = [width * height for width, height in SIDES]
    assert as_stored.size_bytes.tolist() == [3 * each for each in pixels]
    assert as_stored.ratio == 1.0
    assert np.isinf(as_stored["psnr"]).all()


class TestSizes:
    def test_ratio_and_bits_are_of_the_pixels_that_were_compressed(self, folder: Path) -> None:
        measured = evaluator(loaded(folder)).evaluate(Task(TABLES))
        pixels = [width * height for width, height in SIDES]
        assert measured["pixels"].tolist() == pixels
        assert measured.total_pixels == sum(pixels)
        assert measured.ratio == 3 * sum(pixels) / measured.total_bytes
        assert measured.bpp == 8 * measured.total_bytes / sum(pixels)
        some = measured.at(np.array([3, 7]))
        assert some.ratio == 3 * (40 * 30 + 101 * 75) / measured.size_bytes[[3, 7]].sum()

    def test_resampled_images_bring_their_own_pixels(self, folder: Path) -> None:
        measured = evaluator(loaded(folder)).evaluate(Task(TABLES))
        weights = np.zeros((2, len(SIDES)))
        weights[0, [3, 7]] = 1, 2
        ratio, _ = weighted_points([measured], weights)
        bytes_ = measured.size_bytes
        assert ratio[0, 0] == pytest.approx(3 * (40 * 30 + 2 * 101 * 75) / (bytes_[3] + 2 * bytes_[7]))
        assert np.isnan(ratio[1, 0])

    def test_images_of_as_many_pixels_need_no_measure(self, tmp_path: Path) -> None:
        """Upright or not."""
        for index, (width, height) in enumerate(((30, 40), (40, 30))):
            photograph(width, height, index).save(tmp_path / f"{index}.png")
        measured = evaluator(loaded(tmp_path)).evaluate(Task(TABLES))
        assert "pixels" not in measured
        assert measured.pixels == 1200
        assert measured.ratio == 3 * 2 * 1200 / measured.total_bytes

    def test_an_archive_keeps_them(self, folder: Path, tmp_path: Path) -> None:
        measured = evaluator(loaded(folder)).evaluate(Task(TABLES))
        trial = Trial("search", 0, "listed", TABLES, "done", measured)
        with Archive.create(tmp_path / "trials.sqlite", []) as archive:
            archive.add(trial)
            assert archive.problems() == []
            (kept,) = found = archive.trials("search")
            assert kept.measurement == measured
            assert kept.measurement.ratio == measured.ratio
            assert found.ratio.tolist() == [measured.ratio]
        assert Trials.of([trial]).ratio.tolist() == [measured.ratio]

    def test_no_pixels_at_all_are_no_measurement(self) -> None:
        with pytest.raises(InputError, match="at least one pixel"):
            Measurement(0, {"bytes": np.array([5])})


class TestTheSameHoweverItIsDone:
    def test_in_threads_in_batches_and_in_another_process(self, folder: Path) -> None:
        dataset = loaded(folder)
        whole = evaluator(dataset).evaluate(Task(TABLES))
        assert evaluator(dataset, codec_threads=3, batch_images=2).evaluate(Task(TABLES)) == whole
        data = pickle.dumps(evaluator(dataset))
        assert dataset.stored is not None
        assert len(data) < dataset.stored.pixels.nbytes
        assert pickle.loads(data).evaluate(Task(TABLES)) == whole

    def test_in_worker_processes(self, folder: Path) -> None:
        measuring = evaluator(loaded(folder), codec=CoefficientCodec())
        with executor_for(measuring, 1, name="processes") as executor:
            executor.submit(Task(TABLES))
            (outcome,) = executor.collect()
        assert outcome.measurement == measuring.evaluate(Task(TABLES)), outcome.reason

    @pytest.mark.parametrize("codec", [PillowCodec, CoefficientCodec])
    def test_in_parts_and_by_sizes_alone(self, folder: Path, codec: type[Codec]) -> None:
        """Steering looks at a few images' sizes, races at a few images."""
        measuring = evaluator(loaded(folder), codec=codec())
        whole = measuring.evaluate(Task(TABLES))
        parts = [np.array([0, 3, 4, 8]), np.array([1, 2, 5, 6, 7, 9])]
        pieces = [(part, measuring.evaluate(Task(TABLES, Subset(str(part), part)))) for part in parts]
        assert joined(pieces) == whole
        sizes = measuring.evaluate(Task(TABLES, Subset("few", parts[0]), networks=False))
        assert sizes.size_bytes.tolist() == whole.size_bytes[parts[0]].tolist()
        assert sizes.ratio == pieces[0][1].ratio
        assert not sizes.networks

    def test_an_image_has_tables_of_its_own(self, folder: Path) -> None:
        """A quantizer looks at the stored image."""
        dataset = loaded(folder)
        quantizer = fakes.BySmoothness()
        wide = np.arange(1, len(SIDES))  # of one column nothing says how smooth it is
        chosen = evaluator(dataset).evaluate(Task(quantizer, Subset("wide", wide)))
        for size_bytes, index in zip(chosen.size_bytes.tolist(), wide.tolist(), strict=True):
            (tables,) = quantizer.tables_for(dataset.compressed(index))
            assert size_bytes == len(PillowCodec().compress(dataset.compressed(index)[0], tables))


def test_the_workers_of_a_cluster_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="leave --executor dask or --encode-size as-stored out"):
        executor_for(evaluator(loaded(folder)), 1, name="dask").__enter__()
