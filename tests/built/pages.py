"""Where the built pages lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
PAGES = sorted(
    file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")
)


def built(page: str) -> Path:
    """Return the file that a page is built into."""
    stem = page.removesuffix(".md")
    folder = SITE if stem == "index" else SITE / stem.removesuffix("/index")
    return folder / "index.html"
