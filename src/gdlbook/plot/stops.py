"""Points on the plane on their way: one panel for each stop."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from gdlbook.plot.inputs import plane
from gdlbook.plot.look import SMALL, WIDTH, cloud, looks, styled


@styled
def transport(
    groups: Mapping[str, Sequence[ArrayLike]], *, titles: Sequence[object]
) -> Figure:
    """Groups of points at several stops, a panel for each, three side by side.

    Args:
        groups: name to its points (n, 2), once for each stop.
        titles: one short text for each stop, above its panel.

    Raises:
        ValueError: points that are not (n, 2), no group or too many, or another number
            of stops than of titles.
        TypeError: values that are not numbers.
    """
    for name, stops in groups.items():
        if len(stops) != len(titles) or not titles:
            raise ValueError(
                f"{name!r} has {len(stops)} stops for {len(titles)} titles; expected "
                "one title for each, and one or more"
            )
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    size = (WIDTH, rows * (WIDTH / columns + 0.25) + 0.35)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for panel in axes.flat[len(titles) :]:
        panel.set_axis_off()
    for i, (panel, title) in enumerate(zip(axes.flat, titles, strict=False)):
        for name, look in looks(groups).items():
            x = plane(name, groups[name][i])
            cloud(panel, x, look, label=look.label if i == 0 else None)
        panel.set_title(title, fontsize=SMALL)
        panel.set_aspect("equal", adjustable="datalim")
        panel.locator_params(nbins=3)
    if len(groups) > 1:
        figure.legend(loc="outside upper left", ncols=3)
    return figure
