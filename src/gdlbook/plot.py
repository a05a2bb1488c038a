"""Arrays in, a matplotlib Figure out: the one look of every figure of the book.

Colors are notation. What belongs to P_data, to P_model and to the latent space has
its own color, line style and marker, here and nowhere else, so that a page names the
meaning and never types a color. A figure is drawn once, for the light scheme, on no
background; the dark one is the same SVG with the colors of `LIGHT_TO_DARK` replaced.
"""

from __future__ import annotations

import functools
import itertools
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

P = ParamSpec("P")

INK, MUTED, LINE, PAPER = "#20242b", "#5b626d", "#d8d4cb", "#fdfcf9"
ACCENT = "#a3195b"
P_DATA, P_MODEL, LATENT = "#1c56a6", "#bd4708", "#0a7563"
FURTHER = ("#6a45ad", "#846204", "#4a5a6b")  # curves that mean none of the three

LIGHT_TO_DARK = {
    INK: "#e7e5df",
    MUTED: "#a4abb6",
    LINE: "#3b414b",
    PAPER: "#16191f",
    ACCENT: "#f491bd",
    P_DATA: "#82b6f7",
    P_MODEL: "#f4945f",
    LATENT: "#56c9b0",
    FURTHER[0]: "#bba5f4",
    FURTHER[1]: "#dfb950",
    FURTHER[2]: "#9fb3c8",
}

STYLE: Any = {
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.size": 11,
    "grid.color": LINE,
    "image.composite_image": False,  # keeps a mosaic at one pixel per pixel in the SVG
    "image.interpolation": "none",
    "legend.fontsize": 11,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
    "mathtext.fontset": "dejavusans",
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "gdlbook",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.color": MUTED,
    "ytick.labelsize": 10,
}

WIDTH = 6.4  # inches: 614 CSS pixels, the text column of a page
SMALL = 10  # points: the smallest text of a figure

# label, color, line style, marker of the three meanings that the book gives a color
_MEANINGS: dict[str, tuple[str, str, Any, str]] = {
    "pdata": (r"$P_\mathrm{data}$", P_DATA, "-", "o"),
    "pmodel": (r"$P_\mathrm{model}$", P_MODEL, (0, (5, 2)), "^"),
    "latent": ("latent", LATENT, (0, (1, 1.2)), "s"),
}
_OTHERS: tuple[tuple[str, Any, str], ...] = (
    (ACCENT, "-", "D"),
    (FURTHER[0], (0, (5, 2)), "v"),
    (FURTHER[1], (0, (6, 1.6, 1.2, 1.6)), "P"),
    (FURTHER[2], (0, (1, 1.2)), "X"),
)


def _even_map(name: str, anchors: Sequence[tuple[float, float, float]]) -> Any:
    """A map of 256 colors through (lightness, chroma, hue) anchors of OKLab.

    Source: Ottosson (2020), https://bottosson.github.io/posts/oklab/
    """
    lightness, chroma, hue = np.array(anchors).T
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    at, knots = np.linspace(0, 1, 256), np.linspace(0, 1, len(anchors))
    lab = np.stack([np.interp(at, knots, v) for v in (lightness, a, b)], axis=1)
    to_lms = [[1, 0.3963378, 0.2158038], [1, -0.1055613, -0.0638542]]
    lms = (lab @ np.array([*to_lms, [1, -0.0894842, -1.2914855]]).T) ** 3
    to_rgb = [[4.0767417, -3.3077116, 0.2309699], [-1.2684380, 2.6097574, -0.3413194]]
    rgb = np.clip(
        lms @ np.array([*to_rgb, [-0.0041961, -0.7034186, 1.7076147]]).T, 0, 1
    )
    srgb = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return ListedColormap(srgb, name)


SEQUENTIAL = _even_map(
    "gdlbook",
    [(0.20, 0.06, 285), (0.45, 0.11, 255), (0.70, 0.11, 195), (0.95, 0.10, 105)],
)
DIVERGING = _even_map(
    "gdlbook_diverging", [(0.45, 0.19, 295), (0.975, 0.0, 0), (0.45, 0.10, 62)]
)


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw inside the book's style, and leave matplotlib's settings as they were.

    Input that is refused leaves no figure behind: a page shows what is still open.
    """

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        before = plt.get_fignums()
        try:
            with mpl.rc_context(STYLE):
                return draw(*args, **kwargs)
        except Exception:
            for number in set(plt.get_fignums()).difference(before):
                plt.close(number)
            raise

    return wrapper


def _numbers(x: Any, what: str) -> NDArray[Any]:
    """Any array or tensor as a numeric NumPy array."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    array = np.asarray(x)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{what} holds {array.dtype}; expected real numbers")
    return array


def _array(x: Any, what: str) -> NDArray[Any]:
    """Any array or tensor as a finite numeric NumPy array."""
    array = _numbers(x, what)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} holds values that are not finite (NaN or infinity)")
    return array


def _mosaic(
    rgb: NDArray[Any], columns: int, titles: Sequence[object] | None
) -> tuple[Figure, Axes]:
    """One image of all cells, (n, h, w, 3) in [0, 1], with clear gaps between them."""
    n, height, width = rgb.shape[:3]
    if titles is not None and len(titles) != n:
        raise ValueError(
            f"{len(titles)} titles for {n} pictures; expected one for each"
        )
    if columns < 1:
        raise ValueError(f"columns is {columns}; expected 1 or more")
    columns = min(columns, n)
    rows = -(-n // columns)
    zoom = max(1, 28 // max(height, width))  # few large pixels: a gap must be a part
    rgb = rgb.repeat(zoom, axis=1).repeat(zoom, axis=2)
    height, width = height * zoom, width * zoom
    gap = max(1, round(0.08 * width))
    cell = min(WIDTH / columns, 1.5)  # inches
    inch = (width + gap) / cell  # pixels
    head = 0 if titles is None else int(np.ceil(inch * 1.6 * SMALL / 72))
    texts = [] if titles is None else [str(title) for title in titles]
    lines = 1 + max((text.count("\n") for text in texts), default=0)
    head = max(0, head + int((lines - 1) * inch * 1.25 * SMALL / 72))
    canvas = np.zeros((rows * (height + gap + head), columns * (width + gap), 4))
    for i, (row, column) in enumerate(itertools.product(range(rows), range(columns))):
        if i < n:
            top, left = row * (height + gap + head) + head, column * (width + gap)
            canvas[top : top + height, left : left + width] = [0, 0, 0, 1]
            canvas[top : top + height, left : left + width, :3] = rgb[i]
    size = (canvas.shape[1] / inch, canvas.shape[0] / inch)
    figure, axes = plt.subplots(figsize=size)
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.imshow(canvas)
    axes.set_axis_off()
    for i, text in enumerate(texts):
        x = i % columns * (width + gap) + (width - 1) / 2
        y = i // columns * (height + gap + head) + head - 0.3 * SMALL / 72 * inch
        axes.text(x, y, text, ha="center", va="bottom", fontsize=SMALL)
    return figure, axes


@_styled
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
    array = _array(x, "x")
    gray = array.ndim == 3
    if not (gray or (array.ndim == 4 and array.shape[3] == 3)) or 0 in array.shape:
        raise ValueError(
            f"x has shape {array.shape}; expected (n, h, w) or (n, h, w, 3), not empty"
        )
    if array.dtype == np.uint8:
        array = array / 255
    elif array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"x runs from {array.min():g} to {array.max():g}; "
            "expected uint8, or floats in [0, 1]"
        )
    rgb = np.repeat(array[..., None], 3, axis=-1) if gray else array
    return _mosaic(rgb, columns, titles)[0]


@_styled
def curves(
    series: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Curves in one pair of axes, told apart by color and by line style.

    Args:
        series: name to y (n,), or to the pair (x (n,), y (n,)). The names "P_data",
            "P_model" and "latent" have the book's colors.
        xlabel: the quantity along the horizontal axis, with its unit.
        ylabel: the quantity along the vertical axis, with its unit.

    Raises:
        ValueError: no series, too many to tell apart, or x and y of unequal length.
        TypeError: values that are not numbers.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6))
    for name, (label, color, style, _) in _looks(series).items():
        x, y = _pair(name, series[name])
        axes.plot(x, y, color=color, linestyle=style, label=label)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(axis="y")
    if len(series) > 1:
        columns = 2 if len(series) == 4 else min(3, len(series))
        figure.legend(loc="outside upper left", ncols=columns)
    return figure


def _looks(names: Mapping[str, Any]) -> dict[str, tuple[str, str, Any, str]]:
    """Label, color, line style and marker for each name, by meaning, then in turn."""
    looks, others = {}, iter(_OTHERS)
    for name in names:
        meaning = _MEANINGS.get(re.sub(r"[^a-z]", "", name.lower()))
        look = meaning or next(((name, *other) for other in others), None)
        if look is None:
            raise ValueError(
                f"{len(names)} series; at most {len(_OTHERS)} besides P_data, P_model "
                "and latent can be told apart"
            )
        looks[name] = look
    if not looks:
        raise ValueError("there is nothing to draw; expected one named series or more")
    return looks


def _pair(name: str, value: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """X and y of one curve; x counts from 0 where only y is given."""
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValueError(
                f"{name!r} is a tuple of {len(value)}; expected the pair (x, y)"
            )
        x, y = (
            _array(v, f"{axis} of {name!r}")
            for axis, v in zip("xy", value, strict=True)
        )
    else:
        y = _array(value, f"y of {name!r}")
        x = np.arange(y.size)
    if y.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"{name!r} has x of shape {x.shape} and y of shape {y.shape}; "
            "expected one length for both"
        )
    return x, y


def _scale(figure: Figure, lowest: float, highest: float, colors: Any) -> None:
    """A color scale under a mosaic: one image, since a colorbar is 256 paths."""
    width, height = figure.get_size_inches()
    extra = 0.62
    figure.set_size_inches(width, height + extra)
    figure.axes[0].set_position(
        (0, extra / (height + extra), 1, height / (height + extra))
    )
    bar = figure.add_axes(
        (
            0.5 - 0.9 / width,
            0.36 / (height + extra),
            1.8 / width,
            0.11 / (height + extra),
        )
    )
    bar.imshow(
        np.linspace(0, 1, 128)[None],
        cmap=colors,
        aspect="auto",
        extent=(lowest, highest, 0, 1),
    )
    ticks = sorted({lowest, 0.0, highest}) if lowest < 0 else [lowest, highest]
    bar.set_yticks([])
    bar.set_xticks(ticks, [f"{t:.2g}" for t in ticks])
    bar.spines[:].set_visible(False)
    bar.tick_params(length=0)


@_styled
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
    array = _array(w, "w").astype(float)
    if array.ndim == 4:
        columns = array.shape[3]
        array = array.transpose(2, 3, 0, 1).reshape(-1, *array.shape[:2])
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"w has shape {array.shape}; expected (n, rows, columns) or "
            "(rows, columns, in, out), not empty"
        )
    limit = float(np.abs(array).max()) or 1.0
    figure, _ = _mosaic(DIVERGING((array / limit + 1) / 2)[..., :3], columns, titles)
    _scale(figure, -limit, limit, DIVERGING)
    return figure


@_styled
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
    array = _array(x, "x").astype(float)
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"x has shape {array.shape}; expected (n, h, w), not empty")
    if array.min() < 0:
        return filters(array, columns=columns, titles=titles)
    limit = float(array.max()) or 1.0
    figure, _ = _mosaic(SEQUENTIAL(array / limit)[..., :3], columns, titles)
    _scale(figure, 0.0, limit, SEQUENTIAL)
    return figure


@_styled
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
        values = np.exp(_numbers(log_prob, "log_prob"))
    grid = _array(values, "exp(log_prob)")
    if grid.ndim != 2:
        raise ValueError(f"log_prob has shape {grid.shape}; expected (rows, columns)")
    figure, axes = plt.subplots(figsize=(4.8, 4.0))
    image = axes.imshow(grid, cmap=SEQUENTIAL, origin="lower", extent=extent, vmin=0)
    if sample is not None:
        first, second = _plane("sample", sample).T
        axes.scatter(first, second, s=6, color=PAPER, linewidths=0)
        axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set(xlabel="$x_1$", ylabel="$x_2$")
    bar = figure.colorbar(image, ax=axes, label="density", shrink=0.85)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)
    bar.outline.set_visible(False)
    return figure


def _plane(name: str, value: Any) -> NDArray[Any]:
    array = _array(value, f"{name!r}")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name!r} has shape {array.shape}; expected (n, 2)")
    return array


@_styled
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
    for name, (label, color, _, marker) in _looks(groups).items():
        first, second = _plane(name, groups[name]).T
        axes.scatter(
            first,
            second,
            s=14,
            color=color,
            marker=marker,
            alpha=0.75,
            linewidths=0,
            label=label,
        )
    axes.set(xlabel=xlabel, ylabel=ylabel, aspect="equal")
    if len(groups) > 1:
        figure.legend(loc="outside upper left", ncols=3)
    return figure


@_styled
def bars(values: Mapping[str, float], *, xlabel: str) -> Figure:
    """Horizontal bars from zero, one for each name, with the number at its end.

    Args:
        values: name to a number from zero up; the first name stands on top.
        xlabel: the quantity along the horizontal axis, with its unit.

    Raises:
        ValueError: nothing to draw, or a negative number.
        TypeError: values that are not numbers.
    """
    lengths = _array(list(values.values()), "values").astype(float)
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
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=11)
    axes.invert_yaxis()
    return figure


def show() -> None:
    """Open the figures that were drawn in windows, and wait until they are closed.

    Without windows, as on a server, it does nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is non-interactive", UserWarning)
        plt.show()
