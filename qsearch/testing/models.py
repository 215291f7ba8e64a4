"""Table models: an image's pixels and a strength to tables."""

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.quantizer import TableModel
from qsearch.tables import QuantTables
from qsearch.testing.quantizers import QuantizerContract

Images = npt.NDArray[np.uint8]


class TableModelContract(QuantizerContract):
    """What every table model keeps, at any strength that of a quantizer too. Override the fixtures ``model`` and
    ``images`` (uint8 [N, H, W, 3], N >= 3), and give ``quantizer`` the model at a strength."""

    def test_any_size_has_tables(self, model: TableModel, images: Images) -> None:
        """Smaller than a block, no multiple of it, and of one colour; tables are whole numbers from 1 to 255."""
        low, high = model.strengths
        for height, width in ((1, 1), (5, 7), (17, 16), (33, 50)):
            pixels = np.resize(images, (height, width, 3))
            for one in (pixels, np.full_like(pixels, 90)):
                for strength in (low, high):
                    assert isinstance(model.tables(one, strength), QuantTables)

    def test_grey_pixels_have_tables(self, model: TableModel, images: Images) -> None:
        """The three channels alike."""
        grey = np.repeat(images[0, :, :, :1], 3, axis=2)
        assert isinstance(model.tables(grey, model.strengths[0]), QuantTables)

    def test_strengths_beyond_its_own_are_refused(self, model: TableModel, images: Images) -> None:
        """As InputError; its own ends are not."""
        low, high = model.strengths
        assert 1 <= low <= high <= 100
        for strength in (low - 0.5, high + 0.5, float("nan")):
            for ask in (model.at, lambda value: model.tables(images[0], value)):
                try:
                    ask(strength)
                except InputError:
                    continue
                raise AssertionError(f"InputError was expected for the strength {strength}")

    def test_higher_strengths_are_finer(self, model: TableModel, images: Images) -> None:
        """From the lowest to the highest, all images and entries together."""
        low, high = model.strengths
        if low < high:
            coarse, fine = (np.mean([np.log(model.tables(image, one).luma) for image in images]) for one in (low, high))
            assert fine < coarse

    def test_strengths_are_quantizers_of_their_own(self, model: TableModel) -> None:
        """By their digests."""
        low, high = model.strengths
        assert len({model.at(one).digest for one in (low, (low + high) / 2, high)}) == len(
            {low, (low + high) / 2, high}
        )
