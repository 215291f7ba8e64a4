"""What one image costs each codec, in one thread: CPU microseconds, medians of interleaved repeats.

    python -m benchmarks.codec [--images 64] [--repeats 15] [--out FILE.json]

At 224x224, from the photographs at ../shared (or QSEARCH_SHARED) where they are, else from images made up to be like
them. The first column is how many times faster than Pillow's encoding and decoding; only ratios within one run
compare, for other work on the machine slows all rows alike. Sizes and pixels are checked to be Pillow's before anything
is timed.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.coefficients import _kernel
from qsearch.coefficients.arrays import Coefficients
from qsearch.tables import QuantTables

SIDE = 224
REFERENCE = "Pillow, encode and decode"


@dataclass(frozen=True)
class Row:
    """One way to encode at one setting: CPU time per image, and how many times faster than the reference it is."""

    ratio: float
    cpu_us: float
    name: str
    subsampling: str
    quality: int


def photographs(count: int) -> tuple[str, npt.NDArray[np.uint8]]:
    """Where the images are from, and uint8 [count, 224, 224, 3]."""
    shared = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    files = sorted((shared / "data" / "photos" / "search").glob("*/*.png"))[:count]
    if len(files) < count:
        return "made up", made_up(count)
    images = []
    for file in files:
        with Image.open(file) as image:
            images.append(np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
    return "photographs", np.stack(images)


def made_up(count: int) -> npt.NDArray[np.uint8]:
    """Noise whose amplitude falls as one over frequency, as that of photographs does; channels alike but not equal."""
    draw = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(draw.normal(size=(count, 4, SIDE, SIDE))) / frequency
    shapes = np.fft.irfft2(spectrum)
    pixels = shapes[:, :1] + 0.25 * shapes[:, 1:]
    pixels = 128 + 48 * (pixels - pixels.mean()) / pixels.std()
    return np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


def turbojpeg() -> Any | None:
    """The module ``simplejpeg``, a binding of TurboJPEG, where it is installed."""
    try:
        import simplejpeg
    except ImportError:
        print("TurboJPEG is left out: `pip install simplejpeg` adds it.")
        return None
    return simplejpeg


def ways(
    images: npt.NDArray[np.uint8], encoder: EncoderOptions, quality: int, binding: Any | None
) -> dict[str, Callable[[], object]]:
    """What is timed, by name. Ends the program where the codecs do not agree."""
    tables = [QuantTables.standard(quality)] * len(images)
    pillow, fast = PillowCodec(encoder), CoefficientCodec(encoder)
    prepared = Coefficients.of(images, encoder.subsampling)
    ours, theirs = fast.encode(prepared, tables), pillow.encode(images, tables)
    if not np.array_equal(ours.size_bytes, theirs.size_bytes) or not np.array_equal(ours.images, theirs.images):
        raise SystemExit(f"the codecs differ at {encoder.subsampling}, quality {quality}: there is nothing to compare.")
    found: dict[str, Callable[[], object]] = {
        REFERENCE: lambda: pillow.encode(images, tables),
        "Pillow, encode alone": lambda: pillow.size_bytes(images, tables),
        "coefficient, sizes and pixels": lambda: fast.encode(prepared, tables),
        "coefficient, sizes alone": lambda: fast.size_bytes(prepared, tables),
        "coefficient, from pixels": lambda: fast.encode(images, tables),
    }
    if binding is not None:
        subsampling = encoder.subsampling.replace(":", "")

        def compress() -> list[bytes]:
            return [binding.encode_jpeg(pixels, quality, "RGB", subsampling, False) for pixels in images]

        found["TurboJPEG, encode and decode"] = lambda: [binding.decode_jpeg(data) for data in compress()]
        found["TurboJPEG, encode alone"] = compress
    return found


def measured(timed: dict[str, Callable[[], object]], images: int, repeats: int) -> dict[str, float]:
    """Microseconds of CPU per image, by name: every way once after the other, after one time that does not count."""
    spent_us: dict[str, list[float]] = {name: [] for name in timed}
    for repeat in range(repeats + 1):
        for name, work in timed.items():
            start = time.process_time()
            work()
            if repeat:
                spent_us[name].append(1e6 * (time.process_time() - start) / images)
    return {name: statistics.median(values) for name, values in spent_us.items()}


def main() -> None:
    """Reads the arguments, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    source, images = photographs(arguments.images)
    binding = turbojpeg()
    rows: list[Row] = []
    print(f"{arguments.images} images of {SIDE}x{SIDE} ({source}), path {_kernel.paths()[0]}")
    print(f"{'ratio':>6} {'us/image':>9}")
    for encoder in (EncoderOptions(subsampling="4:2:0"), EncoderOptions(subsampling="4:4:4")):
        for quality in (50, 90):
            medians = measured(ways(images, encoder, quality, binding), len(images), arguments.repeats)
            for name, median in medians.items():
                ratio = medians[REFERENCE] / median
                row = Row(round(ratio, 2), round(median, 1), name, encoder.subsampling, quality)
                print(f"{row.ratio:6.2f} {row.cpu_us:9.1f}  {row.subsampling} quality {quality}  {row.name}")
                rows.append(row)
    if arguments.out is not None:
        report = {
            "images": source,
            "side_pixels": SIDE,
            "path": _kernel.paths()[0],
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
            "processor": processor(),
            "pillow": PillowCodec().settings(),
            "rows": [vars(row) for row in rows],
        }
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
