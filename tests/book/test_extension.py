"""What stands on a built page: numbers, outputs, figures, listings, formulas."""

import re

import pytest
from built.pages import copied
from lxml import html

from gdlbook._book import figures, math
from gdlbook._book.page import BookError
from gdlbook._book.source import listing
from gdlbook.plot import LIGHT_TO_DARK

CONT = "<!--pytest-codeblocks:cont-->\n"
OUTPUT = "\n<!--pytest-codeblocks:expected-output-->\n\n```text\n%s\n```\n\n"
DRAW = """```python
from gdlbook import plot

figure = plot.curves({'a': [1.0, 2.0]}, xlabel='x', ylabel='y')
```
"""


def tree(book, text):
    return html.fromstring(f"<main>{book.html(text)}</main>")


def test_snippets_and_outputs_carry_their_number(book):
    page = tree(
        book,
        "# T\n\n```python\nprint('<1>')\n```\n"
        + OUTPUT % "<1>"
        + "```python\nx = 1\n```\n",
    )
    snippets = page.xpath("//*[@data-snippet]")
    assert [one.get("data-snippet") for one in snippets] == ["1", "2"]
    assert snippets[0].text_content() == "print('<1>')\n"
    (output,) = page.xpath("//*[@data-output]")
    assert (output.get("data-output"), output.text_content()) == ("1", "<1>\n")
    assert "pytest-codeblocks" not in book.html(
        "```python\nx = 1\n```\n" + CONT + "```python\nx = 1\n```"
    )


def test_the_copy_button_takes_the_steps_before(book):
    page = tree(
        book,
        "```python\nx = 1\n```\n\n" + CONT + "```python\nprint(x)\n```\n" + OUTPUT % 1,
    )
    first, second = page.xpath("//*[@data-snippet]")
    assert copied(page, first) == "x = 1\n"
    assert copied(page, second) == "x = 1\n\nprint(x)\n"


def test_a_copied_snippet_shows_what_it_draws(book):
    page = tree(book, DRAW + "\n![Alt.](figure)\n")
    (snippet,) = page.xpath("//*[@data-snippet]")
    assert copied(page, snippet).endswith("plot.show()\n")


def test_a_solution_runs_and_stays_in_its_fold(book):
    page = tree(
        book,
        '??? success "Solution 1"\n\n    Text.\n\n'
        "    ```python\n    print(1)\n    ```\n\n"
        "    <!--pytest-codeblocks:expected-output-->\n\n"
        "    ```text\n    1\n    ```\n\n"
        "    More.\n\nAfter.\n",
    )
    (fold,) = page.xpath("//details")
    assert fold.xpath(".//*[@data-snippet]")
    assert fold.xpath(".//*[@data-output]")[0].text_content() == "1\n"
    assert "More." in fold.text_content()
    assert "After." not in fold.text_content()


def test_figures_stand_light_and_dark_with_alt_and_caption(book):
    page = tree(
        book, DRAW + '\nProse.\n\n![Alt "a" <b>.](figure)\nA *caption* with $x$.\n'
    )
    (figure,) = page.xpath("//figure")
    assert figure.get("data-figure") == "1"
    light, dark = figure.xpath(".//img")
    assert light.get("alt") == 'Alt "a" <b>.' == dark.get("alt")
    assert (light.get("class"), dark.get("class")) == ("only-light", "only-dark")
    assert light.get("loading") == "lazy"
    assert int(light.get("width")) > int(light.get("height")) > 100
    caption = figure.find("figcaption")
    assert caption.xpath(".//em")
    assert caption.xpath(".//math")
    for image in (light, dark):
        file = (book.path.parent / image.get("src")).resolve()
        assert file.parent == (book.root / "docs/assets/figures").resolve()
        assert file.read_text().startswith("<?xml")


def test_the_dark_figure_has_the_dark_colors():
    either = "".join(f'fill="{light}" ' for light in LIGHT_TO_DARK)
    dark = figures.recolor(either)
    assert re.findall("#[0-9a-f]{6}", dark) == list(LIGHT_TO_DARK.values())


def test_a_diagram_stands_in_the_page_with_its_name(book):
    folder = book.root / "docs/assets/diagrams"
    folder.mkdir(parents=True)
    (folder / "a.svg").write_text(
        '<?xml version="1.0"?>\n<svg viewBox="0 0 1 1"><g/></svg>'
    )
    page = tree(book, "![What it is.](diagrams/a.svg)\nThe *one* thing.\n")
    (figure,) = page.xpath("//figure[@class='diagram']")
    assert figure.xpath(".//svg/@aria-label") == ["What it is."]
    assert figure.find("figcaption").text_content() == "The one thing."


def test_a_diagram_that_is_not_there_stops_the_build(book):
    with pytest.raises(BookError, match=r"page.md:3: there is no diagram"):
        book.html("A\n\n![Alt.](diagrams/none.svg)\n")


def test_a_listing_is_the_source_without_its_docstring(book):
    name = "gdlbook._book.math.render"
    (found,) = tree(book, f"A\n\n<!--source: {name}-->\n\nB\n").xpath(
        "//*[@data-source]"
    )
    assert found.get("data-source") == name
    assert "def render(formula: str, display: bool) -> str:" in found.text_content()
    assert "Return the HTML" not in found.text_content()


@pytest.mark.parametrize(
    "name",
    ["gdlbook._book.math.rendr", "gdlbook._book.no.render", "numpy.array", "gdlbook"],
)
def test_a_listing_of_a_name_that_does_not_exist_stops_the_build(book, name):
    with pytest.raises(BookError, match=r"docs/part/page.md:3: .*" + name):
        book.html(f"A\n\n<!--source: {name}-->\n")


def test_a_copied_listing_runs_alone():
    for name in ("gdlbook._book.math.render", "gdlbook._book.page.Page.chains"):
        namespace: dict = {"Snippet": object}
        exec(listing(name)[1], namespace)
        assert name.split(".")[-1] in namespace
    assert namespace is not None


def test_formulas_are_html_and_mathml(book):
    text = book.html(
        "Of $a_1^2$ and `$b$` and \\$5 and\n\n$$\nc_1 = \\Pdata(x)\n$$\n\nEnd.\n"
    )
    page = html.fromstring(f"<main>{text}</main>")
    assert [a.text for a in page.xpath("//annotation")] == ["a_1^2", r"c_1 = \Pdata(x)"]
    assert len(page.xpath("//*[@class='katex-html']")) == 2
    assert page.xpath("//div[@class='math']")
    assert page.xpath("//code")[0].text == "$b$"
    assert "and $5 and" in page.text_content()
    assert not page.xpath("//p//div")


def test_no_line_break_parts_a_formula_from_the_mark_behind_it(book):
    page = tree(book, "Of $a$, $b$ and ($c$). With $a = b = c = d$.\n")
    closed = page.xpath("//span[@class='closed']")
    assert [one.text_content()[-2:] for one in closed] == ["a,", ")."]
    assert page.text_content().rstrip().endswith("d.")


def test_a_formula_over_two_lines_of_a_fold_stays_in_it(book):
    page = tree(
        book,
        '??? success "Solution"\n\n    Of $a =\n    b$; then\n    c.\n\n'
        "    ```python\n    x = 1\n    ```\n",
    )
    (fold,) = page.xpath("//details")
    (paragraph,) = fold.xpath("./p")
    assert paragraph.text_content().rstrip().endswith("then\nc.")
    assert fold.xpath(".//*[@data-snippet]")
    assert not fold.xpath(".//pre//div")


def test_a_formula_in_a_table_may_have_a_bar(book):
    page = tree(book, "| a | b |\n| --- | --- |\n| $p(x|y)$ | 1 |\n")
    assert [cell.text_content()[-1] for cell in page.xpath("//td")] == [")", "1"]


@pytest.mark.parametrize("formula", [r"\frac{1", r"x^2^3", r"\nosuch", "ä"])
def test_a_formula_that_does_not_parse_names_page_and_line(book, formula):
    with pytest.raises(BookError, match=r"^docs/part/page.md:4: the formula "):
        book.html(f"A $x$\nB\n\nC ${formula}$\n")


def test_front_matter_does_not_shift_the_lines(book):
    with pytest.raises(BookError, match=r"^docs/part/page.md:7: "):
        book.html("---\nhide: toc\n---\n\n# T\n\nC $x^2^3$\n")


def test_an_output_that_differs_stops_the_build(book):
    with pytest.raises(
        BookError, match=r"page.md:1: the snippet prints something else"
    ):
        book.html("```python\nprint(1)\n```\n" + OUTPUT % 2)


def test_macros_color_what_is_notation():
    assert 'class="enclosing p-data"' in math.render(r"\Pdata", False)
    assert 'class="enclosing p-model"' in math.render(r"\pmodel(x)", False)
    assert 'class="enclosing latent"' in math.render(r"\z", True)
