"""The first models against their definitions, SciPy and torch; EM; bad input."""

import itertools
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from torch import Generator

from gdlbook.generative.first_model import (
    Gaussian,
    IndependentPixels,
    Mixture,
    bits_per_dimension,
    dequantize,
)
from gdlbook.generative.framework import Density, GenerativeModel, Undefined

DIAGRAMS = Path(__file__).parents[2] / "docs" / "assets" / "diagrams"
P = 1e-3  # a test of samples fails if chance alone would do so this rarely


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def random_pictures(n: int, *shape: int, top: int = 256, seed: int = 0) -> torch.Tensor:
    return torch.randint(top, (n, *shape), generator=seeded(seed), dtype=torch.uint8)


def random_numbers(n: int, *shape: int, seed: int = 0) -> torch.Tensor:
    """Correlated numbers of different sizes."""
    rng = np.random.default_rng(seed)
    d = math.prod(shape)
    x = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + np.arange(d)
    return torch.tensor(x.reshape(n, *shape))


def random_covariance(d: int, seed: int = 0) -> torch.Tensor:
    a = np.random.default_rng(seed).standard_normal((d, d + 2))
    return torch.tensor(a @ a.T)


def a_histogram(seed: int = 0) -> IndependentPixels:
    """Two by two pixels of three levels."""
    counts = np.random.default_rng(seed).random((2, 2, 3)) + 0.1
    return IndependentPixels(torch.tensor(counts / counts.sum(-1, keepdims=True)))


def a_gaussian(seed: int = 0) -> Gaussian:
    """Two numbers."""
    mean = torch.tensor([1.0 + seed, -2.0], dtype=torch.float64)
    return Gaussian(mean, random_covariance(2, seed))


def mixed(make) -> Mixture:
    return Mixture([make(0), make(1), make(2)], torch.tensor([0.5, 0.2, 0.3]))


MODELS = {
    "IndependentPixels": a_histogram,
    "Gaussian": a_gaussian,
    "mixture of IndependentPixels": lambda: mixed(a_histogram),
    "mixture of Gaussian": lambda: mixed(a_gaussian),
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
each_family = pytest.mark.parametrize("family", [IndependentPixels, Gaussian])


def clusters(family: type, seed: int = 0) -> torch.Tensor:
    """Ninety rows of five numbers around three middles, near enough to overlap."""
    rng = np.random.default_rng(seed)
    middles = rng.integers(70, 180, (3, 5))
    x = middles[rng.integers(3, size=90)] + rng.normal(0, 40, (90, 5)).round()
    x = x.clip(0, 255)
    if family is IndependentPixels:  # few levels, so that they repeat
        return torch.tensor((x // 64 * 64).astype(np.uint8))
    return torch.tensor(x + rng.random((90, 5)))


# Units


def test_bits_per_dimension():
    assert bits_per_dimension(784 * math.log(256), 784) == pytest.approx(8)
    assert bits_per_dimension(math.log(2), 1) == pytest.approx(1)
    bits = bits_per_dimension(torch.tensor([0.0, 3 * math.log(4)]), 3)
    torch.testing.assert_close(bits, torch.tensor([0.0, 2.0]))


def test_dividing_the_pixels_costs_log_256_for_each():
    x = random_numbers(50, 6)
    wide = Gaussian.fit(x).log_prob(x)
    unit = Gaussian.fit(x / 256).log_prob(x / 256)
    torch.testing.assert_close(unit - wide, torch.full_like(wide, 6 * math.log(256)))


def test_dequantize_adds_even_noise_below_one():
    x = random_pictures(200, 5, 5, 3)
    noisy = dequantize(x, generator=seeded())
    assert noisy.dtype == torch.float64
    assert torch.equal(noisy.floor().byte(), x)
    noise = (noisy - x).flatten().numpy()
    assert stats.kstest(noise, "uniform").pvalue > P
    assert not torch.equal(noisy, dequantize(x, generator=seeded(1)))


def test_the_density_of_noisy_levels_bounds_their_probability():
    """On one pixel, the exact probability of a level is a difference of two Phi."""
    x = random_pictures(4000, 1, top=20)
    model = Gaussian.fit(dequantize(x, generator=seeded()))
    normal = stats.norm(model.mean.item(), model.covariance.sqrt().item())
    noise = (np.arange(1000) + 0.5) / 1000  # every noise there is, evenly
    for level in range(20):
        exact = math.log(normal.cdf(level + 1) - normal.cdf(level))
        points = torch.tensor(level + noise)[:, None]
        bound = model.log_prob(points).mean().item()
        assert exact - 0.01 < bound < exact


# Probabilities and densities


def test_probabilities_of_all_pictures_sum_to_one():
    every = torch.tensor(list(itertools.product(range(3), repeat=4)), dtype=torch.uint8)
    every = every.reshape(-1, 2, 2)
    for model in (a_histogram(), mixed(a_histogram)):
        assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_densities_integrate_to_one():
    line = torch.linspace(-40, 40, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    for model in (a_gaussian(), mixed(a_gaussian)):
        assert model.log_prob(grid).exp().sum().item() * 0.01 == pytest.approx(1)


def test_histogram_log_prob_is_the_product_of_its_table():
    model = a_histogram()
    x = random_pictures(20, 2, 2, top=3)
    for picture, log_prob in zip(x, model.log_prob(x), strict=True):
        places = itertools.product(range(2), repeat=2)
        product = math.prod(
            model.probs[i, j, int(picture[i, j])].item() for i, j in places
        )
        assert log_prob.item() == pytest.approx(math.log(product))


@pytest.mark.parametrize("d", [1, 2, 7])
def test_gaussian_log_prob_is_that_of_scipy_and_torch(d):
    mean, covariance = random_numbers(1, d)[0], random_covariance(d)
    x = random_numbers(30, d, seed=1)
    answer = Gaussian(mean, covariance).log_prob(x)
    scipy = stats.multivariate_normal(mean.numpy(), covariance.numpy()).logpdf(x)
    np.testing.assert_allclose(answer, scipy, rtol=1e-9)
    judge = torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)
    torch.testing.assert_close(answer, judge, rtol=1e-9, atol=1e-9)


def test_gaussian_gradient_is_that_of_finite_differences():
    model = a_gaussian()
    x = random_numbers(3, 2).requires_grad_()
    assert torch.autograd.gradcheck(model.log_prob, (x,))
    model.log_prob(x).sum().backward()
    slope = torch.linalg.solve(model.covariance, (model.mean - x).T).T
    torch.testing.assert_close(x.grad, slope.detach())


def test_mixture_log_prob_is_that_of_scipy():
    parts, weights = [a_gaussian(0), a_gaussian(1), a_gaussian(2)], [0.5, 0.2, 0.3]
    x = random_numbers(40, 2)
    columns = [
        stats.multivariate_normal(p.mean.numpy(), p.covariance.numpy()).logpdf(x)
        for p in parts
    ]
    judge = logsumexp(np.stack(columns, axis=1), axis=1, b=weights)
    answer = Mixture(parts, torch.tensor(weights, dtype=torch.float64)).log_prob(x)
    np.testing.assert_allclose(answer, judge, rtol=1e-9)


def test_many_rows_are_scored_as_one_by_one():
    """More rows than a piece holds, in an order that must be kept."""
    model, x = mixed(a_gaussian), random_numbers(2500, 2)
    few = torch.cat([model.log_prob(row[None]) for row in x[1000:1050]])
    torch.testing.assert_close(model.log_prob(x)[1000:1050], few)


# Samples


def test_histogram_samples_follow_the_table():
    model, n = a_histogram(), 4000
    x = model.sample(n, generator=seeded())
    assert (x.dtype, x.shape) == (torch.uint8, (n, 2, 2))
    codes = (x.flatten(1) * torch.tensor([27, 9, 3, 1])).sum(dim=1)
    every = torch.tensor(list(itertools.product(range(3), repeat=4)), dtype=torch.uint8)
    expected = n * model.log_prob(every.reshape(-1, 2, 2)).exp()
    counts = codes.bincount(minlength=81)
    assert stats.chisquare(counts.numpy(), expected.numpy()).pvalue > P


def test_gaussian_samples_follow_the_density():
    model, n = Gaussian(torch.arange(4.0), random_covariance(4)), 4000
    x = model.sample(n, generator=seeded())
    assert (x.dtype, x.shape) == (torch.float32, (n, 4))
    x = x.double() - model.mean
    z = torch.linalg.solve(model.covariance, x.T).T
    assert stats.kstest((x * z).sum(dim=1).numpy(), "chi2", args=(4,)).pvalue > P
    for direction in torch.eye(4).double():
        std = (direction @ model.covariance @ direction).sqrt().item()
        along = (x @ direction).numpy()
        assert stats.kstest(along, "norm", args=(0, std)).pvalue > P
    sample = torch.cov(x.T)
    variances = model.covariance.diagonal()
    error = ((variances[:, None] * variances + model.covariance**2) / n).sqrt()
    assert ((sample - model.covariance).abs() < 4 * error).all()


def test_mixture_samples_choose_by_weight_and_in_no_order():
    far = [Gaussian(torch.tensor([m]), torch.eye(1)) for m in (-100.0, 0.0, 100.0)]
    weights, n = torch.tensor([0.2, 0.5, 0.3]), 3000
    x = Mixture(far, weights).sample(n, generator=seeded())
    chosen = (x[:, 0] / 100).round().long() + 1
    counts = chosen.bincount(minlength=3).numpy()
    assert stats.chisquare(counts, n * weights.double().numpy()).pvalue > P
    halves = torch.stack([half.bincount(minlength=3) for half in chosen.chunk(2)])
    assert stats.chi2_contingency(halves.numpy()).pvalue > P
    assert stats.kstest((x[:, 0] - 100 * (chosen - 1)).numpy(), "norm").pvalue > P


@each_model
def test_the_same_seed_draws_the_same_and_touches_nothing_else(make):
    model = make()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = (model.sample(50, generator=seeded(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, model.sample(50, generator=seeded(4)))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(model.sample(50), model.sample(50))
    assert model.sample(1).shape == first[:1].shape


# Fitting


def test_histogram_counts():
    x = random_pictures(30, 3, 2)
    model = IndependentPixels.fit(x, pseudo=4)
    for i, j, level in itertools.product(range(3), range(2), (0, 7, 100, 255)):
        count = sum(int(picture[i, j]) == level for picture in x)
        expected = (count + 4 / 256) / (30 + 4)
        assert model.probs[i, j, level].item() == pytest.approx(expected)
    assert model.probs.sum(-1).allclose(torch.ones(3, 2).double())


def test_without_pseudo_observations_what_was_not_seen_is_impossible():
    x = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)
    model = IndependentPixels.fit(x, pseudo=0)
    assert model.log_prob(x).tolist() == pytest.approx([math.log(1 / 4)] * 2)
    unseen = torch.tensor([[1, 3]], dtype=torch.uint8)
    assert model.log_prob(unseen).item() == -math.inf
    assert IndependentPixels.fit(x).log_prob(unseen).isfinite().all()


def test_gaussian_measures_mean_and_covariance():
    x = random_numbers(40, 2, 3)
    model = Gaussian.fit(x, pseudo=0)
    flat = x.reshape(40, 6).numpy()
    covariance = np.cov(flat.T, bias=True)
    np.testing.assert_allclose(model.mean.reshape(6), flat.mean(axis=0))
    np.testing.assert_allclose(model.covariance, covariance, atol=1e-12)
    shrunk = Gaussian.fit(x, pseudo=10).covariance.numpy()
    np.testing.assert_allclose(shrunk.diagonal(), covariance.diagonal())
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(shrunk[off], 40 / 50 * covariance[off])


def test_no_other_gaussian_is_more_likely():
    x = random_numbers(40, 3)
    best = Gaussian.fit(x, pseudo=0)
    score = best.log_prob(x).sum()
    for seed in range(20):
        turn = torch.eye(3) + 0.02 * random_covariance(3, seed)
        shift = 0.05 * random_numbers(1, 3, seed=seed)[0]
        for mean, covariance in (
            (best.mean, turn @ best.covariance @ turn),
            (best.mean + shift, best.covariance),
        ):
            assert Gaussian(mean, covariance).log_prob(x).sum() < score


def one_em_step(family, x, mixture):
    """The maximization after an expectation, in NumPy and SciPy, without pseudo."""
    x = x.numpy()
    columns = []
    for w, part in zip(mixture.weights.tolist(), mixture.components, strict=True):
        if family is Gaussian:
            law = stats.multivariate_normal(part.mean.numpy(), part.covariance.numpy())
            columns.append(math.log(w) + law.logpdf(x))
        else:
            table = np.log(part.probs.numpy(), where=part.probs.numpy() > 0,
                           out=np.full(part.probs.shape, -np.inf))  # fmt: skip
            columns.append(math.log(w) + table[np.arange(5), x].sum(axis=1))
    joint = np.stack(columns, axis=1)
    share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    fitted = []
    for column in share.T:
        if family is Gaussian:
            covariance = np.cov(x.T, aweights=column, bias=True)
            fitted.append((np.average(x, axis=0, weights=column), covariance))
        else:
            levels = x[:, :, None] == np.arange(256)
            fitted.append(np.average(levels, axis=0, weights=column))
    return share.mean(axis=0), fitted


@each_family
def test_em_is_what_the_formulas_say(family):
    x = clusters(family)
    before, after = (
        Mixture.fit(x, family, 3, steps=n, pseudo=0, generator=seeded()) for n in (1, 2)
    )
    weights, fitted = one_em_step(family, x, before)
    np.testing.assert_allclose(after.weights, weights, atol=1e-9)
    for part, expected in zip(after.components, fitted, strict=True):
        if family is Gaussian:
            np.testing.assert_allclose(part.mean, expected[0], atol=1e-6)
            np.testing.assert_allclose(part.covariance, expected[1], atol=1e-6)
        else:
            np.testing.assert_allclose(part.probs, expected, atol=1e-9)


def imagined(family, part, whole) -> float:
    """Mean log probability of a pseudo-observation of `whole` under a component."""
    if family is IndependentPixels:
        return (whole.probs * part.probs.log()).sum().item()
    spread = whole.covariance.diagonal().diag()
    distance = torch.linalg.solve(part.covariance, spread).trace()
    return -0.5 * (torch.logdet(2 * math.pi * part.covariance) + distance).item()


@each_family
@pytest.mark.parametrize("pseudo", [0, 5])
@pytest.mark.parametrize("seed", range(5))
def test_em_never_lowers_the_likelihood(family, pseudo, seed):
    """Of the data and of the pseudo-observations; both written out here."""
    x = clusters(family, seed)
    whole = family.fit(x, pseudo=pseudo)
    scores = []
    for steps in range(1, 9):
        model = Mixture.fit(
            x, family, 2, steps=steps, pseudo=pseudo, generator=seeded(seed)
        )
        score = model.log_prob(x).sum().item()
        assert model.trace[-1] == pytest.approx(score / len(x), rel=1e-9)
        assert len(model.trace) == steps
        if pseudo:
            score += pseudo * sum(
                imagined(family, part, whole) for part in model.components
            )
        scores.append(score)
    assert scores[-1] > scores[0]
    for before, after in itertools.pairwise(scores):
        assert after >= before - 1e-8 * abs(before)


def test_a_mixture_finds_the_groups():
    middles = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    weights = torch.tensor([0.5, 0.3, 0.2])
    truth = Mixture([Gaussian(m, torch.eye(2)) for m in middles], weights)
    x = truth.sample(600, generator=seeded())
    fits = [
        Mixture.fit(x, Gaussian, 3, pseudo=0, steps=20, generator=seeded(seed))
        for seed in range(8)
    ]
    best = max(fits, key=lambda model: model.trace[-1])
    order = best.weights.argsort(descending=True)
    means = torch.stack([part.mean for part in best.components])[order]
    torch.testing.assert_close(means.float(), middles, atol=0.3, rtol=0)
    torch.testing.assert_close(best.weights[order].float(), weights, atol=0.05, rtol=0)
    new = truth.sample(600, generator=seeded(1))
    gap = (truth.log_prob(new) - best.log_prob(new)).mean().item()
    assert abs(gap) < 0.05


def test_em_begins_with_the_nearest_of_random_rows():
    """Three groups on a line: from one row of each, a single step finds their means."""
    x = torch.tensor([0.0, 10.0, 50.0]).repeat_interleave(20)[:, None]
    x += 0.1 * torch.randn(x.shape, generator=seeded())
    expected = [group.mean().item() for group in x.split(20)]
    found = []
    for seed in range(20):
        model = Mixture.fit(x, Gaussian, 3, steps=1, generator=seeded(seed))
        found.append(sorted(part.mean.item() for part in model.components))
    one_of_each = [means for means in found if means == pytest.approx(expected)]
    assert len(one_of_each) > 1


@each_family
def test_one_component_is_the_model_itself(family):
    x = clusters(family)
    alone = family.fit(x, pseudo=0)
    mixture = Mixture.fit(x, family, 1, pseudo=0, generator=seeded())
    assert mixture.weights.tolist() == [1.0]
    torch.testing.assert_close(mixture.log_prob(x), alone.log_prob(x))


def test_components_without_a_row_are_dropped():
    x = torch.tensor([[0.0, 1.0]] * 5 + [[9.0, 7.0]] * 5)  # two rows, five times each
    model = Mixture.fit(x, Gaussian, 10, generator=seeded())
    assert len(model.components) == 2
    assert model.weights.tolist() == [0.5, 0.5]


@each_family
def test_fitting_leaves_data_and_global_state_alone(family):
    x = clusters(family)
    copy, state = x.clone(), torch.get_rng_state()
    first, second = (Mixture.fit(x, family, 3, generator=seeded()) for _ in range(2))
    assert torch.equal(x, copy)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.log_prob(x), second.log_prob(x))


def test_color_pictures_keep_their_shape():
    x = random_pictures(20, 4, 5, 3)
    for model in (
        IndependentPixels.fit(x),
        Mixture.fit(x, IndependentPixels, 2),
        Gaussian.fit(dequantize(x)),
    ):
        assert model.sample(7).shape == (7, 4, 5, 3)


def test_fewer_observations_than_numbers_need_pseudo_observations():
    x = random_numbers(6, 20)
    with pytest.raises(ValueError, match=r"\(20, 20\) is not positive definite: .* 5 "):
        Gaussian.fit(x, pseudo=0)
    assert Gaussian.fit(x, pseudo=1).log_prob(x).isfinite().all()


def test_a_crumb_of_rounding_is_no_variance():
    """Singular tables, some of which a Cholesky decomposition lets through."""
    passed = 0
    for seed in range(40):
        a = torch.tensor(np.random.default_rng(seed).standard_normal((8, 7)))
        passed += int(torch.linalg.cholesky_ex(a @ a.T).info) == 0
        with pytest.raises(ValueError, match="number 7 has no variance left"):
            Gaussian(torch.zeros(8), a @ a.T)
    assert passed


# The protocol


EXAMPLES = {c.__name__: c.example for c in (IndependentPixels, Gaussian, Mixture)}


@pytest.mark.parametrize("make", [*MODELS.values(), *EXAMPLES.values()],
                         ids=[*MODELS, *EXAMPLES])  # fmt: skip
def test_models_keep_the_protocol(make):
    model = make()
    assert isinstance(model, GenerativeModel)
    assert model.density is Density.EXACT
    x = model.sample(3, generator=seeded())
    log_prob = model.log_prob(x)
    assert (log_prob.dtype, log_prob.shape) == (torch.float64, (3,))
    for verb in (model.elbo, model.energy, model.encode, model.decode):
        with pytest.raises(Undefined):
            verb(x)
    with pytest.raises(Undefined):
        model.objectives()


# Bad input: each sentence says what was wrong, and what was expected

GRAY, REAL = random_pictures(4, 2, 2), random_numbers(4, 3)
NAN = torch.tensor([[1.0, math.nan, 0.0]] * 4)
ONE = torch.ones(1)
SKEW = torch.tensor([[1.0, 0.5], [0.2, 1.0]])
BAD = [
    (lambda: bits_per_dimension("1", 3), TypeError, "nats is a str; expected a number"),
    (lambda: bits_per_dimension(1.0, 0), ValueError, "d is 0; expected 1 or more"),
    (lambda: bits_per_dimension(1.0, 2.5), TypeError, "d is 2.5; expected a whole"),
    (lambda: dequantize(GRAY.numpy()), TypeError, "x is a ndarray; expected a tensor"),
    (lambda: dequantize(GRAY.float()), TypeError, "float32; expected gray levels"),
    (lambda: dequantize(GRAY[:0]), ValueError, r"shape \(0, 2, 2\); expected \(n, "),
    (lambda: dequantize(GRAY, generator=0), TypeError, "generator is 0; expected a t"),
    (lambda: IndependentPixels.fit(REAL), TypeError, "float64; expected gray levels"),
    (lambda: IndependentPixels.fit(GRAY[0, 0]), ValueError, r"shape \(2,\); expected"),
    (lambda: IndependentPixels.fit(GRAY, pseudo=-1), ValueError, "pseudo is -1; exp"),
    (lambda: IndependentPixels.fit(GRAY, pseudo="a"), TypeError, "pseudo is 'a'; exp"),
    (lambda: IndependentPixels(GRAY), TypeError, "probs is torch.uint8; expected a f"),
    (lambda: IndependentPixels([0.5, 0.5]), TypeError, "probs is list; expected a fl"),
    (lambda: IndependentPixels(ONE), ValueError, r"probs has shape \(1,\); expected"),
    (lambda: IndependentPixels(torch.ones(2, 257)), ValueError, "up to 256 levels"),
    (lambda: IndependentPixels(torch.ones(2, 3)), ValueError, "from 3 to 3; expected"),
    (
        lambda: IndependentPixels(torch.tensor([[1.5, -0.5]])),
        ValueError,
        "lowest number of -0.5",
    ),
    (lambda: IndependentPixels(NAN), ValueError, "probs holds numbers that are not f"),
    (lambda: a_histogram().log_prob(REAL), TypeError, "float64; expected gray levels"),
    (lambda: a_histogram().log_prob(GRAY[:, :1]), ValueError, r"expected \(n, 2, 2\)"),
    (
        lambda: a_histogram().log_prob(torch.full((1, 2, 2), 3).byte()),
        ValueError,
        "level 3, outside the sample space: levels run from 0 to 2",
    ),
    (lambda: a_histogram().sample(0), ValueError, "n is 0; expected 1 or more"),
    (lambda: a_histogram().sample(2.0), TypeError, "n is 2.0; expected a whole number"),
    (lambda: a_histogram().sample(1, generator=1), TypeError, "generator is 1; exp"),
    (lambda: Gaussian.fit(GRAY), TypeError, r"uint8; .* dequantize\(x\) first"),
    (lambda: Gaussian.fit(NAN), ValueError, "x holds 4 of 12 numbers that are not fin"),
    (lambda: Gaussian.fit(REAL[:0]), ValueError, r"shape \(0, 3\); expected"),
    (lambda: Gaussian.fit(REAL, pseudo=math.inf), ValueError, "pseudo is inf; expect"),
    (lambda: Gaussian.fit(REAL[:1]), ValueError, "not positive definite: number 0 "),
    (lambda: Gaussian(ONE, GRAY), TypeError, "covariance is torch.uint8; expected"),
    (lambda: Gaussian(ONE, torch.eye(2)), ValueError, r"\(2, 2\) and mean \(1,\)"),
    (lambda: Gaussian(torch.ones(2), SKEW), ValueError, r"\(2, 2\) is not symmetric"),
    (lambda: Gaussian(torch.ones(2), -torch.eye(2)), ValueError, "definite: number 0"),
    (
        lambda: Gaussian(torch.ones(2), torch.ones(2, 2)),
        ValueError,
        "definite: number 1 has no variance left",
    ),
    (lambda: Gaussian(ONE, torch.tensor([[math.inf]])), ValueError, "are not finite"),
    (lambda: Gaussian(torch.full((1,), math.nan), torch.eye(1)), ValueError, "mean h"),
    (lambda: a_gaussian().log_prob(REAL), ValueError, r"\(4, 3\); expected \(n, 2\)"),
    (lambda: a_gaussian().log_prob(GRAY[..., 0]), TypeError, "over real numbers"),
    (lambda: a_gaussian().log_prob(NAN[:, :2]), ValueError, "x holds 4 of 8 numbers"),
    (lambda: a_gaussian().sample(-1), ValueError, "n is -1; expected 1 or more"),
    (lambda: Mixture([], ONE), TypeError, r"components are of \[\]; expected one or m"),
    (
        lambda: Mixture([a_gaussian(), a_histogram()], torch.ones(2) / 2),
        TypeError,
        r"of \['Gaussian', 'IndependentPixels'\]; expected",
    ),
    (
        lambda: Mixture([a_gaussian(), Gaussian(ONE, torch.eye(1))], torch.ones(2) / 2),
        ValueError,
        r"of shapes \[\(1,\), \(2,\)\]; expected one",
    ),
    (lambda: Mixture([a_gaussian()], torch.ones(2)), ValueError, r"expected \(1,\)"),
    (lambda: Mixture([a_gaussian()], ONE / 2), ValueError, "from 0.5 to 0.5; expect"),
    (lambda: Mixture([a_gaussian()], [1.0]), TypeError, "weights is list; expected"),
    (lambda: Mixture.fit(REAL, "g", 2), TypeError, "family is 'g'; expected I"),
    (lambda: Mixture.fit(REAL, Gaussian, 5), ValueError, "k is 5; expected 1 to 4"),
    (lambda: Mixture.fit(REAL, Gaussian, 0), ValueError, "k is 0; expected 1 to 4"),
    (lambda: Mixture.fit(GRAY, Gaussian, 1), TypeError, "dequantize"),
    (lambda: Mixture.fit(REAL, Gaussian, 1, steps=0), ValueError, "steps is 0; exp"),
    (lambda: Mixture.fit(REAL, Gaussian, 1, pseudo=-1), ValueError, "pseudo is -1"),
    (lambda: Mixture.fit(REAL, Gaussian, 1, generator=1), TypeError, "generator is 1"),
    (lambda: mixed(a_gaussian).sample(0), ValueError, "n is 0; expected 1 or more"),
    (lambda: mixed(a_gaussian).log_prob(REAL), ValueError, r"expected \(n, 2\)"),
    (lambda: mixed(a_gaussian).log_prob(REAL[:0]), ValueError, r"shape \(0, 3\)"),
    (lambda: mixed(a_histogram).log_prob([1]), TypeError, "x is a list; expected a t"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_input_gets_its_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


# The diagram


def test_the_numbers_of_the_diagram():
    svg = ElementTree.parse(DIAGRAMS / "first_model-features.svg").getroot()
    space = {"s": "http://www.w3.org/2000/svg"}
    texts = [text.text for text in svg.findall(".//s:text", space)]
    shown = " ".join(text for text in texts if text)
    pixels = svg.findall(".//s:rect[@data-level]", space)
    levels = [pixel.get("data-level") for pixel in pixels]
    assert [pixel.get("fill") for pixel in pixels] == [
        f"#{int(level):02x}" + 2 * f"{int(level):02x}" for level in levels
    ]
    word = [str(ord(letter) - ord("a") + 1) for letter in "emma"]
    for features in (levels, word, ["64", "1", "64", "1", "65", "1", "67", "1"]):
        assert re.search(rf"(^| ){' '.join(features)}( |$)", shown)
    # On the staff, a line or a gap more is a step more: E, E, F, G are 64, 64, 65, 67.
    heads = [float(head.get("cy")) for head in svg.findall(".//s:ellipse", space)]
    lines = [float(line.get("y1")) for line in svg.findall(".//s:line", space)
             if line.get("y1") == line.get("y2")]  # fmt: skip
    steps = [round((max(lines) - head) / 5) for head in heads]
    assert [[64, 65, 67, 69, 71][step] for step in steps] == [64, 64, 65, 67]
