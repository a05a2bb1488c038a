import re
from pathlib import Path

import pytest

from gdlbook._book import math
from gdlbook._book.slim import page, purge, rules, slim

PAGE = """<!doctype html>
<body class="md-body">
    <div class="used other" id="here" data-copy="for x in y:
    print(x > 1)">
        <p>Some <b>bold</b>
           text.</p>
        <pre><code>for x in y:
    print(x)

    print(x)</code></pre>
    </div>
</body>
"""


def test_indentation_goes_only_where_it_does_not_show() -> None:
    html = page(PAGE)
    assert '"for x in y:\n    print(x > 1)"' in html, "not in what is copied"
    assert "for x in y:\n    print(x)\n\n    print(x)</code>" in html, "not in code"
    assert "<p>Some <b>bold</b>\ntext.</p>\n<pre>" in html


def test_a_style_that_formulas_repeat_is_said_once() -> None:
    html = page(
        "<head></head><p style='a:b'>"
        '<span class="x y" style="top:1em;left:0;">1</span>'
        '<span style="top:1em;left:0;">2</span><span style="top:2em">3</span></p>'
    )
    assert html == (
        "<head><style>.k0{top:1em!important;left:0!important}.k1{top:2em!important}"
        "</style></head><p style='a:b'><span class=\"x y k0\">1</span>"
        '<span class="k0">2</span><span class="k1">3</span></p>'
    )


@pytest.mark.parametrize(
    ("formula", "style"),
    [
        ("x_t", "vertical-align:-0.2143em;margin-left:0em;margin-right:0.07143em;"),
        ("x^2", "vertical-align:0.5186em;margin-right:0.07143em;"),
        ("x_{t-1}", "vertical-align:-0.2143em;"),
    ],
)
def test_an_index_that_stands_alone_is_one_element(formula: str, style: str) -> None:
    html = page(f"<head></head>{math.render(formula, False)}")
    assert "vlist" not in html
    assert 'class="kv' not in html
    rule = ";".join(f"{part}!important" for part in style.split(";") if part)
    assert f"font-size:0.7em!important;line-height:0!important;{rule}" in html
    assert 'class="kvt' in page(math.render("x_t^2", False)), "two need a table"


def test_the_sign_of_a_root_is_drawn_once() -> None:
    one, two = (math.render(rf"\sqrt{{{x}}}", False) for x in "xy")
    path = re.search(r"<path d=\"([^\"]*)\"/>", two)
    assert path
    assert path[0] in one
    html = page(one + two + one)
    assert html.count(path[1]) == 1
    assert html.count('<path id="root-0"') == 1
    assert html.count('<use href="#root-0"/>') == 2


def test_the_source_of_a_formula_goes_though_it_has_two_lines() -> None:
    html = page(
        '<math xmlns="x"><semantics>1<annotation a="b">a\nb</annotation>'
        "</semantics></math>"
    )
    assert html == "<math>1</math>"


@pytest.mark.parametrize(
    ("css", "left"),
    [
        (".used{a:b}", ".used{a:b}"),
        ("#here{a:b}", "#here{a:b}"),
        (".gone{a:b}p{a:b}", "p{a:b}"),
        (".used .gone,.used>p{a:b}", ".used>p{a:b}"),
        (".used:not(.gone,:is(.lost,p)){a:b}", ".used:not(.gone,:is(.lost,p)){a:b}"),
        ('.used[href$=".gone"]{a:b}', '.used[href$=".gone"]{a:b}'),
        ("[dir=rtl] .used{a:b}", ""),
        ("@media print{.gone{a:b}}", ""),
        ("@media print{.gone{a:b}.used{a:b}}", "@media print{.used{a:b}}"),
        ("@font-face{src:url(a.b)}", "@font-face{src:url(a.b)}"),
        ('@charset "utf-8";/* } */.used{a:"}{;"}', '@charset "utf-8";.used{a:"}{;"}'),
        (".used{a:url(data:b;c,{})}.gone{a:b}", ".used{a:url(data:b;c,{})}"),
    ],
)
def test_rules_go_whose_names_occur_nowhere(css: str, left: str) -> None:
    assert purge(css, {"used", "here"}) == left


def test_rules_are_read_with_their_bodies() -> None:
    css = "@import 'a;b'; p , b { c: d }\n@media x{ p{a:b} b{a:b} }"
    assert list(rules(css)) == [
        ("@import 'a;b'", None),
        ("p , b", "c: d"),
        ("@media x", "p{a:b} b{a:b}"),
    ]


def test_a_site_keeps_what_its_pages_and_scripts_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/index.html").write_text(PAGE)
    (tmp_path / "a.js").write_text('e.className="md-added"')
    (tmp_path / "a.css").write_text(
        ':root{--shown:url("x;y");--dead:url("z");--size:1px}'
        ".md-added{mask:var(--shown)}.dead{mask:var(--dead)}"
    )
    slim(tmp_path)
    assert (tmp_path / "a.css").read_text() == (
        ':root{--shown:url("x;y");--size:1px}.md-added{mask:var(--shown)}'
    )
    assert (tmp_path / "deep/index.html").read_text() == page(PAGE)


def test_a_single_class_of_a_site_has_no_quotes_and_is_kept(tmp_path: Path) -> None:
    spans = '<span class="one">1</span><span class="two three">2</span>'
    (tmp_path / "index.html").write_text(spans)
    (tmp_path / "a.css").write_text(".one{a:b}.two{a:b}.four{a:b}")
    slim(tmp_path)
    assert (tmp_path / "a.css").read_text() == ".one{a:b}.two{a:b}"
    assert (tmp_path / "index.html").read_text() == spans.replace('"one"', "one")
