"""MkDocs and Zensical build the same pages: the book has to outlive its theme."""

import pytest
from built.pages import PAGES, ROOT, built
from lxml import html

PARTS = {
    "headings": "//article//h1 | //article//h2 | //article//h3",
    "text": "//article//p | //article//li | //article//td",
    "snippets": "//*[@data-snippet]",
    "copied": "//@data-copy | //@data-from | //@data-shows",
    "outputs": "//*[@data-output]",
    "figures": "//figure//img/@src",
    "alt text": "//figure//@alt | //figure//@aria-label",
    "captions": "//figcaption",
    "formulas": "//annotation",
    "listings": "//*[@data-source]",
    "reference": "//*[contains(@class, 'doc-heading')]",
}


def texts(tree, path):
    return [
        one if isinstance(one, str) else " ".join(one.text_content().split())
        for one in tree.xpath(path)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_both_builders_show_the_same(page):
    one = built(page)
    other = ROOT / "site-zensical" / one.relative_to(ROOT / "site")
    trees = [html.fromstring(file.read_text("utf-8")) for file in (one, other)]
    for name, path in PARTS.items():
        first, second = (texts(tree, path) for tree in trees)
        assert first == second, name
        assert name not in ("headings", "text") or first
