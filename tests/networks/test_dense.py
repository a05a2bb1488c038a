"""Dense layers against torch, the definition, and finite differences; bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gdlbook.networks import dense as module
from gdlbook.networks.dense import (
    dense,
    dense_backward,
    initialize,
    perceptron,
    perceptron_backward,
)

size = st.integers(1, 6)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


@given(size, size, size)
def test_a_layer_is_one_weighted_sum_for_each_unit(n, read, made):
    x, weights, bias = normal(0, n, read), normal(1, read, made), normal(2, made)
    y = dense(x, weights, bias)
    assert y.shape == (n, made)
    for m, j in np.ndindex(y.shape):
        expected = bias[j] + sum(x[m, i] * weights[i, j] for i in range(read))
        assert y[m, j] == pytest.approx(expected)


@given(size, size, size)
def test_torch_gives_the_same_outputs_and_gradients(n, read, made):
    arrays = normal(0, n, read), normal(1, read, made), normal(2, made)
    x, weights, bias = (torch.tensor(a, requires_grad=True) for a in arrays)
    y = torch.nn.functional.linear(x, weights.T, bias)
    np.testing.assert_allclose(dense(*arrays), y.detach(), atol=1e-12)
    gradient = normal(3, n, made)
    y.backward(torch.tensor(gradient))
    found = dense_backward(arrays[0], arrays[1], gradient)
    for ours, tensor in zip(found, (x, weights, bias), strict=True):
        np.testing.assert_allclose(ours, tensor.grad, atol=1e-12)


def as_torch(layers):
    stack = torch.nn.Sequential()
    for weights, bias in layers:
        linear = torch.nn.Linear(*weights.shape).double()
        linear.weight.data = torch.tensor(weights.T.copy())
        linear.bias.data = torch.tensor(bias)
        stack.extend([linear, torch.nn.ReLU()])
    return stack[:-1]


@pytest.mark.parametrize("sizes", [(5, 3), (5, 7, 3), (5, 7, 6, 4, 3)])
def test_a_stack_is_that_of_torch_up_and_down(sizes):
    rng = np.random.default_rng(0)
    layers = [(w, rng.standard_normal(b.shape)) for w, b in initialize(sizes, rng)]
    x, gradient = rng.standard_normal((9, 5)), rng.standard_normal((9, 3))
    outputs = perceptron(x, layers)
    stack = as_torch(layers)
    y = stack(torch.tensor(x))
    y.backward(torch.tensor(gradient))
    assert [h.shape for h in outputs] == [(9, s) for s in sizes]
    np.testing.assert_allclose(outputs[-1], y.detach(), atol=1e-12)
    found = perceptron_backward(outputs, layers, gradient)
    for (weights, bias), linear in zip(found, stack[::2], strict=True):
        np.testing.assert_allclose(weights, linear.weight.grad.T, atol=1e-12)
        np.testing.assert_allclose(bias, linear.bias.grad, atol=1e-12)


def test_every_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    layers = [(w, rng.standard_normal(b.shape)) for w, b in initialize((4, 5, 3), rng)]
    x, direction = rng.standard_normal((6, 4)), rng.standard_normal((6, 3))

    def loss():
        return float(np.sum(direction * perceptron(x, layers)[-1]))

    found = perceptron_backward(perceptron(x, layers), layers, direction)
    for layer, gradients in zip(layers, found, strict=True):
        for array, gradient in zip(layer, gradients, strict=True):
            for place in np.ndindex(array.shape):
                before = array[place]
                array[place] = before + 1e-6
                above = loss()
                array[place] = before - 1e-6
                slope = (above - loss()) / 2e-6
                array[place] = before
                assert gradient[place] == pytest.approx(slope, abs=1e-7)


def test_first_weights_keep_the_size_of_the_numbers_under_relu():
    sizes = (300,) * 6
    layers = initialize(sizes, np.random.default_rng(0))
    x = normal(1, 400, 300)
    *hidden, _ = perceptron(x, layers)
    assert np.mean(hidden[-1] ** 2) == pytest.approx(np.mean(x**2), rel=0.2)
    assert all(not bias.any() for _, bias in layers)


def test_the_same_generator_gives_the_same_weights():
    first, again, other = (
        initialize((3, 2), np.random.default_rng(seed))[0][0] for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_float32_stays_float32():
    x, weights, bias = (
        v.astype(np.float32) for v in (normal(0, 2, 3), normal(1, 3, 4), normal(2, 4))
    )
    assert dense(x, weights, bias).dtype == np.float32
    assert {g.dtype for g in dense_backward(x, weights, dense(x, weights, bias))} == {
        np.dtype(np.float32)
    }


X, W, B = np.ones((2, 3)), np.ones((3, 4)), np.ones(4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dense([["a"]], W, B), TypeError, "x holds <U1; expected real"),
        (lambda: dense(X[0], W, B), ValueError, r"x has shape \(3,\); .*\(n, in\)"),
        (lambda: dense(X, W.T, B), ValueError, r"\(2, 3\), weights \(4, 3\) and bias"),
        (lambda: dense(X, W, B[:1]), ValueError, r"bias \(1,\); expected .* \(out,\)"),
        (
            lambda: dense_backward(X, W, np.ones((1, 4))),
            ValueError,
            r"gradient has shape \(1, 4\); expected that of the outputs, \(2, 4\)",
        ),
        (lambda: dense_backward(X, W, B), ValueError, r"\(4,\); expected \(n, out\)"),
        (lambda: perceptron(X, []), ValueError, "layers are empty"),
        (
            lambda: perceptron_backward([X], [(W, B)], np.ones((2, 4))),
            ValueError,
            "1 outputs for 1 layers; expected 2",
        ),
        (
            lambda: initialize((3,), np.random.default_rng(0)),
            ValueError,
            r"sizes are \(3,\)",
        ),
        (
            lambda: initialize((3, 0), np.random.default_rng(0)),
            ValueError,
            r"\(3, 0\); expected two or more",
        ),
        (lambda: initialize((3, 2), 0), TypeError, "rng is 0; expected numpy"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_public_names_are_those_of_the_page():
    assert set(module.__all__) == {
        name
        for name, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", "") == module.__name__
        and not name.startswith("_")
    }
