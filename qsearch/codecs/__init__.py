"""Pixels to JPEG files and back, found by name."""

from qsearch.codecs.base import Codec
from qsearch.registry import Registry

CODECS: Registry[type[Codec]] = Registry(
    "codecs",
    {
        "pillow": "qsearch.codecs.pillow:PillowCodec",
        "coefficient": "qsearch.codecs.coefficient:CoefficientCodec",
        "command": "qsearch.codecs.command:CommandCodec",
    },
)
