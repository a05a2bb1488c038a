"""Bayes' rule, densities and draws of each kind, the border, EM; and bad input."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from gdlbook.generative.conditional import (
    ClassGaussians,
    LogisticRegression,
    Principal,
    loss_and_gradient,
)
from gdlbook.generative.framework import Density, GenerativeModel, Undefined

NAMES = ("plant", "vehicle", "face")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def blobs(n=60, d=3, seed=0):
    """Three kinds of unlike size, mean and covariance, around a far point."""
    y = torch.arange(n) % 5 % 3
    means, roots = normal(3, d, seed=1) * 2 + 50, normal(3, d, d, seed=2)
    x = means[y] + torch.einsum("nij,nj->ni", roots[y], normal(n, d, seed=seed))
    return x, y


def random_model(d=3, shared=False):
    roots = normal(1 if shared else 3, d, d, seed=3)
    return ClassGaussians(
        normal(3, d, seed=4) * 2,
        roots @ roots.mT + 0.3 * torch.eye(d).double(),
        torch.tensor([0.5, 0.3, 0.2]).double(),
        class_names=NAMES,
    )


# Densities


def test_it_is_a_generative_model_that_knows_its_density():
    model = ClassGaussians.example()
    assert isinstance(model, GenerativeModel)
    assert model.density is Density.EXACT
    assert model.sample(5, label=1).shape == (5, 2)
    assert model.log_prob(model.sample(5)).shape == (5,)
    for verb in (model.elbo, model.energy):
        with pytest.raises(Undefined, match="knows its density exactly"):
            verb(normal(2, 2))


@pytest.mark.parametrize("shared", [False, True])
def test_densities_are_those_of_scipy(shared):
    model, x = random_model(shared=shared), normal(50, 3, seed=5) * 3
    covariances = model.covariances.expand(3, 3, 3).numpy()
    each = np.stack(
        [
            stats.multivariate_normal(m, c).logpdf(x.numpy())
            for m, c in zip(model.means.numpy(), covariances, strict=True)
        ],
        axis=1,
    )
    priors = model.priors.numpy()
    np.testing.assert_allclose(model.log_joint(x), each + np.log(priors), rtol=1e-10)
    np.testing.assert_allclose(
        model.log_prob(x).exp(), (priors * np.exp(each)).sum(1), rtol=1e-10
    )
    for i, name in enumerate(NAMES):
        np.testing.assert_allclose(model.log_prob(x, label=name), each[:, i])
        np.testing.assert_allclose(model.log_prob(x, label=i), each[:, i])


@pytest.mark.parametrize("label", [None, "vehicle"])
def test_densities_integrate_to_one(label):
    model = random_model(d=2)
    side = torch.linspace(-20, 20, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    total = model.log_prob(grid, label=label).exp().sum() * (side[1] - side[0]) ** 2
    assert abs(total - 1) < 1e-6


def test_bayes_rule_by_hand():
    model = ClassGaussians(
        torch.tensor([[0.0], [2.0]]), torch.ones(1, 1, 1), torch.tensor([0.25, 0.75])
    )
    x = torch.tensor([[0.5]])
    one, other = 0.25 * math.exp(-0.125), 0.75 * math.exp(-1.125)
    expected = torch.tensor([[one, other]]).double() / (one + other)
    torch.testing.assert_close(model.posterior(x), expected, atol=1e-7, rtol=0)
    density = (one + other) / math.sqrt(2 * math.pi)
    assert abs(model.log_prob(x).exp().item() - density) < 1e-7


def test_far_away_the_posterior_is_still_a_distribution():
    for model in (random_model(), random_model(shared=True).as_logistic()):
        p = model.posterior(torch.full((1, 3), 1e4))
        assert abs(p.sum() - 1) < 1e-12
        assert p.isfinite().all()


# Draws


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("label", ["plant", 2])
def test_draws_of_a_kind_follow_its_density(shared, label):
    model = random_model(shared=shared)
    kind = NAMES.index(label) if isinstance(label, str) else label
    x = model.sample(4000, label=label, generator=rng(6))
    assert (x.dtype, tuple(x.shape)) == (torch.float32, (4000, 3))
    covariance = model.covariances[0 if shared else kind]
    z = torch.linalg.solve(
        torch.linalg.cholesky(covariance), (x.double() - model.means[kind]).T
    )
    # Squared lengths of standard normal vectors: the level holds for this seed.
    assert stats.kstest(z.square().sum(0), stats.chi2(3).cdf).pvalue > 0.01
    for row in z:
        assert stats.kstest(row, stats.norm.cdf).pvalue > 0.01
    assert abs(torch.corrcoef(z) - torch.eye(3)).max() < 0.06


def test_draws_without_a_label_follow_priors_and_density():
    model = random_model()
    x = model.sample(4000, generator=rng(7)).double()
    # Of two sets from one distribution, log p(x) has one distribution, too.
    drawn = torch.multinomial(model.priors, 4000, True, generator=rng(8))
    other = torch.cat(
        [
            model.sample(int((drawn == k).sum()), label=k, generator=rng(9 + k))
            for k in range(3)
        ]
    ).double()
    for measure in (model.log_prob, lambda v: model.posterior(v)[:, 0]):
        assert stats.ks_2samp(measure(x), measure(other)).pvalue > 0.01
    shares = model.posterior(x).mean(0)
    torch.testing.assert_close(shares, model.priors, atol=0.02, rtol=0)


def test_same_seed_same_draws_and_the_global_state_is_left_alone():
    model, before = random_model(), torch.random.get_rng_state()
    for label in (None, "face"):
        first, second = (
            model.sample(9, label=label, generator=rng(1)) for _ in range(2)
        )
        assert torch.equal(first, second)
        assert not torch.equal(first, model.sample(9, label=label, generator=rng(2)))
    ClassGaussians.fit(*blobs(), unlabeled=blobs(seed=3)[0], strength=1.0)
    LogisticRegression.fit(*blobs(), class_names=NAMES)
    assert torch.equal(before, torch.random.get_rng_state())


# Fitting in closed form


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("strength", [0.0, 4.0])
def test_fit_is_moment_by_moment_what_the_equation_says(shared, diagonal, strength):
    x, y = blobs()
    how = {"shared": shared, "diagonal": diagonal, "strength": strength}
    model = ClassGaussians.fit(x, y, **how)
    counts = np.array([(y == k).sum() for k in range(3)])
    means = np.stack([x[y == k].mean(0) for k in range(3)])
    scatter = np.stack([c * np.cov(x[y == k].T, ddof=0) for k, c in enumerate(counts)])
    if shared:
        counts_of, scatter = np.array([60]), scatter.sum(0, keepdims=True)
    else:
        counts_of = counts
    if diagonal:
        scatter = scatter * np.eye(3)
    covariances = (scatter + strength * np.eye(3)) / (counts_of + strength)[
        :, None, None
    ]
    np.testing.assert_allclose(model.means, means, rtol=1e-12)
    np.testing.assert_allclose(model.covariances, covariances, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.priors, counts / 60, rtol=1e-12)


def penalized(model, x, y, unlabeled, strength, weight):
    """What EM climbs: log p(x, y), w log p(x), and the prior of the covariances."""
    total = model.log_joint(x).gather(1, y[:, None]).sum()
    total = total + weight * model.log_prob(unlabeled).sum()
    for covariance in model.covariances:
        total -= strength / 2 * (covariance.logdet() + covariance.inverse().trace())
    return total.item()


@pytest.mark.parametrize("shared", [False, True])
def test_fit_cannot_be_improved(shared):
    x, y = blobs()
    how = {"strength": 2.0, "weight": 0.0}
    best = ClassGaussians.fit(x, y, shared=shared, strength=2.0)
    top = penalized(best, x, y, x, **how)
    for seed in range(6):
        nudge = 0.01 * normal(3, 3, seed=seed)
        moved = [
            ClassGaussians(best.means + nudge, best.covariances, best.priors),
            ClassGaussians(
                best.means,
                best.covariances
                + (nudge @ nudge.T if seed % 2 else 0.01 * nudge.T @ nudge),
                best.priors,
            ),
            ClassGaussians(
                best.means,
                best.covariances,
                (best.priors * (1 + nudge[0])) / (best.priors * (1 + nudge[0])).sum(),
            ),
        ]
        for other in moved:
            assert penalized(other, x, y, x, **how) < top


# EM


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("weight", [1.0, 0.2])
def test_no_step_of_em_lowers_the_objective_and_it_ends_at_the_top(shared, weight):
    x, y = blobs(15)
    free = blobs(200, seed=4)[0]
    how = {"shared": shared, "strength": 3.0}
    climbed = [
        penalized(
            ClassGaussians.fit(x, y, unlabeled=free, weight=weight, steps=steps, **how),
            x,
            y,
            free,
            3.0,
            weight,
        )
        for steps in range(1, 12)
    ]
    climbed.insert(
        0, penalized(ClassGaussians.fit(x, y, **how), x, y, free, 3.0, weight)
    )
    assert climbed[1] > climbed[0] + 1
    assert (np.diff(climbed) > -1e-8).all()
    done = ClassGaussians.fit(x, y, unlabeled=free, weight=weight, **how)
    shares = torch.cat([torch.eye(3)[y], weight * done.posterior(free)])
    means = shares.T @ torch.cat([x, free]) / shares.sum(0)[:, None]
    torch.testing.assert_close(done.means, means, atol=0.01, rtol=0)


def test_weight_zero_is_labels_only_and_certain_shares_are_labels():
    x, y = blobs()
    apart = x + 1000 * y[:, None]
    alone = ClassGaussians.fit(apart, y, strength=1.0)
    free = apart.flip(0)
    none = ClassGaussians.fit(apart, y, strength=1.0, unlabeled=free, weight=0.0)
    for name in ("means", "covariances", "priors"):
        torch.testing.assert_close(getattr(none, name), getattr(alone, name))
    twice = ClassGaussians.fit(
        torch.cat([apart, free]), torch.cat([y, y.flip(0)]), strength=1.0
    )
    guessed = ClassGaussians.fit(apart, y, strength=1.0, unlabeled=free)
    torch.testing.assert_close(guessed.covariances, twice.covariances)
    torch.testing.assert_close(guessed.priors, twice.priors)


def test_unlabeled_observations_help_where_the_model_is_true():
    truth = random_model(shared=True)
    test = [truth.sample(500, label=k, generator=rng(k)).double() for k in range(3)]
    x_test, y_test = torch.cat(test), torch.arange(3).repeat_interleave(500)
    free = truth.sample(3000, generator=rng(20)).double()
    gains = []
    for seed in range(30, 36):
        x = torch.cat([truth.sample(2, label=k, generator=rng(seed)) for k in range(3)])
        y = torch.arange(3).repeat_interleave(2)
        how = {"shared": True, "strength": 1.0}
        alone = ClassGaussians.fit(x, y, **how).accuracy(x_test, y_test)
        helped = ClassGaussians.fit(x, y, unlabeled=free, **how)
        gains.append(helped.accuracy(x_test, y_test) - alone)
    assert np.mean(gains) > 0.03


# The border


@pytest.mark.parametrize("diagonal", [False, True])
def test_gaussians_of_one_covariance_have_the_border_of_a_logistic_regression(diagonal):
    x, y = blobs()
    model = ClassGaussians.fit(
        x, y, shared=True, diagonal=diagonal, class_names=NAMES, strength=1.0
    )
    border = model.as_logistic()
    assert border.class_names == NAMES
    places = normal(500, 3, seed=8) * 5 + 50
    gap = model.posterior(places) - border.posterior(places)
    assert gap.abs().max() < 1e-6


def test_gaussians_of_own_covariances_have_none():
    with pytest.raises(ValueError, match="3 covariances, so the logits are quadratic"):
        random_model().as_logistic()


# Logistic regression


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_gradient_is_that_of_finite_differences_and_of_torch(penalty):
    x, y = normal(40, 4), torch.arange(40) % 3
    weights = normal(3, 5, seed=1).requires_grad_()
    loss, gradient = loss_and_gradient(weights, x, y, penalty=penalty)
    logits = x @ weights[:, :-1].T + weights[:, -1]
    judge = torch.nn.functional.cross_entropy(logits, y)
    judge = judge + penalty / 80 * weights[:, :-1].square().sum()
    torch.testing.assert_close(loss, judge)
    torch.testing.assert_close(gradient, torch.autograd.grad(judge, weights)[0])
    numeric = optimize.approx_fprime(
        weights.detach().flatten().numpy(),
        lambda w: loss_and_gradient(torch.tensor(w).view(3, 5), x, y, penalty=penalty)[
            0
        ].item(),
        1e-7,
    )
    np.testing.assert_allclose(gradient.detach().flatten(), numeric, atol=1e-6)


@pytest.mark.parametrize("penalty", [1e-3, 10.0])
def test_fit_is_the_minimum_that_scipy_finds(penalty):
    x, y = normal(80, 4), (normal(80, seed=2) > 0).long() + (torch.arange(80) % 7 == 0)
    model = LogisticRegression.fit(x, y, penalty=penalty)
    loss, gradient = loss_and_gradient(model.weights, x, y, penalty=penalty)
    assert gradient.abs().max() < 1e-8

    def by_scipy(w):
        value, slope = loss_and_gradient(
            torch.tensor(w).view(3, 5), x, y, penalty=penalty
        )
        return value.item(), slope.flatten().numpy()

    found = optimize.minimize(by_scipy, np.ones(15), jac=True, tol=1e-12)
    assert loss.item() <= found.fun + 1e-9
    judge = LogisticRegression(torch.tensor(found.x).view(3, 5))
    torch.testing.assert_close(
        model.posterior(x), judge.posterior(x), atol=1e-4, rtol=0
    )


def test_fit_converges_where_a_plane_separates_the_kinds():
    x = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]).double()
    y = torch.tensor([0, 0, 1, 1])
    sizes = []
    for penalty in (1.0, 1e-3, 1e-6):
        model = LogisticRegression.fit(x, y, penalty=penalty)
        _, gradient = loss_and_gradient(model.weights, x, y, penalty=penalty)
        assert gradient.abs().max() < 1e-8
        assert model.accuracy(x, y) == 1
        sizes.append(model.weights.norm().item())
    with pytest.raises(
        RuntimeError, match="penalty is 1e-30, and no minimum was found"
    ):
        LogisticRegression.fit(x, y, penalty=1e-30)
    assert sizes == sorted(sizes)
    assert sizes[2] > 5 * sizes[0]


def test_accuracy_counts_the_most_probable_kind():
    model = LogisticRegression(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    x = torch.tensor([[-1.0], [2.0], [3.0], [-4.0]])
    assert model.accuracy(x, torch.tensor([0, 1, 0, 0])) == 0.75


def test_logistic_regression_has_nothing_to_draw_from():
    model = LogisticRegression(torch.zeros(2, 3))
    with pytest.raises(Undefined, match=r"no sample: it knows p\(y given x\)"):
        model.sample(3, label=0)


# Principal directions


@pytest.mark.parametrize("shape", [(2, 3), (12, 10)])
def test_principal_coordinates_are_those_of_the_singular_vectors(shape):
    size = math.prod(shape)
    x = normal(40, *shape) * torch.arange(1, size + 1).view(shape) + 5
    space = Principal(x, 4)
    flat = (x - x.mean(0)).flatten(1).numpy()
    left, _, _ = np.linalg.svd(flat, full_matrices=False)
    judge = left[:, :4] * np.sqrt(40)
    z = space.encode(x)
    assert z.dtype == torch.float64
    signs = np.sign((z.numpy() * judge).sum(0))
    np.testing.assert_allclose(z, judge * signs, atol=1e-10)
    np.testing.assert_allclose(np.cov(z.T.numpy(), ddof=0), np.eye(4), atol=1e-10)
    torch.testing.assert_close(
        space.directions.T @ space.directions, torch.eye(4).double()
    )
    largest = space.directions.gather(0, space.directions.abs().argmax(0)[None])
    assert (largest > 0).all()


def test_decode_inverts_encode_up_to_what_was_left_out():
    x = normal(40, 2, 3)
    torch.testing.assert_close(Principal(x, 6).decode(Principal(x, 6).encode(x)), x)
    space = Principal(x, 2)
    back = space.decode(space.encode(x))
    assert back.shape == x.shape
    torch.testing.assert_close(space.encode(back), space.encode(x))
    values = torch.linalg.eigvalsh(torch.cov(x.flatten(1).T, correction=0))
    lost = (back - x).flatten(1).square().sum(1).mean()
    torch.testing.assert_close(lost, values[:4].sum())


# Bad input

X, Y = normal(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])
GAUSSIANS = random_model(d=2)
BORDER = LogisticRegression(torch.zeros(3, 3), class_names=NAMES)
EYE, THIRDS = torch.eye(2)[None], torch.full((3,), 1 / 3)
SPACE = Principal(normal(9, 2, 2), 2)
HOLE = X.clone()
HOLE[4, 1] = math.nan


@pytest.mark.parametrize("fit", [ClassGaussians.fit, LogisticRegression.fit])
@pytest.mark.parametrize(
    ("x", "y", "more", "error", "sentence"),
    [
        (X.numpy(), Y, {}, TypeError, "x is a ndarray; expected a tensor"),
        (X.long(), Y, {}, TypeError, "x holds torch.int64; expected floats"),
        (X[:, 0], Y, {}, ValueError, r"x has shape \(6,\); expected \(n, d\)"),
        (X[:0], Y[:0], {}, ValueError, r"x has shape \(0, 2\); expected one row"),
        (HOLE, Y, {}, ValueError, "x holds a number that is not finite, in row 4"),
        (X, Y.int(), {}, TypeError, "y is torch.int32; expected a tensor of int64"),
        (X, [0, 1], {}, TypeError, "y is list; expected a tensor of int64"),
        (X, Y[:5], {}, ValueError, r"y has shape \(5,\); expected \(6,\), one label"),
        (X, Y - 1, {}, ValueError, "y holds the label -1; expected labels from 0 up"),
        (X, Y + 1, {}, ValueError, "no observation has the label 0"),
        (
            X,
            Y + 1,
            {"class_names": NAMES},
            ValueError,
            "y holds the label 3; expected labels from 0 to 2",
        ),
        (
            X,
            Y,
            {"class_names": (*NAMES, "hand")},
            ValueError,
            "no observation has the label 'hand'",
        ),
        (
            X,
            Y,
            {"class_names": ("a", "b", "a")},
            ValueError,
            r"\('a', 'b', 'a'\); expected 3 different names",
        ),
    ],
)
def test_bad_data_is_refused(fit, x, y, more, error, sentence):
    if fit == ClassGaussians.fit:
        more = {"strength": 1.0, **more}
    with pytest.raises(error, match=sentence):
        fit(x, y, **more)


BAD_CALLS = [
    (
        lambda: ClassGaussians.fit(X, Y),
        ValueError,
        "covariance of kind 0 is not positive definite.*Fit more observations",
    ),
    (
        lambda: ClassGaussians.fit(X * 0, Y, shared=True, class_names=NAMES),
        ValueError,
        "the covariance that all kinds share is not positive definite",
    ),
    (
        lambda: ClassGaussians.fit(normal(12, 30), Y.repeat(2), class_names=NAMES),
        ValueError,
        "the covariance of kind 'plant' is not positive definite",
    ),
    (
        lambda: ClassGaussians.fit(X, Y, strength=-1.0),
        ValueError,
        "strength is -1.0; expected a finite number from 0 up",
    ),
    (
        lambda: ClassGaussians.fit(X, Y, strength=1.0, unlabeled=normal(4, 3)),
        ValueError,
        r"unlabeled has shape \(4, 3\); expected \(n, 2\)",
    ),
    (
        lambda: ClassGaussians.fit(X, Y, strength=1.0, unlabeled=HOLE),
        ValueError,
        "unlabeled holds a number that is not finite, in row 4",
    ),
    (
        lambda: ClassGaussians.fit(X, Y, strength=1.0, unlabeled=X, weight="1"),
        TypeError,
        "weight is '1'; expected a number",
    ),
    (
        lambda: ClassGaussians.fit(X, Y, strength=1.0, unlabeled=X, steps=0),
        ValueError,
        "steps is 0; expected at least 1",
    ),
    (
        lambda: ClassGaussians(X[:3], EYE.repeat(2, 1, 1), THIRDS),
        ValueError,
        r"covariances has shape \(2, 2, 2\); expected \(3, 2, 2\), or \(1, 2, 2\)",
    ),
    (
        lambda: ClassGaussians(X[:3], EYE - 2, THIRDS),
        ValueError,
        "is not positive definite",
    ),
    (
        lambda: ClassGaussians(X[:3], EYE + torch.tensor([[0, 0.5], [0, 0]]), THIRDS),
        ValueError,
        "the covariance that all kinds share is not symmetric",
    ),
    (
        lambda: ClassGaussians(X[:3], EYE, THIRDS * 2),
        ValueError,
        "expected 3 numbers above 0 with sum 1",
    ),
    (
        lambda: ClassGaussians(X[:3], EYE, torch.tensor([0.5, 0.5, 0.0])),
        ValueError,
        "expected 3 numbers above 0 with sum 1",
    ),
    (
        lambda: ClassGaussians(X[:3], EYE, THIRDS, class_names=["a"]),
        ValueError,
        r"class_names is \('a',\); expected 3 different names",
    ),
    (
        lambda: GAUSSIANS.log_prob(normal(4, 3)),
        ValueError,
        r"x has shape \(4, 3\); expected \(n, 2\)",
    ),
    (
        lambda: GAUSSIANS.log_prob(X, label="dragon"),
        ValueError,
        "no label 'dragon'; there are plant, vehicle, face",
    ),
    (
        lambda: GAUSSIANS.sample(2, label="dragon"),
        ValueError,
        "no label 'dragon'; there are plant, vehicle, face",
    ),
    (
        lambda: GAUSSIANS.sample(2, label=3),
        ValueError,
        "no label 3; there are 0 to 2",
    ),
    (
        lambda: GAUSSIANS.sample(2, label=-1),
        ValueError,
        "no label -1; there are 0 to 2",
    ),
    (
        lambda: GAUSSIANS.sample(2, label=True),
        TypeError,
        "label is True; expected a name or an integer",
    ),
    (
        lambda: ClassGaussians(X[:3], EYE, THIRDS).sample(2, label="plant"),
        ValueError,
        "label is 'plant', and the kinds have no names",
    ),
    (lambda: GAUSSIANS.sample(0), ValueError, "n is 0; expected at least 1"),
    (lambda: GAUSSIANS.sample(2.0), TypeError, "n is 2.0; expected an integer"),
    (
        lambda: GAUSSIANS.sample(2, generator=0),
        TypeError,
        "generator is 0; expected a torch.Generator",
    ),
    (
        lambda: GAUSSIANS.accuracy(X, Y + 1),
        ValueError,
        "y holds the label 3; expected labels from 0 to 2",
    ),
    (
        lambda: GAUSSIANS.posterior(X.int()),
        TypeError,
        "x holds torch.int32; expected floats",
    ),
    (
        lambda: LogisticRegression(torch.zeros(3)),
        ValueError,
        r"weights has shape \(3,\); expected \(n, d\)",
    ),
    (
        lambda: LogisticRegression.fit(X, Y, penalty=0),
        ValueError,
        "penalty is 0; expected a number above 0: kinds that a plane separates",
    ),
    (
        lambda: LogisticRegression.fit(X, Y, penalty=math.inf),
        ValueError,
        "penalty is inf; expected a finite number",
    ),
    (
        lambda: BORDER.posterior(HOLE),
        ValueError,
        "x holds a number that is not finite, in row 4",
    ),
    (
        lambda: BORDER.accuracy(X, Y[:2]),
        ValueError,
        r"y has shape \(2,\); expected \(6,\)",
    ),
    (
        lambda: loss_and_gradient(torch.zeros(3, 3), normal(6, 3), Y, penalty=1.0),
        ValueError,
        r"x has shape \(6, 3\); expected \(n, 2\)",
    ),
    (
        lambda: loss_and_gradient(torch.zeros(2, 3).double(), X, Y, penalty=1.0),
        ValueError,
        "y holds the label 2; expected labels from 0 to 1",
    ),
    (lambda: Principal(X, 3), ValueError, "size is 3; x varies in 2 directions only"),
    (
        lambda: Principal(X[:2], 2),
        ValueError,
        "size is 2; x varies in 1 directions only",
    ),
    (lambda: Principal(X, 0), ValueError, "size is 0; expected at least 1"),
    (lambda: Principal(X.byte(), 1), TypeError, "x holds torch.uint8; expected floats"),
    (
        lambda: SPACE.encode(normal(3, 4)),
        ValueError,
        r"x has shape \(3, 4\); expected \(n, 2, 2\)",
    ),
    (
        lambda: SPACE.decode(normal(3, 4)),
        ValueError,
        r"z has shape \(3, 4\); expected \(n, 2\)",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD_CALLS)
def test_bad_input_gets_its_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
