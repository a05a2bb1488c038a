"""The grammar of a page, broken rule by rule: each names page, line and rule."""

import pytest

from gdlbook._book.page import BookError, outside_code

CONT = "<!--pytest-codeblocks:cont-->"
OUTPUT = "<!--pytest-codeblocks:expected-output-->"
RUN = "```python\nx = 1\n```\n"
DRAW = "```python\nfrom gdlbook import plot\n```\n"

BROKEN = {
    "a title": (
        "A\n\n```python title='x.py'\nx = 1\n```",
        3,
        "says \"python title='x.py'\"",
    ),
    "lines": ("```python hl_lines='1'\nx = 1\n```", 1, "would skip it"),
    "braces": ("A\n\n``` {.python}\nx = 1\n```", 3, "says '{.python}'"),
    "tildes": ("A\n\nB\n\n~~~python\nx = 1\n~~~", 5, "is not run"),
    "bare tildes": ("~~~\nx = 1\n~~~", 1, "is not run"),
    "short name": ("```py\nx = 1\n```", 1, "says 'py'"),
    "capital": ("```Python\nx = 1\n```", 1, "says 'Python'"),
    "misspelt": ("```pyhton\nx = 1\n```", 1, "says 'pyhton'"),
    "python3": ("```python3\nx = 1\n```", 1, "says 'python3'"),
    "a console session": ("```pycon\n>>> 1\n```", 1, "says 'pycon'"),
    "no name": ("```\nx = 1\n```", 1, "says ''"),
    "a shell that would run": ("```sh\nls\n```", 1, "says 'sh'"),
    "in a quotation": ("> ```python\n> x = 1\n> ```", 1, "is not run"),
    "in a list item": ("- ```python\n  x = 1\n  ```", 1, "is not run"),
    "in a comment": ("A\n\n<!--\n```python\nx = 1\n```\n-->", 3, "not a directive"),
    "in a comment of one line": ("<!-- x = 1 -->", 1, "not a directive"),
    "behind prose": ("A <!-- hidden", 1, "not a directive"),
    "end of a comment": ("A -->", 1, "not a directive"),
    "not closed": ("A\n\n```python\nx = 1\n", 3, "never closed"),
    "closed elsewhere": ("    ```python\n    x = 1\n```", 3, "another indent"),
    "misspelt directive": (
        f"{RUN}\n<!--pytest-codeblocks:conts-->\n{RUN}",
        5,
        "not a dir",
    ),
    "a directive with a space": (
        f"<!-- pytest-codeblocks:cont -->\n{RUN}",
        1,
        "not a dir",
    ),
    "skip": (f"<!--pytest-codeblocks:skip-->\n{RUN}", 1, "not a directive"),
    "skipfile": (f"<!--pytest-codeblocks:skipfile-->\n{RUN}", 1, "not a directive"),
    "a mark": (f"<!--pytest.mark.skip-->\n{RUN}", 1, "not a directive"),
    "misspelt source": ("<!--sauce: gdlbook.data.load-->", 1, "not a directive"),
    "cont first": (f"A\n\n{CONT}\n{RUN}", 3, "is not one"),
    "cont after a quiet fence": (
        f"{RUN}\n```console\n$ ls\n```\n\n{CONT}\n{RUN}",
        9,
        "is not one",
    ),
    "cont with no fence": (
        f"{RUN}\n{CONT}\n\nProse.\n",
        5,
        "right under it, not prose",
    ),
    "cont at the end": (f"{RUN}\n{CONT}\n", 5, "has no fence under it"),
    "cont over an output": (
        f"{RUN}\n{CONT}\n```text\n1\n```\n",
        6,
        "expected output and",
    ),
    "two directives": (f"{RUN}\n{CONT}\n{OUTPUT}\n", 5, "right under it"),
    "an output with no snippet": (f"A\n\n{OUTPUT}\n```text\n1\n```", 3, "no snippet"),
    "an output after prose": (
        f"{RUN}\nA\n\n{OUTPUT}\n```text\n1\n```",
        7,
        "no snippet",
    ),
    "a second output": (
        f"{RUN}\n{OUTPUT}\n```text\n1\n```\n\n{OUTPUT}\n```text\n1\n```",
        10,
        "no snippet",
    ),
    "an output that is Python": (f"{RUN}\n{OUTPUT}\n{RUN}", 6, "wants a fence `text`"),
    "an output that is quiet": (
        f"{RUN}\n{OUTPUT}\n```console\n1\n```",
        5,
        "wants a fence",
    ),
    "a pasted output": (f"{RUN}\n```text\n1\n```", 5, "what nothing checks"),
    "no alt text": (f"{DRAW}\n![](figure)\nCaption.", 5, "no alt text"),
    "empty alt text": (f"{DRAW}\n![ ](figure)", 5, "no alt text"),
    "a diagram without alt text": ("A\n\nB\n![](diagrams/a.svg)", 4, "no alt text"),
    "a figure with no snippet": ("![Alt.](figure)", 1, "no snippet above"),
    "not Python": (
        "A\n\n```python\nx = 1\nx = = 2\n```",
        5,
        "does not parse as Python",
    ),
}


@pytest.mark.parametrize(("text", "line", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_names_page_line_and_rule(book, text, line, says):
    with pytest.raises(BookError) as caught:
        book.read(text)
    assert str(caught.value).startswith(f"docs/part/page.md:{line}: ")
    assert says in str(caught.value)


def test_a_chain_is_a_snippet_and_all_that_continue_it(book):
    page = book.read(
        f"{RUN}\n{CONT}\n{RUN}\nProse.\n\n{RUN}\nProse.\n\n{CONT}\n\n{RUN}"
    )
    assert [[s.number for s in chain] for chain in page.chains] == [[1, 2], [3, 4]]
    assert [s.line for s in page.snippets] == [1, 6, 12, 20]


def test_each_step_has_its_own_output_and_figures(book):
    page = book.read(
        f"{RUN}\n{OUTPUT}\n```text\n1\n```\n\n{CONT}\n{DRAW}\n![One\nof two.](figure)\n"
        f"Caption.\n\n![Two.](figure)\n\n{CONT}\n{RUN}\n{OUTPUT}\n```text\n2\n```\n"
    )
    assert [s.expected for s in page.snippets] == ["1\n", None, "2\n"]
    assert [[f.alt for f in s.figures] for s in page.snippets] == [
        [],
        ["One of two.", "Two."],
        [],
    ]
    assert len(page.chains) == 1


def test_indented_snippets_lose_their_indent(book):
    page = book.read(
        '??? success "S"\n\n    ```python\n    if 1:\n        x = 1\n    ```\n'
    )
    assert page.snippets[0].code == "if 1:\n    x = 1\n"
    assert page.snippets[0].indent == 4


def test_what_stands_in_a_code_span_or_a_longer_fence_is_only_shown(book):
    page = book.read(
        f"Write `{CONT}` and `![alt](figure)` and `<!--`.\n\n"
        f"````markdown\n{RUN}{CONT}\n````\n"
    )
    assert not page.snippets
    assert page.code_lines == set(range(2, 8))


def test_outside_code_leaves_the_number_of_lines():
    lines = ["a", "b", "```", "c", "```", "d"]
    seen = []

    def change(text, first):
        seen.append((text, first))
        return text.upper()

    assert outside_code(lines, {2, 3, 4}, change) == ["A", "B", "```", "c", "```", "D"]
    assert seen == [("a\nb", 0), ("d", 5)]
