"""Codecs that make files: what cannot be read back fails the evaluation, in a sentence."""

from typing import Any

import pytest

from qsearch.codecs.pillow import PillowCodec
from qsearch.errors import EvaluationError
from qsearch.tables import QuantTables
from tests.fakes import fake_images


class Truncating(PillowCodec):
    """Pillow's files without their last bytes."""

    def compress(self, pixels: Any, tables: QuantTables) -> bytes:
        return super().compress(pixels, tables)[:-20]


def test_a_file_that_cannot_be_decoded_is_a_sentence() -> None:
    with pytest.raises(EvaluationError, match=r"^Pillow cannot decode what pillow encoded \(.*truncated.*\)\.$"):
        Truncating().encode(fake_images(1), [QuantTables.standard(50)])
