"""Named things by two figures that pull against each other."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gdlbook.plot.inputs import finite
from gdlbook.plot.look import ACCENT, INK, SMALL, WIDTH, styled

POINTS = 200  # of height of the axes: what a label must be moved is counted in points
LINE_HEIGHT = 15
NEIGHBORS = 0.7  # of a power of ten: marks as close as this could share a label


@styled
def rivals(
    places: Mapping[str, tuple[float, float]], *, xlabel: str, ylabel: str
) -> Figure:
    """A mark with its name for each thing; the horizontal axis is logarithmic.

    Args:
        places: name to (x, y), with x above zero.
        xlabel: the quantity along the horizontal axis, with its unit.
        ylabel: the quantity along the vertical axis, with its unit.

    Raises:
        ValueError: nothing to draw, not two numbers for a name, or x not above zero.
        TypeError: values that are not numbers.
    """
    found = finite(list(places.values()), "places").astype(float)
    if found.ndim != 2 or found.shape[1] != 2 or found[:, 0].min() <= 0:
        raise ValueError(
            f"places are {dict(places)}; expected a pair of numbers for one name or "
            "more, the first above zero"
        )
    figure, axes = plt.subplots(figsize=(WIDTH, 3.8))
    x, y = found.T
    axes.scatter(x, y, s=48, color=ACCENT, zorder=3)
    axes.set_xscale("log")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.margins(x=0.08, y=0.14)
    middle = (x.min() * x.max()) ** 0.5
    for i, up in _lifted(np.log10(x), y).items():
        left = x[i] <= middle
        axes.annotate(
            list(places)[i],
            (x[i], y[i]),
            xytext=(9 if left else -9, up),
            textcoords="offset points",
            ha="left" if left else "right",
            va="center",
            color=INK,
            size=SMALL,
        )
    return figure


def _lifted(x: NDArray[Any], y: NDArray[Any]) -> dict[int, float]:
    """Return how many points each label is lifted, so that neighbors stay apart."""
    heights = y / max(float(np.ptp(y)), 1e-9) * POINTS / 1.3
    at: dict[int, float] = {}
    for i in np.argsort(heights, kind="stable").tolist():
        below = [at[j] for j in at if abs(x[i] - x[j]) < NEIGHBORS]
        at[i] = max([heights[i], *(b + LINE_HEIGHT for b in below)])
    return {i: at[i] - heights[i] for i in at}
