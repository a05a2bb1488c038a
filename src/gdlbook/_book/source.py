"""Listings: the package's own source, pulled onto a page by its qualified name.

The source is read, not imported. What the copy button hands over is the listing with
the imports that it needs, so that it runs alone.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def listing(name: str) -> tuple[str, str]:
    """Return the source of a function, class or method, and the same made to run alone.

    Args:
        name: the qualified name, as `gdlbook.networks.convolution.output_size`.

    Raises:
        LookupError: the package has no such name.
    """
    module, path = _module(name)
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    node, below = tree, name.removeprefix(module).lstrip(".").split(".")
    for part in below:
        node = _child(node, part, name)  # type: ignore[assignment]
    assert isinstance(node, Definition)
    shown = _without_docstrings(text, node)
    return shown, "\n".join([*_imports(module, tree, node), "", "", shown]).lstrip()


def _module(name: str) -> tuple[str, Path]:
    parts = name.split(".")
    for stop in range(len(parts) - 1, 0, -1):
        base = PACKAGE.joinpath(*parts[1:stop])
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if parts[0] == "gdlbook" and file.is_file():
                return ".".join(parts[:stop]), file
    raise LookupError(f"there is no module of the package that holds {name!r}.")


def _child(node: ast.AST, part: str, name: str) -> Definition:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition) and child.name == part:
            return child
    raise LookupError(f"the package does not define {name!r} ({part!r} is not there).")


def _without_docstrings(text: str, node: Definition) -> str:
    lines = text.splitlines()
    first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
    dropped: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, Definition) and ast.get_docstring(inner) is not None:
            doc = inner.body[0]
            last = doc.end_lineno or doc.lineno
            if len(inner.body) > 1 and not lines[last].strip():
                last += 1
            dropped.update(range(doc.lineno, last + 1))
    kept = [
        lines[at - 1][node.col_offset :]
        for at in range(first, (node.end_lineno or first) + 1)
        if at not in dropped
    ]
    return "\n".join(kept) + "\n"


def _imports(module: str, tree: ast.Module, node: Definition) -> list[str]:
    """Return the imports that a definition needs: libraries, then its module."""
    used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    libraries, here = [], []
    for child in tree.body:
        if isinstance(child, ast.Import | ast.ImportFrom):
            names = {
                (alias.asname or alias.name).split(".")[0] for alias in child.names
            }
            if names & used:
                libraries.append(ast.unparse(child))
        elif isinstance(child, Definition) and child is not node:
            here += [child.name] if child.name in used else []
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            names = {name.id for name in targets if isinstance(name, ast.Name)}
            here += sorted(names & used)
    own = [f"from {module} import {', '.join(sorted(here))}"] if here else []
    return [*libraries, *own]
