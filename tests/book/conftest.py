"""A small book of one page, in a folder of its own, to be broken on purpose."""

from collections.abc import Callable
from pathlib import Path

import pytest
from markdown import Markdown

from gdlbook._book import extension, run
from gdlbook._book.page import Page
from gdlbook._book.parser import read


class Book:
    """One page, `docs/part/page.md`, and what the machinery makes of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "docs" / "part" / "page.md"
        self.path.parent.mkdir(parents=True)

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def read(self, text: str) -> Page:
        self.write(text)
        return read(self.path, self.root)

    def run(self, text: str) -> list[list[run.Step]]:
        page = self.read(text)
        return [run.run(page, chain) for chain in page.chains]

    def html(self, text: str) -> str:
        self.write(text)
        body = text.split("---\n", 2)[2] if text.startswith("---\n") else text
        extensions = [
            "admonition",
            "attr_list",
            "md_in_html",
            "tables",
            "pymdownx.details",
            "pymdownx.superfences",
            extension.BookExtension(),
        ]
        return Markdown(extensions=extensions).convert(body)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """Return an empty book; its runs are stored in its own folder."""
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "STORE", tmp_path / ".cache")
    return Book(tmp_path)


@pytest.fixture
def prints() -> Callable[[str, str], str]:
    """Return the page of one snippet with its output."""

    def page(code: str, output: str) -> str:
        return (
            f"```python\n{code}\n```\n\n"
            f"<!--pytest-codeblocks:expected-output-->\n\n```text\n{output}\n```\n"
        )

    return page
