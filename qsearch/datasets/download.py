"""HTTP downloads, polite and whole: paced, retried with backoff and jitter, checked, never half a file."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from qsearch.disk import partial_path, replacing, writing

if TYPE_CHECKING:
    from requests import Response

Item = TypeVar("Item")
T = TypeVar("T")

NOT_THERE = (404, 410)
LATER = (408, 425, 429, 500, 502, 503, 504)
CHUNK_BYTES = 1 << 16
KEPT_ADVICE = "make room there and give the same command again, what was fetched is kept."


class DownloadError(Exception):
    """Base of what a download may end in; the message ends a sentence that names the thing."""


class UnavailableError(DownloadError):
    """There is no such thing any more: asking again is of no use."""


class UnreachableError(DownloadError):
    """The server does not answer as it should, after all the retries that are decent."""


class DamagedError(DownloadError):
    """What came is not what was asked for, but might be next time; raised by those who read an answer."""


class CancelledError(Exception):
    """Another download failed for good, or the user interrupted: this one ended before its time."""


class _LaterError(Exception):
    """To be tried again; after ``after_s`` seconds where the server said so."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


@dataclass(frozen=True)
class Politeness:
    """How servers are treated.

    connections: downloads at once. attempts: how often one thing is asked for. backoff_s: seconds before the second
    attempt, doubled before each further one, with jitter. longest_wait_s: no wait is longer; a server that asks for
    more is given up. timeout_s: seconds without a byte.
    """

    connections: int = 8
    attempts: int = 6
    backoff_s: float = 1.0
    longest_wait_s: float = 120.0
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Answer:
    """A whole answer. addresses: every address on the way to it, redirects included, without their queries."""

    content: bytes
    content_type: str
    addresses: tuple[str, ...]

    def json(self, shape: type[T]) -> T:
        """The answer as JSON of this shape. DamagedError where it is not."""
        import msgspec

        try:
            return msgspec.json.decode(self.content, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DamagedError(f"an answer that is not as expected ({error})") from error


class Downloader:
    """Downloads for any number of threads. ``sleep`` replaces waiting in tests."""

    def __init__(self, politeness: Politeness | None = None, sleep: Callable[[float], object] | None = None) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self.politeness = politeness or Politeness()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"qsearch/{version('qsearch')}"
        adapter = HTTPAdapter(pool_maxsize=self.politeness.connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._stop = threading.Event()
        self._sleep = sleep or self._stop.wait
        self._paces: defaultdict[str, _Pace] = defaultdict(_Pace)

    def each(self, items: Iterable[Item], do: Callable[[Item], T]) -> Generator[tuple[Item, Future[T]], None, None]:
        """Does ``do`` for all items, so many at once as is polite; items with their results as they come.

        To be closed (``contextlib.closing``): closed early, or interrupted, it ends all downloads of this downloader.
        """
        pool = ThreadPoolExecutor(self.politeness.connections)
        try:
            futures = {pool.submit(do, item): item for item in items}
            for future in as_completed(futures):
                yield futures[future], future
        except BaseException:
            self._stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def get(
        self,
        url: str,
        read: Callable[[Answer], T],
        *,
        params: Mapping[str, str] | None = None,
        interval_s: float = 0.0,
    ) -> T:
        """What ``read`` makes of the answer; where it raises DamagedError, the server is asked again.

        interval_s: seconds at least between two requests to this server. UnavailableError where there is no such
        thing, UnreachableError where the server does not answer, or not as ``read`` expects.
        """

        def attempt() -> T:
            with self._response(url, params, {}) as response:
                content = b"".join(self._chunks(response))
            hops = (*response.history, response)
            addresses = tuple(_public(hop.url) for hop in hops)
            try:
                return read(Answer(content, response.headers.get("Content-Type", ""), addresses))
            except DamagedError as error:
                raise _LaterError(str(error)) from error

        return self._persist(url, attempt, interval_s)

    def save(
        self,
        url: str,
        path: Path,
        check: Callable[[Path], object] = lambda path: None,
        progress: Callable[[int, int], object] = lambda done_bytes, total_bytes: None,
    ) -> None:
        """Downloads a large file to ``path``, unless it is there, going on where an earlier process stopped.

        ``check`` sees the whole file before it gets its name; where it raises DamagedError, the file is thrown away
        and downloaded again. ``progress`` hears of bytes, in all 0 where the server does not say. Errors as
        :meth:`get`, and DiskError where the disk refuses.
        """
        from filelock import FileLock

        with writing(path, KEPT_ADVICE), FileLock(path.with_name(f".{path.name}.lock")):
            if path.exists():
                return
            partial = partial_path(path)

            def attempt() -> None:
                self._continue(url, partial, progress)
                try:
                    check(partial)
                except DamagedError as error:
                    partial.unlink()
                    raise _LaterError(str(error)) from error

            self._persist(url, attempt)
            partial.replace(path)
            _validator_path(partial).unlink(missing_ok=True)

    def _continue(self, url: str, partial: Path, progress: Callable[[int, int], object]) -> None:
        validator_path = _validator_path(partial)
        have = partial.stat().st_size if partial.exists() and validator_path.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator_path.read_text(encoding="latin-1")}
        with self._response(url, None, headers) as response:
            span = response.headers.get("Content-Range", "")
            if response.status_code == 416 and span == f"bytes */{have}":
                return  # it was whole already
            going_on = response.status_code == 206 and span.startswith(f"bytes {have}-")
            if response.status_code != 200 and not going_on:
                partial.unlink(missing_ok=True)
                raise _LaterError(f"an answer of status {response.status_code} to a request for the rest of it")
            if not going_on:
                have = 0
                partial.unlink(missing_ok=True)
                _remember_validator(validator_path, response)
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdigit() else 0
            with partial.open("ab") as file:
                for chunk in self._chunks(response):
                    have += file.write(chunk)
                    progress(have, total)

    def _persist(self, url: str, attempt: Callable[[], T], interval_s: float = 0.0) -> T:
        pace = self._paces[urlsplit(url).netloc]
        for number in range(1, self.politeness.attempts + 1):
            wait_s = pace.reserve(interval_s)
            if wait_s > 0:
                self._pause(wait_s)
            self._check_cancelled()
            try:
                return attempt()
            except _LaterError as error:
                why, after_s = str(error), error.after_s
            if after_s is not None and after_s > self.politeness.longest_wait_s:
                raise UnreachableError(f"{why}, and the request to come back after {after_s:.0f} s")
            if number < self.politeness.attempts:
                self._back_off(pace, number, after_s)
        raise UnreachableError(f"{why}, {self.politeness.attempts} times")

    def _back_off(self, pace: "_Pace", number: int, after_s: float | None) -> None:
        if after_s is not None:
            pace.hold(after_s + random.random())  # the server means everybody, so every thread waits
            return
        longest_s = min(self.politeness.backoff_s * 2 ** (number - 1), self.politeness.longest_wait_s)
        self._pause(longest_s * random.uniform(0.5, 1.0))

    def _pause(self, seconds: float) -> None:
        self._sleep(seconds)
        self._check_cancelled()

    def _check_cancelled(self) -> None:
        if self._stop.is_set():
            raise CancelledError

    @contextmanager
    def _response(self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str]) -> Iterator["Response"]:
        """An answer worth reading; faults, also those met while it is read, as errors that say what to do next."""
        import requests

        try:
            with self._session.get(
                url, params=params, headers=dict(headers), stream=True, timeout=self.politeness.timeout_s
            ) as response:
                _judge(response, "Range" in headers)
                yield response
        # Without their cause: these errors quote the whole address, and with it a key that is nobody else's business.
        except requests.Timeout:
            raise _LaterError(f"no answer within {self.politeness.timeout_s:g} s") from None
        except requests.exceptions.SSLError:
            raise UnreachableError("no secure connection") from None
        except requests.ConnectionError:
            raise _LaterError("no connection, or one that broke off") from None
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            raise _LaterError("an answer that broke off") from None
        except requests.TooManyRedirects:
            raise UnreachableError("redirects without end") from None
        except requests.RequestException as error:
            raise UnreachableError(type(error).__name__) from None

    def _chunks(self, response: "Response") -> Iterator[bytes]:
        for chunk in response.iter_content(CHUNK_BYTES):
            self._check_cancelled()
            yield chunk


class _Pace:
    """When a server may be asked next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def reserve(self, interval_s: float) -> float:
        """Takes the next turn and returns how many seconds it is away."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._free_at)
            self._free_at = turn + interval_s
            return turn - now

    def hold(self, seconds: float) -> None:
        """No turns for so long."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)


def _judge(response: "Response", ranged: bool) -> None:
    status = response.status_code
    if status in NOT_THERE:
        raise UnavailableError(f"not there any more (status {status})")
    if status in LATER:
        raise _LaterError(f"an answer of status {status}", _retry_after_s(response))
    if status != 200 and not (ranged and status in (206, 416)):
        raise UnreachableError(f"an answer of status {status}")


def _retry_after_s(response: "Response") -> float | None:
    """Seconds that the server asks to wait, said as a number or as a date."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    said = response.headers.get("Retry-After")
    if said is None:
        return None
    try:
        return max(0.0, float(Retry().parse_retry_after(said)))
    except InvalidHeader:
        return None


def _public(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _validator_path(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}-etag")


def _remember_validator(path: Path, response: "Response") -> None:
    """Keeps what proves that the rest belongs to the same file; without it the next attempt begins anew."""
    etag = response.headers.get("ETag", "")
    path.unlink(missing_ok=True)
    if etag and not etag.startswith("W/"):
        with replacing(path, KEPT_ADVICE) as file:
            file.write(etag.encode("latin-1"))
