import inspect
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from gdlbook import plot

Array = NDArray[Any]
As = Callable[[Array], Any]

CSS = Path(__file__).parents[1] / "docs/assets/css/book.css"
SERIES = ("P_data", "P_model", "latent", "a", "b", "c", "d")
CURVES = (plot.ACCENT, plot.P_DATA, plot.P_MODEL, plot.LATENT, *plot.FURTHER)
VARIABLES = {
    "ink": plot.INK,
    "muted": plot.MUTED,
    "line": plot.LINE,
    "paper": plot.PAPER,
    "accent": plot.ACCENT,
    "p-data": plot.P_DATA,
    "p-model": plot.P_MODEL,
    "latent": plot.LATENT,
    **{f"further-{i}": color for i, color in enumerate(plot.FURTHER, 1)},
}


def values(*shape: int, low: float = 0.0) -> Array:
    random = np.random.default_rng(0)
    return random.uniform(low, 1, shape).astype(np.float32)


# one figure of each kind at least; `put` makes an array the input of that library
KINDS: dict[str, Callable[[As], Figure]] = {
    "pictures": lambda put: plot.pictures(put(values(3, 5, 4)), titles=["0", "1", "2"]),
    "pictures, color": lambda put: plot.pictures(put(values(2, 4, 4, 3))),
    "curves": lambda put: plot.curves(
        {name: (put(values(4)), put(values(4))) for name in SERIES},
        xlabel="step",
        ylabel="loss / nats",
    ),
    "filters": lambda put: plot.filters(put(values(3, 3, 2, 4, low=-1))),
    "feature_maps": lambda put: plot.feature_maps(put(values(2, 4, 4))),
    "feature_maps, signed": lambda put: plot.feature_maps(put(values(2, 4, 4, low=-1))),
    "density": lambda put: plot.density(
        put(values(5, 6)), extent=(0, 1, 0, 1), sample=put(values(4, 2))
    ),
    "points": lambda put: plot.points({name: put(values(3, 2)) for name in SERIES}),
    "curves, with bands": lambda put: plot.curves(
        {"a": (put(values(4)), put(values(4)))},
        xlabel="n",
        ylabel="accuracy",
        bands={"a": (put(values(4)), put(values(4)))},
        xscale="log",
        yscale="log",
    ),
    "histogram": lambda put: plot.histogram(
        {"P_data": put(values(9)), "a": put(values(5))},
        xlabel="x",
        bins=4,
        curves={"P_model": (put(values(4)), put(values(4)))},
    ),
    "densities": lambda put: plot.densities(
        {name: put(values(5, 6)) for name in ("P_data", "a", "b", "c")},
        extent=(0, 1, 0, 1),
    ),
    "surface": lambda put: plot.surface(
        put(values(5, 6)),
        extent=(0, 1, 0, 1),
        xlabel="a",
        ylabel="b",
        label="loss",
        paths={name: put(values(4, 2)) for name in ("a", "b", "c", "d")},
    ),
    "matrix": lambda put: plot.matrix(
        put(values(2, 3)), rows="ab", columns="cde", xlabel="said", ylabel="is"
    ),
    "picture_map": lambda put: plot.picture_map(
        put(values(3, 2)), put(values(3, 4, 4)), xlabel="a", ylabel="b"
    ),
    "picture_map, color": lambda put: plot.picture_map(
        put(values(3, 2)), put(values(3, 4, 4, 3)), xlabel="a", ylabel="b"
    ),
    "tree": lambda put: plot.tree(
        {"a": {"b": ["c", "d"]}, "e": ["f"]},
        marks={leaf: [True, False] for leaf in "cdf"},
        columns=["g", "h"],
    ),
    "bars": lambda put: plot.bars(
        dict(zip("ab", put(values(2)), strict=True)), xlabel="n"
    ),
    "rivals": lambda put: plot.rivals(
        dict(zip("abc", put(values(3, 2, low=0.1)), strict=True)),
        xlabel="s",
        ylabel="a",
    ),
    "transport": lambda put: plot.transport(
        {name: [put(values(3, 2))] * 4 for name in SERIES}, titles=range(4)
    ),
}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Callable[[As], Figure]:
    return KINDS[request.param]


def svg(figure: Figure) -> str:
    file = io.StringIO()
    with mpl.rc_context(plot.STYLE):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return file.getvalue()


def fills(element: ET.Element, fill: str = "#000000") -> set[str]:
    """What fills the drawn paths; SVG's black where nothing is said."""
    tag = element.tag.rpartition("}")[2]
    if tag == "defs":
        return set()
    said = re.search(r"fill: ?([^;]+)", element.get("style", ""))
    fill = said[1] if said else fill
    own = {fill} if tag in {"path", "use"} else set()
    return own.union(*(fills(child, fill) for child in element))


def linear(color: Any) -> Array:
    srgb = np.asarray(color)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(linear(to_rgb(c)) @ weights) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def lightness(colors: Any) -> Array:
    """The L of OKLab, https://bottosson.github.io/posts/oklab/."""
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lms = linear(colors(np.arange(256))[:, :3]) @ np.array(to_lms).T
    result: Array = np.cbrt(lms) @ [0.2104542553, 0.7936177850, -0.0040720468]
    return result


def test_every_public_function_is_tested_here() -> None:
    public = {
        name
        for name, value in inspect.getmembers(plot, inspect.isfunction)
        if value.__module__.startswith(plot.__name__) and not name.startswith("_")
    }
    assert public == {name.partition(",")[0] for name in KINDS} | {"show"}


def test_numpy_and_torch_give_the_same_open_figure(
    kind: Callable[[As], Figure],
) -> None:
    before = mpl.rcParams.copy()
    figures = [kind(np.asarray), kind(torch.from_numpy)]
    assert dict(mpl.rcParams) == dict(before)
    assert [plt.figure(number) for number in plt.get_fignums()] == figures
    assert svg(figures[0]) == svg(figures[1])


def test_tensors_may_need_a_gradient() -> None:
    w = torch.ones(2, 3, 3, requires_grad=True)
    assert svg(plot.filters(w)) == svg(plot.filters(np.ones((2, 3, 3))))


def test_a_failed_figure_leaves_the_settings_too() -> None:
    before = mpl.rcParams.copy()
    with pytest.raises(ValueError, match="nothing to draw"):
        plot.curves({}, xlabel="x", ylabel="y")
    assert dict(mpl.rcParams) == dict(before)


def test_every_color_has_a_dark_one(kind: Callable[[As], Figure]) -> None:
    figure = kind(np.asarray)
    text = svg(figure)
    texts = {to_hex(t.get_color()) for t in figure.findobj(Text) if t.get_text()}
    drawn = set(re.findall(r"(?:fill|stroke): ?([^;\"]+)", text))
    assert (drawn | fills(ET.fromstring(text))) - {"none"} <= set(plot.LIGHT_TO_DARK)
    assert texts <= {plot.INK, plot.MUTED}


def test_dark_colors_are_not_light_ones() -> None:
    assert not set(plot.LIGHT_TO_DARK) & set(plot.LIGHT_TO_DARK.values())
    assert len(set(plot.LIGHT_TO_DARK.values())) == len(plot.LIGHT_TO_DARK)


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(dark: bool) -> None:
    def seen(color: str) -> str:
        return plot.LIGHT_TO_DARK[color] if dark else color

    paper = seen(plot.PAPER)
    assert min(contrast(seen(c), paper) for c in (plot.INK, plot.MUTED)) >= 4.5
    assert min(contrast(seen(c), paper) for c in CURVES) >= 3


@pytest.mark.parametrize("scheme", ["default", "slate"])
def test_the_site_has_the_colors_of_the_figures(scheme: str) -> None:
    block = CSS.read_text().split(f'[data-md-color-scheme="{scheme}"] {{')[1]
    found = dict(re.findall(r"--([\w-]+): (#\w+);", block.split("}")[0]))
    for name, color in VARIABLES.items():
        expected = color if scheme == "default" else plot.LIGHT_TO_DARK[color]
        assert found[name] == expected, name


def test_the_meanings_differ_in_more_than_color() -> None:
    lines = (
        plot.curves({name: values(4) for name in SERIES[:3]}, xlabel="x", ylabel="y")
        .axes[0]
        .lines
    )
    dashes = [line._unscaled_dash_pattern for line in lines]  # type: ignore[attr-defined]
    assert [line.get_color() for line in lines] == list(CURVES[1:4])
    assert len(set(map(str, dashes))) == 3
    groups = plot.points({name: values(4, 2) for name in SERIES}).axes[0].collections
    assert len({g.get_paths()[0].vertices.tobytes() for g in groups}) == len(SERIES)  # type: ignore[union-attr]


def test_the_sequential_map_gets_brighter_in_even_steps() -> None:
    steps = np.diff(lightness(plot.SEQUENTIAL))
    assert steps.min() > 0
    assert steps.max() < 2 * steps.min()


def test_the_diverging_map_is_symmetric_around_near_white() -> None:
    light = lightness(plot.DIVERGING)
    np.testing.assert_allclose(light, light[::-1], atol=0.01)
    assert (np.diff(light[:128]) > 0).all()
    assert light[127] > 0.96


def test_filters_have_one_scale_around_zero() -> None:
    mosaic, scale = plot.filters([[[-1.0, 0.0]], [[2.0, 1.0]]]).axes
    shown = np.asarray(mosaic.images[0].get_array())
    expected = plot.DIVERGING((np.array([-1.0, 0.0, 2.0, 1.0]) / 2 + 1) / 2)
    opaque = shown[shown[..., 3] == 1]
    np.testing.assert_allclose(np.unique(opaque, axis=0), np.unique(expected, axis=0))
    assert scale.get_xlim() == (-2, 2)


def test_pictures_stand_row_by_row_under_their_titles() -> None:
    x = (
        np.array([10, 20, 30], dtype=np.uint8)[:, None, None]
        .repeat(28, 1)
        .repeat(28, 2)
    )
    axes = plot.pictures(x, columns=2, titles=["ten", 20, "thirty"]).axes[0]
    shown = np.asarray(axes.images[0].get_array())
    cells = [text.get_position() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == ["ten", "20", "thirty"]
    for value, (column, row) in zip((10, 20, 30), cells, strict=True):
        assert shown[int(row) + 14, int(column)] == pytest.approx(
            [value / 255] * 3 + [1]
        )
    assert cells[0][1] == cells[1][1] < cells[2][1]
    assert cells[0][0] == cells[2][0] < cells[1][0]


@pytest.mark.parametrize(
    ("draw", "error", "seen"),
    [
        (lambda: plot.pictures(np.zeros((2, 3))), ValueError, r"\(2, 3\)"),
        (lambda: plot.pictures(np.zeros((0, 3, 3))), ValueError, r"\(0, 3, 3\)"),
        (lambda: plot.pictures(np.full((1, 2, 2), 7.0)), ValueError, "from 7 to 7"),
        (
            lambda: plot.pictures(np.zeros((1, 2, 2)), titles="ab"),
            ValueError,
            "2 titles",
        ),
        (lambda: plot.pictures(np.zeros((1, 2, 2)), columns=0), ValueError, "is 0"),
        (lambda: plot.pictures([[["a"]]]), TypeError, "<U1"),
        (lambda: plot.filters(np.zeros((2, 3))), ValueError, r"\(2, 3\)"),
        (lambda: plot.filters([[[np.nan]]]), ValueError, "NaN"),
        (lambda: plot.filters([[["a"]]]), TypeError, "<U1"),
        (
            lambda: plot.feature_maps(np.zeros((1, 2, 3, 4))),
            ValueError,
            r"\(1, 2, 3, 4\)",
        ),
        (lambda: plot.feature_maps([[[1j]]]), TypeError, "complex128"),
        (lambda: plot.density(np.zeros(3), extent=(0, 1, 0, 1)), ValueError, r"\(3,\)"),
        (
            lambda: plot.density(
                np.zeros((2, 2)), extent=(0, 1, 0, 1), sample=np.zeros((4, 3))
            ),
            ValueError,
            r"'sample' has shape \(4, 3\)",
        ),
        (lambda: plot.density([["a"]], extent=(0, 1, 0, 1)), TypeError, "<U1"),
        (lambda: plot.points({}), ValueError, "nothing to draw"),
        (lambda: plot.points({"a": np.zeros((4, 3))}), ValueError, r"'a'.*\(4, 3\)"),
        (lambda: plot.points({"a": [["b", "c"]]}), TypeError, "'a' holds <U1"),
        (
            lambda: plot.points({name: np.zeros((1, 2)) for name in "abcde"}),
            ValueError,
            "5 series; at most 4",
        ),
        (
            lambda: curve(([1, 2], [1, 2, 3])),
            ValueError,
            r"\(2,\) and y of shape \(3,\)",
        ),
        (
            lambda: plot.curves({"a": [1]}, xlabel="", ylabel="", bands={"b": (1, 2)}),
            ValueError,
            r"\['b'\], of which there is no series",
        ),
        (lambda: plot.histogram({}, xlabel="x"), ValueError, r"values are \[\]"),
        (lambda: plot.histogram({"a": []}, xlabel="x"), ValueError, r"\('a', 0\)"),
        (lambda: plot.densities({}, extent=(0, 1, 0, 1)), ValueError, "nothing"),
        (
            lambda: plot.densities({"a": np.zeros(3)}, extent=(0, 1, 0, 1)),
            ValueError,
            r"'a' has shape \(3,\)",
        ),
        (lambda: plot.tree({}, marks={}, columns=[]), ValueError, "nothing to draw"),
        (
            lambda: plot.tree(["a"], marks={"a": [True]}, columns=["b", "c"]),
            ValueError,
            r"'a' has the marks \[True\]; expected one for each of \['b', 'c'\]",
        ),
        (
            lambda: plot.tree({"a": {"b": {"c": ["d"]}}}, marks={"d": []}, columns=[]),
            ValueError,
            "more than 2 levels",
        ),
        (lambda: table(np.zeros((2, 3))), ValueError, r"\(2, 3\) for 2 rows and 2"),
        (lambda: table(-np.ones((2, 2))), ValueError, "from zero up"),
        (
            lambda: plot.surface(
                np.zeros(3), extent=(0, 1, 0, 1), xlabel="", ylabel="", label=""
            ),
            ValueError,
            r"\(3,\)",
        ),
        (
            lambda: plot.picture_map(
                np.zeros((2, 2)), np.zeros((3, 4, 4)), xlabel="", ylabel=""
            ),
            ValueError,
            "2 places for 3 pictures",
        ),
        (lambda: curve((1, 2, 3)), ValueError, "tuple of 3"),
        (lambda: curve(["b"]), TypeError, "y of 'a' holds <U1"),
        (lambda: plot.bars({}, xlabel="n"), ValueError, "{}"),
        (lambda: plot.bars({"a": -1}, xlabel="n"), ValueError, "'a': -1"),
        (lambda: plot.rivals({}, xlabel="", ylabel=""), ValueError, "{}"),
        (
            lambda: plot.rivals({"a": (0, 1)}, xlabel="", ylabel=""),
            ValueError,
            r"'a': \(0, 1\)",
        ),
        (
            lambda: plot.transport({"a": [np.zeros((1, 2))]}, titles=""),
            ValueError,
            "1 stops for 0 titles; expected one title for each",
        ),
        (lambda: plot.transport({}, titles="a"), ValueError, "nothing to draw"),
        (lambda: plot.bars({"a": "b"}, xlabel="n"), TypeError, "<U1"),  # type: ignore[dict-item]
    ],
)
def test_bad_input_is_named(
    draw: Callable[[], Figure], error: type[Exception], seen: str
) -> None:
    with pytest.raises(error, match=seen):
        draw()
    assert not plt.get_fignums()


def table(numbers: Any) -> Figure:
    return plot.matrix(numbers, rows="ab", columns="cd", xlabel="", ylabel="")


def test_a_histogram_has_an_area_of_one() -> None:
    axes = plot.histogram({"a": values(50), "b": values(70)}, xlabel="x").axes[0]
    for stairs in axes.patches:
        heights, edges, _ = stairs.get_data()  # type: ignore[attr-defined]
        assert heights @ np.diff(edges) == pytest.approx(1)


def test_a_picture_stands_where_its_place_says() -> None:
    x = np.array([0.2, 0.5, 0.9])[:, None, None] * np.ones((3, 8, 8))
    figure = plot.picture_map([[0, 0], [1, 0], [0, 1]], x, xlabel="", ylabel="")
    shown = np.asarray(figure.axes[0].images[0].get_array())
    left, right, *_ = extent = figure.axes[0].images[0].get_extent()
    half = 4 * (right - left) / shown.shape[1]  # of a picture of 8 pixels
    assert extent == pytest.approx((-half, 1 + half, -half, 1 + half))
    assert shown[-6, 4, 0] == pytest.approx(0.2 * 0.8)  # alpha 4 * 0.2
    assert shown[-6, -6, 0] == pytest.approx(0.5)
    assert shown[4, 4, 0] == pytest.approx(0.9)
    assert shown[4, -6, 3] == 0


def test_a_matrix_writes_its_numbers_and_tints_the_larger_ones() -> None:
    axes = table(np.array([[4, 0], [1, 2]])).axes[0]
    assert [text.get_text() for text in axes.texts] == ["4", "0", "1", "2"]
    alphas = [patch.get_alpha() for patch in axes.patches]
    assert alphas[1] == 0
    assert alphas[0] > alphas[3] > alphas[2]


def test_a_tree_writes_every_name_once_and_fills_what_is_true() -> None:
    axes = KINDS["tree"](np.asarray).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == list("abcdefgh")
    heights = {t.get_text(): t.get_position()[1] for t in axes.texts}
    assert heights["a"] == heights["b"] == heights["c"] < heights["d"] < heights["f"]
    disks = [line for line in axes.lines if line.get_marker() == "o"]
    filled = [line.get_markerfacecolor() == plot.ACCENT for line in disks]
    assert filled == [True, False] * 3


def test_rivals_stand_at_their_figures_and_their_names_apart() -> None:
    places = {"a": (0.1, 0.5), "b": (10.0, 0.9), "c": (0.1, 0.51)}
    axes = plot.rivals(places, xlabel="x", ylabel="y").axes[0]
    drawn = np.asarray(axes.collections[0].get_offsets())
    assert drawn == pytest.approx(np.array(list(places.values())))
    texts = {t.get_text(): t for t in axes.texts}
    assert {n: tuple(t.xy) for n, t in texts.items()} == places  # type: ignore[attr-defined]
    up = {name: text.xyann[1] for name, text in texts.items()}  # type: ignore[attr-defined]
    assert up["a"] == up["b"] == 0
    assert 11 < up["c"] < 15  # a hundredth of 0.4 lies between the marks already
    assert texts["b"].get_horizontalalignment() == "right"


def test_transport_draws_a_panel_for_each_stop_and_every_point_in_it() -> None:
    stops = list(values(4, 5, 2))
    figure = plot.transport({"a": stops, "b": stops}, titles=["0", "1", "2", "3"])
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == ["0", "1", "2", "3"]
    for axes, stop in zip(panels, stops, strict=True):
        for points in axes.collections:
            assert np.asarray(points.get_offsets()) == pytest.approx(stop)


def curve(value: Any) -> Figure:
    return plot.curves({"a": value}, xlabel="x", ylabel="y")


def test_show_is_silent_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")  # without it matplotlib itself is silent
    plot.bars({"a": 1}, xlabel="n")
    with pytest.warns(UserWarning, match="non-interactive"):
        plt.show()
    plot.show()


def test_show_opens_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(plt, "show", lambda: calls.append("shown"))
    plot.show()
    assert calls == ["shown"]
