"""The rules of the house, read from the files: one stem, downward imports, no skips."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("generative", "networks", "families")
CHAPTERS = ("generative", "families")  # those of models
NUMPY_CHAPTERS = {"probability", "dense", "activations", "losses", "optimizers"}
LOWEST = {"data", "plot", "generative.framework", "networks.convolution"} | {
    f"{part}.{name}" for part in PARTS for name in NUMPY_CHAPTERS
}


def stems(folder: Path, pattern: str, prefix: str = "") -> set[str]:
    return {
        f"{part}/{file.stem.removeprefix(prefix)}"
        for part in PARTS
        for file in (folder / part).glob(pattern)
        if file.stem != "__init__"
    }


def chapters(root: Path) -> tuple[set[str], set[str], set[str]]:
    pages = stems(root / "docs", "*.md")
    modules = stems(root / "src/gdlbook", "*.py")
    return pages, modules, stems(root / "tests", "test_*.py", "test_")


def test_a_chapter_is_a_page_a_module_and_a_test_file():
    pages, modules, tests = chapters(ROOT)
    assert pages
    assert pages == modules == tests


def may_import(module: str, other: str) -> bool:
    """Say whether a module of the package may import another one."""
    part, _, name = module.partition(".")
    if other == "_lazy":
        return name == "__init__" or module == "__init__"
    if other.split(".")[0] == "_book":
        return part == "_book"
    if part == "_book":
        return True
    shared = other in ("_model", "_model.checks") and module not in LOWEST
    if shared and part in (*CHAPTERS, "_measure"):
        return True
    if part == "_compare":
        return other == "data"
    if module == "families.comparison" and other != "_model.example":
        above = ("families", "train", "_compare")  # it puts all together
        return other.split(".")[0] in above or other == "generative.framework"
    private = ("_fit", "_measure", "_model", "_world")
    if other.split(".")[0] == part and part in ("data", "plot", *private):
        return True
    if module == "generative.framework":
        return other.split(".")[0] in ("_measure", "_model")
    if part == "_world":
        return False
    if module == "generative.world_model" and other.split(".")[0] == "_world":
        return True
    if module in LOWEST or part in ("data", "plot"):
        return False
    if part in ("train", "_fit"):
        return other.split(".")[0] == "_fit" or other == "generative.framework"
    if part == "families":
        lower = {"generative.framework", "networks.mlp", "networks.cnn"}
        return other in lower | {"_model.example"}
    if part == "generative":
        return other == "generative.framework" or other.startswith("networks.")
    return (
        part == "networks" and other.startswith("networks.") and name in ("mlp", "cnn")
    )


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("gdlbook.")}


SOURCES = sorted((ROOT / "src/gdlbook").rglob("*.py"))


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_imports_run_downward_only(file):
    module = ".".join(file.relative_to(ROOT / "src/gdlbook").with_suffix("").parts)
    for name in imports(file):
        other = name.removeprefix("gdlbook.")
        assert may_import(module, other), f"{module} must not import {other}"


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("data.toys", "plot"),
        ("networks.convolution", "networks.cnn"),
        ("networks.cnn", "train"),
        ("networks.cnn", "_book.run"),
        ("families.vae", "families.flow"),
        ("families.vae", "train"),
        ("families.vae", "_model.shipped"),
        ("families.vae", "_compare.worlds"),
        ("families.vae", "_lazy"),
        ("families.comparison", "networks.mlp"),
        ("_compare.worlds", "families.vae"),
        ("networks.mlp", "_model.checks"),
        ("generative.probability", "_model.checks"),
        ("generative.latent", "_model.example"),
        ("generative.latent", "generative.first_model"),
        ("generative.latent", "train"),
        ("generative.framework", "networks.mlp"),
        ("generative.latent", "_measure.probe"),
        ("_measure.probe", "generative.framework"),
        ("generative.latent", "_world.play"),
        ("_world.play", "generative.world_model"),
        ("_world.network", "networks.mlp"),
        ("train", "networks.cnn"),
    ],
)
def test_the_rule_refuses_what_runs_upward(module, other):
    assert not may_import(module, other)


def test_matplotlib_is_imported_in_plot_only():
    for file in SOURCES:
        if not {"plot", "_book"} & set(file.parts):
            assert "matplotlib" not in file.read_text("utf-8"), file


def test_the_pages_are_run_and_none_is_left_out():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    pytest_settings = settings["tool"]["pytest"]["ini_options"]
    assert "--codeblocks" in pytest_settings["addopts"].split()
    assert {"tests", "docs", "README.md"} <= set(pytest_settings["testpaths"])


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:")[1]
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in nav


def cited(text: str) -> set[str]:
    """Return the arXiv numbers and DOIs that a text links to."""
    return set(
        re.findall(r"https://(?:arxiv\.org/abs|doi\.org)/[^\s>]*[^\s>.,;)]", text)
    )


def test_what_a_chapter_cites_is_among_the_references():
    references = cited((ROOT / "docs/references.md").read_text("utf-8"))
    assert references
    for page in sorted((ROOT / "docs").glob("*/*.md")):
        _, _, sources = page.read_text("utf-8").partition("\n## Sources\n")
        assert cited(sources) <= references, page


def test_the_commands_of_the_readme_exist():
    readme, makefile = (
        (ROOT / name).read_text("utf-8") for name in ("README.md", "Makefile")
    )
    named = set(re.findall(r"make (\w+)", readme))
    assert {"serve", "test", "check", "bench"} <= named
    assert named <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


def test_the_flat_names_exist_and_load_nothing_before_they_are_asked_for():
    program = (
        "import sys, gdlbook\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "from gdlbook import conv2d, output_size\n"
        "assert 'torch' not in sys.modules\n"
        "for name in gdlbook.__all__: getattr(gdlbook, name)\n"
        "try: gdlbook.nothing\n"
        "except AttributeError as error: print(error)"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "module 'gdlbook' has no attribute 'nothing'\n"


def test_an_empty_chapter_made_as_contributing_says_fits(tmp_path):
    guide = (ROOT / "docs/contributing.md").read_text("utf-8")
    page, module, tests = re.findall(
        r"`((?:docs|src/gdlbook|tests)/networks/(?:test_)?pooling\.(?:md|py))`", guide
    )[::-1]
    text = re.search(r"passes already:\n\n```markdown\n(.*?)```", guide, re.DOTALL)
    for name, content in ((page, text[1]), (module, '"""Pooling."""\n'), (tests, "")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    pages, modules, test_files = chapters(tmp_path)
    assert pages == modules == test_files == {"networks/pooling"}
    command = [sys.executable, "-m", "pytest", "-p", "gdlbook._book.plugin", "-c"]
    command += ["/dev/null", "--codeblocks", "--rootdir", tmp_path, tmp_path / page]
    program = (
        "import sys, pytest\nfrom pathlib import Path\nfrom gdlbook._book import run\n"
        f"run.ROOT = Path({str(tmp_path)!r})\nsys.exit(pytest.main(sys.argv[1:]))"
    )
    command[1:3] = ["-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout


BOX = re.compile(r'!!! failure "You will read"\n\n((?:    .*\n|\n)+)')


def misreadings(text: str) -> list[str]:
    """Return the sentence that each box of a page quotes first."""
    boxes = (" ".join(box.split()) for box in BOX.findall(text))
    return [re.search(r'"(.+?),?"', box).group(1) for box in boxes]


def test_the_corrections_list_what_the_chapters_refute():
    rows = (ROOT / "docs/corrections.md").read_text("utf-8").splitlines()
    pages = [page for part in PARTS for page in (ROOT / f"docs/{part}").glob("*.md")]
    found = 0
    for page in pages:
        link = page.relative_to(ROOT / "docs").as_posix()
        for sentence in misreadings(page.read_text("utf-8")):
            found += 1
            assert any(
                row.startswith(f"| {sentence} |") and f"({link}#" in row for row in rows
            ), f"{link} refutes {sentence!r}, which corrections.md does not list"
    assert found > 40
