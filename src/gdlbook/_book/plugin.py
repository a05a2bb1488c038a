"""The hooks of pytest: pytest-codeblocks runs the pages, chain by chain, as we want it.

pytest-codeblocks finds the files, makes the items and reports them. Here a chain
becomes one item, runs in a fresh process (or comes from the store), and each of its
steps may show what it prints and draws.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from pytest_codeblocks.main import CodeBlock
from pytest_codeblocks.plugin import MarkdownFile, TestBlock

from gdlbook._book import run
from gdlbook._book.page import BookError, Page, Snippet
from gdlbook._book.parser import read


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to start where the pages would be passed over in silence."""
    if not config.option.codeblocks:
        raise pytest.UsageError("without --codeblocks no snippet of any page is run.")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Put our reading of a page in the place of pytest-codeblocks' own."""
    found = yield
    return [
        PageFile.from_parent(parent, path=file_path)
        if isinstance(one, MarkdownFile)
        else one
        for one in found
    ]


class PageFile(MarkdownFile):  # type: ignore[misc]  # the library has no types
    """A page; its items are its chains."""

    def collect(self) -> Iterator["ChainItem"]:
        """Read the page and yield its chains."""
        try:
            page = read(self.path, run.ROOT)
        except BookError as error:
            raise self.CollectError(str(error)) from None
        for chain in page.chains:
            item = ChainItem.from_parent(self, name=f"line {chain[0].line}")
            item.page, item.chain = page, chain
            code = "".join(step.code for step in chain)
            output = "".join(step.expected or "" for step in chain)
            item.obj = CodeBlock(code, chain[0].line, "python", output)
            yield item


class ChainItem(TestBlock):  # type: ignore[misc]  # the library has no types
    """A chain: passes if every step prints and draws what the page shows."""

    page: Page
    chain: list[Snippet]

    def runtest(self) -> None:
        """Run the chain, or take what the store holds, and compare."""
        run.run(self.page, self.chain)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
        """Return page, line, and what was wrong."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the item by page and line."""
        name = f"{self.page.path}:{self.chain[0].line}"
        return self.path, self.chain[0].line - 1, name


def pytest_collection_finish(session: pytest.Session) -> None:
    """Run all chains that changed before the first item, side by side."""
    items = [item for item in session.items if isinstance(item, ChainItem)]
    if items and not session.config.option.collectonly:
        run.run_all(
            {id(item.page): item.page for item in items}.values(),
            [item.chain for item in items],
        )
