"""Tables as tinted cells, and pictures at places on the plane."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from gdlbook.plot.inputs import colors, finite, plane
from gdlbook.plot.look import ACCENT, SMALL, WIDTH, styled


@styled
def matrix(
    values: ArrayLike,
    *,
    rows: Sequence[object],
    columns: Sequence[object],
    xlabel: str,
    ylabel: str,
) -> Figure:
    """A table of numbers from zero up, each in a cell that is the darker the larger.

    Args:
        values: numbers (rows, columns); whole ones are written as they are.
        rows: the name of each row.
        columns: the name of each column.
        xlabel: what the columns are.
        ylabel: what the rows are.

    Raises:
        ValueError: another shape than the names have, or a negative number.
        TypeError: values that are not numbers.
    """
    table = finite(values, "values")
    if table.shape != (len(rows), len(columns)) or not table.size or table.min() < 0:
        raise ValueError(
            f"values have shape {table.shape} for {len(rows)} rows and {len(columns)} "
            "columns; expected one number from zero up for each pair"
        )
    side = min(WIDTH, 1.6 + 0.48 * len(columns)) - 1.4
    height = side * len(rows) / len(columns) + 1.3
    figure, axes = plt.subplots(figsize=(side + 1.4, height))
    tint = 0.5 * np.sqrt(table / (table.max() or 1))
    for (i, j), value in np.ndenumerate(table):
        corner = (j - 0.47, i - 0.47)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, color=ACCENT, alpha=tint[i, j]))
        text = f"{value}" if table.dtype.kind in "iub" else f"{value:.2f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=SMALL - 1)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set(xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axes.set_xticks(range(len(columns)), map(str, columns))
    if any(len(str(name)) > 3 for name in columns):
        plt.setp(
            axes.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor"
        )
    axes.set_yticks(range(len(rows)), map(str, rows))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@styled
def picture_map(
    z: ArrayLike,
    x: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    size: float = 0.3,
) -> Figure:
    """Pictures on the plane, each at its own place; later ones lie on top.

    All of them are one image, so a map of a thousand is no heavier than one of ten.

    Args:
        z: places (n, 2).
        x: pictures (n, h, w), gray, or (n, h, w, 3), color; uint8, or floats in
            [0, 1]. Black is clear in gray ones, white in color ones.
        xlabel: the quantity along the horizontal axis, with its unit.
        ylabel: the quantity along the vertical axis, with its unit.
        size: width of a picture, in inches.

    Raises:
        ValueError: another shape, or a number of places other than that of pictures.
        TypeError: values that are not numbers.
    """
    places, rgb = plane("z", z), colors(x)
    if len(places) != len(rgb):
        raise ValueError(f"{len(places)} places for {len(rgb)} pictures; expected one")
    gray = np.ndim(x) == 3
    cover = rgb.max(axis=-1) if gray else (1 - rgb).max(axis=-1)
    cover = np.minimum(1, 4 * cover)
    low, high = places.min(axis=0), places.max(axis=0)  # middles of the outer pictures
    room = np.where(high > low, high - low, 1.0)
    pixels = round(rgb.shape[1] * WIDTH / size)
    canvas = np.zeros((pixels, pixels, 4))
    free = pixels - np.array(rgb.shape[2:0:-1])
    corner = np.round((places - low) / room * free).astype(int)
    for (left, bottom), picture, alpha in zip(corner, rgb, cover, strict=True):
        top = free[1] - bottom
        spot = canvas[top : top + rgb.shape[1], left : left + rgb.shape[2]]
        spot[..., :3] += alpha[..., None] * (picture - spot[..., :3])
        spot[..., 3] = np.maximum(spot[..., 3], alpha)
    margin = room / free * np.array(rgb.shape[2:0:-1]) / 2
    return _framed_map(canvas, (low - margin, high + margin), (xlabel, ylabel))


def _framed_map(
    canvas: ArrayLike,
    corners: tuple[ArrayLike, ArrayLike],
    names: tuple[str, str],
) -> Figure:
    (left, bottom), (right, top) = (np.asarray(corner) for corner in corners)
    figure, axes = plt.subplots(figsize=(WIDTH, WIDTH))
    axes.imshow(
        canvas,
        extent=(left, right, bottom, top),
        aspect="auto",
        interpolation="antialiased",
    )
    axes.set(xlabel=names[0], ylabel=names[1])
    return figure
