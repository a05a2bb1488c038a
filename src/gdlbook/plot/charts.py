"""Curves, densities, points and bars in a pair of axes."""

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from gdlbook.plot.inputs import finite, numbers, pair, plane
from gdlbook.plot.look import (
    ACCENT,
    INK,
    LINE,
    PAPER,
    SEQUENTIAL,
    WIDTH,
    cloud,
    looks,
    styled,
)


@styled
def curves(
    series: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    xscale: Literal["linear", "log"] = "linear",
    yscale: Literal["linear", "log"] = "linear",
) -> Figure:
    """Curves in one pair of axes, told apart by color and by line style.

    Args:
        series: name to y (n,), or to the pair (x (n,), y (n,)). The names "P_data",
            "P_model" and "latent" have the book's colors.
        xlabel: the quantity along the horizontal axis, with its unit.
        ylabel: the quantity along the vertical axis, with its unit.
        bands: name of a series to its lower and upper ends, each (n,): a spread,
            shaded in the color of the series.
        xscale: "log" makes equal ratios equally long.
        yscale: the same for the vertical axis.

    Raises:
        ValueError: no series, too many to tell apart, x and y of unequal length, or a
            band without its series.
        TypeError: values that are not numbers.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6))
    ends = dict(bands or {})
    for name, look in looks(series).items():
        x, y = pair(name, series[name])
        axes.plot(x, y, color=look.color, linestyle=look.line, label=look.label)
        if name in ends:
            low, high = (pair(name, (x, end))[1] for end in ends.pop(name))
            axes.fill_between(x, low, high, color=look.color, alpha=0.18, linewidth=0)
    if ends:
        raise ValueError(f"bands for {list(ends)}, of which there is no series")
    axes.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    axes.grid(axis="y")
    axes.minorticks_off()
    if len(series) > 1:
        columns = 2 if len(series) == 4 else min(3, len(series))
        figure.legend(loc="outside upper left", ncols=columns)
    return figure


@styled
def density(
    log_prob: ArrayLike,
    *,
    extent: tuple[float, float, float, float],
    sample: ArrayLike | None = None,
) -> Figure:
    """A density on the plane: exp(log_prob), from dark (zero) to bright.

    Args:
        log_prob: log density in nats on a grid (rows, columns); row 0 is the lowest
            x2, column 0 the lowest x1. Minus infinity is a density of zero.
        extent: lowest and highest x1, lowest and highest x2.
        sample: points (n, 2) to draw on top.

    Raises:
        ValueError: a grid that is not a matrix, or points that are not (n, 2).
        TypeError: values that are not numbers.
    """
    with np.errstate(over="ignore"):
        values = np.exp(numbers(log_prob, "log_prob"))
    grid = finite(values, "exp(log_prob)")
    if grid.ndim != 2:
        raise ValueError(f"log_prob has shape {grid.shape}; expected (rows, columns)")
    figure, axes = plt.subplots(figsize=(4.8, 4.0))
    image = axes.imshow(grid, cmap=SEQUENTIAL, origin="lower", extent=extent, vmin=0)
    if sample is not None:
        first, second = plane("sample", sample).T
        axes.scatter(first, second, s=9, color=PAPER, edgecolors=INK, linewidths=0.6)
        axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set(xlabel="$x_1$", ylabel="$x_2$")
    bar = figure.colorbar(image, ax=axes, label="density", shrink=0.85)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)
    bar.outline.set_visible(False)
    return figure


@styled
def points(
    groups: Mapping[str, ArrayLike], *, xlabel: str = "$x_1$", ylabel: str = "$x_2$"
) -> Figure:
    """Points on the plane, groups told apart by color and by marker.

    Args:
        groups: name to points (n, 2). The names "P_data", "P_model" and "latent" have
            the book's colors.
        xlabel: the quantity along the horizontal axis, with its unit.
        ylabel: the quantity along the vertical axis, with its unit.

    Raises:
        ValueError: points that are not (n, 2), no group, or too many.
        TypeError: values that are not numbers.
    """
    figure, axes = plt.subplots(figsize=(4.8, 4.4))
    for name, look in looks(groups).items():
        cloud(axes, plane(name, groups[name]), look, label=look.label)
    axes.set(xlabel=xlabel, ylabel=ylabel, aspect="equal")
    if len(groups) > 1:
        figure.legend(loc="outside upper left", ncols=3)
    return figure


@styled
def histogram(
    values: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    bins: int = 40,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
) -> Figure:
    """How often values fall where: areas of one, with densities as curves on top.

    Args:
        values: name to numbers (n,); all of them are counted in the same bins.
        xlabel: the quantity, with its unit.
        bins: how many, of equal width, from the lowest value to the highest.
        curves: name to the pair (x (m,), density (m,)).

    Raises:
        ValueError: nothing to draw, no values, or too many series to tell apart.
        TypeError: values that are not numbers.
    """
    counted = {name: finite(v, f"{name!r}").ravel() for name, v in values.items()}
    if not counted or not all(v.size for v in counted.values()):
        raise ValueError(
            f"values are {[(k, v.size) for k, v in counted.items()]}; expected one "
            "number or more for each name, and one name or more"
        )
    found = looks({**counted, **(curves or {})})
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6))
    edges = np.histogram_bin_edges(np.concatenate(list(counted.values())), bins)
    for name, sample in counted.items():
        heights, _ = np.histogram(sample, edges, density=True)
        look = found[name]
        axes.stairs(heights, edges, fill=True, color=look.color, alpha=0.25)
        axes.stairs(
            heights, edges, color=look.color, linestyle=look.line, label=look.label
        )
    for name, curve in (curves or {}).items():
        x, y = pair(name, curve)
        look = found[name]
        axes.plot(x, y, color=look.color, linestyle=look.line, label=look.label)
    axes.set(xlabel=xlabel, ylabel="density")
    if len(found) > 1:
        figure.legend(loc="outside upper left", ncols=3)
    return figure


@styled
def bars(values: Mapping[str, float], *, xlabel: str) -> Figure:
    """Horizontal bars from zero, one for each name, with the number at its end.

    Args:
        values: name to a number from zero up; the first name stands on top.
        xlabel: the quantity along the horizontal axis, with its unit.

    Raises:
        ValueError: nothing to draw, or a negative number.
        TypeError: values that are not numbers.
    """
    lengths = finite(list(values.values()), "values").astype(float)
    if not lengths.size or lengths.ndim != 1 or lengths.min() < 0:
        raise ValueError(
            f"values are {dict(values)}; expected one number from zero up or more"
        )
    figure, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.42 * lengths.size))
    bar = axes.barh(list(values), lengths, height=0.62, color=ACCENT)
    axes.bar_label(bar, [f"{v:.3g}" for v in lengths], padding=4)
    axes.set_xlabel(xlabel)
    axes.set_xlim(0, (lengths.max() or 1.0) * 1.1)
    axes.spines["left"].set_color(LINE)
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=12)
    axes.invert_yaxis()
    return figure
