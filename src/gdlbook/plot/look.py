"""The one look of the figures: colors, line styles, color maps, settings.

A figure is drawn once, for the light scheme, on no background; the dark one is the
same SVG with the colors of `LIGHT_TO_DARK` replaced.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

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
    "axes.labelsize": 12,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.size": 12,
    "grid.color": LINE,
    "image.interpolation": "none",
    "legend.fontsize": 12,
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
    "xtick.labelsize": 11,
    "ytick.color": MUTED,
    "ytick.labelsize": 11,
}

WIDTH = 5.8  # inches: 557 CSS pixels, a little less than the column of a page
SMALL = 11  # points: the smallest text of a figure


class Look(NamedTuple):
    """How one series is drawn."""

    label: str
    color: str
    line: Any
    marker: str


_MEANINGS = {
    "pdata": Look(r"$P_\mathrm{data}$", P_DATA, "-", "o"),
    "pmodel": Look(r"$P_\mathrm{model}$", P_MODEL, (0, (5, 2)), "^"),
    "latent": Look("latent", LATENT, (0, (1, 1.2)), "s"),
}
_OTHERS = (
    Look("", ACCENT, "-", "D"),
    Look("", FURTHER[0], (0, (5, 2)), "v"),
    Look("", FURTHER[1], (0, (6, 1.6, 1.2, 1.6)), "P"),
    Look("", FURTHER[2], (0, (1, 1.2)), "X"),
)


def looks(names: Mapping[str, Any]) -> dict[str, Look]:
    """Return the look of each name, by its meaning or else in turn.

    Raises:
        ValueError: no name, or more than can be told apart.
    """
    found, others = {}, iter(_OTHERS)
    for name in names:
        look = _MEANINGS.get(re.sub(r"[^a-z]", "", name.lower()))
        if look is None:
            other = next(others, None)
            if other is None:
                raise ValueError(
                    f"{len(names)} series; at most {len(_OTHERS)} besides P_data, "
                    "P_model and latent can be told apart"
                )
            look = other._replace(label=name)
        found[name] = look
    if not found:
        raise ValueError("there is nothing to draw; expected one named series or more")
    return found


def cloud(axes: Axes, x: NDArray[Any], look: Look, *, label: str | None) -> None:
    """Draw points (n, 2) on the axes, in the look of their series."""
    axes.scatter(
        x[:, 0],
        x[:, 1],
        s=14,
        color=look.color,
        marker=look.marker,
        alpha=0.75,
        linewidths=0,
        label=label,
    )


def even_map(name: str, anchors: Sequence[tuple[float, float, float]]) -> Any:
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


SEQUENTIAL = even_map(
    "gdlbook",
    [(0.20, 0.06, 285), (0.45, 0.11, 255), (0.70, 0.11, 195), (0.95, 0.10, 105)],
)
DIVERGING = even_map(
    "gdlbook_diverging", [(0.45, 0.19, 295), (0.975, 0.0, 0), (0.45, 0.10, 62)]
)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
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
