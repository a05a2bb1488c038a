"""The Python-Markdown extension that turns snippets, listings and formulas into HTML.

It needs nothing of the program that builds the site, so MkDocs and Zensical show the
same page. What stands under a snippet comes from the run that the tests compare with.
"""

from typing import Any

from markdown import Markdown
from markdown.extensions import Extension

from gdlbook._book.figures import Figures
from gdlbook._book.lines import Lines


class BookExtension(Extension):
    """Registers the two passes: over the lines, and over the tree."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802, the library's name
        """Add the passes to `md`."""
        lines = Lines(md)
        # After white space is normalized (30), before other fences are read (25).
        md.preprocessors.register(lines, "book_lines", 28)
        # After inline patterns (20), so that images and their captions are elements.
        md.treeprocessors.register(Figures(md, lines), "book_figures", 12)


def makeExtension(**options: Any) -> BookExtension:  # noqa: N802, the library's name
    """Return the extension; Python-Markdown looks for this name."""
    return BookExtension(**options)
