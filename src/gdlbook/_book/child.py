"""What happens in the process of one chain: its steps run, and are watched."""

import contextlib
import io
import linecache
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gdlbook._book.page import Snippet

PACKAGE = Path(__file__).parents[1]
Step = dict[str, Any]  # {"output": str, "figures": [svg, ...]}
Chain = Sequence[Snippet]


def child(path: str, chain: Chain, send: Connection) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stderr(nowhere),
    ):
        send.send(_execute(path, chain))


def _execute(path: str, chain: Chain) -> dict[str, Any]:
    """Run the steps of a chain, one after the other, in one namespace."""
    import torch

    torch.set_num_threads(1)
    # A warning is the first sign of rot. NumPy's own on overflow may be the lesson.
    warnings.simplefilter("error")
    warnings.simplefilter("default", RuntimeWarning)
    opened = _watch_what_opens()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    steps: list[Step] = []
    for step in chain:
        source = "\n" * step.line + step.code
        linecache.cache[path] = (len(source), None, source.splitlines(True), path)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(source, path, "exec"), namespace)
            steps.append({"output": printed.getvalue(), "figures": _figures()})
        except (Exception, SystemExit) as error:
            return _report(path, step, error)
    return {"steps": steps, "files": _of_the_package(opened)}


def _watch_what_opens() -> set[Path]:
    """Return a set that grows by the path of every file that is opened from now on."""
    opened: set[Path] = set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            opened.add(Path(arguments[0]))

    sys.addaudithook(hook)  # stays to the end of the process, which is this chain's
    return opened


def _figures() -> list[str]:
    """Return the figures that the step left open, as SVG, and close them."""
    from matplotlib import pyplot

    drawn = []
    for number in pyplot.get_fignums():
        text = io.StringIO()
        with pyplot.rc_context({"svg.fonttype": "path", "svg.hashsalt": "gdlbook"}):
            pyplot.figure(number).savefig(
                text, format="svg", transparent=True, metadata={"Date": None}
            )
        drawn.append(text.getvalue())
    pyplot.close("all")
    return drawn


def _of_the_package(opened: set[Path]) -> list[str]:
    """Return its modules that were loaded here, and its data that was read."""
    files = {
        Path(str(module.__file__))
        for name, module in list(sys.modules.items())
        if name.split(".")[0] == "gdlbook" and getattr(module, "__file__", None)
    }
    files |= {file for file in opened if file.is_relative_to(PACKAGE)}
    inside = (file.relative_to(PACKAGE) for file in files)
    return sorted(
        file.as_posix()
        for file in inside
        if file.parts[0] != "_book" and file.suffix != ".pyc"
    )


def _report(path: str, step: Snippet, error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    here = [frame.lineno for frame in frames if frame.filename == path]
    mine = [frame for frame in frames if frame.filename != __file__]
    text = "".join(traceback.format_list(mine))
    kind = f"{type(error).__name__}: {error}"
    message = f"the snippet raised {kind}\n\nTraceback:\n{text}{kind}"
    return {"line": (here[-1] if here else None) or step.line, "error": message}
