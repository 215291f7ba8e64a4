"""Makes a folder of images smaller: learns tables from half of them, and encodes all at the PSNR of a standard quality.

The other half says which of the learned qualities has that PSNR, and what that saves. For a network that reads the
images see docs/images.md: PSNR is an error of pixels.

    python examples/storage.py PHOTOS SMALLER [--like-quality 85] [--side 224]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import qsearch


def squares(sources: list[Path], side: int, name: str) -> qsearch.Dataset:
    """The middle of each image, ``side`` pixels square, as it is stored; of smaller images the whole, enlarged."""
    found = []
    for source in sources:
        with Image.open(source) as image:
            picture = ImageOps.exif_transpose(image).convert("RGB")
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        if min(left, top) < 0:
            found.append(ImageOps.fit(picture, (side, side)))
        else:
            found.append(picture.crop((left, top, left + side, top + side)))
    return qsearch.Dataset.from_arrays(np.stack([np.array(each) for each in found]), [0] * len(found), name=name)


def quality_like(dial: qsearch.Dial, dataset: qsearch.Dataset, like: int) -> tuple[int, float]:
    """The lowest quality of ``dial`` with the PSNR of the standard tables at quality ``like``, and its share of their
    bytes."""
    judge = qsearch.Evaluator(dataset, qsearch.PillowCodec(), measures=("bytes", "psnr"))
    standard = judge.evaluate(qsearch.Task(qsearch.QuantTables.standard(like)))
    best = like, 1.0
    for quality in range(like, 0, -1):
        its = judge.evaluate(qsearch.Task(dial.tables(quality)))
        if its.mean("psnr_db") < standard.mean("psnr_db"):
            break
        best = quality, its.total_bytes / standard.total_bytes
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("smaller", type=Path, help="the folder to write")
    parser.add_argument("--like-quality", type=int, default=85, help="whose PSNR to keep [85]")
    parser.add_argument("--side", type=int, default=224, help="pixels of the squares that are learned from [224]")
    parser.add_argument("--most", type=int, default=60, help="images to learn from, and as many to judge on [60]")
    given = parser.parse_args()

    plan = qsearch.plan_files(given.photos, given.smaller)
    sources = [job.source for job in plan.jobs()][: 2 * given.most]
    if len(sources) < 4:
        raise SystemExit(f"{given.photos} holds {len(sources)} images: tables are learned from half of four or more.")
    learned_on = squares(sources[::2], given.side, "learned on")
    judged_on = squares(sources[1::2], given.side, "judged on")

    ladder = qsearch.learn_ladder(learned_on, qsearch.LearningSettings())
    dial = qsearch.make_dial(ladder.tables, learned_on, qsearch.PillowCodec(), title=ladder.title)
    quality, share = quality_like(dial, judged_on, given.like_quality)
    print(f"Quality {quality} of the dial has the PSNR of standard quality {given.like_quality},")
    print(f"in {100 * (1 - share):.1f} % fewer bytes, on {len(judged_on)} images that it was not learned from.")

    before = after = 0
    for outcome in qsearch.compress_files(plan, dial.tables(quality), overwrite=True):
        if outcome.status == "failed":
            print(f"{outcome.source}: {outcome.reason}")
        before, after = before + outcome.bytes_before, after + outcome.bytes_after
    print(f"{before:,} bytes in {given.photos} became {after:,} in {given.smaller}.")
    qsearch.write_dial(dial, given.smaller / "dial.json")
    print(f"Its tables, for all qualities: {given.smaller / 'dial.json'}")


if __name__ == "__main__":
    main()
