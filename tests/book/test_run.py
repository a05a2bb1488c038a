"""Running a page: what is compared, told and kept, and that nothing leaks."""

import json
import subprocess
import sys

import pytest

from gdlbook._book import run
from gdlbook._book.page import BookError

CONT = "<!--pytest-codeblocks:cont-->\n"


def out(text):
    return f"\n<!--pytest-codeblocks:expected-output-->\n\n```text\n{text}\n```\n\n"


def code(text):
    return f"```python\n{text}\n```\n"


DRAW = code(
    "from gdlbook import plot\n"
    "figure = plot.curves({'a': [1.0, 2.0]}, xlabel='x', ylabel='y')"
)


def test_each_step_of_a_chain_shows_its_own_output(book):
    page = code("print(1)\nx = 2") + out("1") + CONT + code("print(x)") + out("2")
    assert [step["output"] for step in book.run(page)[0]] == ["1\n", "2\n"]


BROKEN = {
    "an output that differs": (
        "A\n\n" + code("print(41)") + out("42"),
        3,
        ["expected:\n42\n", "printed:\n41\n", "- 42", "+ 41"],
    ),
    "the second output of a chain": (
        code("print(1)") + out("1") + CONT + code("print(3)") + out("2"),
        12,
        ["expected:\n2\n", "printed:\n3\n"],
    ),
    "an output that is not shown": (code("\nprint(1)"), 4, ["does not show it", "1\n"]),
    "nothing printed": (code("x = 1") + out("1"), 1, ["expected:\n1\n"]),
    "a figure without its place": (DRAW, 1, ["leaves 1 figures open", "0 places"]),
    "a place without its figure": (
        code("x = 1") + "\n![Alt.](figure)\nCaption.\n",
        5,
        ["leaves 0 figures open", "1 places"],
    ),
    "one figure for two places": (
        DRAW + "\n![Alt.](figure)\n\n![Alt.](figure)\n",
        8,
        ["leaves 1 figures", "2 places"],
    ),
    "a name that nothing defines": (
        "A\n\n" + code("x = 1") + "\n" + CONT + code("y = x\nz = y + w"),
        10,
        ["NameError: name 'w' is not defined", "Traceback", "z = y + w"],
    ),
    "a name of another chain": (code("x = 1") + code("print(x)"), 5, ["NameError"]),
    "an error far below": (
        code("def f():\n    return 1 / 0\n\nf()"),
        3,
        ["ZeroDivisionError", "line 5", "line 3, in f", "return 1 / 0"],
    ),
    "a warning": (
        code("import warnings\nwarnings.warn('old', DeprecationWarning)"),
        3,
        ["DeprecationWarning: old"],
    ),
    "an exit": (code("raise SystemExit(3)"), 2, ["SystemExit: 3"]),
    "a process that dies": (code("import os\nos._exit(7)"), 1, ["died (7)"]),
}


@pytest.mark.parametrize(("text", "line", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_page_names_page_line_and_what_was_wrong(book, text, line, says):
    with pytest.raises(BookError) as caught:
        book.run(text)
    assert str(caught.value).startswith(f"docs/part/page.md:{line}: ")
    for part in says:
        assert part in str(caught.value)


STATE = """
import os
import random
import sys
import warnings
import matplotlib
import numpy as np
import torch
from matplotlib import pyplot
print(torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())
print(pyplot.get_fignums(), matplotlib.rcParams["lines.linewidth"])
print(np.get_printoptions()["precision"], os.environ.get("LEAK"), os.listdir())
print("leak" in sys.modules, np.geterr()["over"], torch.initial_seed() == 7)
print(np.random.get_state()[1][0] == 7, random.getrandbits(64) == FIRST)
""".strip()
SPOIL = """
import os
import random
import sys
import matplotlib
import numpy as np
import torch
torch.manual_seed(7), np.random.seed(7), random.seed(7)
torch.set_num_threads(2), torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
matplotlib.rcParams["lines.linewidth"] = 9
np.set_printoptions(precision=2), np.seterr(over="ignore")
os.environ["LEAK"], sys.modules["leak"] = "1", os
from pathlib import Path
Path("leak.txt").write_text("x")
""".strip()


def test_nothing_leaks_from_one_chain_into_the_next(book):
    import random

    random.seed(7)
    state = STATE.replace("FIRST", str(random.getrandbits(64)))
    fresh = out(
        "1 torch.float32 True\n[] 1.5\n8 None []\nFalse warn False\nFalse False"
    )
    book.run(code(SPOIL) + code(state) + fresh)
    with pytest.raises(BookError, match="prints something else"):
        book.run(code(SPOIL) + CONT + code(state) + fresh)


def test_what_did_not_change_is_not_run_again(book, tmp_path):
    mark = tmp_path / "runs"
    count = code(
        f"from pathlib import Path\nwith Path({str(mark)!r}).open('a') as f:\n"
        "    _ = f.write('x')"
    )
    book.run(count + code("x = 1"))
    book.run("A line more.\n\n" + count + code("x = 2"))
    assert mark.read_text() == "x"
    book.run(count + CONT + code("x = 1"))
    assert mark.read_text() == "xx"


def test_a_changed_module_of_the_package_runs_again_what_loaded_it(book, monkeypatch):
    page = book.read(code("from gdlbook import plot") + code("x = 1"))
    with_plot, without = page.chains
    assert run.run_all([page]) == []
    assert run.is_fresh(with_plot)
    kept = json.loads((run.STORE / f"{run._key(with_plot)}.json").read_text())
    assert "plot/look.py" in kept["needs"]
    real = run._sum
    monkeypatch.setattr(
        run, "_sum", lambda file: "new" if file.name == "look.py" else real(file)
    )
    assert not run.is_fresh(with_plot)
    assert run.is_fresh(without)


def test_changed_weights_of_the_package_run_again_what_read_them(book, monkeypatch):
    load = "from gdlbook.families import GAN\nmodel = GAN.pretrained('emoji')"
    page = book.read(code(load) + code("from gdlbook.families import GAN"))
    with_weights, without = page.chains
    assert run.run_all([page]) == []
    kept = json.loads((run.STORE / f"{run._key(with_weights)}.json").read_text())
    assert not any(name.endswith(".pyc") for name in kept["needs"])
    for ending in ("json", "safetensors"):
        assert f"weights/gan-emoji.{ending}" in kept["needs"]
        monkeypatch.setattr(
            run,
            "_sum",
            lambda file, e=ending: "new" if file.name == f"gan-emoji.{e}" else "old",
        )
        stored = dict.fromkeys(kept["needs"], "old")
        place = run.STORE / f"{run._key(with_weights)}.json"
        run._write(place, json.dumps(kept | {"needs": stored}))
        assert not run.is_fresh(with_weights)
    assert "weights" not in (run.STORE / f"{run._key(without)}.json").read_text()


def test_other_versions_run_again(book, monkeypatch):
    page = book.read(code("x = 1"))
    assert run.run_all([page]) == []
    monkeypatch.setattr(run, "_versions", lambda: ["another torch"])
    assert not run.is_fresh(page.chains[0])


def test_an_error_is_not_kept(book):
    page = book.read(code("raise ValueError('no')"))
    wrong = run.run_all([page])
    assert len(wrong) == 1
    assert "ValueError: no" in wrong[0]
    assert not run.is_fresh(page.chains[0])


def test_the_same_figure_is_the_same_svg(book):
    page = book.read(DRAW + "\n![Alt.](figure)\n")
    first = run._in_fresh_process(page, page.chains[0])
    assert first["steps"][0]["figures"][0].startswith("<?xml")
    assert run._in_fresh_process(page, page.chains[0])["steps"] == first["steps"]


def pytest_on(book, *more):
    """Run pytest on the book, as `make test` does."""
    script = (
        "import sys, pytest\nfrom pathlib import Path\nfrom gdlbook._book import run\n"
        f"run.ROOT = Path({str(book.root)!r}); run.STORE = run.ROOT / '.cache'\n"
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    options = ["-p", "gdlbook._book.plugin", "-c", "/dev/null", "--rootdir", book.root]
    return subprocess.run(
        [sys.executable, "-c", script, *options, "-q", *more, book.root / "docs"],
        capture_output=True,
        text=True,
        cwd=book.root,
    )


def test_pytest_runs_the_page_and_tells_page_line_and_difference(book):
    book.write(code("print(1)") + out("1") + "\n" + code("print(2)") + out("3"))
    done = pytest_on(book, "--codeblocks")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "docs/part/page.md:12: the snippet prints something else" in done.stdout


def test_pytest_fails_on_a_fence_that_would_be_skipped(book):
    book.write(code("x = 1") + "\n```py\nx = 2\n```\n")
    done = pytest_on(book, "--codeblocks")
    assert done.returncode == 2
    assert "docs/part/page.md:5: a fence may say python" in done.stdout


def test_pytest_refuses_to_pass_over_the_pages(book):
    book.write(code("x = 1"))
    done = pytest_on(book)
    assert done.returncode == 4
    assert "without --codeblocks" in done.stderr
