"""Pictures, filters and feature maps: one image of many, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from gdlbook.plot.inputs import colors, finite
from gdlbook.plot.look import DIVERGING, SEQUENTIAL, SMALL, WIDTH, styled


@dataclass(frozen=True)
class Grid:
    """Where the cells of a mosaic lie, in its pixels, and how many fill an inch."""

    n: int
    columns: int
    height: int
    width: int
    gap: int
    head: int
    inch: float

    @classmethod
    def of(cls, shape: tuple[int, ...], columns: int, lines: int) -> "Grid":
        """Lay out (n, h, w) cells with so many lines of text above each."""
        n, height, width = shape
        columns = min(columns, n)
        gap = max(1, round(0.08 * width))
        inch = (width + gap) / min(WIDTH / columns, 1.5)
        text = (0.35 + 1.25 * lines) * SMALL / 72 if lines else 0.0
        return cls(n, columns, height, width, gap, int(np.ceil(inch * text)), inch)

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the whole."""
        rows = -(-self.n // self.columns)
        across = self.columns * (self.width + self.gap)
        return rows * (self.height + self.gap + self.head), across

    def corner(self, i: int) -> tuple[int, int]:
        """Top and left of cell i, below its title."""
        row, column = divmod(i, self.columns)
        top = row * (self.height + self.gap + self.head) + self.head
        return top, column * (self.width + self.gap)


def mosaic(rgb: NDArray[Any], columns: int, titles: Sequence[object] | None) -> Figure:
    """One image of all cells, (n, h, w, 3) in [0, 1], with clear gaps between them."""
    if columns < 1:
        raise ValueError(f"columns is {columns}; expected 1 or more")
    texts = [] if titles is None else [str(title) for title in titles]
    if titles is not None and len(texts) != len(rgb):
        raise ValueError(
            f"{len(texts)} titles for {len(rgb)} pictures; expected one for each"
        )
    zoom = max(1, 28 // max(rgb.shape[1:3]))  # few large pixels: a gap is a part of one
    rgb = rgb.repeat(zoom, axis=1).repeat(zoom, axis=2)
    lines = max((1 + text.count("\n") for text in texts), default=0)
    grid = Grid.of(rgb.shape[:3], columns, lines)
    canvas = np.zeros((*grid.canvas, 4))
    for i, cell in enumerate(rgb):
        top, left = grid.corner(i)
        canvas[top : top + grid.height, left : left + grid.width, :3] = cell
        canvas[top : top + grid.height, left : left + grid.width, 3] = 1
    return _framed(canvas, grid, texts)


def _framed(canvas: NDArray[Any], grid: Grid, texts: Sequence[str]) -> Figure:
    """A figure that the canvas fills, with a text above each cell."""
    height, width = canvas.shape[:2]
    figure, axes = plt.subplots(figsize=(width / grid.inch, height / grid.inch))
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.imshow(canvas)
    axes.set_axis_off()
    for i, text in enumerate(texts):
        top, left = grid.corner(i)
        middle = left + (grid.width - 1) / 2
        above = top - 0.3 * SMALL / 72 * grid.inch
        axes.text(middle, above, text, ha="center", va="bottom", fontsize=SMALL)
    return figure


@styled
def pictures(
    x: ArrayLike, *, columns: int = 10, titles: Sequence[object] | None = None
) -> Figure:
    """Pictures in a grid, filled row by row.

    Args:
        x: pictures (n, h, w), gray, or (n, h, w, 3), color; uint8, or floats in
            [0, 1].
        columns: how many stand side by side, at most.
        titles: one short text for each picture, above it.

    Raises:
        ValueError: a shape or a range that is not a batch of pictures, or a number
            of titles other than n.
        TypeError: values that are not numbers.
    """
    return mosaic(colors(x), columns, titles)


def _scaled(figure: Figure, lowest: float, highest: float, scale: Any) -> Figure:
    """The mosaic above a color scale: an image, since a colorbar is 256 paths."""
    width, height = figure.get_size_inches()
    total = height + 0.62
    figure.set_size_inches(width, total)
    figure.axes[0].set_position((0, 0.62 / total, 1, height / total))
    bar = figure.add_axes((0.5 - 0.9 / width, 0.36 / total, 1.8 / width, 0.11 / total))
    ramp = np.linspace(0, 1, 128)[None]
    bar.imshow(ramp, cmap=scale, aspect="auto", extent=(lowest, highest, 0, 1))
    ticks = sorted({lowest, 0.0, highest})
    bar.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    bar.set_yticks([])
    bar.spines[:].set_visible(False)
    bar.tick_params(length=0)
    return figure


@styled
def filters(
    w: ArrayLike, *, columns: int = 10, titles: Sequence[object] | None = None
) -> Figure:
    """Filters in a grid: brown where positive, white at zero, violet where negative.

    The scale is symmetric around zero and the same for all of them.

    Args:
        w: filters (n, rows, columns); or (rows, columns, in, out), as `conv2d` takes
            them, drawn with one row for each input channel and one column for each
            filter.
        columns: how many stand side by side, at most; `out` for the second shape.
        titles: one short text for each filter, above it.

    Raises:
        ValueError: another shape, or a number of titles other than n.
        TypeError: values that are not numbers.
    """
    array = finite(w, "w").astype(float)
    if array.ndim == 4:
        columns = array.shape[3]
        array = array.transpose(2, 3, 0, 1).reshape(-1, *array.shape[:2])
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"w has shape {array.shape}; expected (n, rows, columns) or "
            "(rows, columns, in, out), not empty"
        )
    limit = float(np.abs(array).max()) or 1.0
    figure = mosaic(DIVERGING((array / limit + 1) / 2)[..., :3], columns, titles)
    return _scaled(figure, -limit, limit, DIVERGING)


@styled
def feature_maps(
    x: ArrayLike, *, columns: int = 10, titles: Sequence[object] | None = None
) -> Figure:
    """Feature maps in a grid, on one scale.

    Maps with negative values are drawn like filters, around zero; maps without, as
    after a ReLU, on the sequential map from zero up.

    Args:
        x: maps (n, h, w).
        columns: how many stand side by side, at most.
        titles: one short text for each map, above it.

    Raises:
        ValueError: another shape, or a number of titles other than n.
        TypeError: values that are not numbers.
    """
    array = finite(x, "x").astype(float)
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"x has shape {array.shape}; expected (n, h, w), not empty")
    if array.min() < 0:
        return filters(array, columns=columns, titles=titles)
    limit = float(array.max()) or 1.0
    figure = mosaic(SEQUENTIAL(array / limit)[..., :3], columns, titles)
    return _scaled(figure, 0.0, limit, SEQUENTIAL)
