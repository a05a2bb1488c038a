"""A tree that grows from left to right, one line for each leaf."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdlbook.plot.look import ACCENT, INK, LINE, MUTED, PAPER, SMALL, WIDTH, styled

Tree: TypeAlias = "Mapping[str, Tree] | Sequence[str]"

# Inches: a line, the room for headings, where branches, their branches, leaves begin.
ROW, TOP, STOPS = 0.34, 1.0, (0.02, 0.95, 2.28)
PITCH = 0.27  # from one column of marks to the next


@styled
def tree(
    branches: Tree, *, marks: Mapping[str, Sequence[bool]], columns: Sequence[str]
) -> Figure:
    """A tree of names, and beside each leaf what is true of it.

    Args:
        branches: name of a branch to the branches below it, or to its leaves.
        marks: leaf to one truth value for each column: a disk, or a faint ring.
        columns: what stands above each column.

    Raises:
        ValueError: no leaf, more than two levels of branches, a leaf without marks, or
            another number of marks.
    """
    leaves = list(_leaves(branches))
    for leaf in leaves:
        if len(marks.get(leaf, ())) != len(columns):
            raise ValueError(
                f"{leaf!r} has the marks {marks.get(leaf)!r}; expected one for each of "
                f"{list(columns)}"
            )
    if not leaves:
        raise ValueError("there is nothing to draw; expected one leaf or more")
    height = ROW * len(leaves) + TOP
    figure, axes = plt.subplots(figsize=(WIDTH, height))
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    _grow(axes, branches, 0, TOP)
    places = [WIDTH - 0.12 - PITCH * i for i in reversed(range(len(columns)))]
    for place, name in zip(places, columns, strict=True):
        axes.text(
            place, TOP - 0.22, name, rotation=90, ha="center", color=MUTED, size=SMALL
        )
    for row, leaf in enumerate(leaves):
        y = TOP + ROW * row
        for place, true in zip(places, marks[leaf], strict=True):
            color = ACCENT if true else LINE
            fill = ACCENT if true else PAPER
            axes.plot(place, y, "o", color=color, ms=8, mec=color, mfc=fill, mew=1.4)
    return figure


def _leaves(branches: Tree) -> Iterator[str]:
    if isinstance(branches, Mapping):
        for below in branches.values():
            yield from _leaves(below)
    else:
        yield from branches


def _grow(axes: Axes, branches: Tree, level: int, y: float) -> float:
    """Draw branches from y down; return the y below the last."""
    if level == len(STOPS):
        raise ValueError(f"a tree of more than {len(STOPS) - 1} levels of branches")
    bent: dict[str, Any] = {"color": LINE, "linewidth": 1.4}
    stem = y
    names = branches.items() if isinstance(branches, Mapping) else branches
    for item in names:
        name, below = item if isinstance(item, tuple) else (item, None)
        x = STOPS[-1] if below is None else STOPS[level]
        if level:
            corner = STOPS[level] - 0.18
            axes.plot([corner, corner, x - 0.06], [stem, y, y], **bent)
        weight = "normal" if below is None else "bold"
        axes.text(x, y, name, va="center", color=INK, weight=weight, fontsize=SMALL)
        y = y + ROW if below is None else _grow(axes, below, level + 1, y)
    return y
