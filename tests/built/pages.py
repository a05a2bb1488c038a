"""Where the built pages lie."""

from pathlib import Path

from lxml import html

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
PAGES = sorted(
    file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")
)


def copied(tree: html.HtmlElement, snippet: html.HtmlElement) -> str:
    """Return what the copy button of a snippet is to hand over."""
    numbers = range(int(snippet.get("data-from")), int(snippet.get("data-snippet")) + 1)
    steps = [
        tree.xpath(f"//*[@data-snippet='{number}']//code")[0].text_content()
        for number in numbers
    ]
    shows = snippet.get("data-shows")
    return "\n".join([*steps, *([shows] if shows else [])])


def built(page: str) -> Path:
    """Return the file that a page is built into."""
    stem = page.removesuffix(".md")
    folder = SITE if stem == "index" else SITE / stem.removesuffix("/index")
    return folder / "index.html"
