"""Networks from images to logits, found by name (``name`` or ``name:argument``) or by a file's suffix."""

from pathlib import Path

from qsearch.classifiers.base import Classifier, ClassifierLoader, ClassifierOptions, check_classifier
from qsearch.registry import Registry, failures_explained, split_spec

CLASSIFIERS: Registry[ClassifierLoader] = Registry(
    "classifiers",
    {
        "textures-cnn": "qsearch.classifiers.textures_cnn:load",
        "torchvision": "qsearch.classifiers.torchvision:load",
        "timm": "qsearch.classifiers.timm:load",
        "onnx": "qsearch.classifiers.exported:load_onnx",
        "pt2": "qsearch.classifiers.exported:load_pt2",
    },
)


def load_classifier(spec: str, options: ClassifierOptions | None = None) -> Classifier:
    """The network ``spec`` names: ``textures-cnn``, ``torchvision:NAME``, ``timm:NAME``, ``FILE.onnx``, ``FILE.pt2``.

    InputError where it cannot be had, or where what a plug-in returns is no classifier.
    """
    name, argument = split_spec(spec)
    suffix = Path(spec).suffix.lower().removeprefix(".")
    if name not in CLASSIFIERS and suffix in CLASSIFIERS:
        name, argument = suffix, spec
    loader = CLASSIFIERS.get(name)
    with failures_explained(f"the classifier {spec}"):
        classifier = loader(argument, options or ClassifierOptions())
        check_classifier(spec, classifier)
    return classifier
