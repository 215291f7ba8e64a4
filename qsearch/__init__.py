"""Quantization tables for JPEG images that neural networks read: search, measure, compare, take home.

The names below are the public interface; each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qsearch.analysis.choice import choose_like_quality as choose_like_quality
    from qsearch.analysis.comparison import compare as compare
    from qsearch.analysis.gains import bootstrap_gains as bootstrap_gains
    from qsearch.analysis.optimism import selected_gain as selected_gain
    from qsearch.analysis.results import Results as Results
    from qsearch.analysis.summary import summarize as summarize
    from qsearch.archive.store import Archive as Archive
    from qsearch.classifiers import load_classifier as load_classifier
    from qsearch.classifiers.base import Classifier as Classifier
    from qsearch.classifiers.function import FunctionClassifier as FunctionClassifier
    from qsearch.codecs.base import Codec as Codec
    from qsearch.codecs.pillow import PillowCodec as PillowCodec
    from qsearch.datasets import load_dataset as load_dataset
    from qsearch.datasets.base import Dataset as Dataset
    from qsearch.encode.files import compress_files as compress_files
    from qsearch.encode.files import plan_files as plan_files
    from qsearch.encode.image import encode_image as encode_image
    from qsearch.errors import QSearchError as QSearchError
    from qsearch.evaluation.evaluator import Evaluator as Evaluator
    from qsearch.evaluation.measurement import Measurement as Measurement
    from qsearch.evaluation.measurement import Trial as Trial
    from qsearch.evaluation.task import Task as Task
    from qsearch.executors import executor_for as executor_for
    from qsearch.export.formats import TableSheet as TableSheet
    from qsearch.export.formats import export_tables as export_tables
    from qsearch.export.reading import read_tables as read_tables
    from qsearch.learning.dial import Dial as Dial
    from qsearch.learning.dial import make_dial as make_dial
    from qsearch.learning.dial import read_dial as read_dial
    from qsearch.learning.dial import write_dial as write_dial
    from qsearch.learning.ladder import Ladder as Ladder
    from qsearch.learning.ladder import read_ladder as read_ladder
    from qsearch.learning.ladder import write_ladder as write_ladder
    from qsearch.learning.learn import learn_ladder as learn_ladder
    from qsearch.learning.settings import LearningSettings as LearningSettings
    from qsearch.models import load_model as load_model
    from qsearch.quantizer import TableModel as TableModel
    from qsearch.run.folder import Run as Run
    from qsearch.run.settings import RunSettings as RunSettings
    from qsearch.search import run_search as run_search
    from qsearch.space import SearchSpace as SearchSpace
    from qsearch.strategies.base import Strategy as Strategy
    from qsearch.strategies.sorted_random import SortedRandom as SortedRandom
    from qsearch.tables import QuantTables as QuantTables
    from qsearch.tables.published import published_tables as published_tables

_HOMES = {
    "Archive": "qsearch.archive.store",
    "Classifier": "qsearch.classifiers.base",
    "Codec": "qsearch.codecs.base",
    "Dataset": "qsearch.datasets.base",
    "Dial": "qsearch.learning.dial",
    "Evaluator": "qsearch.evaluation.evaluator",
    "FunctionClassifier": "qsearch.classifiers.function",
    "Ladder": "qsearch.learning.ladder",
    "LearningSettings": "qsearch.learning.settings",
    "Measurement": "qsearch.evaluation.measurement",
    "PillowCodec": "qsearch.codecs.pillow",
    "QSearchError": "qsearch.errors",
    "QuantTables": "qsearch.tables",
    "Results": "qsearch.analysis.results",
    "Run": "qsearch.run.folder",
    "RunSettings": "qsearch.run.settings",
    "SearchSpace": "qsearch.space",
    "SortedRandom": "qsearch.strategies.sorted_random",
    "Strategy": "qsearch.strategies.base",
    "TableModel": "qsearch.quantizer",
    "TableSheet": "qsearch.export.formats",
    "Task": "qsearch.evaluation.task",
    "Trial": "qsearch.evaluation.measurement",
    "bootstrap_gains": "qsearch.analysis.gains",
    "choose_like_quality": "qsearch.analysis.choice",
    "compare": "qsearch.analysis.comparison",
    "compress_files": "qsearch.encode.files",
    "encode_image": "qsearch.encode.image",
    "executor_for": "qsearch.executors",
    "export_tables": "qsearch.export.formats",
    "learn_ladder": "qsearch.learning.learn",
    "load_classifier": "qsearch.classifiers",
    "load_dataset": "qsearch.datasets",
    "load_model": "qsearch.models",
    "make_dial": "qsearch.learning.dial",
    "plan_files": "qsearch.encode.files",
    "published_tables": "qsearch.tables.published",
    "read_dial": "qsearch.learning.dial",
    "read_ladder": "qsearch.learning.ladder",
    "read_tables": "qsearch.export.reading",
    "run_search": "qsearch.search",
    "selected_gain": "qsearch.analysis.optimism",
    "summarize": "qsearch.analysis.summary",
    "write_dial": "qsearch.learning.dial",
    "write_ladder": "qsearch.learning.ladder",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qsearch' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
