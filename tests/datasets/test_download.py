"""Downloads: what is asked again and when, what is not, and that no half file is ever taken for a whole one."""

import email.utils
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qsearch.datasets.download import (
    Answer,
    CancelledError,
    DamagedError,
    Downloader,
    Politeness,
    UnavailableError,
    UnreachableError,
)
from tests.datasets.web import Asked, Page, Web, serving

WHOLE = Page(b"whole")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as found:
        yield found


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def downloader(waits: list[float]) -> Downloader:
    return Downloader(Politeness(attempts=4, backoff_s=1.0, longest_wait_s=60.0, timeout_s=0.5), waits.append)


def content(answer: Answer) -> bytes:
    return answer.content


class TestGet:
    @pytest.mark.parametrize(
        "fault",
        [
            Page(status=503),
            Page(status=500),
            Page(b"whole", sent_bytes=2),
            Page(b"whole", sent_bytes=0),
            Page(b"whole", delay_s=1.0),
            Page(b"no gzip", headers={"Content-Encoding": "gzip"}),
        ],
        ids=["503", "500", "truncated", "no body", "slow", "wrong encoding"],
    )
    def test_a_passing_fault_is_asked_again(
        self, web: Web, downloader: Downloader, waits: list[float], fault: Page
    ) -> None:
        web.pages["/x"] = [fault, fault, WHOLE]
        assert downloader.get(f"{web.address}/x", content) == b"whole"
        assert web.times_asked("/x") == 3
        assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0

    def test_a_lasting_fault_ends_in_a_sentence_without_the_query(self, web: Web, downloader: Downloader) -> None:
        web.pages["/x"] = Page(status=502)
        with pytest.raises(UnreachableError, match=r"^an answer of status 502, 4 times$") as caught:
            downloader.get(f"{web.address}/x", content, params={"api_key": "secret"})
        assert web.asked[0].query == {"api_key": "secret"}
        assert "secret" not in str(caught.value)

    def test_nobody_listening(self, downloader: Downloader) -> None:
        with pytest.raises(UnreachableError, match="no connection, or one that broke off, 4 times"):
            downloader.get("http://127.0.0.1:9/x", content, params={"api_key": "secret"})

    @pytest.mark.parametrize("status", [404, 410])
    def test_what_is_gone_is_asked_once(self, web: Web, downloader: Downloader, status: int) -> None:
        web.pages["/x"] = Page(status=status)
        with pytest.raises(UnavailableError, match=str(status)):
            downloader.get(f"{web.address}/x", content)
        assert web.times_asked("/x") == 1

    @pytest.mark.parametrize("status", [403, 416, 418])
    def test_what_is_refused_is_not_taken_for_gone(self, web: Web, downloader: Downloader, status: int) -> None:
        web.pages["/x"] = Page(status=status)
        with pytest.raises(UnreachableError, match=str(status)):
            downloader.get(f"{web.address}/x", content)
        assert web.times_asked("/x") == 1

    @pytest.mark.parametrize("dated", [False, True])
    def test_retry_after_is_obeyed(self, web: Web, downloader: Downloader, waits: list[float], dated: bool) -> None:
        said = email.utils.formatdate(time.time() + 20, usegmt=True) if dated else "20"
        web.pages["/x"] = [Page(status=429, headers={"Retry-After": said}), WHOLE]
        assert downloader.get(f"{web.address}/x", content) == b"whole"
        assert len(waits) == 1
        assert 18 <= waits[0] <= 21

    def test_retry_after_holds_everything_asked_of_that_server(
        self, web: Web, downloader: Downloader, waits: list[float]
    ) -> None:
        web.pages |= {"/x": [Page(status=429, headers={"Retry-After": "20"}), WHOLE], "/y": WHOLE}
        downloader.get(f"{web.address}/x", content)
        downloader.get(f"{web.address}/y", content)
        assert waits[1] > 18

    def test_a_server_that_wants_a_long_wait_is_given_up(self, web: Web, downloader: Downloader) -> None:
        web.pages["/x"] = Page(status=429, headers={"Retry-After": "3600"})
        with pytest.raises(UnreachableError, match="status 429, and the request to come back after 3600 s"):
            downloader.get(f"{web.address}/x", content)
        assert web.times_asked("/x") == 1

    def test_an_answer_its_reader_calls_damaged_is_asked_for_again(self, web: Web, downloader: Downloader) -> None:
        web.pages["/x"] = [Page(b"<html>"), Page(b"[1, 2]")]
        assert downloader.get(f"{web.address}/x", lambda answer: answer.json(list[int])) == [1, 2]

    def test_redirects_are_followed_and_told(self, web: Web, downloader: Downloader) -> None:
        web.pages |= {"/x": Page(status=302, headers={"Location": "/y?k=1"}), "/y": WHOLE}
        addresses = downloader.get(f"{web.address}/x", lambda answer: answer.addresses)
        assert addresses == (f"{web.address}/x", f"{web.address}/y")

    def test_redirects_without_end(self, web: Web, downloader: Downloader) -> None:
        web.pages["/x"] = Page(status=302, headers={"Location": "/x"})
        with pytest.raises(UnreachableError, match="redirects"):
            downloader.get(f"{web.address}/x", content)

    def test_requests_keep_their_distance(self, web: Web, downloader: Downloader, waits: list[float]) -> None:
        web.pages["/x"] = WHOLE
        for _ in range(3):
            downloader.get(f"{web.address}/x", content, interval_s=100.0)
        assert len(waits) == 2
        assert 90 < waits[0] <= 100
        assert 190 < waits[1] <= 200


class TestSave:
    FILE = Page(bytes(range(256)) * 1000, headers={"ETag": '"v1"'}, ranges=True)

    def cut(self, page: Page, sent_bytes: int) -> Page:
        return Page(page.body, headers=page.headers, ranges=page.ranges, sent_bytes=sent_bytes)

    def test_goes_on_where_it_stopped(self, web: Web, downloader: Downloader, tmp_path: Path) -> None:
        web.pages["/f"] = [self.cut(self.FILE, 200_000), self.FILE]
        seen: list[tuple[int, int]] = []
        downloader.save(f"{web.address}/f", tmp_path / "f", progress=lambda *bytes_: seen.append(bytes_))
        assert (tmp_path / "f").read_bytes() == self.FILE.body
        assert web.asked[1].headers["Range"] == "bytes=196608-"  # the whole chunks that came
        assert seen[-1] == (256_000, 256_000)

    def test_another_process_goes_on(self, web: Web, tmp_path: Path) -> None:
        web.pages["/f"] = [self.cut(self.FILE, 200_000), self.FILE]
        with pytest.raises(UnreachableError):
            Downloader(Politeness(attempts=1)).save(f"{web.address}/f", tmp_path / "f")
        assert not (tmp_path / "f").exists()
        Downloader(Politeness(attempts=1)).save(f"{web.address}/f", tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == self.FILE.body
        assert "Range" in web.asked[1].headers

    @pytest.mark.parametrize("etag", ['"v2"', 'W/"v1"', None])
    def test_begins_anew_where_the_rest_may_be_of_another_file(
        self, web: Web, downloader: Downloader, tmp_path: Path, etag: str | None
    ) -> None:
        other = Page(b"n" * 256_000, headers={"ETag": etag} if etag else {}, ranges=True)
        web.pages["/f"] = [self.cut(self.FILE, 200_000), other]
        downloader.save(f"{web.address}/f", tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == other.body

    def test_a_kill_before_the_last_step_costs_nothing(self, web: Web, tmp_path: Path) -> None:
        web.pages["/f"] = self.FILE

        def killed(path: Path) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Downloader().save(f"{web.address}/f", tmp_path / "f", check=killed)
        Downloader().save(f"{web.address}/f", tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == self.FILE.body
        assert web.asked[1].headers["Range"] == "bytes=256000-"

    def test_a_file_that_fails_its_check_is_thrown_away(self, web: Web, downloader: Downloader, tmp_path: Path) -> None:
        web.pages["/f"] = [Page(b"bad", headers={"ETag": '"v1"'}), self.FILE]

        def check(path: Path) -> None:
            if path.read_bytes() == b"bad":
                raise DamagedError("bad")

        downloader.save(f"{web.address}/f", tmp_path / "f", check)
        assert (tmp_path / "f").read_bytes() == self.FILE.body

    def test_what_is_there_is_not_asked_for(self, web: Web, downloader: Downloader, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"here")
        downloader.save(f"{web.address}/f", tmp_path / "f")
        assert web.asked == []


class TestEach:
    def test_gives_every_item_its_result(self, downloader: Downloader) -> None:
        with closing(downloader.each(range(20), lambda number: number**2)) as results:
            assert {item: result.result() for item, result in results} == {n: n**2 for n in range(20)}

    def test_an_error_of_the_caller_ends_everything(self, web: Web) -> None:
        downloader = Downloader(Politeness(connections=2, backoff_s=60.0, longest_wait_s=600.0))
        fault = Page(status=503)

        def answer(asked: Asked) -> Page:
            return WHOLE if asked.path == "/0" else fault

        web.pages = {f"/{number}": answer for number in range(50)}

        def download(number: int) -> bytes:
            return downloader.get(f"{web.address}/{number}", content)

        def use() -> None:
            with closing(downloader.each(range(50), download)) as results:
                for _ in results:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            use()  # at once, while the other threads wait for a minute
        assert len(web.asked) < 10
        with pytest.raises(CancelledError):
            downloader.get(f"{web.address}/0", content)
