"""The Python-Markdown extension that turns snippets, listings and formulas into HTML.

It needs nothing of the program that builds the site, so MkDocs and Zensical show the
same page. What stands under a snippet comes from the run that the tests compare with.
"""

import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from gdlbook._book import run
from gdlbook._book.math import FORMULA, FormulaError, render
from gdlbook._book.page import BookError, Page, Snippet, outside_code, parse
from gdlbook._book.source import listing
from gdlbook.plot import LIGHT_TO_DARK

DOCS = run.ROOT / "docs"
FIGURES = Path("assets", "figures")
DIAGRAMS = Path("assets")
SIZE = re.compile(
    r'<svg[^>]*? height="([\d.]+)pt"[^>]*? width="([\d.]+)pt"|'
    r'<svg[^>]*? width="([\d.]+)pt"[^>]*? height="([\d.]+)pt"'
)
# Names, marks and spaces have the color of the text: a span for each would be half of
# the page's weight.
UNCOLORED = re.compile(r'<span class="(?:n|nn|p|w|o)">([^<]*)</span>')
SHOW = "from gdlbook import plot\n\nplot.show()\n"


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


def locate(lines: list[str]) -> tuple[str, int]:
    """Find the page that these lines are, and how many lines stand before them.

    Neither builder tells an extension which page it converts; both take the front
    matter away. So the page is the one that ends in these lines.
    """
    wanted = [line.rstrip() for line in "\n".join(lines).strip().splitlines()]
    for file in sorted(DOCS.rglob("*.md")):
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
                return str(self.md.htmlStash.store(html)) + "\n" * match[0].count("\n")

            return FORMULA.sub(one, text)

        return change

    def blocks(self) -> list[tuple[int, int, int, str]]:
        """Return (first line, line after, indent, HTML) of snippets and listings."""
        spots = []
        for chain in self.page.chains:
            steps = run.run(self.page, chain)
            for at, (snippet, step) in enumerate(zip(chain, steps, strict=True)):
                self.drawn += [(snippet, svg) for svg in step["figures"]]
                html = _snippet(snippet, payload(chain[: at + 1], steps))
                spots.append((snippet.first - 1, snippet.last, snippet.indent, html))
        for place in self.page.listings:
            try:
                shown, alone = listing(place.name)
            except LookupError as error:
                raise BookError(self.page.path, place.line, str(error)) from None
            html = _listing(place.name, shown, alone)
            spots.append((place.line - 1, place.line, place.indent, html))
        return spots


def payload(chain: list[Snippet], steps: list[run.Step]) -> str:
    """Return what the copy button hands over: it runs alone, and shows its figures."""
    code = "\n".join(step.code for step in chain)
    draws = any(step["figures"] for step in steps[: len(chain)])
    return f"{code}\n{SHOW}" if draws else code


def _code(code: str) -> str:
    inner = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True))
    inner = UNCOLORED.sub(r"\1", inner)
    return (
        '<div class="language-python highlight"><pre><span></span>'
        f"<code>{inner}</code></pre></div>"
    )


def _snippet(snippet: Snippet, alone: str) -> str:
    number = snippet.number
    html = f'<div class="snippet" data-snippet="{number}" data-copy="{escape(alone)}">'
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


class Figures(Treeprocessor):
    """Makes a figure of each paragraph that begins with a drawn image or a diagram."""

    def __init__(self, md: Markdown, lines: Lines) -> None:
        super().__init__(md)
        self.lines = lines

    def run(self, root: ElementTree.Element) -> None:
        """Change the paragraphs in place; the rest of each is its caption."""
        drawn = iter(self.lines.drawn)
        for paragraph in root.iter("p"):
            images = paragraph.findall("img")
            if not images:
                continue
            target, alt = images[0].get("src", ""), images[0].get("alt", "")
            if target == "figure":
                snippet, svg = next(drawn)
                paragraph.set("data-figure", str(snippet.number))
                self.fill(paragraph, "drawn", self.images(svg, alt))
            elif target.startswith("diagrams/"):
                self.fill(paragraph, "diagram", self.diagram(target, alt))

    def fill(
        self, paragraph: ElementTree.Element, kind: str, held: list[ElementTree.Element]
    ) -> None:
        image, *rest = list(paragraph)
        caption = ElementTree.Element("figcaption")
        caption.text = (image.tail or "").lstrip()
        caption.extend(rest)
        for child in list(paragraph):
            paragraph.remove(child)
        paragraph.tag = "figure"
        paragraph.set("class", kind)
        paragraph.extend(held)
        if caption.text.strip() or rest:
            paragraph.append(caption)

    def images(self, svg: str, alt: str) -> list[ElementTree.Element]:
        """Return the two images of a figure, by their place beside the page's source.

        Either builder makes of it the place beside the built page.
        """
        size = SIZE.search(svg)
        assert size, "matplotlib gives an SVG its size"
        width, height = (
            round(float(size[a] or size[b]) * 96 / 72) for a, b in ((2, 3), (1, 4))
        )
        up = "../" * (len(Path(self.lines.page.path).relative_to("docs").parts) - 1)
        return [
            ElementTree.Element(
                "img",
                {
                    "class": f"only-{scheme}",
                    "src": up + (FIGURES / name).as_posix(),
                    "alt": alt,
                    "width": str(width),
                    "height": str(height),
                    "loading": "lazy",
                },
            )
            for scheme, name in zip(("light", "dark"), lay(svg), strict=True)
        ]

    def diagram(self, target: str, alt: str) -> list[ElementTree.Element]:
        """Return the diagram itself, so that it takes the colors of the page."""
        file = DOCS / DIAGRAMS / target
        if not file.is_file():
            line = next(p.line for p in self.lines.page.diagrams if p.target == target)
            sentence = f"there is no diagram {target!r} in docs/{DIAGRAMS.as_posix()}."
            raise BookError(self.lines.page.path, line, sentence)
        svg = re.sub(
            r"<\?xml.*?\?>|<!--.*?-->", "", file.read_text("utf-8"), flags=re.S
        )
        named = f'<svg role="img" aria-label="{escape(alt)}"'
        drawing = ElementTree.Element("div", {"class": "drawing"})
        drawing.text = self.md.htmlStash.store(
            re.sub(r"\n\s*", "\n", svg).strip().replace("<svg", named, 1)
        )
        return [drawing]


def lay(svg: str) -> list[str]:
    """Lay a figure among the site's files, light and dark; return their names."""
    names = []
    for text in (svg, recolor(svg)):
        names.append(hashlib.sha256(text.encode()).hexdigest()[:16] + ".svg")
        place = DOCS / FIGURES / names[-1]
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    return names


def draw(page: Page) -> list[str]:
    """Lay all figures of a page; return the names of their files."""
    steps = [step for chain in page.chains for step in run.run(page, chain)]
    return [name for step in steps for svg in step["figures"] for name in lay(svg)]


def recolor(svg: str) -> str:
    """Return the SVG for the dark scheme: the same drawing, each color replaced."""
    either = re.compile("|".join(LIGHT_TO_DARK), re.IGNORECASE)
    return either.sub(lambda match: LIGHT_TO_DARK[match[0].lower()], svg)
