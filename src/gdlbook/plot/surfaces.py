"""Functions of two numbers: densities side by side, and a surface with paths on it."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from gdlbook.plot.inputs import finite, numbers, plane
from gdlbook.plot.look import INK, MUTED, PAPER, SEQUENTIAL, SMALL, WIDTH, looks, styled

Extent = tuple[float, float, float, float]


@styled
def densities(log_probs: Mapping[str, ArrayLike], *, extent: Extent) -> Figure:
    """Densities on the plane side by side, on one scale, from dark (zero) to bright.

    Args:
        log_probs: name to log densities in nats on a grid (rows, columns); row 0 is
            the lowest x2. Minus infinity is a density of zero.
        extent: lowest and highest x1, lowest and highest x2.

    Raises:
        ValueError: nothing to draw, or a grid that is not a matrix.
        TypeError: values that are not numbers.
    """
    with np.errstate(over="ignore"):
        grids = {
            name: finite(np.exp(numbers(grid, f"{name!r}")), f"exp of {name!r}")
            for name, grid in log_probs.items()
        }
    for name, grid in grids.items():
        if grid.ndim != 2:
            raise ValueError(f"{name!r} has shape {grid.shape}; expected a matrix")
    if not grids:
        raise ValueError("there is nothing to draw; expected one density or more")
    columns = min(len(grids), 2 if len(grids) in (2, 4) else 3)
    rows = -(-len(grids) // columns)
    size = (WIDTH, rows * (WIDTH / columns + 0.3) + 0.8)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    highest = max(float(grid.max()) for grid in grids.values())
    for panel in axes.flat:
        panel.set_axis_off()
    for panel, (name, grid) in zip(axes.flat, grids.items(), strict=False):
        image = panel.imshow(
            grid, cmap=SEQUENTIAL, origin="lower", extent=extent, vmin=0, vmax=highest
        )
        panel.set_title(looks({name: 0})[name].label, fontsize=SMALL)
    _scale(figure, image, list(axes.flat), "density", "bottom")
    return figure


@styled
def surface(
    values: ArrayLike,
    *,
    extent: Extent,
    xlabel: str,
    ylabel: str,
    label: str,
    paths: Mapping[str, ArrayLike] | None = None,
) -> Figure:
    """A function of two numbers, from dark (low) to bright, with paths across it.

    Each path begins at a ring and ends at its own marker.

    Args:
        values: heights on a grid (rows, columns); row 0 is the lowest y.
        extent: lowest and highest x, lowest and highest y.
        xlabel: the quantity along the horizontal axis, with its unit.
        ylabel: the quantity along the vertical axis, with its unit.
        label: the quantity that the colors show, with its unit.
        paths: name to points (t, 2), in order.

    Raises:
        ValueError: a grid that is not a matrix, points that are not (t, 2), or more
            paths than can be told apart.
        TypeError: values that are not numbers.
    """
    grid = finite(values, "values")
    if grid.ndim != 2:
        raise ValueError(f"values have shape {grid.shape}; expected (rows, columns)")
    figure, axes = plt.subplots(figsize=(WIDTH, 4.4))
    image = axes.imshow(
        grid, cmap=SEQUENTIAL, origin="lower", extent=extent, aspect="auto"
    )
    axes.contour(
        grid, 10, extent=extent, colors=PAPER, linewidths=0.6, linestyles="solid"
    )
    if paths is not None:
        _paths(axes, paths)
        figure.legend(loc="outside upper left", ncols=2)
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=extent[:2], ylim=extent[2:])
    _scale(figure, image, [axes], label, "right")
    return figure


def _paths(axes: Axes, paths: Mapping[str, ArrayLike]) -> None:
    """Lines with a halo, which stand out from every color of the map."""
    halo = [patheffects.withStroke(linewidth=4.5, foreground=PAPER)]
    for name, look in looks(paths).items():
        x, y = plane(name, paths[name]).T
        axes.plot(
            x,
            y,
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markevery=[len(x) - 1],
            markersize=9,
            markeredgecolor=PAPER,
            label=look.label,
            path_effects=halo,
        )
        axes.plot(x[:1], y[:1], "o", mfc=PAPER, mec=INK, markersize=8)


def _scale(
    figure: Figure, image: AxesImage, axes: list[Axes], label: str, place: str
) -> None:
    long = 0.85 if place == "right" else 0.45
    bar = figure.colorbar(
        image, ax=axes, label=label, location=place, shrink=long, aspect=28 * long
    )
    if bar.solids is not None:
        bar.solids.set_rasterized(True)  # an image: as paths it would be 256 of them
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=MUTED)
