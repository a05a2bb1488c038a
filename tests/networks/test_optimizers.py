"""The optimizers against torch, closed forms and Keras; their limits and bad input."""

import copy
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gdlbook.networks.optimizers import (
    Adam,
    GradientDescent,
    Momentum,
    Optimizer,
    RMSProp,
)

DIAGRAMS = Path(__file__).parents[2] / "docs" / "assets" / "diagrams"
few = settings(max_examples=25, deadline=None, derandomize=True, database=None)

PAIRS = {
    "descent": (GradientDescent, {}, torch.optim.SGD, {}),
    "momentum": (Momentum, {"momentum": 0.95}, torch.optim.SGD, {"momentum": 0.95}),
    "momentum 0": (Momentum, {"momentum": 0.0}, torch.optim.SGD, {}),
    "rmsprop": (RMSProp, {}, torch.optim.RMSprop, {}),
    "rmsprop set": (
        RMSProp,
        {"decay": 0.9, "epsilon": 1e-3},
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 1e-3},
    ),
    "adam": (Adam, {}, torch.optim.Adam, {}),
    "adam set": (
        Adam,
        {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-2},
        torch.optim.Adam,
        {"betas": (0.5, 0.9), "eps": 1e-2},
    ),
}
RULES = [GradientDescent, Momentum, RMSProp, Adam]


def both(pair, rate, gradients, start):
    """Yield the parameters, ours and torch's, after every step."""
    kind, options, judging, judged_options = pair
    ours, theta = kind(rate, **options), start
    judged = torch.tensor(start, requires_grad=True)
    judge = judging([judged], lr=rate, **judged_options)
    for gradient in gradients:
        theta = ours.step(theta, gradient(theta))
        judged.grad = torch.from_numpy(gradient(judged.detach().numpy()))
        judge.step()
        yield theta, judged.detach().numpy()


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_a_thousand_steps_are_those_of_torch(pair):
    rng = np.random.default_rng(0)
    curvature = np.logspace(-3, 1, 30).reshape(5, 6)
    noises = rng.standard_normal((1000, 5, 6)) * rng.lognormal(size=(1000, 1, 1))
    gradients = [lambda theta, n=n: curvature * theta + n for n in noises]
    steps = both(pair, 0.01, gradients, rng.standard_normal((5, 6)))
    count = 0
    for theta, judged in steps:
        np.testing.assert_allclose(theta, judged, rtol=1e-12, atol=1e-12)
        count += 1
    assert count == 1000


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@few
@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 10), st.integers(-8, 8))
def test_torch_agrees_at_every_rate_and_size_of_gradient(pair, seed, rate, power):
    rng = np.random.default_rng(seed)
    seen = rng.standard_normal((20, 4)) * 10.0**power
    seen[rng.random(seen.shape) < 0.2] = 0.0
    gradients = [lambda theta, g=g: g for g in seen]
    for theta, judged in both(pair, rate, gradients, rng.standard_normal(4)):
        scale = np.abs(judged).max()
        np.testing.assert_allclose(theta, judged, rtol=1e-12, atol=1e-12 * scale)


def test_keras_takes_the_same_steps_where_its_formula_is_the_same(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(6), rng.standard_normal((50, 6))
    pairs = [
        (GradientDescent(0.01), keras.optimizers.SGD(0.01)),
        (Momentum(0.01, momentum=0.9), keras.optimizers.SGD(0.01, momentum=0.9)),
        (RMSProp(0.01, decay=0.9), keras.optimizers.RMSprop(0.01, epsilon=1e-16)),
        (Adam(0.01), keras.optimizers.Adam(0.01, epsilon=1e-8)),
    ]
    for ours, judge in pairs:
        theta, variable = start, keras.Variable(start, dtype="float64")
        judge.build([variable])
        for gradient in gradients:
            theta = ours.step(theta, gradient)
            judge.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        judged = variable.value.detach().cpu().numpy()
        np.testing.assert_allclose(theta, judged, atol=1e-5)


def test_keras_has_epsilon_under_the_root(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    variable = keras.Variable(np.zeros(1), dtype="float64")
    judge = keras.optimizers.RMSprop(1.0, rho=0.9, epsilon=1e-4)
    judge.build([variable])
    g = 1e-3
    judge.apply([keras.ops.convert_to_tensor(np.array([g]))], [variable])
    step = -variable.value.detach().cpu().numpy().item()
    assert step == pytest.approx(g / np.sqrt(0.1 * g**2 + 1e-4), rel=1e-4)
    ours = -RMSProp(1.0, decay=0.9, epsilon=1e-4).step(np.zeros(1), np.array([g]))
    assert ours.item() == pytest.approx(g / (np.sqrt(0.1) * g + 1e-4), rel=1e-12)


@few
@given(st.floats(0.05, 20), st.floats(0.01, 1.99), st.integers(1, 200))
def test_descent_on_a_quadratic_follows_its_closed_form(curvature, share, steps):
    optimizer, theta = GradientDescent(share / curvature), np.array([3.0])
    for _ in range(steps):
        theta = optimizer.step(theta, curvature * theta)
    np.testing.assert_allclose(theta, 3 * (1 - share) ** steps, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
def test_the_largest_rate_of_a_quadratic(mu):
    curvature = 25.0
    for share, arrives in ((0.99, True), (1.01, False)):
        optimizer = Momentum(share * 2 * (1 + mu) / curvature, momentum=mu)
        theta = np.ones(1)
        for _ in range(4000):
            theta = optimizer.step(theta, curvature * theta)
        assert (np.abs(theta).item() < 1e-6) == arrives


def test_momentum_follows_its_linear_recurrence():
    """Companion matrix of the two-step recurrence, raised to a power."""
    curvature, rate, mu = 7.0, 0.05, 0.8
    optimizer, theta = Momentum(rate, momentum=mu), np.ones(1)
    for _ in range(50):
        theta = optimizer.step(theta, curvature * theta)
    matrix = np.array([[1 + mu - rate * curvature, -mu], [1.0, 0.0]])
    closed = (np.linalg.matrix_power(matrix, 50) @ np.ones(2))[0]
    assert theta.item() == pytest.approx(closed, rel=1e-9)


def test_the_mean_form_of_momentum_needs_a_larger_rate():
    rng = np.random.default_rng(0)
    ours, theta = Momentum(0.01, momentum=0.9), np.zeros(3)
    other, mean = np.zeros(3), np.zeros(3)
    for gradient in rng.standard_normal((100, 3)):
        theta = ours.step(theta, gradient)
        mean = 0.9 * mean + 0.1 * gradient
        other = other - 0.01 / (1 - 0.9) * mean
    np.testing.assert_allclose(theta, other, atol=1e-13)


def test_best_settings_for_a_condition_number():
    for kappa, plain_steps, heavy_steps in ((10, 35, 15), (1000, 3454, 198)):
        root, curvature = np.sqrt(kappa), np.array([1.0, kappa])
        heavy = Momentum(4 / (1 + root) ** 2, momentum=((root - 1) / (root + 1)) ** 2)
        plain = GradientDescent(2 / (1 + kappa))
        for optimizer, expected in ((plain, plain_steps), (heavy, heavy_steps)):
            theta, steps = np.ones(2), 0
            while np.linalg.norm(theta) > np.sqrt(2) / 1000 and steps <= expected:
                theta, steps = optimizer.step(theta, curvature * theta), steps + 1
            assert steps == expected


def test_the_running_means_of_adam_are_weighted_means():
    """From the words: weights fade by beta, and are divided by their sum."""
    gradients = np.random.default_rng(0).standard_normal(40)
    adam = Adam(0.1, epsilon=1e-300)
    for t, g in enumerate(gradients, start=1):
        direction = adam.direction(np.array(g))
        age = np.arange(t)[::-1]
        mean = np.average(gradients[:t], weights=0.9**age)
        square = np.average(gradients[:t] ** 2, weights=0.999**age)
        assert direction == pytest.approx(mean / np.sqrt(square), rel=1e-9)


def test_the_first_step_of_adam_is_the_learning_rate_and_of_rmsprop_ten_times_it():
    gradient = np.array([1e-3, -7.0, 1e6])
    adam = Adam(0.5, epsilon=1e-30).step(np.zeros(3), gradient)
    np.testing.assert_allclose(adam, -0.5 * np.sign(gradient), rtol=1e-12)
    rmsprop = RMSProp(0.5, epsilon=1e-30).step(np.zeros(3), gradient)
    np.testing.assert_allclose(rmsprop, -5 * np.sign(gradient), rtol=1e-12)


def test_rmsprop_under_a_constant_gradient_comes_down_to_one():
    rmsprop = RMSProp(0.1)
    d = np.array([rmsprop.direction(np.array(-3.0)) for _ in range(300)])
    step = np.arange(1, 301)
    np.testing.assert_allclose(d, -1 / np.sqrt(1 - 0.99**step), rtol=1e-7)
    assert d[:3].round().tolist() == [-10, -7, -6]
    assert step[np.argmax(np.abs(d) < 1.1)] == 175


def test_adam_moves_less_if_gradients_disagree():
    agree, disagree = Adam(0.1), Adam(0.1)
    for t in range(2000):
        forward = agree.direction(np.array(1.0))
        turning = disagree.direction(np.array((-1.0) ** t))
    assert forward == pytest.approx(1, rel=1e-7)
    # a fading mean of 1, -1, 1, ... comes to (1 - beta1) / (1 + beta1)
    assert abs(turning) == pytest.approx(0.1 / 1.9, rel=1e-6)


def test_no_gradients_make_a_direction_of_adam_longer_than_the_bound():
    bound = 0.1 / np.sqrt(0.001 * (1 - 0.81 / 0.999))
    assert bound == pytest.approx(7.27, abs=0.005)
    growing = (0.999 / 0.9) ** np.arange(3000)
    jump = np.repeat([0.0, 1.0], [10_000, 12])
    rng = np.random.default_rng(0)
    heavy = rng.standard_cauchy(3000)
    longest = {}
    for name, gradients in {"grow": growing, "jump": jump, "heavy": heavy}.items():
        adam = Adam(0.001)
        longest[name] = max(abs(adam.direction(g)) for g in gradients)
    assert max(longest.values()) < bound
    assert longest["grow"] > 7
    assert longest["jump"] == pytest.approx(6.57, abs=0.005)
    # the bound of Kingma and Ba, section 2.1, which one step meets and twelve exceed
    assert 0.1 / np.sqrt(0.001) == pytest.approx(3.16, abs=0.005)


def path(optimizer, matrix, start, steps=60):
    points = [np.array(start)]
    for _ in range(steps):
        points.append(optimizer.step(points[-1], matrix @ points[-1]))
    return np.array(points)


@pytest.mark.parametrize("rule", RULES)
def test_what_each_is_blind_to(rule):
    valley, start = np.diag([1.0, 25.0]), np.array([10.0, 1.0])
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    plain = path(rule(0.05), valley, start)
    louder = path(rule(0.05), 1000 * valley, start)
    turned = path(rule(0.05), turn @ valley @ turn.T, turn @ start) @ turn
    by_coordinate = rule in (RMSProp, Adam)
    assert np.allclose(plain, louder, atol=1e-3) == by_coordinate
    assert np.allclose(plain, turned, atol=1e-3) == (not by_coordinate)


def test_noise_settles_where_the_exercise_says():
    rng, optimizer = np.random.default_rng(0), GradientDescent(0.2)
    theta, seen = np.zeros(20_000), []
    for t in range(300):
        noise = 0.5 * rng.standard_normal(theta.shape)
        theta = optimizer.step(theta, 3.0 * theta + noise)
        if t >= 100:
            seen.append(np.mean(theta**2))
    # 200 means of 20,000 squares: 1 % is far more than four standard errors
    assert np.mean(seen) == pytest.approx(0.2 * 0.25 / (3 * (2 - 0.6)), rel=0.01)


@pytest.mark.parametrize("rule", RULES)
def test_one_vector_or_an_optimizer_for_each_array(rule):
    rng = np.random.default_rng(0)
    whole, left, right = rule(0.1), rule(0.1), rule(0.1)
    theta = rng.standard_normal(7)
    parts = theta[:3], theta[3:].reshape(2, 2)
    for gradient in rng.standard_normal((20, 7)):
        theta = whole.step(theta, gradient)
        parts = (
            left.step(parts[0], gradient[:3]),
            right.step(parts[1], gradient[3:].reshape(2, 2)),
        )
    np.testing.assert_array_equal(theta, np.concatenate([p.ravel() for p in parts]))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int8, np.float64),
    ],
)
def test_dtypes(rule, given, returned):
    optimizer = rule(np.float64(0.1))  # which would turn float32 into float64
    theta = np.ones(3, given)
    for gradient in (np.zeros(3), np.ones(3)):
        theta = optimizer.step(theta, gradient)
        assert theta.dtype == returned
        assert np.isfinite(theta).all()


@pytest.mark.parametrize("rule", RULES)
def test_input_is_not_touched_and_memory_is_not_shared(rule):
    rng = np.random.default_rng(0)
    theta, gradient = rng.standard_normal((2, 4))
    theta.flags.writeable = gradient.flags.writeable = False
    one = rule(0.1)
    first = one.step(theta, gradient)
    other = copy.deepcopy(one)
    second = one.step(first, gradient)
    reused = gradient.copy()
    again = other.step(first, reused)
    reused[:] = 1e9  # as a training loop that fills one buffer again
    np.testing.assert_array_equal(second, again)
    np.testing.assert_array_equal(
        one.step(second, gradient), other.step(again, gradient)
    )


@pytest.mark.parametrize("rule", RULES)
def test_scalars_and_empty_arrays(rule):
    assert np.shape(rule(0.1).step(3, 1)) == ()
    assert rule(0.1).step(np.zeros((0, 2)), np.zeros((0, 2))).shape == (0, 2)


BAD_STEPS = [
    (np.ones(3), np.ones(2), ValueError, r"gradient has shape \(2,\).*theta, \(3,\)"),
    (np.ones(3), np.ones((3, 1)), ValueError, r"gradient has shape \(3, 1\)"),
    (np.ones(2), np.ones(2), ValueError, r"theta has shape \(2,\).*before, \(3,\)"),
    (np.ones(3), np.array([1, np.nan, np.inf]), ValueError, "gradient.* 2 of 3 places"),
    (np.array([1, 2, np.inf]), np.ones(3), ValueError, "theta holds NaN .* 1 of 3"),
    (np.ones(3) * 1j, np.ones(3), TypeError, "theta holds complex128"),
    (np.ones(3), ["a", "b", "c"], TypeError, "gradient holds <U1; expected real"),
    (np.ones(3), None, TypeError, "gradient holds object; expected real numbers"),
    (np.ones(3), [[1], [1, 2]], ValueError, "gradient must be an array, got .*inhomo"),
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("theta", "gradient", "error", "sentence"), BAD_STEPS)
def test_bad_steps_are_refused_and_leave_no_trace(
    rule, theta, gradient, error, sentence
):
    tried, other = rule(0.1), rule(0.1)
    good = np.ones(3), np.arange(3.0)
    tried.step(*good), other.step(*good)
    with pytest.raises(error, match=sentence):
        tried.step(theta, gradient)
    np.testing.assert_array_equal(tried.step(*good), other.step(*good))


BAD_SETTINGS = [
    ((GradientDescent, 0), {}, ValueError, "learning_rate must be above zero.*got 0.0"),
    ((Momentum, -0.1), {}, ValueError, "learning_rate must be above zero.*got -0.1"),
    ((RMSProp, np.inf), {}, ValueError, "learning_rate must .* finite, got inf"),
    ((Adam, np.nan), {}, ValueError, "learning_rate must be above zero.*got nan"),
    ((Adam, "0.1"), {}, TypeError, r"learning_rate must be a real .* '0.1' \(str\)"),
    ((Adam, True), {}, TypeError, r"learning_rate must be a real .* True \(bool\)"),
    ((Adam, None), {}, TypeError, r"learning_rate must be a real .*\(NoneType\)"),
    ((Momentum, 1), {"momentum": 1}, ValueError, "momentum must be .* 1, got 1.0"),
    ((Momentum, 1), {"momentum": -0.1}, ValueError, "momentum must be .* got -0.1"),
    ((RMSProp, 1), {"decay": 1.5}, ValueError, "decay must be from 0 to below 1"),
    ((RMSProp, 1), {"decay": np.nan}, ValueError, "decay must be .* got nan"),
    ((RMSProp, 1), {"epsilon": 0}, ValueError, "epsilon must be above zero"),
    ((Adam, 1), {"beta1": 1}, ValueError, "beta1 must be from 0 to below 1, got 1.0"),
    ((Adam, 1), {"beta2": 2}, ValueError, "beta2 must be from 0 to below 1, got 2.0"),
    ((Adam, 1), {"beta2": (0.9, 0.99)}, TypeError, r"beta2 must be a real .*\(tuple\)"),
    ((Adam, 1), {"epsilon": -1e-8}, ValueError, "epsilon must be above zero"),
]


@pytest.mark.parametrize(("call", "options", "error", "sentence"), BAD_SETTINGS)
def test_bad_settings_are_refused(call, options, error, sentence):
    rule, rate = call
    with pytest.raises(error, match=sentence):
        rule(rate, **options)


def test_the_base_class_has_no_direction():
    with pytest.raises(NotImplementedError, match="Optimizer has no direction; use a"):
        Optimizer(0.1).step(np.zeros(1), np.zeros(1))


def test_torch_takes_nan_in_silence():
    theta = torch.zeros(2, requires_grad=True)
    theta.grad = torch.tensor([float("nan"), 1.0])
    torch.optim.Adam([theta]).step()
    assert theta.isnan().tolist() == [True, False]


def numbers_of(diagram: str) -> dict[str, list[float]]:
    """The numbers written into a drawn diagram, by what they are."""
    found = defaultdict(list)
    for text in ElementTree.parse(DIAGRAMS / diagram).iter():
        if "data-cell" in text.attrib:
            found[text.attrib["data-cell"]].append(
                float(text.text.replace("\N{MINUS SIGN}", "-"))
            )
    return found


def test_diagram_of_the_valley_shows_what_the_code_computes():
    seen = numbers_of("optimizers-valley.svg")
    start, curvature = np.array(seen["start"]), np.array([1.0, 25.0])
    np.testing.assert_array_equal(seen["gradient"], curvature * start)
    after = GradientDescent(*seen["rate"]).step(start, curvature * start)
    np.testing.assert_allclose(seen["next"], after, rtol=1e-12)


def test_diagram_of_adam_shows_what_the_code_computes():
    seen = {k: np.array(v) for k, v in numbers_of("optimizers-adam.svg").items()}
    adam = Adam(0.5)
    direction = adam.direction(seen["gradient"])
    np.testing.assert_allclose(seen["mean"], adam.m)
    np.testing.assert_allclose(seen["square"], adam.v)
    np.testing.assert_allclose(seen["corrected-mean"], adam.m / (1 - 0.9))
    np.testing.assert_allclose(seen["root"], np.sqrt(adam.v / (1 - 0.999)))
    np.testing.assert_allclose(seen["direction"], direction)
