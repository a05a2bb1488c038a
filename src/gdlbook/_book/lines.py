"""The lines of a page: snippets, listings and formulas become their HTML."""

import re
from html import escape
from typing import Any

from markdown.preprocessors import Preprocessor
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from gdlbook._book import run
from gdlbook._book.math import FORMULA, FormulaError, closed, render
from gdlbook._book.page import BookError, Page, Snippet, outside_code
from gdlbook._book.parser import parse
from gdlbook._book.source import listing

# Names, marks and spaces have the color of the text: a span for each would be half of
# the page's weight.
UNCOLORED = re.compile(r'<span class="(?:n|nn|p|w|o)">([^<]*)</span>')
SHOW = "from gdlbook import plot\n\nplot.show()\n"


def locate(lines: list[str]) -> tuple[str, int]:
    """Find the page that these lines are, and how many lines stand before them.

    Neither builder tells an extension which page it converts; both take the front
    matter away. So the page is the one that ends in these lines.
    """
    wanted = [line.rstrip() for line in "\n".join(lines).strip().splitlines()]
    for file in sorted((run.ROOT / "docs").rglob("*.md")):
        text = [line.rstrip() for line in file.read_text("utf-8").rstrip().splitlines()]
        if wanted and text[-len(wanted) :] == wanted:
            blank = next(at for at, line in enumerate(lines) if line.strip())
            path = file.relative_to(run.ROOT).as_posix()
            return path, len(text) - len(wanted) - blank
    return "", 0


class Lines(Preprocessor):
    """Replaces snippets, listings and formulas by their HTML, kept in the stash."""

    page: Page
    drawn: list[tuple[Snippet, str]]

    def run(self, lines: list[str]) -> list[str]:
        """Return the lines with a placeholder for each thing that is rendered."""
        path, offset = locate(lines)
        self.page = parse(lines, path or "(a docstring)", offset)
        self.drawn = []
        if self.page.snippets and not path:
            raise BookError(
                self.page.path, 1, "snippets stand on pages, where they are run."
            )
        # Formulas first: they leave the number of lines as it is.
        lines = outside_code(lines, self.page.code_lines, self.formulas(offset))
        for spot in sorted(self.blocks(), reverse=True):
            start, end, indent, html = spot
            place = " " * indent + self.md.htmlStash.store(html)
            lines[start - offset : end - offset] = ["", place, ""]
        return lines

    def formulas(self, offset: int) -> Any:
        """Return the function that renders the formulas of a run of lines."""

        def change(text: str, first: int) -> str:
            def one(match: re.Match[str]) -> str:
                if match["code"]:
                    return match[0]
                if match["escaped"]:
                    return "$"
                formula, display = (
                    match["display"] or match["inline"],
                    bool(match["display"]),
                )
                try:
                    html = render(formula.strip(), display)
                except FormulaError as error:
                    line = first + text.count("\n", 0, match.start()) + 1 + offset
                    raise BookError(
                        self.page.path, line, f"the formula {match[0]!r}: {error}"
                    ) from None
                html = closed(html, match["close"] or "")
                # Lines keep their number, and what follows keeps its indentation.
                breaks = re.findall(r"\n[ \t]*", match[0]) or [""]
                place = str(self.md.htmlStash.store(html))
                return place + "\n" * (len(breaks) - 1) + str(breaks[-1])

            return FORMULA.sub(one, text)

        return change

    def blocks(self) -> list[tuple[int, int, int, str]]:
        """Return (first line, line after, indent, HTML) of snippets and listings."""
        spots = []
        for chain in self.page.chains:
            steps = run.run(self.page, chain)
            draws = False
            for snippet, step in zip(chain, steps, strict=True):
                self.drawn += [(snippet, svg) for svg in step["figures"]]
                draws = draws or bool(step["figures"])
                html = _snippet(snippet, chain[0].number, draws)
                spots.append((snippet.first - 1, snippet.last, snippet.indent, html))
        for place in self.page.listings:
            try:
                shown, alone = listing(place.name)
            except LookupError as error:
                raise BookError(self.page.path, place.line, str(error)) from None
            html = _listing(place.name, shown, alone)
            spots.append((place.line - 1, place.line, place.indent, html))
        return spots


def _code(code: str) -> str:
    inner = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True))
    inner = UNCOLORED.sub(r"\1", inner)
    return (
        '<div class="language-python highlight"><pre><span></span>'
        f"<code>{inner}</code></pre></div>"
    )


def _snippet(snippet: Snippet, first: int, draws: bool) -> str:
    """Return a snippet and its output; book.js makes of it what the button copies.

    That is the code of all steps of the chain so far, from the first on, and a line
    that shows the figures. Were it written out, most of a page's weight would be code
    that stands on it already.
    """
    number = snippet.number
    shows = f' data-shows="{escape(SHOW)}"' if draws else ""
    html = f'<div class="snippet" data-snippet="{number}" data-from="{first}"{shows}>'
    html += f"{_code(snippet.code)}</div>"
    if snippet.expected is not None:
        html += (
            f'<div class="output" data-output="{number}"><pre tabindex="0">'
            f"<samp>{escape(snippet.expected)}</samp></pre></div>"
        )
    return f'<div class="step">{html}</div>'


def _listing(name: str, shown: str, alone: str) -> str:
    home, _, last = name.rpartition(".")
    return (
        f'<div class="listing" data-source="{name}" data-copy="{escape(alone)}">'
        f'<p class="listing-name">{home}.<b>{last}</b></p>{_code(shown)}</div>'
    )
