"""The rebuild, end to end: whatever the web does, whenever it is killed, and what it says when it cannot go on."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from qsearch.datasets import load_dataset
from qsearch.datasets.download import Downloader, Politeness
from qsearch.datasets.imagenetv2.manifest import BuildSettings, read_manifest
from qsearch.datasets.imagenetv2.metadata import Photo
from qsearch.datasets.imagenetv2.selection import select
from qsearch.disk import PARTIALS, partial_path
from qsearch.errors import InputError, RunError
from tests.datasets.imagenetv2.builds import drawn, entries, files, recorded, run
from tests.datasets.imagenetv2.world import KEY, TARBALL, World, jpeg
from tests.datasets.web import Asked, Page


class TestWithoutTrouble:
    def test_from_recorded_addresses(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = drawn(world)
        world.publish(photos)
        built = run(world, tmp_path / "out", downloader)
        assert (built.originals, built.public, built.missing) == (12, 0, {})
        expected = {"build.json", "manifest.jsonl"}
        expected |= {f"{photo.wnid}/{photo.candidate}.png" for photo in photos}
        expected |= {f"originals/{photo.wnid}/{photo.candidate}.jpeg" for photo in photos}
        assert files(tmp_path / "out").keys() == expected
        assert len(world.web.asked) == 12  # one request a photograph, nothing more

    def test_the_manifest_says_where_everything_comes_from(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        photo = drawn(world)[0]
        world.publish(drawn(world))
        run(world, tmp_path / "out", downloader, flickr_key=KEY)
        entry = entries(tmp_path / "out")[photo.candidate]
        assert entry.address == f"{world.web.address}/static/{photo.flickr_id}_o.jpg"
        assert (entry.origin, entry.missing, entry.licence) == ("original", None, "Attribution License")
        assert (entry.width, entry.height, entry.flickr_id) == (640, 480, photo.flickr_id)
        assert entry.original is not None
        content = (tmp_path / "out" / entry.original).read_bytes()
        assert content == jpeg(photo.flickr_id, 640, 480)
        assert entry.size_bytes == len(content)

    def test_the_key_is_written_nowhere(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        world.publish(drawn(world))
        run(world, tmp_path / "out", downloader, flickr_key=KEY)
        assert not any(KEY.encode() in content for content in files(tmp_path / "out").values())

    def test_originals_need_not_be_kept(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        world.publish(drawn(world))
        run(world, tmp_path / "out", downloader, BuildSettings(classes=4, per_class=3, seed=3, originals=False))
        assert not (tmp_path / "out/originals").exists()
        assert len(load_dataset(f"imagenetv2:{tmp_path / 'out'}")) == 12

    def test_a_finished_build_asks_nobody_and_changes_nothing(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        world.publish(drawn(world))
        run(world, tmp_path / "out", downloader)
        before, asked = files(tmp_path / "out"), len(world.web.asked)
        assert run(world, tmp_path / "out", downloader).originals == 12
        assert (files(tmp_path / "out"), len(world.web.asked)) == (before, asked)

    def test_the_halves_share_nothing(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        settings = BuildSettings(classes=997, per_class=1, seed=3, other_classes=True)
        world.publish(select(world.photos(), 997, 1, 3, other_classes=True))
        assert run(world, tmp_path / "out", downloader, settings).originals == 3
        half = {photo.wnid for photo in select(world.photos(), 997, 1, 3, other_classes=False)}
        assert not half & {entry.wnid for entry in read_manifest(tmp_path / "out")}


class TestFaultyWeb:
    def test_passing_faults_leave_no_trace(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = drawn(world)
        world.publish(photos)
        run(world, tmp_path / "smooth", downloader)
        whole = world.recorded(photos[2])
        faults = [
            Page(status=503),
            Page(status=429, headers={"Retry-After": "7"}),
            Page(whole.body, sent_bytes=500),
            Page(whole.body[: len(whole.body) // 2]),
            Page(b"<html>We will be back</html>", content_type="text/html"),
            Page(whole.body, delay_s=1.5),
            Page(status=302, headers={"Location": f"/static/{photos[6].flickr_id}_o.jpg"}),
        ]
        for photo, fault in zip(photos, faults, strict=False):
            world.web.pages[recorded(photo)] = [fault, world.recorded(photo)]
        world.web.rewind()
        built = run(world, tmp_path / "out", downloader)
        assert (built.originals, built.public) == (12, 0)
        assert all(world.web.times_asked(recorded(photo)) > 1 for photo in photos[:6])
        smooth, rough = files(tmp_path / "smooth"), files(tmp_path / "out")
        redirected = photos[6].candidate  # to a larger size here, so that it shows
        different = {name for name in smooth if smooth[name] != rough.get(name)}
        assert {name for name in different if redirected not in name} == {"manifest.jsonl"}
        assert entries(tmp_path / "out")[redirected].width == 640

    def test_photographs_that_are_gone_come_from_the_public_images(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        # Those whose size was recorded come first: others cannot be told by their proportions.
        photos = sorted(drawn(world), key=lambda photo: photo.shape is None)
        world.publish(photos)
        placeholder = "/pw/images/en-us/photo_unavailable.png"
        world.web.pages[placeholder] = world.recorded(photos[0])
        gone = {
            photos[0]: (Page(status=404), "not there any more (status 404)"),
            photos[1]: (Page(status=410), "not there any more (status 410)"),
            photos[2]: (Page(status=302, headers={"Location": placeholder}), "replaced by Flickr's placeholder"),
            photos[3]: (Page(jpeg("square", 300, 300)), "replaced by a picture of other proportions"),
            photos[4]: (Page(jpeg("same", 320, 240)), "replaced by a picture others have too"),
            photos[5]: (Page(jpeg("same", 320, 240)), "replaced by a picture others have too"),
        }
        for photo, (page, _) in gone.items():
            world.web.pages[recorded(photo)] = page
        world.host_tarball(world.photos()[:50] + photos)
        built = run(world, tmp_path / "out", downloader)
        assert (built.originals, built.public) == (6, 6)
        assert built.missing["replaced by a picture others have too"] == 2
        found = entries(tmp_path / "out")
        for photo, (_, reason) in gone.items():
            entry = found[photo.candidate]
            assert (entry.origin, entry.missing) == ("public", reason)
            assert entry.original is not None
            assert (tmp_path / "out" / entry.original).read_bytes() == jpeg(f"public {photo.flickr_id}", 160, 120)
            assert entry.address.startswith(f"{TARBALL}/imagenetv2-matched-frequency-format-val/")
        dataset = load_dataset(f"imagenetv2:{tmp_path / 'out'}")
        assert dataset.notes[0].startswith("6 of 12 images are made from the original photographs, 6 from the public")

    def test_gone_according_to_the_api(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = drawn(world)
        world.publish(photos)
        world.gone_from_api.add(photos[0].flickr_id)
        world.host_tarball(photos)
        built = run(world, tmp_path / "out", downloader, flickr_key=KEY)
        assert built.missing == {"not on Flickr any more": 1}
        # Its owner took it down: no way around that is tried.
        assert world.web.times_asked(recorded(photos[0])) == 0

    def test_public_images_given_as_tarball_or_folder(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        photos = drawn(world)
        tarball = tmp_path / "public.tar.gz"
        tarball.write_bytes(world.tarball(photos))
        folder = tmp_path / "unpacked"
        subprocess.run(["tar", "-xzf", tarball, f"--one-top-level={folder}"], check=True)
        for path in (tarball, folder):
            built = run(world, tmp_path / f"out-{path.name}", downloader, public_images=path)
            assert (built.originals, built.public) == (0, 12)
        left, right = (files(tmp_path / f"out-{path.name}") for path in (tarball, folder))
        assert {k: v for k, v in left.items() if k != "manifest.jsonl"} == {
            k: v for k, v in right.items() if k != "manifest.jsonl"
        }

    def test_servers_that_do_not_answer_are_not_taken_for_gone(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        photos = drawn(world)
        world.publish(photos)
        for photo in photos[:2]:
            world.web.pages[recorded(photo)] = Page(status=403)
        with pytest.raises(RunError, match=r"^2 of 12 photographs could not be fetched .* status 403.* is kept"):
            run(world, tmp_path / "out", downloader)
        with pytest.raises(InputError, match="not finished: give the same build command again"):
            load_dataset(f"imagenetv2:{tmp_path / 'out'}")
        world.publish(photos)
        again = Downloader(downloader.politeness)
        asked = len(world.web.asked)
        assert run(world, tmp_path / "out", again).originals == 12
        assert len(world.web.asked) == asked + 2

    def test_unless_the_user_says_so(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = drawn(world)
        world.publish(photos)
        world.web.pages[recorded(photos[0])] = Page(status=403)
        world.host_tarball(photos)
        built = run(world, tmp_path / "out", downloader, unreachable_as_missing=True)
        assert built.missing == {"an answer of status 403": 1}

    def test_then_however_many_there_are(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = drawn(world)
        world.web.pages |= {recorded(photo): Page(status=403) for photo in photos}
        world.host_tarball(photos)
        assert run(world, tmp_path / "out", downloader, unreachable_as_missing=True).public == 12

    def test_a_lost_public_image_is_restored_as_one(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = drawn(world)
        world.publish(photos)
        for photo in photos[:2]:
            world.web.pages[recorded(photo)] = Page(jpeg("same", 320, 240))
        world.host_tarball(photos)
        run(world, tmp_path / "out", downloader)
        before = files(tmp_path / "out")
        (tmp_path / "out" / photos[0].wnid / f"{photos[0].candidate}.png").unlink()
        built = run(world, tmp_path / "out", downloader)  # alone, the impostor could not be told any more
        assert built.missing == {"replaced by a picture others have too": 2}
        assert files(tmp_path / "out") == before

    def test_without_a_network_it_ends_soon(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        world.web.pages = {recorded(photo): Page(status=502) for photo in world.photos()}
        settings = BuildSettings(classes=100, per_class=10)
        with pytest.raises(RunError, match=r"^10 of 1000 photographs could not be fetched .* status 502, 3 times"):
            run(world, tmp_path / "out", downloader, settings)
        assert len({asked.path for asked in world.web.asked}) < 30

    def test_scattered_failures_do_not_end_it(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = select(world.photos(), 6, 8, 0, other_classes=False)
        world.publish(photos)
        world.web.pages |= {recorded(photo): Page(status=403) for photo in photos[::4]}
        settings = BuildSettings(classes=6, per_class=8)
        one_by_one = Downloader(Politeness(connections=1))
        with pytest.raises(RunError, match=r"^12 of 48 photographs could not be fetched"):
            run(world, tmp_path / "out", one_by_one, settings)
        assert len(list((tmp_path / "out").glob("n*/*.png"))) == 36

    def test_metadata_and_tarball_are_downloaded_where_none_are_given(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        world.host_metadata()
        photos = drawn(world)
        world.publish(photos[1:])
        world.host_tarball(photos)
        assert run(world, tmp_path / "out", downloader, metadata=None).public == 1


class TestBadInput:
    def refused(self, world: World, out: Path, downloader: Downloader, message: str, **given: Any) -> None:
        existed = out.exists()
        with pytest.raises(InputError, match=message):
            run(world, out, downloader, **given)
        assert out.exists() == existed

    def test_a_refused_key(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        self.refused(world, tmp_path / "out", downloader, "Flickr refuses the API key", flickr_key="wrong")
        assert len(world.web.asked) == 1

    def test_no_metadata(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        self.refused(world, tmp_path / "out", downloader, r"b-33\.json and it is not in", metadata=tmp_path / "no")

    def test_no_public_images(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        self.refused(
            world, tmp_path / "out", downloader, "no is not there: give a tarball", public_images=tmp_path / "no"
        )

    def test_too_many_images_of_a_class(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        settings = BuildSettings(classes=5, per_class=11)
        self.refused(world, tmp_path / "out", downloader, "--per-class is a number from 1 to the 10", settings=settings)

    def test_a_folder_of_something_else(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/thesis.txt").write_text("mine")
        self.refused(world, tmp_path / "out", downloader, "is not empty and no rebuilt ImageNetV2")
        assert files(tmp_path / "out") == {"thesis.txt": b"mine"}

    def test_other_settings_than_it_was_begun_with(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        world.publish(drawn(world))
        run(world, tmp_path / "out", downloader)
        settings = BuildSettings(classes=4, per_class=3, seed=4)
        self.refused(world, tmp_path / "out", downloader, "was begun with seed 3, not 4", settings=settings)

    def test_public_images_of_another_set(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        tarball = tmp_path / "other.tar.gz"
        tarball.write_bytes(world.tarball(world.photos()[:5]))
        with pytest.raises(
            InputError, match=r"other\.tar\.gz lacks 12 of the 12 .* give the tarball of the same test set"
        ):
            run(world, tmp_path / "out", downloader, public_images=tarball)

    @pytest.mark.parametrize("content", [b"", b"nonsense", None], ids=["empty", "nonsense", "truncated"])
    def test_a_damaged_tarball(
        self, world: World, downloader: Downloader, tmp_path: Path, content: bytes | None
    ) -> None:
        tarball = tmp_path / "damaged.tar.gz"
        whole = world.tarball(drawn(world))
        tarball.write_bytes(whole[: len(whole) // 2] if content is None else content)
        with pytest.raises(InputError, match=r"damaged\.tar\.gz cannot be read as a tarball"):
            run(world, tmp_path / "out", downloader, public_images=tarball)

    def test_no_space_left(
        self, world: World, downloader: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.publish(drawn(world))
        run(world, tmp_path / "whole", downloader)
        written = []

        def fsync(file: int) -> None:
            written.append(file)
            if len(written) > 15:
                raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            with pytest.raises(RunError, match=r"cannot be written \(No space left on device\): make room there"):
                run(world, tmp_path / "out", Downloader(downloader.politeness))
        assert not list((tmp_path / "out").rglob(PARTIALS))
        run(world, tmp_path / "out", Downloader(downloader.politeness))
        assert files(tmp_path / "out") == files(tmp_path / "whole")

    def test_two_processes_in_one_folder(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        world.publish(drawn(world))
        hanging, go_on = threading.Event(), threading.Event()
        first = recorded(drawn(world)[0])
        good = world.web.pages[first]

        def hang(asked: Asked) -> Page:
            hanging.set()
            go_on.wait(20)
            assert isinstance(good, Page)
            return good

        world.web.pages[first] = hang
        patient = Downloader()
        thread = threading.Thread(target=run, args=(world, tmp_path / "out", patient))
        thread.start()
        try:
            assert hanging.wait(20)
            with pytest.raises(InputError, match="another process is building in"):
                run(world, tmp_path / "out", downloader)
        finally:
            go_on.set()
            thread.join()
        assert len(entries(tmp_path / "out")) == 12


PROGRAM = """
import json, sys
from pathlib import Path
from qsearch.datasets.download import Downloader, Politeness
from qsearch.datasets.imagenetv2.build import Sources, build
from qsearch.datasets.imagenetv2.manifest import BuildSettings
from qsearch.datasets.imagenetv2.publication import Addresses

out, metadata, key, addresses = sys.argv[1:]
settings = BuildSettings(classes=4, per_class=3, seed=3)
sources = Sources(Addresses(**json.loads(addresses)), Path(metadata), key)
build(Path(out), settings, sources, Downloader(Politeness(connections=2), sleep=lambda seconds: None))
"""


class TestKilled:
    """A build that is killed while it waits for its n-th photograph, or for the tarball, and given again."""

    def prepare(self, world: World) -> list[Photo]:
        photos = drawn(world)
        world.publish(photos)
        for photo in photos[::5]:
            world.web.pages[f"/static/{photo.flickr_id}_o.jpg"] = Page(status=404)
        world.host_tarball(photos)
        return photos

    def stop_when(
        self, world: World, out: Path, path_part: str, times: int, tmp_path: Path, stop: signal.Signals
    ) -> int:
        """Stops a build as the server gets so many requests; returns its exit status."""
        reached, counted, answer = threading.Event(), [0], world.web.answer

        def counting(asked: Asked) -> Page:
            page = answer(asked)
            if path_part in asked.path:
                counted[0] += 1
                if counted[0] >= times:
                    reached.set()
                    threading.Event().wait(1)
            return page

        world.web.answer = counting  # type: ignore[method-assign]
        program = tmp_path / "program.py"
        program.write_text(PROGRAM)
        addresses = json.dumps(world.addresses.__dict__)
        process = subprocess.Popen(
            [sys.executable, program, out, world.metadata, KEY, addresses], stderr=subprocess.DEVNULL
        )
        try:
            assert reached.wait(60)
            process.send_signal(stop)
            return process.wait(60)
        finally:
            process.kill()
            world.web.answer = answer  # type: ignore[method-assign]

    @pytest.mark.parametrize(("path_part", "times"), [("/static/", 1), ("/static/", 9), ("/hub/", 1)])
    def test_ends_as_if_it_never_was(
        self,
        world: World,
        downloader: Downloader,
        tmp_path: Path,
        path_part: str,
        times: int,
    ) -> None:
        self.prepare(world)
        run(world, tmp_path / "never-killed", downloader, flickr_key=KEY)
        for path in (tmp_path / "cache").rglob("*.tar.gz"):
            path.unlink()
        out = tmp_path / "killed"
        self.stop_when(world, out, path_part, times, tmp_path, signal.SIGKILL)
        assert not (out / "manifest.jsonl").exists()
        asked = len(world.web.asked)
        built = run(world, out, downloader, flickr_key=KEY)
        assert files(out) == files(tmp_path / "never-killed")
        assert (built.originals, built.public) == (9, 3)
        fetched_again = sum("/static/" in request.path for request in world.web.asked[asked:])
        assert fetched_again <= (12 - (times - 2) if path_part == "/static/" else 0)

    def test_interrupted_it_leaves_only_whole_files(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        self.prepare(world)
        out = tmp_path / "out"
        assert self.stop_when(world, out, "/static/", 5, tmp_path, signal.SIGINT) != 0
        left = files(out)
        assert not list(out.rglob(PARTIALS))
        images = [name for name in left if name.endswith(".png")]
        assert 1 <= len(images) < 12
        asked = len(world.web.asked)
        run(world, out, downloader, flickr_key=KEY)
        assert {name: content for name, content in files(out).items() if name in images} == {
            name: left[name] for name in images
        }
        assert sum("/static/" in request.path for request in world.web.asked[asked:]) <= 12 - len(images)

    def test_a_torn_journal_line_is_done_again(self, world: World, downloader: Downloader, tmp_path: Path) -> None:
        photos = drawn(world)
        world.publish(photos)
        world.web.pages[recorded(photos[-1])] = Page(status=403)
        with pytest.raises(RunError):
            run(world, tmp_path / "out", downloader)
        journal = tmp_path / "out/.building/journal.jsonl"
        journal.write_bytes(journal.read_bytes()[:-30])
        with pytest.raises(RunError):
            run(world, tmp_path / "out", Downloader(downloader.politeness))  # what it adds must not grow on the tear
        partial_path(tmp_path / "out" / photos[0].wnid / "half.png").write_bytes(b"half")
        world.publish(photos)
        run(world, tmp_path / "out", Downloader(downloader.politeness))
        run(world, tmp_path / "smooth", Downloader(downloader.politeness))
        assert files(tmp_path / "out") == files(tmp_path / "smooth")
