"""Paths that files from elsewhere name: whether they stay in the folder they are relative to."""

from pathlib import PurePosixPath, PureWindowsPath


def stays_within(location: str) -> bool:
    """Whether ``location``, relative to a folder, names something below it, on every system; links are followed."""
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    parts = {*posix.parts, *windows.parts}
    return bool(parts) and ".." not in parts and not posix.anchor and not windows.anchor and "\0" not in location
