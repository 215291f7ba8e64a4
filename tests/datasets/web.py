"""A web server on this machine, with the pages and the faults that a test gives it."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Page:
    """An answer. sent_bytes: cut the body off there; delay_s: think first; ranges: honour Range, given an ETag."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    sent_bytes: int | None = None
    delay_s: float = 0.0
    ranges: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


Answering = Callable[[Asked], Page]


class Web:
    """Pages by path: one, several to be given in turn (the last for ever), or a function of the request."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, Page | list[Page] | Answering] = {}
        self.asked: list[Asked] = []
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def times_asked(self, path: str) -> int:
        return sum(asked.path == path for asked in self.asked)

    def rewind(self) -> None:
        """Pages given in turn begin anew, and nobody has asked for anything."""
        self._turns.clear()
        self.asked.clear()

    def answer(self, asked: Asked) -> Page:
        with self._lock:
            self.asked.append(asked)
            turn = self._turns[asked.path]
            self._turns[asked.path] += 1
        pages = self.pages.get(asked.path, Page(status=404))
        if isinstance(pages, list):
            return pages[min(turn, len(pages) - 1)]
        return pages if isinstance(pages, Page) else pages(asked)


@contextmanager
def serving() -> Iterator[Web]:
    """A web that is there as long as the context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            page = web.answer(Asked(parts.path, dict(parse_qsl(parts.query)), dict(self.headers)))
            time.sleep(page.delay_s)
            try:
                _send(self, page)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web = Web(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


def _send(handler: BaseHTTPRequestHandler, page: Page) -> None:
    status, body, headers = page.status, page.body, dict(page.headers)
    wanted = handler.headers.get("Range")
    if page.ranges and wanted and handler.headers.get("If-Range") == headers.get("ETag"):
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            status, headers["Content-Range"], body = 416, f"bytes */{len(body)}", b""
        else:
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
    handler.send_response(status)
    handler.send_header("Content-Type", page.content_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: page.sent_bytes])
    if page.sent_bytes is not None:
        handler.close_connection = True
