"""How Sphinx makes a site of these pages: `make docs`."""

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
REPOSITORY = DOCS.parent
sys.path.insert(0, str(REPOSITORY))  # the API as it is in this copy

project = "qsearch"
author = "The qsearch developers"
version = release = version_of("qsearch")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
smartquotes = False  # options begin with two dashes

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
add_module_names = False

html_theme = "furo"
html_title = "qsearch"
html_copy_source = False

FROM_ELSEWHERE = {
    "index": "README.md",
    "contributing": "CONTRIBUTING.md",
    "changes": "CHANGELOG.md",
    "comparing-strategies": "benchmarks/methods/README.md",
    "comparing-learned-tables": "benchmarks/luo2021/README.md",
}
"""Pages whose text is a file's outside docs/, which stands before their own."""
PAGE_OF = {file: f"{page}.md" for page, file in FROM_ELSEWHERE.items()}


def relinked(text: str, folder: Path) -> str:
    """``text`` of a file in ``folder``, its links as they lead from docs/; to a folder none can lead."""

    def link(match: re.Match[str]) -> str:
        shown, target, heading = match.group(1), match.group(2), match.group(3) or ""
        path = (folder / target).resolve()
        if target.startswith(("http:", "https:", "#")) or not path.is_relative_to(REPOSITORY):
            return match.group()
        name = path.relative_to(REPOSITORY).as_posix()
        if path.is_dir():
            return f"{shown[1:]} (`{name}/`)"
        if name not in PAGE_OF and path.is_relative_to(DOCS):
            return f"{shown}]({path.relative_to(DOCS).as_posix()}{heading})"
        return f"{shown}]({PAGE_OF.get(name, f'../{name}')}{heading})"

    return re.sub(r"(\[[^\]\n]*)\]\(([^)#\s]+)(#[^)\s]*)?\)", link, text)


def read_source(app: Any, page: str, source: list[str]) -> None:
    """What Sphinx reads of ``page``."""
    text = relinked(source[0], DOCS)
    if page in FROM_ELSEWHERE:
        file = REPOSITORY / FROM_ELSEWHERE[page]
        text = f"{relinked(file.read_text(encoding='utf-8'), file.parent)}\n{text}"
    source[0] = text


def read_docstring(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Has what a docstring says of each field, ``name: words`` and lines indented below, be a paragraph of its own."""
    found: list[str] = []
    of_field = False
    for line in lines:
        starts = re.match(r"[a-z]\w*(, [a-z]\w*)*: ", line) is not None
        of_field = starts or (of_field and line.startswith("    "))
        found += ["", line] if starts else [line.strip() if of_field else line]
    lines[:] = found


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("source-read", read_source)
    app.connect("autodoc-process-docstring", read_docstring)
