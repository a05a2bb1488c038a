"""Activations against torch, finite differences and each other; extremes, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn.functional import gelu, leaky_relu

from gdlbook.networks import activations as act

NAMES = ("relu", "leaky_relu", "sigmoid", "tanh", "gelu")
FUNCTIONS = {name: getattr(act, name) for name in NAMES}
DERIVATIVES = {name: getattr(act, f"{name}_derivative") for name in NAMES}
JUDGES = {
    "relu": torch.relu,
    "leaky_relu": leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": gelu,
}
each = pytest.mark.parametrize("name", NAMES)
logits = arrays(np.float64, (3, 5), elements=st.floats(-50, 50))
EDGES = np.array([-1e4, -700.0, -40.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 40.0, 700.0, 1e4])


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return 3 * np.random.default_rng(seed).standard_normal(shape)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_gives_the_same_values_and_derivatives(name, dtype):
    x = np.concatenate([numbers(500), EDGES]).astype(dtype)
    tensor = torch.tensor(x, requires_grad=True)
    JUDGES[name](tensor).sum().backward()
    y, slope = FUNCTIONS[name](x), DERIVATIVES[name](x)
    assert y.dtype == slope.dtype == dtype
    near = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12}
    np.testing.assert_allclose(y, JUDGES[name](tensor).detach(), **near)
    # torch computes 1 - y, which has lost its digits where y is 1
    np.testing.assert_allclose(slope, tensor.grad, rtol=near["rtol"], atol=1e-6)


@each
def test_the_derivative_is_that_of_finite_differences(name):
    x = numbers(200)
    x = x[np.abs(x) > 1e-3]  # not across the corner
    h = 1e-5
    slope = (FUNCTIONS[name](x + h) - FUNCTIONS[name](x - h)) / (2 * h)
    np.testing.assert_allclose(DERIVATIVES[name](x), slope, atol=1e-9)


@each
def test_no_number_is_too_large(name):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for x in (EDGES, EDGES.astype(np.float32)):
            assert np.isfinite(FUNCTIONS[name](x)).all()
            assert np.isfinite(DERIVATIVES[name](x)).all()


@each
def test_nan_passes_and_shape_and_integers_are_kept(name):
    for function in (FUNCTIONS[name], DERIVATIVES[name]):
        assert np.isnan(function([np.nan, 1.0])).tolist() == [True, False]
        assert function(np.array([[1, 2, 3]])).dtype == np.float64
        assert function(2.0).shape == ()
        assert function(np.zeros((2, 0))).shape == (2, 0)


def test_the_corner_has_the_derivative_that_torch_gives_it():
    x = torch.zeros(2, requires_grad=True)
    (torch.relu(x)[0] + leaky_relu(x)[1]).backward()
    assert x.grad.tolist() == pytest.approx(
        [act.relu_derivative(0.0).item(), act.leaky_relu_derivative(0.0).item()]
    )


def test_another_slope():
    assert act.leaky_relu([-2.0, 2.0], slope=0.25).tolist() == [-0.5, 2.0]
    assert act.leaky_relu_derivative([-2.0, 2.0], slope=0.25).tolist() == [0.25, 1.0]


@given(logits)
def test_softmax_and_its_logarithm_are_those_of_torch(x):
    tensor = torch.tensor(x)
    np.testing.assert_allclose(act.softmax(x), tensor.softmax(-1), atol=1e-14)
    np.testing.assert_allclose(act.log_softmax(x), tensor.log_softmax(-1), atol=1e-12)


@given(logits, st.floats(-1e3, 1e3))
def test_softmax_sums_to_one_and_does_not_see_a_shift(x, shift):
    p = act.softmax(x)
    np.testing.assert_allclose(p.sum(axis=-1), 1)
    np.testing.assert_allclose(act.softmax(x + shift), p, atol=1e-10)


def test_softmax_of_huge_logits():
    x = np.array([[1e4, 0.0, -1e4], [1e300, 1e300, -1e300]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert act.softmax(x).tolist() == [[1, 0, 0], [0.5, 0.5, 0]]
        assert act.log_softmax(x[0]).tolist() == [0, -1e4, -2e4]


def test_the_jacobian_is_that_of_autograd_and_of_finite_differences():
    x = numbers(5)
    jacobian = act.softmax_jacobian(x)
    judge = torch.autograd.functional.jacobian(lambda t: t.softmax(-1), torch.tensor(x))
    np.testing.assert_allclose(jacobian, judge, atol=1e-15)
    steps = 1e-6 * np.eye(5)
    slopes = (act.softmax(x + steps) - act.softmax(x - steps)).T / 2e-6
    np.testing.assert_allclose(jacobian, slopes, atol=1e-9)


def test_backward_is_the_product_with_the_jacobian():
    x, g = numbers(4, 3, 6), numbers(4, 3, 6, seed=1)
    expected = np.einsum("...j,...ji->...i", g, act.softmax_jacobian(x))
    np.testing.assert_allclose(act.softmax_backward(x, g), expected, atol=1e-14)


def test_bad_input_is_named():
    for name in (*NAMES, *(f"{n}_derivative" for n in NAMES), "softmax"):
        with pytest.raises(TypeError, match="x holds <U1; expected real numbers"):
            getattr(act, name)(["a"])
    with pytest.raises(TypeError, match="x holds complex128"):
        act.log_softmax([1j])
    with pytest.raises(ValueError, match=r"x has shape \(\); expected \(..., kinds\)"):
        act.softmax(1.0)
    with pytest.raises(ValueError, match=r"\(2, 0\); expected .* not empty"):
        act.log_softmax(np.zeros((2, 0)))
    with pytest.raises(TypeError, match="gradient holds <U1"):
        act.softmax_backward([1.0], ["a"])
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\); .* x, \(2,\)"):
        act.softmax_backward([1.0, 2.0], [1.0, 2.0, 3.0])
