"""Quantization tables: those of one JPEG file, the standard ones, and those that others published."""

from qsearch.tables.quant import (
    STANDARD_CHROMA,
    STANDARD_LUMA,
    ZIGZAG,
    QuantTables,
    Table,
    check_table,
    scale_table,
)

__all__ = ["STANDARD_CHROMA", "STANDARD_LUMA", "ZIGZAG", "QuantTables", "Table", "check_table", "scale_table"]
