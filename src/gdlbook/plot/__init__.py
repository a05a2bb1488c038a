"""Arrays in, a matplotlib Figure out: the one look of every figure of the book.

Colors are notation. What belongs to P_data, to P_model and to the latent space has
its own color, line style and marker, here and nowhere else, so that a page names the
meaning and never types a color.
"""

import warnings

import matplotlib.pyplot as plt

from gdlbook.plot.charts import bars, curves, density, histogram, points
from gdlbook.plot.grids import feature_maps, filters, pictures
from gdlbook.plot.look import (
    ACCENT,
    DIVERGING,
    FURTHER,
    INK,
    LATENT,
    LIGHT_TO_DARK,
    LINE,
    MUTED,
    P_DATA,
    P_MODEL,
    PAPER,
    SEQUENTIAL,
    SMALL,
    STYLE,
    WIDTH,
)
from gdlbook.plot.maps import matrix, picture_map
from gdlbook.plot.marks import rivals
from gdlbook.plot.stops import transport
from gdlbook.plot.surfaces import densities, surface
from gdlbook.plot.trees import tree

__all__ = [
    "ACCENT",
    "DIVERGING",
    "FURTHER",
    "INK",
    "LATENT",
    "LIGHT_TO_DARK",
    "LINE",
    "MUTED",
    "PAPER",
    "P_DATA",
    "P_MODEL",
    "SEQUENTIAL",
    "SMALL",
    "STYLE",
    "WIDTH",
    "bars",
    "curves",
    "densities",
    "density",
    "feature_maps",
    "filters",
    "histogram",
    "matrix",
    "picture_map",
    "pictures",
    "points",
    "rivals",
    "show",
    "surface",
    "transport",
    "tree",
]


def show() -> None:
    """Open the figures that were drawn in windows, and wait until they are closed.

    Without windows, as on a server, it does nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is non-interactive", UserWarning)
        plt.show()
