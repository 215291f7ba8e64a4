"""What is searched: a box of table entries, or of the shapes of tables."""

from qsearch.space.entries import LAYOUTS, SearchSpace, Vector
from qsearch.space.shapes import LEVELS, ShapeSpace, in_layout, log_mean, shape_of, tables_of

__all__ = ["LAYOUTS", "LEVELS", "SearchSpace", "ShapeSpace", "Vector", "in_layout", "log_mean", "shape_of", "tables_of"]
