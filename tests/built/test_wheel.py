"""The wheel alone: what the copy button hands over runs, and prints what is shown."""

import hashlib
import os
import subprocess
import sys
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

import pytest
from built.pages import ROOT, copied
from packaging.requirements import Requirement

KEPT = ROOT / ".cache" / "copies"


def closure(name: str) -> set[str]:
    """Return a distribution and all that it needs, by name."""
    found, todo = set(), [name]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            needs = map(Requirement, distribution(one).requires or [])
            todo += [
                n.name
                for n in needs
                if not n.marker or n.marker.evaluate({"extra": ""})
            ]
    return found


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return next(folder.glob("gdlbook-*.whl"))


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter that has the wheel and what it needs, and nothing else.

    The libraries are linked, not downloaded again.
    """
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.rglob("site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in closure("gdlbook") - {"gdlbook"}:
        for top in {file.parts[0] for file in distribution(name).files or []}:
            place = distribution(name).locate_file(top)
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(place)
    return folder / "bin" / "python"


def run_alone(
    python: Path, code: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    return subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, cwd=folder, env=env
    )


def test_the_wheel_carries_data_and_licences_and_stays_small(wheel):
    assert wheel.stat().st_size < 25e6
    names = zipfile.ZipFile(wheel).namelist()
    data = {"emoji32.npz", "fashion_mnist_10k.npz", "names.txt", "moby_dick.txt"}
    assert data <= {Path(name).name for name in names}
    licences = {Path(name).name for name in names if "/licences/" in name}
    assert {"NOTICE.md", "noto-Apache-2.0.txt", "fashion-mnist-MIT.txt"} <= licences
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "/_book/" in name]


def test_the_interpreter_has_nothing_else(python, tmp_path):
    code = "import gdlbook, torch\nprint(gdlbook.__file__)\nimport pytest"
    done = run_alone(python, code, tmp_path)
    assert done.stdout.startswith(str(python.parents[1]))
    assert "No module named 'pytest'" in done.stderr


def steps(tree) -> list[tuple[str, str]]:
    """Return (what the button copies, what stands under it) of each snippet."""
    found = []
    for snippet in tree.xpath("//*[@data-snippet]"):
        number = snippet.get("data-snippet")
        output = tree.xpath(f"//*[@data-output='{number}']")
        printed = output[0].text_content() if output else ""
        found.append((copied(tree, snippet), printed))
    return found


def without_show(code: str) -> str:
    return code.removesuffix("\nfrom gdlbook import plot\n\nplot.show()\n")


def chains(tree) -> list[tuple[str, str]]:
    """Return what the last step of each chain copies, and what the chain prints.

    An earlier step copies the beginning of that, to the letter: it has run as well.
    """
    found: list[tuple[str, str]] = []
    for code, output in steps(tree):
        if found and code.startswith(without_show(found[-1][0]) + "\n"):
            found[-1] = (code, found[-1][1] + output)
        else:
            found.append((code, output))
    return found


def test_what_is_copied_runs_alone_and_prints_what_is_shown(
    python, tree, wheel, tmp_path
):
    package = hashlib.sha256(wheel.read_bytes()).hexdigest()

    def wrong(chain: tuple[str, str]) -> str | None:
        code, output = chain
        key = hashlib.sha256(f"{package}{sys.version}{code}".encode()).hexdigest()[:32]
        place = KEPT / key
        if not place.exists():
            folder = tmp_path / key
            folder.mkdir()
            done = run_alone(python, code, folder)
            if done.returncode:
                return f"{code}\n{done.stderr}"
            KEPT.mkdir(parents=True, exist_ok=True)
            place.write_text(done.stdout)
        printed = place.read_text()
        return (
            None
            if printed == output
            else f"{code}\nshown: {output}\nprinted: {printed}"
        )

    with ThreadPoolExecutor(2) as pool:
        failed = [one for one in pool.map(wrong, chains(tree)) if one]
    assert not failed, "\n\n".join(failed)
