"""Drawings of a page: what snippets drew, light and dark, and hand-made diagrams."""

import hashlib
import re
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from markdown import Markdown
from markdown.treeprocessors import Treeprocessor

from gdlbook._book import run
from gdlbook._book.lines import Lines
from gdlbook._book.page import BookError, Page
from gdlbook.plot import LIGHT_TO_DARK

FIGURES = Path("assets", "figures")
DIAGRAMS = Path("assets")
SIZE = re.compile(
    r'<svg[^>]*? height="([\d.]+)pt"[^>]*? width="([\d.]+)pt"|'
    r'<svg[^>]*? width="([\d.]+)pt"[^>]*? height="([\d.]+)pt"'
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
        file = run.ROOT / "docs" / DIAGRAMS / target
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
        place = run.ROOT / "docs" / FIGURES / names[-1]
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
