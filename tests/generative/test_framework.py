"""The protocol, and what measures a model: against closed forms, SciPy, brute force."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from gdlbook import checkerboard, mixture, moons
from gdlbook._measure import two_sample
from gdlbook._measure.inputs import PIECE
from gdlbook.generative import framework
from gdlbook.generative.framework import (
    Density,
    Estimate,
    GenerativeModel,
    Undefined,
    copying,
    kl_by_quadrature,
    kl_by_samples,
    linear_probe,
    scorecard,
    spread,
    two_sample_test,
)

BOX = (-8.0, 8.0, -8.0, 8.0)
WIDTH = 1.7


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Round(GenerativeModel):
    """A round Gaussian on the plane, or in any other shape; a code with one kink."""

    density = Density.EXACT

    def __init__(self, mean=0.0, std=WIDTH, shape=(2,)):
        super().__init__()
        self.mean = nn.Parameter(torch.full(shape, float(mean)))
        self.std = std
        self.modes, self.rows = [], []

    def _p(self):
        return Independent(Normal(self.mean, self.std), self.mean.ndim)

    def log_prob(self, x):
        self.modes.append(self.training)
        self.rows.append(len(x))
        return self._p().log_prob(x)

    def sample(self, n, *, generator=None):
        noise = torch.randn(n, *self.mean.shape, generator=generator)
        return self.mean + self.std * noise

    def encode(self, x):
        return (x.flatten(1) - self.mean.flatten()) / self.std


class Bound(Round):
    density = Density.BOUND
    gap = 0.5

    def elbo(self, x):
        return super().log_prob(x) - self.gap

    def log_prob(self, x):
        return GenerativeModel.log_prob(self, x)


class Unnormalized(Round):
    density = Density.UNNORMALIZED

    def energy(self, x):
        return -super().log_prob(x) + 3

    def log_prob(self, x):
        return GenerativeModel.log_prob(self, x)


class Implicit(Round):
    density = Density.IMPLICIT

    def log_prob(self, x):
        return GenerativeModel.log_prob(self, x)

    def encode(self, x):
        return GenerativeModel.encode(self, x)


# The protocol


class Nothing(GenerativeModel):
    """A model that defines no verb."""

    density = Density.IMPLICIT


@pytest.mark.parametrize("verb", ["log_prob", "elbo", "energy"])
@pytest.mark.parametrize(
    ("density", "instead"),
    [
        (Density.EXACT, "Use log_prob"),
        (Density.BOUND, "Use elbo"),
        (Density.UNNORMALIZED, "Use energy"),
        (Density.IMPLICIT, r"Compare sample\(n\) with data"),
    ],
)
def test_a_missing_verb_says_why_and_what_instead(density, instead, verb):
    model = type("Some", (GenerativeModel,), {"density": density})()
    with pytest.raises(Undefined, match=f"Some has no {verb}: .*{instead}"):
        getattr(model, verb)(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda m: m.encode(torch.zeros(1, 2)), Undefined, "no encode: .* encoder are"),
        (lambda m: m.decode(torch.zeros(1, 2)), Undefined, r"no decode: .* sample\(n"),
        (lambda m: m.objectives(), Undefined, "no objectives: .* class method fit"),
        (lambda m: m.sample(1), NotImplementedError, "Nothing does not define sample"),
    ],
)
def test_other_verbs_have_their_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call(Nothing())


def test_undefined_is_not_an_unfinished_sample_and_looking_is_no_error():
    assert issubclass(Undefined, NotImplementedError)
    assert callable(Nothing().log_prob)
    with pytest.raises(NotImplementedError) as unfinished:
        Nothing().sample(1)
    assert unfinished.type is not Undefined


# Divergence


def gaussians(seed: int) -> tuple[MultivariateNormal, MultivariateNormal]:
    factors = 0.3 * torch.randn(2, 2, 2, generator=seeded(seed)).tril()
    factors = factors + 0.8 * torch.eye(2)
    means = torch.randn(2, 2, generator=seeded(seed))
    return tuple(
        MultivariateNormal(m, scale_tril=f) for m, f in zip(means, factors, strict=True)
    )


class Drawn:
    """A torch distribution that draws from a generator."""

    def __init__(self, p):
        self.p, self.log_prob = p, p.log_prob

    def sample(self, n, *, generator=None):
        noise = torch.randn(n, 2, generator=generator)
        return self.p.mean + noise @ self.p.scale_tril.T


@pytest.mark.parametrize("seed", range(5))
def test_both_ways_to_kl_are_the_closed_form(seed):
    p, q = gaussians(seed)
    formula = kl_divergence(p, q).item()
    assert kl_by_quadrature(p, q, BOX) == pytest.approx(formula, rel=1e-5)
    value, error = kl_by_samples(Drawn(p), q, 20_000, generator=seeded(seed))
    assert abs(value - formula) < 4 * error
    assert error < 0.05 * (formula + 1)


@pytest.mark.parametrize("world", [moons, mixture], ids=["moons", "mixture"])
def test_quadrature_and_samples_agree_on_the_toys(world):
    model = Round()
    exact = kl_by_quadrature(world, model, world.bounds, points=200)
    found = kl_by_samples(world, model, 20_000, generator=seeded())
    assert abs(found.value - exact) < 4 * found.error


def test_the_standard_error_covers_as_often_as_it_says():
    p, q = Round(), Round(1.0, 1.2)
    exact = kl_divergence(p._p(), q._p()).item()
    generator = seeded()
    found = [kl_by_samples(p, q, 400, generator=generator) for _ in range(400)]
    inside = sum(abs(e.value - exact) < 1.96 * e.error for e in found)
    assert stats.binomtest(inside, 400, 0.95).pvalue > 0.01


def test_the_cells_are_read_in_their_middles():
    square = SimpleNamespace(log_prob=lambda x: torch.zeros(len(x)))
    slope = SimpleNamespace(log_prob=lambda x: -x.sum(dim=1))
    found = kl_by_quadrature(square, slope, (0, 1, 0, 1), points=2)
    assert found == pytest.approx(1)  # the mean of x1 + x2


def test_a_distribution_is_at_no_distance_from_itself():
    assert kl_by_quadrature(moons, moons, moons.bounds, points=50) == 0
    assert kl_by_samples(moons, moons, 100, generator=seeded()) == (0, 0)


def test_what_a_model_rules_out_is_infinitely_far():
    assert kl_by_samples(moons, checkerboard, 100, generator=seeded()) == (math.inf, 0)
    assert kl_by_quadrature(moons, checkerboard, moons.bounds) == math.inf
    # The other way round p is zero where q is not: those places cost nothing.
    expected = -math.log(32) - Round().log_prob(_board()).mean().item()
    found = kl_by_quadrature(checkerboard, Round(), (-4, 4, -4, 4), points=400)
    assert found == pytest.approx(expected, abs=0.02)


def _board() -> torch.Tensor:
    return checkerboard.sample(100_000, generator=seeded())


def test_an_estimate_reads_as_a_number_with_its_error():
    assert str(Estimate(1.23456, 0.0123)) == "1.235 ± 0.012"


def test_a_model_sees_a_piece_at_a_time_and_without_gradients():
    model = Round()
    found = kl_by_samples(moons, model, 2 * PIECE + 1, generator=seeded())
    assert model.rows == [PIECE, PIECE, 1]
    assert not torch.is_tensor(found.value)


# The two-sample test


def test_false_alarms_are_as_rare_as_the_level():
    generator, n, repeats = seeded(), 100, 400
    p = []
    for seed in range(repeats):
        x, s = (moons.sample(n, generator=generator) for _ in range(2))
        p.append(two_sample_test(x, s, seed=seed).p_value)
    for level in (0.05, 0.1, 0.25, 0.5):
        alarms = sum(v <= level for v in p)
        # No more than the level, and not so few that nothing could ever be found.
        assert stats.binomtest(alarms, repeats, level, "greater").pvalue > 0.01
        assert alarms > 0.5 * level * repeats


def test_judging_what_was_learned_from_would_raise_alarms(monkeypatch):
    """The check above is able to fail: this is what peeking would do."""
    x, s = (moons.sample(200, generator=seeded(i)) for i in range(2))
    honest, right = two_sample_test(x, s), two_sample._right
    monkeypatch.setattr(
        two_sample, "_right", lambda f, _, judge: right(f, judge, judge)
    )
    assert two_sample_test(x, s).accuracy > honest.accuracy + 0.1


def test_the_judged_half_has_no_part_in_the_choice():
    x, s = (moons.sample(60, generator=seeded(i)) for i in range(2))
    order = torch.randperm(60, generator=seeded(7))
    judged = order[30:]
    spoiled = x.clone()
    spoiled[judged] = 100 + torch.rand(30, 2, generator=seeded())
    first, second = two_sample_test(x, s, seed=7), two_sample_test(spoiled, s, seed=7)
    assert first.classifier == second.classifier
    assert first.judged == second.judged == 60


@pytest.mark.parametrize("p", [Round(), Round(0.0, 3.0), mixture])
def test_it_comes_near_the_best_classifier_there_is(p):
    side = torch.linspace(-12, 12, 241)
    grid = torch.cartesian_prod(side, side)
    gap = (moons.log_prob(grid).exp() - p.log_prob(grid).exp()).abs().sum().item()
    best = 1 / 2 + gap * (24 / 240) ** 2 / 4
    x, s = (v.sample(4000, generator=seeded()).detach() for v in (moons, p))
    found = two_sample_test(x, s).accuracy
    assert best - 0.04 < found < best + 0.025  # three standard errors above


def test_it_sees_a_slight_blur():
    x = moons.sample(5000, generator=seeded())
    s = moons.sample(5000, generator=seeded(1))
    blurred = s + 0.15 * torch.randn(s.shape, generator=seeded(2))
    assert two_sample_test(x, blurred).p_value < 0.001
    assert two_sample_test(x, s).p_value > 0.01


def test_it_takes_pictures_and_numbers_that_never_change():
    x = torch.rand(100, 1, 6, 6, generator=seeded())
    s = torch.rand(100, 1, 6, 6, generator=seeded(1))
    x[..., 0], s[..., 0] = 0.0, 0.0
    assert two_sample_test(x, s).accuracy < 0.65
    assert two_sample_test(x, s**2).accuracy > 0.8


@pytest.mark.parametrize(("right", "n"), [(0, 10), (7, 10), (113, 200), (5200, 10_000)])
def test_the_p_value_is_that_of_a_coin(right, n):
    judge = stats.binomtest(right, n, 0.5, "greater").pvalue
    assert two_sample._tail(right, n) == pytest.approx(judge, rel=1e-8)


def test_guessing_unevenly_is_no_more_spread_than_a_coin():
    """Right answers when "data" is said with probability r, of 50 each: any r."""
    for r in (0.1, 0.3, 0.5):
        count = np.arange(51)
        each = stats.binom.pmf(count, 50, r), stats.binom.pmf(count, 50, 1 - r)
        right = np.convolve(*each)
        for least in range(51, 101):
            assert right[least:].sum() <= two_sample._tail(least, 100) + 1e-12


@pytest.mark.parametrize("shape", [(30, 5), (5, 30)])
def test_ridge_is_the_minimum_of_its_loss(shape):
    f = torch.randn(shape, generator=seeded(), dtype=torch.float64)
    y = torch.randn(shape[0], generator=seeded(1), dtype=torch.float64)
    w = two_sample._ridge(f, y)
    gradient = f.T @ (f @ w - y) + two_sample.RIDGE * shape[0] * w
    assert gradient.abs().max() < 1e-10


def test_same_seed_same_result_whatever_ran_before():
    x, s = (moons.sample(100, generator=seeded(i)) for i in range(2))
    state = torch.get_rng_state()
    first = two_sample_test(x, s)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(7)
    assert two_sample_test(x, s) == first
    others = {two_sample_test(x, s, seed=i).accuracy for i in range(1, 6)}
    assert others != {first.accuracy}


# Spread and copies


def test_spread_by_brute_force_and_at_its_ends():
    x, s = (torch.randn(n, 3, 4, generator=seeded(n)) for n in (40, 30))
    apart = [torch.pdist(v.flatten(1).double()).mean().item() for v in (s, x)]
    assert spread(s, x) == pytest.approx(apart[0] / apart[1], rel=1e-6)
    assert spread(3 * x, x) == pytest.approx(3)
    assert spread(torch.ones(5, 3, 4), x) == pytest.approx(0, abs=1e-6)
    many = torch.randn(1200, 2, generator=seeded())
    judge = torch.pdist(many.double()).mean().item()
    assert spread(many, 2 * many) == pytest.approx(0.5)
    assert spread(many, x[:, 0, :2]) == pytest.approx(
        judge / torch.pdist(x[:, 0, :2].double()).mean().item()
    )


@pytest.mark.parametrize("d", [2, 40])
def test_copying_by_brute_force(d):
    samples, train, test = (
        torch.randint(3, (n, d), generator=seeded(n)).float() for n in (31, 20, 23)
    )
    near = [
        [min((a - t).double().norm().item() for t in train) for a in v]
        for v in (samples, test)
    ]
    wins = [(a < b) + 0.5 * (a == b) for a in near[0] for b in near[1]]
    assert copying(samples, train, test) == pytest.approx(np.mean(wins), abs=1e-12)


def test_copies_are_seen_and_honest_samples_are_not_accused():
    train, test, new = (moons.sample(1000, generator=seeded(i)) for i in range(3))
    assert copying(train[:500], train, test) == 1
    assert copying(test + 100, train, test) == 0
    deviation = math.sqrt(2001 / (12 * 1000 * 1000))  # of the Mann-Whitney statistic
    assert abs(copying(new, train, test) - 0.5) < 4 * deviation
    pictures = torch.rand(60, 1, 9, 9, generator=seeded())
    copies = copying(pictures[:30], pictures[:30], pictures[30:])
    assert copies == 1  # products of large matrices do not hide a distance of zero


# The linear probe


def test_the_probe_reads_what_a_line_can_part_and_no_more():
    z = torch.randn(600, 3, generator=seeded())
    y = z[:, 0].gt(0).long() + z[:, 0].gt(1).long()
    ring = (z.norm(dim=1) > 1.5).long()
    assert linear_probe(z[:400], y[:400], z[400:], y[400:]) > 0.85
    assert linear_probe(z[:400], ring[:400], z[400:], ring[400:]) < 0.65
    noise = torch.randint(2, (600,), generator=seeded())
    assert abs(linear_probe(z[:400], noise[:400], z[400:], noise[400:]) - 0.5) < 0.12


def test_the_probe_is_the_minimum_that_scipy_finds():
    z = torch.randn(300, 4, generator=seeded(), dtype=torch.float64)
    logits = z @ torch.randn(4, 3, generator=seeded(1), dtype=torch.float64)
    noise = torch.rand(300, 3, generator=seeded(2), dtype=torch.float64)
    y = (logits - (-noise.log()).log()).argmax(dim=1)
    part = z[:200].numpy()
    part, rest = (
        (v - part.mean(0)) / part.std(0, ddof=1) for v in (part, z[200:].numpy())
    )

    def loss(flat):
        w, b = flat[:12].reshape(4, 3), flat[12:]
        s = part @ w + b
        log_p = s - np.logaddexp.reduce(s, axis=1, keepdims=True)
        return -log_p[np.arange(200), y[:200]].mean() + 1e-4 * (w**2).sum()

    best = optimize.minimize(loss, np.zeros(15), method="BFGS").x
    says = (rest @ best[:12].reshape(4, 3) + best[12:]).argmax(axis=1)
    judge = np.mean(says == y[200:].numpy())
    assert linear_probe(z[:200], y[:200], z[200:], y[200:]) == pytest.approx(judge)


def test_the_probe_does_not_care_for_units_or_a_dead_number():
    z = torch.randn(300, 2, generator=seeded())
    y = (z[:, 0] > 0.3 * z[:, 1]).long()
    plain = linear_probe(z[:200], y[:200], z[200:], y[200:])
    other = torch.cat([1000 * z[:, :1] + 5000, 0.001 * z[:, 1:], torch.ones(300, 1)], 1)
    with torch.no_grad():
        again = linear_probe(other[:200], y[:200], other[200:], y[200:])
    assert again == pytest.approx(plain, abs=0.011)


# The scorecard

TRAIN, TEST = (moons.sample(300, generator=seeded(i)) for i in range(2))
LABELS = (TRAIN[:, 0] > 0).long(), (TEST[:, 0] > 0).long()


def test_the_card_of_an_exact_model():
    model = Round()
    card = scorecard(model, TRAIN, TEST, world=moons, labels=LABELS)
    log_q = model.log_prob(TEST).double()
    assert card.density is Density.EXACT
    assert card.held_out.value == pytest.approx(log_q.mean().item(), rel=1e-5)
    error = log_q.std().item() / math.sqrt(300)
    assert card.held_out.error == pytest.approx(error, rel=1e-4)
    distance = (moons.log_prob(TEST) - log_q).mean().item()
    assert card.distance.value == pytest.approx(distance, rel=1e-5)
    samples = model.sample(300, generator=seeded(framework._APART)).detach()
    assert card.two_sample == two_sample_test(TEST, samples)
    assert card.spread == spread(samples, TEST)
    assert card.copying == copying(samples, TRAIN, TEST)
    assert card.probe > 0.95
    assert card.seconds >= 0


def test_the_card_of_a_bound_is_a_bound():
    exact = scorecard(Round(), TRAIN, TEST, world=moons)
    bound = scorecard(Bound(), TRAIN, TEST, world=moons)
    assert bound.held_out.value == pytest.approx(exact.held_out.value - 0.5, abs=1e-5)
    assert bound.distance.value == pytest.approx(exact.distance.value + 0.5, abs=1e-5)


@pytest.mark.parametrize("kind", [Unnormalized, Implicit])
def test_the_card_says_none_where_a_model_says_nothing(kind):
    card = scorecard(kind(), TRAIN, TEST, world=moons, labels=LABELS)
    assert card.density is kind.density
    assert (card.held_out, card.distance) == (None, None)
    assert (card.probe is None) == (kind is Implicit)
    assert card.two_sample.accuracy > 0.5
    assert scorecard(Round(), TRAIN, TEST).distance is None
    assert scorecard(Round(), TRAIN, TEST).probe is None


def test_the_card_of_pictures():
    train, test = (torch.randn(60, 1, 5, 5, generator=seeded(i)) for i in range(2))
    labels = tuple((x[:, 0, 2, 2] > 0).long() for x in (train, test))
    card = scorecard(Round(0, 1, (1, 5, 5)), train, test, labels=labels)
    assert card.two_sample.p_value > 0.01
    assert card.spread == pytest.approx(1, abs=0.1)
    assert 0.3 < card.copying < 0.7
    assert card.probe > 0.7


def test_the_card_leaves_mode_and_random_state_and_repeats_itself():
    class Noisy(Bound):
        def elbo(self, x):
            return super().elbo(x) - torch.rand(len(x))

    model = Noisy()
    inner = model.inner = nn.Dropout()
    model.train()
    inner.eval()
    state = torch.get_rng_state()
    first = scorecard(model, TRAIN, TEST)
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert not inner.training
    torch.rand(5)
    again = scorecard(model, TRAIN, TEST)
    assert replace(again, seconds=first.seconds) == first
    other = scorecard(model, TRAIN, TEST, seed=1)
    assert other.held_out != first.held_out
    assert other.spread != first.spread
    plain = Round()
    scorecard(plain, TRAIN, TEST)
    assert plain.modes == [False]


def test_the_card_lets_a_model_sample_by_gradients():
    class Langevin(Implicit):
        def sample(self, n, *, generator=None):
            x = torch.zeros(n, 2, requires_grad=True)
            slope = torch.autograd.grad((x - 1).square().sum(), x)[0]
            noise = torch.randn(n, 2, generator=generator)
            return x - slope + noise

    assert scorecard(Langevin(), TRAIN, TEST).two_sample.accuracy > 0.5


# Bad input

X = torch.zeros(30, 2)
NAN = torch.zeros(30, 2)
NAN[7, 1] = math.nan
CODES = torch.randn(30, 2, generator=seeded())
Y = torch.arange(30) % 2


def says(log_prob, sample=None):
    """A distribution that gives these answers."""
    return SimpleNamespace(
        log_prob=log_prob, sample=sample or (lambda n, generator: torch.zeros(n, 2))
    )


BAD_KL = [
    (
        lambda: kl_by_quadrature(Implicit(), moons, BOX),
        Undefined,
        "Implicit has no log_prob",
    ),
    (
        lambda: kl_by_quadrature(moons, moons, (-1, 1, -4, 4)),
        ValueError,
        r"p has a probability of 0\.\d+ on 300 x 300 .* expected 1: widen bounds",
    ),
    (
        lambda: kl_by_quadrature(mixture, moons, (-90, 90, -90, 90), points=100),
        ValueError,
        "probability of .* or raise points",
    ),
    (lambda: kl_by_quadrature(moons, moons, BOX, points=1), ValueError, "points is 1;"),
    (
        lambda: kl_by_quadrature(moons, moons, BOX, points=9.5),
        TypeError,
        r"points is 9\.5; expected a whole",
    ),
    (
        lambda: kl_by_quadrature(moons, moons, (4, -4, -4, 4)),
        ValueError,
        r"bounds are \(4, -4, -4, 4\); expected lowest",
    ),
    (
        lambda: kl_by_quadrature(moons, moons, (-math.inf, 4, -4, 4)),
        ValueError,
        "bounds are .*expected lowest",
    ),
    (
        lambda: kl_by_quadrature(moons, moons, (-4, 4)),
        TypeError,
        r"bounds are \(-4, 4\); expected four numbers",
    ),
    (
        lambda: kl_by_quadrature(moons, moons, "box"),
        TypeError,
        "bounds are 'box'; expected four",
    ),
    (
        lambda: kl_by_quadrature(moons, says(lambda x: x), BOX, points=40),
        ValueError,
        r"q\.log_prob returns shape \(1600, 2\) for 1600 obs.*\(1600,\)",
    ),
    (
        lambda: kl_by_quadrature(moons, says(lambda x: x[:1, 0]), BOX, points=40),
        ValueError,
        r"returns shape \(1,\) for 1000 observations; expected one row",
    ),
    (
        lambda: kl_by_quadrature(moons, says(lambda x: x[:, 0] * math.nan), BOX),
        ValueError,
        r"q\.log_prob returns NaN or plus infinity for 90000 of 90000",
    ),
    (lambda: kl_by_samples(moons, moons, 1), ValueError, "n is 1; expected at least 2"),
    (
        lambda: kl_by_samples(moons, moons, True),
        TypeError,
        "n is True; expected a whole number",
    ),
    (
        lambda: kl_by_samples(moons, moons, 9, generator=3),
        TypeError,
        r"generator is 3; expected a torch\.Generator",
    ),
    (
        lambda: kl_by_samples(says(lambda x: x[:, 0] - math.inf), moons, 9),
        ValueError,
        "p draws an observation at which its own log_prob is minus infinity",
    ),
    (
        lambda: kl_by_samples(says(None, lambda n, generator: NAN), moons, 30),
        ValueError,
        "the sample of p has 1 of 30 rows with NaN",
    ),
]

BAD_MEASURES = [
    (lambda: two_sample_test([1.0], X), TypeError, "x is a list; expected a tensor"),
    (
        lambda: two_sample_test(X, X.int()),
        TypeError,
        "samples has dtype torch.int32; expected floating",
    ),
    (
        lambda: two_sample_test(X, X[:25]),
        ValueError,
        r"x has shape \(30, 2\), samples have shape \(25, 2\); expected the same",
    ),
    (
        lambda: two_sample_test(X[:19], X[:19]),
        ValueError,
        r"x has shape \(19, 2\); expected .* n at least 20",
    ),
    (
        lambda: two_sample_test(X, NAN),
        ValueError,
        "samples has 1 of 30 rows with NaN or infinity, the first at row 7",
    ),
    (lambda: two_sample_test(X, X, seed=0.5), TypeError, r"seed is 0\.5; expected"),
    (lambda: two_sample_test(X, X, seed=-1), ValueError, "seed is -1; expected at le"),
    (lambda: spread(X, X), ValueError, "x holds 30 times the same"),
    (
        lambda: spread(X, CODES[:, :1]),
        ValueError,
        r"samples holds observations of shape \(2,\), x of shape \(1,\)",
    ),
    (lambda: spread(X[:1], CODES), ValueError, r"samples has shape \(1, 2\); .* 2"),
    (lambda: spread(X[:, 0], CODES), ValueError, r"shape \(30,\); expected \(n, ...\)"),
    (
        lambda: copying(X[:0], X, X),
        ValueError,
        r"samples has shape \(0, 2\); expected .* at least 1",
    ),
    (
        lambda: copying(X, X, CODES[:, :1]),
        ValueError,
        r"test holds observations of shape \(1,\), train of shape \(2,\)",
    ),
    (lambda: copying(X, NAN, X), ValueError, "train has 1 of 30 rows with NaN"),
    (
        lambda: linear_probe(CODES, Y.float(), CODES, Y),
        TypeError,
        "y has dtype torch.float32; expected whole",
    ),
    (lambda: linear_probe(CODES, [0], CODES, Y), TypeError, "y is a list; expected a"),
    (
        lambda: linear_probe(CODES, Y[:9], CODES, Y),
        ValueError,
        r"y has shape \(9,\); expected \(30,\), one label for each",
    ),
    (
        lambda: linear_probe(CODES, Y - 1, CODES, Y),
        ValueError,
        "y holds -1; expected labels from 0",
    ),
    (
        lambda: linear_probe(CODES, Y * 0, CODES, Y),
        ValueError,
        "y holds the label 0 only; expected two",
    ),
    (
        lambda: linear_probe(CODES, Y, CODES, Y + 5),
        ValueError,
        r"y_test holds the labels \[5, 6\], of which y has none",
    ),
    (
        lambda: linear_probe(CODES, Y, CODES[:, :1], Y),
        ValueError,
        r"z_test holds observations of shape \(1,\), z of shape \(2,\)",
    ),
    (lambda: linear_probe(NAN, Y, CODES, Y), ValueError, "z has 1 of 30 rows with NaN"),
]

BAD_CARDS = [
    (
        lambda: scorecard(moons, TRAIN, TEST),
        TypeError,
        "model is a BlurredCurve; expected a GenerativeModel",
    ),
    (
        lambda: scorecard(type("Some", (GenerativeModel,), {})(), TRAIN, TEST),
        ValueError,
        "Some does not say which density it has; set density to",
    ),
    (
        lambda: scorecard(Round(), TRAIN.numpy(), TEST),
        TypeError,
        "train is a ndarray; expected a tensor",
    ),
    (
        lambda: scorecard(Round(), TRAIN, TEST[:, :1]),
        ValueError,
        r"train holds observations of shape \(2,\), test of shape \(1,\)",
    ),
    (
        lambda: scorecard(Round(), TRAIN, TEST[:9]),
        ValueError,
        r"test has shape \(9, 2\); expected .* at least 20",
    ),
    (
        lambda: scorecard(Round(shape=(3,)), TRAIN, TEST),
        ValueError,
        r"sample\(300\) returns shape \(300, 3\); expected \(300, 2\)",
    ),
    (lambda: scorecard(Round(), TRAIN, TEST, seed="a"), TypeError, "seed is 'a'; exp"),
    (
        lambda: scorecard(Round(), TRAIN, TEST, labels=LABELS[0]),
        TypeError,
        r"labels is a Tensor; expected the pair \(labels of train, labels of test\)",
    ),
    (
        lambda: scorecard(Round(), TRAIN, TEST, labels=(LABELS[0], LABELS[1][:3])),
        ValueError,
        r"y_test has shape \(3,\); expected \(300,\)",
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "sentence"), [*BAD_KL, *BAD_MEASURES, *BAD_CARDS]
)
def test_bad_input_has_its_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
