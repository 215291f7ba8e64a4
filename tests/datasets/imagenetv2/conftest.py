"""The made-up ImageNetV2 for every test here; nothing leaves this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qsearch.datasets.download import Downloader, Politeness
from tests.datasets.imagenetv2.world import World
from tests.datasets.web import serving


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # these files outlive no power cut; the disk is slow
    with serving() as web:
        yield World(tmp_path, web)


@pytest.fixture
def downloader() -> Downloader:
    return Downloader(Politeness(connections=4, attempts=3, timeout_s=1.0), sleep=lambda seconds: None)
