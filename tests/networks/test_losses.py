"""Losses against torch, finite differences, and the likelihoods that they stand for."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.nn import functional

from gdlbook.networks import losses

RNG_SHAPES = [(1,), (7,), (4, 3), (2, 3, 5)]


def mse_case(seed, shape=(6, 4)):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape)


def bce_case(seed, shape=(6, 4)):
    rng = np.random.default_rng(seed)
    return 4 * rng.standard_normal(shape), rng.random(shape)


def ce_case(seed, shape=(6, 4)):
    rng = np.random.default_rng(seed)
    return 4 * rng.standard_normal(shape), rng.integers(shape[1], size=shape[0])


CASES = {
    "mean_squared_error": (mse_case, functional.mse_loss),
    "binary_cross_entropy": (bce_case, functional.binary_cross_entropy_with_logits),
    "cross_entropy": (ce_case, functional.cross_entropy),
}
each = pytest.mark.parametrize("name", list(CASES))


def loss_and_gradient(name):
    return getattr(losses, name), getattr(losses, f"{name}_gradient")


@each
@pytest.mark.parametrize("seed", range(3))
def test_torch_gives_the_same_loss_and_gradient(name, seed):
    case, judge = CASES[name]
    loss, gradient = loss_and_gradient(name)
    x, y = case(seed)
    t = torch.tensor(x, requires_grad=True)
    judged = judge(t, torch.tensor(y))
    judged.backward()
    assert loss(x, y) == pytest.approx(judged.item(), rel=1e-12)
    np.testing.assert_allclose(gradient(x, y), t.grad, rtol=1e-12, atol=1e-15)


@each
def test_the_gradient_is_that_of_finite_differences(name):
    loss, gradient = loss_and_gradient(name)
    x, y = CASES[name][0](0)
    slopes = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        slopes[place] = (loss(x + step, y) - loss(x - step, y)) / 2e-6
    np.testing.assert_allclose(gradient(x, y), slopes, atol=1e-8)


@pytest.mark.parametrize("shape", RNG_SHAPES)
def test_any_shape_will_do_for_the_first_two(shape):
    for name in ("mean_squared_error", "binary_cross_entropy"):
        x, y = CASES[name][0](0, shape)
        loss, gradient = loss_and_gradient(name)
        assert loss(x, y) == pytest.approx(loss(x.ravel(), y.ravel()))
        assert gradient(x, y).shape == shape


def test_the_squared_error_is_a_normal_likelihood():
    x, y = mse_case(0)
    for std in (0.5, 2.0):
        nats = -stats.norm(x, std).logpdf(y).mean()
        rest = np.log(std * np.sqrt(2 * np.pi))
        expected = losses.mean_squared_error(x, y) / (2 * std**2) + rest
        assert nats == pytest.approx(expected, rel=1e-12)


def test_binary_cross_entropy_is_a_bernoulli_likelihood():
    x, _ = bce_case(0)
    y = np.random.default_rng(1).integers(2, size=x.shape)
    nats = -stats.bernoulli(1 / (1 + np.exp(-x))).logpmf(y).mean()
    assert losses.binary_cross_entropy(x, y) == pytest.approx(nats, rel=1e-12)


def test_cross_entropy_is_a_categorical_likelihood():
    x, y = ce_case(0)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    nats = -np.mean([np.log(row[kind]) for row, kind in zip(p, y, strict=True)])
    assert losses.cross_entropy(x, y) == pytest.approx(nats, rel=1e-12)


@given(st.floats(-30, 30), st.integers(0, 1))
def test_two_kinds_are_a_yes_or_no(logit, label):
    both = losses.cross_entropy([[0.0, logit]], [label])
    assert losses.binary_cross_entropy(logit, label) == pytest.approx(both, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_give_finite_losses(dtype):
    x = np.array([-1e4, 1e4, -1e4, 1e4], dtype=dtype)
    with np.errstate(all="raise", under="ignore"):
        assert losses.binary_cross_entropy(x, [0, 1, 1, 0]) == 5e3
        assert losses.binary_cross_entropy_gradient(x, [0, 1, 1, 0]).tolist() == [
            0,
            0,
            -0.25,
            0.25,
        ]
        assert losses.cross_entropy(x.reshape(2, 2), [1, 0]) == 1e4


def test_float32_stays_float32():
    x, y = (v.astype(np.float32) for v in mse_case(0))
    assert losses.mean_squared_error_gradient(x, y).dtype == np.float32
    assert losses.binary_cross_entropy_gradient(x, y**0).dtype == np.float32
    labels = np.zeros(6, dtype=np.uint8)
    assert losses.cross_entropy_gradient(x, labels).dtype == np.float32


def test_the_inputs_are_left_alone():
    x, y = ce_case(0)
    before = x.copy()
    losses.cross_entropy_gradient(x, y)
    assert np.array_equal(x, before)


@pytest.mark.parametrize(
    ("name", "x", "y", "error", "message"),
    [
        ("mean_squared_error", ["a"], [1], TypeError, "prediction holds <U1"),
        ("mean_squared_error", [1], [1j], TypeError, "target holds complex128"),
        ("mean_squared_error", [], [], ValueError, r"prediction has shape \(0,\)"),
        ("mean_squared_error", [np.nan, 1], [1, 1], ValueError, "1 of 2 values"),
        (
            "mean_squared_error",
            np.ones(3),
            np.ones((3, 1)),
            ValueError,
            r"prediction has shape \(3,\) and target \(3, 1\)",
        ),
        ("binary_cross_entropy", [1], [1, 0], ValueError, r"logits has shape \(1,\)"),
        ("binary_cross_entropy", [1, 2], [0, 2], ValueError, "runs from 0 to 2"),
        ("binary_cross_entropy", [1, 2], [0, -1], ValueError, "runs from -1 to 0"),
        ("binary_cross_entropy", [np.inf], [0], ValueError, "logits holds 1 of 1"),
        ("cross_entropy", [[1, 2]], [0.0], TypeError, "labels hold float64"),
        ("cross_entropy", [[1, 2]], [True], TypeError, "labels hold bool"),
        ("cross_entropy", [1, 2], [0, 1], ValueError, r"logits have shape \(2,\)"),
        ("cross_entropy", [[1, 2]], [0, 1], ValueError, r"labels \(2,\)"),
        ("cross_entropy", [[1, 2]], [2], ValueError, "from 2 to 2; .* 0 to 1"),
        ("cross_entropy", [[1, 2]], [-1], ValueError, "from -1 to -1"),
        ("cross_entropy", np.ones((0, 2)), [], ValueError, r"\(0, 2\)"),
    ],
)
def test_bad_input_is_named(name, x, y, error, message):
    for function in loss_and_gradient(name):
        with pytest.raises(error, match=message):
            function(x, y)
