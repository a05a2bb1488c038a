"""Run the snippets of the pages, each chain in a fresh process, once.

The tests and the site ask here for the same thing, what a chain printed and drew, and
get the same answer: a chain whose code, whose modules and data of the package and
whose versions did not change is not run again, by neither. The answers lie in `.cache`.
"""

import difflib
import hashlib
import json
import multiprocessing
import os
import platform
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

import gdlbook._book.child
from gdlbook._book.child import PACKAGE, Step, child
from gdlbook._book.page import BookError, Page, Snippet

ROOT = Path(__file__).parents[3]
STORE = ROOT / ".cache" / "snippets"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Chain = Sequence[Snippet]


def run(page: Page, chain: Chain) -> list[Step]:
    """Return what each step of a chain printed and drew, from the store if it is there.

    Raises:
        BookError: a step raised, or the page says otherwise than what came out.
    """
    place = STORE / f"{_key(chain)}.json"
    steps = _stored(place)
    if steps is None:
        answer = _in_fresh_process(page, chain)
        if "error" in answer:
            raise BookError(page.path, answer["line"], answer["error"])
        steps = answer["steps"]
        _write(place, json.dumps({"steps": steps, "needs": _sums(answer["files"])}))
    _compare(page, chain, steps)
    return steps


def is_fresh(chain: Chain) -> bool:
    """Say whether the store holds what this chain prints and draws."""
    return _stored(STORE / f"{_key(chain)}.json") is not None


def run_all(pages: Iterable[Page], chains: Iterable[Chain] | None = None) -> list[str]:
    """Run every chain that is not in the store, side by side; return what failed."""
    wanted = None if chains is None else {id(chain[0]) for chain in chains}
    todo = [
        (page, chain)
        for page in pages
        for chain in page.chains
        if (wanted is None or id(chain[0]) in wanted) and not is_fresh(chain)
    ]
    wrong = []
    with (
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
        tqdm(total=len(todo), desc="snippets", unit="chain", disable=not todo) as bar,
    ):
        for error in pool.map(lambda job: _error(*job), todo):
            bar.update()
            if error:
                wrong.append(error)
    return wrong


def _error(page: Page, chain: Chain) -> str | None:
    try:
        run(page, chain)
    except BookError as error:
        return str(error)
    return None


@cache
def _versions() -> list[str]:
    own = _sum(Path(gdlbook._book.child.__file__))
    names = ("gymnasium", "matplotlib", "numpy", "safetensors", "torch")
    return [platform.python_version(), own, *(version(name) for name in names)]


def _key(chain: Chain) -> str:
    # Where the chain stands on its page is left out: moving it does not change it.
    text = json.dumps([[step.code for step in chain], _versions()])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stored(place: Path) -> list[Step] | None:
    if not place.exists():
        return None
    stored = json.loads(place.read_text(encoding="utf-8"))
    steps: list[Step] = stored["steps"]
    return steps if stored["needs"] == _sums(stored["needs"]) else None


def _sums(files: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each file of the package ('' where it is gone)."""
    return {name: _sum(PACKAGE / name) for name in files}


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=place.parent, delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    Path(file.name).replace(place)


@cache
def _processes() -> multiprocessing.context.BaseContext:
    # A fork server has imported the slow libraries and nothing else has happened in
    # it: a child of it is as fresh as a new interpreter, in a tenth of the time.
    os.environ.update(dict.fromkeys(THREADS, "1"), MPLBACKEND="Agg")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy", "torch", "matplotlib.pyplot"])
    return context


def _in_fresh_process(page: Page, chain: Chain) -> dict[str, Any]:
    receive, send = _processes().Pipe(duplex=False)
    process = _processes().Process(  # type: ignore[attr-defined]
        target=child, args=(page.path, list(chain), send)
    )
    process.start()
    send.close()
    try:
        answer: dict[str, Any] = receive.recv()
    except EOFError:
        process.join()
        line, code = chain[0].line, process.exitcode
        return {"line": line, "error": f"the process of this chain died ({code})."}
    process.join()
    return answer


def _compare(page: Page, chain: Chain, steps: list[Step]) -> None:
    """Hold what the page says against what came out."""
    for snippet, step in zip(chain, steps, strict=True):
        printed, shown = step["output"], snippet.expected
        if shown is None and printed:
            raise BookError(
                page.path,
                snippet.last,
                f"the snippet prints and the page does not show it:\n{printed}",
            )
        if shown is not None and shown != printed:
            change = difflib.ndiff(shown.splitlines(), printed.splitlines())
            raise BookError(
                page.path,
                snippet.line,
                "the snippet prints something else than the page shows.\n"
                f"expected:\n{shown}printed:\n{printed}"
                "difference (- expected, + printed):\n" + "\n".join(change),
            )
        drawn, marked = len(step["figures"]), len(snippet.figures)
        if drawn != marked:
            line = snippet.figures[-1].line if drawn < marked else snippet.line
            raise BookError(
                page.path,
                line,
                f"the snippet leaves {drawn} figures open, and the page has {marked} "
                "places for them: one ![alt text](figure) a figure.",
            )
