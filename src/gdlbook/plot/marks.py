"""Named things by two figures that pull against each other."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from gdlbook.plot.inputs import finite
from gdlbook.plot.look import ACCENT, INK, SMALL, WIDTH, styled

APART = 0.06  # of the height: labels closer than this would run into each other


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
    height = max(float(y.max() - y.min()), 1e-9)
    taken: list[float] = []
    for i in sorted(range(len(places)), key=lambda i: y[i]):
        near = sum(abs(y[i] - other) < APART * height for other in taken)
        taken.append(float(y[i]))
        left = x[i] <= middle
        axes.annotate(
            list(places)[i],
            (x[i], y[i]),
            xytext=(9 if left else -9, 4 + 11 * near),
            textcoords="offset points",
            ha="left" if left else "right",
            color=INK,
            size=SMALL,
        )
    return figure
