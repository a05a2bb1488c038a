"""Densities, gradients, fits and divergences, each by another way; bad input."""

import itertools
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, special, stats

from gdlbook.generative.probability import (
    Bernoulli,
    Categorical,
    Normal,
    gradient_ascent,
    kl_divergence,
    sample_space,
)

DIAGRAM = (
    Path(__file__).parents[2] / "docs/assets/diagrams/probability-five.svg"
).read_text("utf-8")
RNG = np.random.default_rng(0)
NORMALS = [(0.0, 1.0), (-3.5, 0.02), (1e3, 250.0), (0.3, 1e-6)]
LETTERS = np.array([0.5, 0.25, 0.125, 0.125, 0.0])


# Sample spaces.


def test_a_sample_space_lists_every_observation_once():
    for levels, cells in itertools.product((1, 2, 3, 5), (1, 2, 4)):
        listed = sample_space(levels, cells)
        every = list(itertools.product(range(levels), repeat=cells))
        np.testing.assert_array_equal(listed, every)


def test_a_mass_adds_up_to_one_over_its_sample_space():
    pictures = sample_space(2, 6)
    for p in (0.0, 0.2, 1.0):
        masses = np.exp(Bernoulli(p).log_prob(pictures).sum(axis=1))
        assert masses.sum() == pytest.approx(1, abs=1e-12)
    words = sample_space(5, 3)
    masses = np.exp(Categorical(LETTERS).log_prob(words).sum(axis=1))
    assert masses.sum() == pytest.approx(1, abs=1e-12)


# Densities: the integral, SciPy, torch.


@pytest.mark.parametrize(("mean", "std"), NORMALS)
def test_a_normal_integrates_to_one_and_has_its_moments(mean, std):
    def integral(f):
        ends = mean - 40 * std, mean + 40 * std
        return integrate.quad(
            lambda x: f(x) * np.exp(Normal(mean, std).log_prob(x)),
            *ends,
            points=[mean],
            epsabs=0,
            epsrel=1e-12,
        )[0]

    assert integral(lambda x: 1.0) == pytest.approx(1, abs=1e-9)
    second = integral(lambda x: ((x - mean) / std) ** 2)
    assert second == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("mean", "std"), NORMALS)
def test_scipy_and_torch_agree_on_normals(mean, std):
    x = mean + std * np.random.default_rng(0).standard_normal((4, 5)) * 10
    log_p = Normal(mean, std).log_prob(x)
    np.testing.assert_allclose(log_p, stats.norm.logpdf(x, mean, std), rtol=1e-12)
    judge = torch.distributions.Normal(*torch.tensor([mean, std], dtype=torch.double))
    np.testing.assert_allclose(log_p, judge.log_prob(torch.tensor(x)), rtol=1e-12)


def test_a_density_may_exceed_one_and_its_logarithm_outlives_it():
    assert np.exp(Normal(0, 0.1).log_prob(0)) == pytest.approx(3.98942, abs=1e-5)
    log_p = Normal(80, 90).log_prob(np.full(784, 80.0))
    assert np.prod(np.exp(log_p)) == 0
    assert log_p.sum() == pytest.approx(-784 * math.log(90 * math.sqrt(2 * math.pi)))


def test_scipy_agrees_on_bernoulli_and_categorical():
    for p in (0.0, 1e-20, 0.3, 1.0):
        log_p = Bernoulli(p).log_prob([0, 1, 1])
        judge = stats.bernoulli.logpmf([0, 1, 1], p)
        np.testing.assert_allclose(log_p, judge, rtol=1e-12)
    assert Bernoulli(1e-20).log_prob(0) == -1e-20  # not rounded to zero
    x = sample_space(5, 2)
    rows = np.eye(5, dtype=int)[x]
    judge = stats.multinomial.logpmf(rows, 1, LETTERS)
    np.testing.assert_allclose(Categorical(LETTERS).log_prob(x), judge, rtol=1e-12)
    assert Categorical(LETTERS).log_prob(4) == -np.inf


def test_shapes_and_kinds_of_input():
    for model, x in [(Normal(0, 1), 0.5), (Bernoulli(0.5), 1), (Categorical([1]), 0)]:
        assert np.shape(model.log_prob(x)) == ()
        batch = np.full((2, 3), x)
        batch.flags.writeable = False
        assert model.log_prob(batch).shape == (2, 3)
        assert model.log_prob(batch.tolist()).dtype == np.float64
    pixels = np.array([0, 200, 255], np.uint8)
    np.testing.assert_allclose(
        Normal(100, 10).log_prob(pixels), stats.norm.logpdf([0, 200, 255], 100, 10)
    )
    assert Bernoulli(0.25).log_prob([True, 1.0])[0] == pytest.approx(math.log(0.25))
    assert isinstance(Normal(np.float32(1), np.array(2)).std, float)


# Draws follow the density. Each threshold is met by chance once in 10,000 seeds.


def test_draws_of_a_normal_follow_it():
    draws = Normal(0.3, 0.07).sample(20_000, rng=np.random.default_rng(1))
    assert draws.shape == (20_000,)
    assert stats.kstest(draws, stats.norm(0.3, 0.07).cdf).pvalue > 1e-4


def test_draws_of_separate_values_follow_their_mass():
    n, rng = 20_000, np.random.default_rng(1)
    ones = Bernoulli(0.3).sample(n, rng=rng)
    assert ones.shape == (n,)
    assert set(ones) == {0, 1}
    assert stats.binomtest(int(ones.sum()), n, 0.3).pvalue > 1e-4
    kinds = np.bincount(Categorical(LETTERS).sample(n, rng=rng), minlength=5)
    assert kinds[4] == 0
    assert stats.chisquare(kinds[:4], n * LETTERS[:4]).pvalue > 1e-4


@pytest.mark.parametrize("model", [Normal(0, 1), Bernoulli(0.5), Categorical(LETTERS)])
def test_the_same_seed_draws_the_same_and_leaves_the_global_state_alone(model):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, two = (model.sample(50, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    other = model.sample(50, rng=np.random.default_rng(8))
    assert not np.array_equal(one, other)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


# Gradients against finite differences, and against torch.


def softmax(logits):
    return special.softmax(logits)


MODELS = {
    "normal": (
        lambda t: Normal(t[0], np.exp(t[1])),
        RNG.normal(2, 3, 40),
        np.array([1.0, 0.5]),
    ),
    "bernoulli": (
        lambda t: Bernoulli(special.expit(t)),
        RNG.integers(0, 2, 40),
        np.array(0.7),
    ),
    "categorical": (
        lambda t: Categorical(softmax(t)),
        RNG.integers(0, 4, 40),
        np.array([0.3, -1.0, 0.0, 2.0]),
    ),
}


@pytest.mark.parametrize("family", MODELS)
def test_gradients_are_those_of_finite_differences(family):
    model, x, theta = MODELS[family]
    gradient = model(theta).gradient(x)
    assert gradient.shape == theta.shape
    h = 1e-6
    for i in np.ndindex(theta.shape):
        step = np.zeros_like(theta)
        step[i] = h
        up, down = (model(theta + s).log_prob(x).mean() for s in (step, -step))
        assert gradient[i] == pytest.approx((up - down) / (2 * h), abs=1e-7)


def test_torch_agrees_on_the_gradient_of_a_normal():
    x, theta = MODELS["normal"][1:]
    mean, log_std = (torch.tensor(t, requires_grad=True) for t in theta)
    judge = torch.distributions.Normal(mean, log_std.exp())
    judge.log_prob(torch.tensor(x)).mean().backward()
    gradient = Normal(theta[0], np.exp(theta[1])).gradient(x)
    np.testing.assert_allclose(gradient, [mean.grad, log_std.grad], rtol=1e-12)


# Maximum likelihood: closed form, ascent, a general optimizer, SciPy.

FITS = {
    "normal": (lambda x: Normal.maximum_likelihood(x), 0.3, 1000),
    "bernoulli": (lambda x: Bernoulli.maximum_likelihood(x), 4.0, 200),
    "categorical": (lambda x: Categorical.maximum_likelihood(x, 4), 2.0, 400),
}


def parameters(model):
    return (
        np.array([model.mean, np.log(model.std)])
        if isinstance(model, Normal)
        else np.asarray(model.p)
    )


@pytest.mark.parametrize("family", MODELS)
def test_closed_form_and_ascent_meet(family):
    model, x, start = MODELS[family]
    closed, rate, steps = FITS[family]
    path = gradient_ascent(
        lambda t: model(t).gradient(x), start, rate=rate, steps=steps
    )
    reached, expected = parameters(model(path[-1])), parameters(closed(x))
    np.testing.assert_allclose(reached, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", MODELS)
def test_no_other_member_is_likelier(family):
    model, x, start = MODELS[family]
    best = FITS[family][0](x).log_prob(x).sum()
    found = optimize.minimize(
        lambda t: -model(t.reshape(start.shape)).log_prob(x).sum(), start.ravel()
    )
    assert -found.fun <= best + 1e-9
    assert -found.fun == pytest.approx(best, abs=1e-6)


def test_scipy_fits_the_same_normal():
    x = MODELS["normal"][1]
    model = Normal.maximum_likelihood(x.reshape(5, 8))
    np.testing.assert_allclose([model.mean, model.std], stats.norm.fit(x), rtol=1e-12)


def test_closed_forms_by_hand():
    model = Normal.maximum_likelihood([1, 2, 6])
    assert (model.mean, model.std) == (3, pytest.approx(math.sqrt(14 / 3)))
    assert Bernoulli.maximum_likelihood([0, 1, 1, 1]).p == 0.75
    fit = Categorical.maximum_likelihood([0, 2, 2, 0], kinds=4)
    np.testing.assert_array_equal(fit.p, [0.5, 0, 0.5, 0])


def test_the_scale_of_the_parameters_moves_the_path_and_not_the_top():
    x = MODELS["normal"][1]
    fit = Normal.maximum_likelihood(x)
    path = gradient_ascent(
        lambda t: Normal(*t).gradient(x) / [1, t[1]], [1.0, 3.0], rate=1.0, steps=4000
    )
    np.testing.assert_allclose(path[-1], [fit.mean, fit.std], rtol=0, atol=1e-6)


def test_small_samples_look_narrower_than_their_world():
    rng = np.random.default_rng(0)
    draws = Normal(0, 1).sample(30_000, rng=rng).reshape(-1, 3)
    variances = [Normal.maximum_likelihood(x).std ** 2 for x in draws]
    # Standard error 0.0067: five of them.
    assert np.mean(variances) == pytest.approx(2 / 3, abs=0.033)


def test_the_path_begins_at_the_start_and_takes_the_named_steps():
    start = np.array([1.0, 2.0])
    path = gradient_ascent(lambda t: -t, start, rate=0.5, steps=3)
    np.testing.assert_allclose(path, start * 0.5 ** np.arange(4)[:, None])
    assert gradient_ascent(lambda t: 1, 0, rate=0.1, steps=2).shape == (3,)
    np.testing.assert_array_equal(start, [1, 2])


# The divergence.


def test_the_divergence_of_masses_is_that_of_scipy_and_torch():
    p, q = np.random.default_rng(0).dirichlet(np.ones(6), 2)
    kl = kl_divergence(np.log(p), np.log(q))
    assert kl == pytest.approx(special.rel_entr(p, q).sum(), rel=1e-12)
    judge = torch.distributions.kl_divergence(
        *(torch.distributions.Categorical(torch.tensor(v)) for v in (p, q))
    )
    assert kl == pytest.approx(judge.item(), rel=1e-12)
    assert kl > 0
    assert kl_divergence(np.log(p), np.log(p)) == 0
    assert kl != pytest.approx(kl_divergence(np.log(q), np.log(p)))


def test_the_divergence_of_densities_is_the_closed_form():
    x = np.linspace(-30, 30, 6001)
    p, q = Normal(0.5, 1.2), Normal(-1, 2)
    judge = torch.distributions.kl_divergence(
        *(torch.distributions.Normal(m.mean, m.std) for m in (p, q))
    ).item()
    kl = kl_divergence(p.log_prob(x), q.log_prob(x), grid=x)
    assert kl == pytest.approx(judge, rel=1e-6)
    uneven = 30 * np.sinh(np.linspace(-4, 4, 6001)) / np.sinh(4)
    kl = kl_divergence(p.log_prob(uneven), q.log_prob(uneven), grid=uneven)
    assert kl == pytest.approx(judge, rel=1e-4)


def test_what_has_no_probability():
    half, sure = [math.log(0.5)] * 2, [0, -np.inf]
    assert kl_divergence(sure, half) == pytest.approx(math.log(2))
    assert kl_divergence(half, sure) == np.inf
    assert kl_divergence(sure, sure) == 0


def test_the_likeliest_member_has_the_smallest_divergence_from_the_data():
    x = MODELS["categorical"][1]
    data = Categorical.maximum_likelihood(x, 4)
    entropy = stats.entropy(data.p)
    for p in np.random.default_rng(0).dirichlet(np.ones(4), 20):
        kl = kl_divergence(np.log(data.p), np.log(p))
        mean = Categorical(p).log_prob(x).mean()
        assert mean == pytest.approx(-entropy - kl, abs=1e-12)


def test_the_nearest_normal_to_a_known_world_has_its_moments():
    x = np.linspace(1e-3, 30, 20_001)
    world = stats.gamma(3.0, scale=0.7)
    log_p = world.logpdf(x)

    def divergence(theta):
        q = Normal(theta[0], np.exp(theta[1]))
        return kl_divergence(log_p, q.log_prob(x), grid=x)

    found = optimize.minimize(divergence, [1.0, 0.0], tol=1e-10)
    expected = [world.mean(), np.log(world.std())]
    np.testing.assert_allclose(found.x, expected, atol=1e-4)
    many = Normal.maximum_likelihood(
        world.rvs(200_000, random_state=np.random.default_rng(0))
    )
    assert divergence(parameters(many)) - found.fun < 1e-4


# Bad input.

NAN, INF = float("nan"), float("inf")
NORMAL, COIN, KINDS = Normal(0, 1), Bernoulli(0.5), Categorical(LETTERS)
rng = np.random.default_rng(0)
SURE = [0.0, -INF]

BAD = [
    (
        lambda: sample_space(256, 784),
        ValueError,
        r"256\^784, about 10\^1888.1, obs.* 10",
    ),
    (
        lambda: sample_space(2, 21),
        ValueError,
        r"2\^21, about 10\^6.3, .* at most 10\^6 to",
    ),
    (lambda: sample_space(0, 2), ValueError, "levels is 0; expected 1 or more"),
    (lambda: sample_space(2, -1), ValueError, "cells is -1; expected 1 or more"),
    (lambda: sample_space(2, 2.0), TypeError, "cells is 2.0; expected a whole number"),
    (lambda: sample_space(True, 2), TypeError, "levels is True; expected a whole"),
    (lambda: Normal(0, 0), ValueError, "std is 0; expected a number above 0"),
    (lambda: Normal(0, -0.5), ValueError, "std is -0.5; expected a number above 0"),
    (lambda: Normal(NAN, 1), ValueError, "mean holds 1 of 1 values that are NaN"),
    (lambda: Normal(0, INF), ValueError, "std holds 1 of 1 values that are NaN or inf"),
    (lambda: Normal([0, 1], 1), ValueError, r"mean has shape \(2,\); expected one num"),
    (lambda: Normal("0", 1), TypeError, "mean holds <U1; expected real numbers"),
    (lambda: Normal(1j, 1), TypeError, "mean holds complex128; expected real"),
    (lambda: Bernoulli(1.5), ValueError, "p runs from 1.5 to 1.5; expected prob"),
    (lambda: Bernoulli(-0.1), ValueError, "p runs from -0.1 to -0.1; expected prob"),
    (lambda: Bernoulli([0.5, 0.5]), ValueError, r"p has shape \(2,\); expected one"),
    (lambda: Bernoulli(NAN), ValueError, "p holds 1 of 1 values that are NaN"),
    (lambda: Categorical([0.5, 0.4]), ValueError, r"shape \(2,\) and sum 0.9; expect"),
    (lambda: Categorical([[1.0]]), ValueError, r"p has shape \(1, 1\) and sum 1; exp"),
    (lambda: Categorical([1.5, -0.5]), ValueError, "p runs from -0.5 to 1.5; expected"),
    (lambda: Categorical([]), ValueError, r"p has shape \(0,\); expected one number"),
    (lambda: Categorical([[1], [2, 3]]), ValueError, "p is no array: .*inhomogeneous"),
    (lambda: Categorical([None]), TypeError, "p holds object; expected real numbers"),
    (lambda: NORMAL.log_prob([]), ValueError, r"x has shape \(0,\); expected one numb"),
    (lambda: NORMAL.log_prob([0, NAN, INF]), ValueError, "x holds 2 of 3 values that"),
    (lambda: NORMAL.log_prob("a"), TypeError, "x holds <U1; expected real numbers"),
    (lambda: COIN.log_prob([0, 1, 0.5]), ValueError, r"x holds 0.5; .* space \{0, 1\}"),
    (lambda: COIN.log_prob(-1), ValueError, r"x holds -1; expected the sample space"),
    (lambda: COIN.log_prob([NAN]), ValueError, "x holds 1 of 1 values that are NaN"),
    (lambda: COIN.log_prob([]), ValueError, r"x has shape \(0,\); expected one"),
    (lambda: COIN.log_prob(["no"]), TypeError, "x holds <U2; expected real numbers"),
    (lambda: KINDS.log_prob([0, 5]), ValueError, r"from 0 to 5; .* \{0, ..., 4\}"),
    (lambda: KINDS.log_prob(-1), ValueError, r"from -1 to -1; expected the sample"),
    (lambda: KINDS.log_prob([1.0]), TypeError, "x holds float64; expected whole num"),
    (lambda: KINDS.log_prob([True]), TypeError, "x holds bool; expected whole numbers"),
    (lambda: KINDS.log_prob(np.empty(0, int)), ValueError, r"shape \(0,\); expected"),
    (lambda: Normal.maximum_likelihood([3, 3]), ValueError, "nothing but 3; expected "),
    (lambda: Normal.maximum_likelihood([]), ValueError, r"x has shape \(0,\); expect"),
    (lambda: Normal.maximum_likelihood([1, NAN]), ValueError, "x holds 1 of 2 values"),
    (lambda: Bernoulli.maximum_likelihood([2]), ValueError, "x holds 2; expected the"),
    (lambda: Bernoulli.maximum_likelihood([]), ValueError, r"x has shape \(0,\); exp"),
    (lambda: Categorical.maximum_likelihood([3], 3), ValueError, r"\{0, ..., 2\}"),
    (lambda: Categorical.maximum_likelihood([0], 0), ValueError, "kinds is 0; expect"),
    (lambda: Categorical.maximum_likelihood([0], 2.0), TypeError, "kinds is 2.0; exp"),
    (lambda: NORMAL.gradient([]), ValueError, r"x has shape \(0,\); expected one"),
    (lambda: COIN.gradient([0.5]), ValueError, "x holds 0.5; expected the sample"),
    (lambda: KINDS.gradient([7]), ValueError, "x runs from 7 to 7; expected the samp"),
    (lambda: NORMAL.sample(0, rng=rng), ValueError, "n is 0; expected 1 or more"),
    (lambda: COIN.sample(1.5, rng=rng), TypeError, "n is 1.5; expected a whole number"),
    (lambda: KINDS.sample(3, rng=0), TypeError, r"rng is 0; expected np.random.defau"),
    (
        lambda: gradient_ascent(lambda t: t, 1, rate=0, steps=1),
        ValueError,
        "rate is 0; expected a number above 0",
    ),
    (
        lambda: gradient_ascent(lambda t: t, 1, rate=1, steps=0),
        ValueError,
        "steps is 0; expected 1 or more",
    ),
    (
        lambda: gradient_ascent(lambda t: [1, 2], 1, rate=1, steps=1),
        ValueError,
        r"the gradient has shape \(2,\); expected \(\)",
    ),
    (
        lambda: gradient_ascent(lambda t: NAN if t > 2 else 1, 1, rate=1, steps=5),
        ValueError,
        "the gradient of step 2 holds 1 of 1 values that are NaN or infinite",
    ),
    (
        lambda: gradient_ascent(lambda t: t, [NAN], rate=1, steps=1),
        ValueError,
        "start holds 1 of 1 values that are NaN",
    ),
    (lambda: kl_divergence([NAN, 0], SURE), ValueError, "log_p holds NaN or plus inf"),
    (lambda: kl_divergence(SURE, [INF, 0]), ValueError, "log_q holds NaN or plus inf"),
    (lambda: kl_divergence(["a"], SURE), TypeError, "log_p holds <U1; expected real"),
    (lambda: kl_divergence(SURE, []), ValueError, r"log_q has shape \(0,\); expected"),
    (
        lambda: kl_divergence(SURE, [0]),
        ValueError,
        r"log_p has shape \(2,\), log_q \(1,\) and grid \(2,\); expected one shape",
    ),
    (
        lambda: kl_divergence([SURE], [SURE]),
        ValueError,
        r"log_p has shape \(1, 2\), log_q \(1, 2\) and grid \(2,\); expected one",
    ),
    (
        lambda: kl_divergence(SURE, SURE, grid=[0, 1, 2]),
        ValueError,
        r"grid \(3,\); expected one shape",
    ),
    (
        lambda: kl_divergence([0, 0], [0, 0], grid=[1, 0]),
        ValueError,
        "grid does not rise; expected each number above the last",
    ),
    (lambda: kl_divergence([0, 0], SURE), ValueError, "p adds up to 2; expected 1"),
    (
        lambda: kl_divergence([-1, -1], [0, 0], grid=[0, 1]),
        ValueError,
        "p adds up to 0.3679; expected 1",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD)
def test_bad_input_gets_a_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


# The diagram.


def test_the_diagram_shows_the_likelihoods_that_the_code_computes():
    tree = list(ElementTree.fromstring(DIAGRAM).iter())
    bells = [tuple(map(float, e.attrib["data-bell"].split()))
             for e in tree if "data-bell" in e.attrib]  # fmt: skip
    dots = [(float(e.attrib["data-x"]), float(e.attrib["data-height"]))
            for e in tree if "data-height" in e.attrib]  # fmt: skip
    assert len(bells) == 2
    by_eye, fitted = (
        (Normal(*bell), np.array(part))
        for bell, part in zip(bells, (dots[:5], dots[5:]), strict=True)
    )
    for model, part in (by_eye, fitted):
        heights = np.exp(model.log_prob(part[:, 0]))
        np.testing.assert_allclose(part[:, 1], 17 * heights, atol=0.06)
    best = Normal.maximum_likelihood(fitted[1][:, 0])
    np.testing.assert_allclose(bells[1], [best.mean, best.std], atol=1e-4)
    assert fitted[1][:, 1].prod() > by_eye[1][:, 1].prod()
