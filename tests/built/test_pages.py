"""A census of the built pages: what stands there came from a run or the source."""

import re

from built.pages import ROOT, SITE, built

from gdlbook._book import run
from gdlbook._book.parser import QUIET, read

KINDS = "self::*[@data-snippet or @data-output or @data-source]"


def test_there_are_two_kinds_of_python_and_no_third(tree):
    for block in tree.xpath("//article//pre"):
        around = block.xpath(f"ancestor::*[{KINDS}]")
        quiet = [
            name
            for parent in block.iterancestors()
            for name in (parent.get("class") or "").split()
            if name in {f"language-{kind}" for kind in QUIET} | {"doc-signature"}
        ]
        assert len(around) == 1 or quiet, block.text_content()


def test_every_fence_of_the_source_is_a_snippet_of_the_page(page, tree):
    # Counted without the machinery's own parser.
    text = (ROOT / "docs" / page).read_text("utf-8")
    text = re.sub(r"^(````+)\w+\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    fences = re.findall(r"^ *```python$", text, re.MULTILINE)
    numbers = [int(one.get("data-snippet")) for one in tree.xpath("//*[@data-snippet]")]
    assert numbers == list(range(1, len(fences) + 1))


def test_what_is_shown_is_what_was_run(page, tree):
    source = read(ROOT / "docs" / page, ROOT)
    printed = {}
    for chain in source.chains:
        for snippet, step in zip(chain, run.run(source, chain), strict=True):
            if step["output"]:
                printed[snippet.number] = step["output"]
    shown = {
        int(one.get("data-output")): one.text_content()
        for one in tree.xpath("//*[@data-output]")
    }
    assert shown == printed
    codes = {s.number: s.code for s in source.snippets}
    for one in tree.xpath("//*[@data-snippet]"):
        assert one.text_content() == codes[int(one.get("data-snippet"))]


def test_every_figure_is_there_in_both_schemes_with_alt_text(page, tree):
    for figure in tree.xpath("//figure[@data-figure]"):
        images = figure.findall("img")
        assert [one.get("class") for one in images] == ["only-light", "only-dark"]
        for image in images:
            assert len(image.get("alt")) > 20
            assert int(image.get("width")) > 0 < int(image.get("height"))
            assert (built(page).parent / image.get("src")).is_file()
    source = read(ROOT / "docs" / page, ROOT)
    places = [str(s.number) for s in source.snippets for _ in s.figures]
    assert tree.xpath("//figure/@data-figure") == places


def test_nothing_of_the_machinery_reaches_the_reader(tree):
    article = tree.xpath("//article")[0]
    for comment in article.iter():
        if not isinstance(comment.tag, str):
            assert "codeblocks" not in comment.text
    text = article.text_content()
    assert "wzxhzdk" not in text
    assert not tree.xpath("//*[contains(@class, 'katex-error')]")


def test_nothing_is_loaded_from_elsewhere(tree):
    loaded = tree.xpath(
        "//script/@src | //img/@src | //link[not(@rel='canonical')]/@href"
    )
    assert loaded
    assert not [place for place in loaded if re.match(r"(\w+:)?//", place)]


def test_the_style_sheets_load_nothing_from_elsewhere():
    for sheet in SITE.rglob("*.css"):
        for place in re.findall(r"url\(([^)]*)\)", sheet.read_text("utf-8")):
            assert not re.match(r"[\"']?(https?:)?//", place), (sheet, place)


def test_headings_can_be_linked_to(tree):
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
