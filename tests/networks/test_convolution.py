"""conv2d against its definition, PyTorch, SciPy and Keras; sizes, zeros, bad input."""

import itertools
import math
import os
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from gdlbook.networks.convolution import (
    conv2d,
    conv2d_loops,
    output_size,
    same_padding,
)

DIAGRAMS = Path(__file__).parents[2] / "docs" / "assets" / "diagrams"
few = settings(max_examples=60, deadline=None, derandomize=True, database=None)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


def by_torch(x, filters, bias=None, *, stride=1, padding=0):
    """torch's answer, channels last; padding as ((above, below), (left, right))."""
    (above, below), (left, right) = padding or ((0, 0), (0, 0))
    x = torch.nn.functional.pad(
        torch.from_numpy(x).movedim(-1, 1), (left, right, above, below)
    )
    weight = torch.from_numpy(filters).permute(3, 2, 0, 1)
    bias = None if bias is None else torch.from_numpy(bias)
    return torch.nn.functional.conv2d(x, weight, bias, stride).movedim(1, -1).numpy()


def zeros_by_hand(x, filters, stride, padding):
    """Zeros around x, from the words of the documentation of `conv2d`."""
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding == "same":
        sizes = zip(x.shape[1:3], filters.shape[:2], stride, strict=True)
        return tuple(
            (max((math.ceil(n / s) - 1) * s + k - n, 0) // 2,
             math.ceil(max((math.ceil(n / s) - 1) * s + k - n, 0) / 2))
            for n, k, s in sizes
        )  # fmt: skip
    rows, columns = padding if isinstance(padding, tuple) else (padding, padding)
    return ((rows, rows), (columns, columns))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, Any, Any, tuple[int, int], Any]:
    """Random pictures, filters, bias, stride and padding that fit."""
    rows, columns = draw(pairs)
    height = rows + draw(st.integers(0, 5))
    width = columns + draw(st.integers(0, 5))
    batch, channels, out = draw(st.tuples(*[st.integers(1, 3)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((batch, height, width, channels))
    filters = rng.standard_normal((rows, columns, channels, out))
    bias = rng.standard_normal(out) if draw(st.booleans()) else None
    number = st.integers(0, 3)
    padding = draw(
        st.sampled_from(["same", "valid"]) | number | st.tuples(number, number)
    )
    return x, filters, bias, draw(pairs), padding


@few
@given(cases())
def test_fast_loops_and_torch_agree(case):
    x, filters, bias, stride, padding = case
    fast = conv2d(x, filters, bias, stride=stride, padding=padding)
    loops = conv2d_loops(x, filters, bias, stride=stride, padding=padding)
    zeros = zeros_by_hand(x, filters, stride, padding)
    judge = by_torch(x, filters, bias, stride=stride, padding=zeros)
    assert fast.shape == loops.shape == judge.shape
    np.testing.assert_allclose(fast, loops, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fast, judge, rtol=1e-12, atol=1e-12)


@few
@given(cases())
def test_scipy_correlates_and_convolves_with_the_flipped_filter(case):
    x, filters, _, stride, padding = case
    pads = ((0, 0), *zeros_by_hand(x, filters, stride, padding), (0, 0))
    padded = np.pad(x, pads)
    for answer in (
        lambda p, f: signal.correlate(p, f, mode="valid", method="direct"),
        lambda p, f: signal.convolve(p, f[::-1, ::-1, ::-1], "valid", method="direct"),
    ):
        judge = np.stack(
            [
                [answer(p, filters[..., o])[..., 0] for o in range(filters.shape[3])]
                for p in padded
            ]
        ).transpose(0, 2, 3, 1)[:, :: stride[0], :: stride[1]]
        fast = conv2d(x, filters, stride=stride, padding=padding)
        np.testing.assert_allclose(fast, judge, rtol=1e-12, atol=1e-12)


def test_scipy_convolution_without_the_flip_is_something_else():
    rng = np.random.default_rng(0)
    x, filters = rng.standard_normal((1, 6, 6, 1)), rng.standard_normal((3, 3, 1, 1))
    flipped = signal.convolve2d(x[0, :, :, 0], filters[:, :, 0, 0], mode="valid")
    assert not np.allclose(conv2d(x, filters)[0, :, :, 0], flipped)


def test_same_is_what_keras_does():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    shapes = itertools.product((5, 16, 32), ((3, 3), (4, 4), (2, 5)), (1, 2, 3))
    for n, kernel, stride in shapes:
        x = rng.standard_normal((2, n, n + 1, 3)).astype(np.float32)
        filters = rng.standard_normal((*kernel, 3, 4)).astype(np.float32)
        bias = rng.standard_normal(4).astype(np.float32)
        layer = keras.layers.Conv2D(4, kernel, strides=stride, padding="same")
        layer.build(x.shape)
        layer.set_weights([filters, bias])
        judge = layer(x).detach().cpu().numpy()
        answer = conv2d(x, filters, bias, stride=stride, padding="same")
        np.testing.assert_allclose(answer, judge, atol=1e-5)


def test_five_by_five_stays_five_by_five():
    x = np.arange(25.0).reshape(1, 5, 5, 1)
    filters = np.ones((3, 3, 1, 1))
    y = conv2d(x, filters, padding="same")
    assert y.shape == (1, 5, 5, 1)
    assert y[0, 0, 0, 0] == 0 + 1 + 5 + 6  # the other five of the nine are zeros
    assert y[0, 2, 2, 0] == 9 * 12


def test_output_size_is_that_of_real_layers():
    grid = itertools.product(range(1, 12), range(1, 6), range(1, 5), (0, 1, 2, "same"))
    for n, kernel, stride, padding in grid:
        if padding == "same":
            padded = n + sum(same_padding(n, kernel, stride))
            assert output_size(n, kernel, stride=stride, padding="same") == math.ceil(
                n / stride
            )
            layer = torch.nn.Conv1d(1, 1, kernel, stride)
        elif n + 2 * padding < kernel:
            continue
        else:
            padded = n
            layer = torch.nn.Conv1d(1, 1, kernel, stride, padding)
        real = layer(torch.zeros(1, 1, padded)).shape[-1]
        assert output_size(n, kernel, stride=stride, padding=padding) == real


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "zeros"),
    [
        (5, 3, 1, (1, 1)),
        (16, 3, 2, (0, 1)),  # the uneven case of the reference CNN
        (32, 4, 2, (1, 1)),
        (5, 2, 1, (0, 1)),
        (6, 5, 3, (1, 1)),
        (5, 1, 3, (0, 0)),  # never fewer than none, where steps jump over pixels
    ],
)
def test_where_the_zeros_go(n, kernel, stride, zeros):
    assert same_padding(n, kernel, stride) == zeros


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
def test_dtypes(convolve):
    x, filters = np.full((1, 3, 3, 1), 200), np.full((3, 3, 1, 1), 2)
    for kind in (np.float16, np.float32, np.float64):
        y = convolve(x.astype(kind), filters.astype(kind), np.full(1, 2, kind))
        assert y.dtype == kind
        assert y.item() == 3602
    mixed = convolve(x.astype(np.uint8), filters.astype(np.float32))
    assert mixed.dtype == np.float32
    whole = convolve(x.astype(np.uint8), filters.astype(np.int8))
    assert (whole.dtype, whole.item()) == (np.int64, 3600)  # 8 bits would wrap around
    counted = convolve(np.ones((1, 3, 3, 1), bool), np.ones((3, 3, 1, 1), bool))
    assert (counted.dtype, counted.item()) == (np.int64, 9)


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
def test_nan_reaches_only_the_outputs_that_read_it(convolve):
    x = np.ones((2, 5, 5, 1), np.float32)
    x[0, 0, 4] = np.nan
    y = convolve(x, np.ones((2, 2, 1, 3), np.float32))
    expected = np.zeros(y.shape, bool)
    expected[0, 0, 3] = True
    np.testing.assert_array_equal(np.isnan(y), expected)


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
def test_empty_batch_and_untouched_input(convolve):
    filters = np.ones((3, 3, 2, 4), np.float32)
    assert convolve(np.ones((0, 5, 6, 2)), filters).shape == (0, 3, 4, 4)
    x = np.ones((1, 5, 6, 2), np.float32)
    x.flags.writeable = filters.flags.writeable = False
    convolve(x, filters, padding=1)


BAD_ARRAYS = [
    (np.ones((5, 5, 1)), None, ValueError, r"batch, height, width.*\(5, 5, 1\)"),
    (None, np.ones((3, 3)), ValueError, r"rows, columns.*\(3, 3\)"),
    (
        np.ones((2, 3, 5, 5)),
        None,
        ValueError,
        r"1 channels last, as filters \(3, 3, 1, 1\) read, got \(2, 3",
    ),
    (np.ones((1, 2, 5, 1)), None, ValueError, r"height of x, 0 \+ 2 \+ 0 = 2, got 3"),
    (np.ones((1, 5, 2, 1)), None, ValueError, r"width of x, 0 \+ 2 \+ 0 = 2, got 3"),
    (np.ones((1, 0, 5, 1)), None, ValueError, "height of x must be at least 1, got 0"),
    (None, np.ones((0, 3, 1, 1)), ValueError, "kernel must be at least 1, got 0"),
    (np.full((1, 5, 5, 1), "a"), None, TypeError, "x must hold real numbers.*<U1"),
    (np.ones((1, 5, 5, 1)) * 1j, None, TypeError, "x must hold real.*complex128"),
    (None, np.full((3, 3, 1, 1), None), TypeError, "filters must hold.*object"),
    ([[1, 2], [3]], None, ValueError, "x must be an array, got .*inhomogeneous"),
]


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
@pytest.mark.parametrize(("x", "filters", "error", "sentence"), BAD_ARRAYS)
def test_bad_arrays_are_refused(convolve, x, filters, error, sentence):
    x = np.ones((1, 5, 5, 1)) if x is None else x
    filters = np.ones((3, 3, 1, 1)) if filters is None else filters
    with pytest.raises(error, match=sentence):
        convolve(x, filters)


BAD_OPTIONS = [
    ({"bias": np.ones(2)}, ValueError, r"bias must have shape \(1,\), got \(2,\)"),
    ({"bias": np.ones((1, 1))}, ValueError, r"bias must have axes \(out\)"),
    ({"bias": ["a"]}, TypeError, "bias must hold real numbers, got dtype <U1"),
    ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
    ({"stride": (1, -2)}, ValueError, "stride must be at least 1, got -2"),
    ({"stride": 1.0}, TypeError, r"stride must be an integer, got 1.0 \(float\)"),
    ({"stride": True}, TypeError, r"stride must be an integer, got True \(bool\)"),
    ({"stride": "1"}, TypeError, r"stride must be an integer, got '1' \(str\)"),
    ({"stride": (1, 1, 1)}, ValueError, r"stride must be .* a pair, got \(1, 1, 1\)"),
    ({"padding": "full"}, ValueError, "'same', 'valid', an integer.*got 'full'"),
    ({"padding": -1}, ValueError, "padding must be at least 0, got -1"),
    ({"padding": (1, 0.5)}, TypeError, r"padding must be an integer, got 0.5"),
    ({"padding": None}, TypeError, "padding must be an integer, got None"),
]


@pytest.mark.parametrize("convolve", [conv2d, conv2d_loops])
@pytest.mark.parametrize(("options", "error", "sentence"), BAD_OPTIONS)
def test_bad_options_are_refused(convolve, options, error, sentence):
    with pytest.raises(error, match=sentence):
        convolve(np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 1)), **options)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: output_size(5, 7), ValueError, r"padded n, 0 \+ 5 \+ 0 = 5, got 7"),
        (lambda: output_size(5.0, 3), TypeError, r"n must be an integer, got 5.0"),
        (lambda: output_size(5, 3, stride=0), ValueError, "stride .* 1, got 0"),
        (lambda: output_size(5, 3, padding="SAME"), ValueError, "got 'SAME'"),
        (lambda: output_size(5, 3, padding=(1, 1)), TypeError, r"got \(1, 1\)"),
        (lambda: same_padding(0, 3), ValueError, "n must be at least 1, got 0"),
        (lambda: same_padding(5, 0), ValueError, "kernel must be at least 1, got 0"),
        (lambda: same_padding(5, 3, 1.5), TypeError, "stride .* integer, got 1.5"),
    ],
)
def test_bad_sizes_are_refused(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def numbers_of(diagram: str) -> dict[str, np.ndarray]:
    """The numbers written into a drawn diagram, by what they are."""
    found = defaultdict(list)
    for text in ElementTree.parse(DIAGRAMS / diagram).iter():
        if "data-cell" in text.attrib:
            found[text.attrib["data-cell"]].append(
                int(text.text.replace("\N{MINUS SIGN}", "-"))
            )
    return {name: np.array(values) for name, values in found.items()}


def test_diagram_of_one_output_shows_what_the_code_computes():
    seen = numbers_of("convolution-patch.svg")
    picture, rising = seen["picture"].reshape(5, 5), seen["filter"].reshape(3, 3)
    products = picture[0:3, 1:4] * rising
    np.testing.assert_array_equal(seen["product"], products.ravel())
    np.testing.assert_array_equal(seen["sum"], [products.sum()])
    maps = conv2d(picture[None, ..., None], rising[..., None, None])
    np.testing.assert_array_equal(seen["map"], maps.ravel())


def test_diagram_of_padding_shows_what_the_code_computes():
    seen = numbers_of("convolution-padding.svg")
    picture = seen["picture"].reshape(5, 5)
    rising = numbers_of("convolution-patch.svg")["filter"].reshape(3, 3, 1, 1)
    np.testing.assert_array_equal(seen["zero"], np.zeros(7 * 7 - 5 * 5))
    maps = conv2d(picture[None, ..., None], rising, padding="same")
    np.testing.assert_array_equal(seen["map"], maps.ravel())


def test_script_finds_in_the_diagram_what_it_moves():
    drawing = (DIAGRAMS / "convolution-patch.svg").read_text("utf-8")
    script = (DIAGRAMS.parent / "js" / "convolution.js").read_text("utf-8")
    assert 'data-diagram="convolution-patch"' in drawing
    for part in ("patch", "place", "slice", "terms"):
        assert f'"{part}"' in script
        assert f'data-part="{part}"' in drawing
