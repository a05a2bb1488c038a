"""The VAE: its bound against the exact integral, its terms against closed forms."""

import math
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from gdlbook import fit
from gdlbook.families import VAE
from gdlbook.families.vae import Levels, Prior, draw, kl_to_standard_normal, log_normal
from gdlbook.generative.framework import Density

KINDS = ("round", "square", "long")
DIAGRAMS = Path(__file__).parents[2] / "docs/assets/diagrams"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _random_state():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def doubles(model, seed=1, scale=0.3):
    """The model in float64, with weights that are all different from zero."""
    model = model.double().eval()
    generator = seeded(seed)
    with torch.no_grad():
        for p in model.parameters():
            noise = torch.randn(p.shape, generator=generator, dtype=p.dtype)
            if p.requires_grad:
                p.add_(scale * noise)
    return model


def exact(model, x, y=None, reach=7.0, points=181):
    """log p(x) by a sum over a fine grid of z, which has two numbers."""
    line = torch.linspace(-reach, reach, points, dtype=x.dtype)
    z = torch.cartesian_prod(line, line)
    cell = 2 * math.log(float(line[1] - line[0]))
    with torch.no_grad():
        kinds = None if y is None else torch.full((len(z),), y)
        prior = model.prior.log_prob(z, kinds)
        many = [one.expand(len(z), *one.shape) for one in x]
        rows = [(prior + model.reconstruction(m, z)).logsumexp(0) for m in many]
    return torch.stack(rows) + cell


@pytest.fixture(scope="module")
def small():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VAE.example().double().eval().requires_grad_(False)


def linear(latent=2, d=4, std=0.7):
    """A VAE whose decoder and encoder are linear, so that all is known exactly."""
    model = VAE((d,), latent)
    w = torch.randn(d, latent, generator=seeded(3), dtype=torch.float64)
    shift = torch.randn(d, generator=seeded(4), dtype=torch.float64)
    decoder = torch.nn.Linear(latent, d).double()
    decoder.weight.data, decoder.bias.data = w, shift
    model.double().decoder = decoder
    model.likelihood.log_std.data.fill_(math.log(std))
    precision = torch.eye(latent, dtype=torch.float64) + w.T @ w / std**2
    marginal = MultivariateNormal(
        shift, w @ w.T + std**2 * torch.eye(d, dtype=torch.float64)
    )
    return model, w, shift, precision, marginal


# ---------------------------------------------------------------- closed forms


def test_kl_agrees_with_torch():
    mean, log_std = torch.randn(2, 50, 3, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(
        kl_to_standard_normal(mean, log_std),
        kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)),
    )


def test_kl_is_the_integral_that_it_stands_for():
    z = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    for m, s in ((0.7, -0.5), (-2.0, 0.3), (0.0, 0.0)):
        m, s = torch.tensor(m, dtype=z.dtype), torch.tensor(s, dtype=z.dtype)
        log_q, log_p = log_normal(z, m, s), log_normal(z, 0 * m, 0 * s)
        integral = torch.trapezoid(log_q.exp() * (log_q - log_p), z)
        torch.testing.assert_close(kl_to_standard_normal(m, s), integral)


def test_the_estimated_divergence_is_the_closed_form_in_the_mean():
    plain, mixed = VAE((2,), 3), VAE((2,), 3, components=2)
    with torch.no_grad():  # two components on one place are a standard normal
        mixed.prior.means.zero_(), mixed.prior.log_stds.zero_()
    mean, log_std = torch.randn(2, 4, 3, generator=seeded())
    wide = mean.repeat_interleave(40_000, 0), log_std.repeat_interleave(40_000, 0)
    each = mixed.divergence(draw(*wide), *wide).view(4, -1)
    error = each.std(dim=1) / 200
    known = plain.divergence(mean, mean, log_std)
    assert ((each.mean(dim=1) - known).abs() < 4 * error).all()


def test_the_prior_agrees_with_torch():
    prior = doubles(Prior(3, 5, kinds=2))
    z = torch.randn(40, 3, generator=seeded(), dtype=torch.float64)
    each = []
    for y in range(2):
        torchs = MixtureSameFamily(
            Categorical(logits=prior.logits[y]),
            Independent(Normal(prior.means[y], prior.log_stds[y].exp()), 1),
        )
        each.append(torchs.log_prob(z))
        said = prior.log_prob(z, torch.full((40,), y))
        torch.testing.assert_close(said, each[y])
    together = torch.stack(each).logsumexp(dim=0) - math.log(2)
    torch.testing.assert_close(prior.log_prob(z), together)
    standard = Normal(z.new_zeros(3), 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(Prior(3, 1).double().log_prob(z), standard)


@pytest.mark.parametrize(("components", "kinds"), [(1, 1), (4, 1), (2, 3)])
def test_draws_of_the_prior_follow_its_density(components, kinds):
    prior = doubles(Prior(2, components, kinds)).requires_grad_(False)
    y = torch.arange(39_999) % kinds
    z = prior.sample(y, seeded()).double()
    line = torch.linspace(-9, 9, 37, dtype=torch.float64)
    middles = torch.linspace(-9, 9, 721, dtype=torch.float64)[:-1] + 0.0125
    fine = torch.cartesian_prod(middles, middles)
    p = prior.log_prob(fine).exp() * 0.025**2
    assert float(p.sum()) == pytest.approx(1, abs=1e-3)
    chi_squared(z, fine, p, line)


def chi_squared(z, fine, p, line):
    """Counts of draws in boxes, against the probability of each, at 6 sigmas."""

    def boxes(points, weights):
        at = torch.bucketize(points.contiguous(), line)
        flat = at[:, 0] * 100 + at[:, 1]
        return torch.zeros(10_000, dtype=torch.float64).index_add(0, flat, weights)

    seen = boxes(z, torch.ones(len(z), dtype=torch.float64))
    expected = boxes(fine, p.double()) / p.sum() * len(z)
    kept = expected >= 20
    chi = ((seen - expected).square() / expected)[kept].sum()
    freedom = int(kept.sum())
    assert float(expected[kept].sum()) > 0.85 * len(z)
    assert float(chi) < freedom + 6 * math.sqrt(2 * freedom)


# ------------------------------------------------------------------ likelihoods


def test_a_gaussian_likelihood_agrees_with_torch():
    model = doubles(VAE((3,), 2))
    x, z = (torch.randn(5, d, dtype=torch.float64) for d in (3, 2))
    normal = Normal(model.decode(z), model.likelihood.log_std.exp())
    torch.testing.assert_close(
        model.reconstruction(x, z), normal.log_prob(x).sum(dim=1)
    )


def test_a_bernoulli_likelihood_agrees_with_torch():
    model = doubles(VAE((1, 8, 8), 2, likelihood="bernoulli", hidden=(6,)))
    x = (torch.rand(5, 1, 8, 8, generator=seeded()) < 0.5).double()
    z = torch.randn(5, 2, dtype=torch.float64)
    expected = Bernoulli(model.decode(z)).log_prob(x).flatten(1).sum(dim=1)
    torch.testing.assert_close(model.reconstruction(x, z), expected)


def test_levels_are_probabilities_that_sum_to_one():
    x = torch.arange(256, dtype=torch.float64)[:, None] / 255
    for mu, log_s in ((0.0, 0.0), (0.49, -4.0), (-0.8, -2.0), (0.2, 3.0)):
        given = torch.tensor([[[mu], [log_s]]], dtype=torch.float64).expand(256, 2, 1)
        p = Levels(()).log_prob(x, given).exp()
        assert float(p.sum()) == pytest.approx(1, abs=1e-9)


def test_levels_are_differences_of_the_logistic_curve():
    x = torch.arange(1, 255, dtype=torch.float64)[:, None] / 255
    given = torch.tensor([[[-0.1], [0.3]]], dtype=torch.float64).expand(254, 2, 1)
    s = math.exp(0.3 - 2.3)
    upper, lower = (torch.sigmoid((x + h - 0.4) / s) for h in (1 / 510, -1 / 510))
    torch.testing.assert_close(Levels(()).log_prob(x, given).exp(), upper - lower)


@pytest.mark.parametrize("log_scale", [-1000.0, 1000.0])
def test_levels_far_from_the_curve_stay_finite_with_their_gradients(log_scale):
    x = torch.tensor([[0.0], [1.0], [0.5], [1 / 255]])
    given = torch.tensor([[[9.0], [log_scale]]]).repeat(4, 1, 1).requires_grad_()
    log_p = Levels(()).log_prob(x, given)
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert given.grad.isfinite().all()


def test_the_middle_of_levels_is_brought_into_the_range_of_a_pixel():
    given = torch.tensor([[-9.0, -0.25, 9.0], [0.0, 0.0, 0.0]])[None]
    assert Levels((3,)).mean(given).tolist() == [[0, 0.25, 1]]


def test_levels_may_be_a_rounding_error_off():
    k = torch.arange(256.0)[:, None]
    assert (255 * (k * (1 / 255)) != k).any()
    for x in (k / 255, k * (1 / 255)):
        assert torch.equal(Levels((1,)).check(x, (1,)), x)


def test_the_std_of_real_numbers_is_learned():
    model = VAE((2,), 1, hidden=(4,))
    before = model.likelihood.log_std.mean().item()
    x = torch.randn(500, 2, generator=seeded())
    fit(model, x, steps=60, batch_size=100, learning_rate=1e-2, progress=False)
    assert model.likelihood.log_std.mean().item() > before + 0.3


def test_draws_of_levels_follow_their_probabilities():
    given = torch.tensor([[[0.3], [-0.5]]]).expand(40_000, 2, 1)
    levels = (255 * Levels(()).sample(given, seeded())).round().long()[:, 0]
    seen = levels.bincount(minlength=256).double()
    x = torch.arange(256, dtype=torch.float64)[:, None] / 255
    p = Levels(()).log_prob(x, given[:256].double()).exp()[:, 0]
    kept = p * 40_000 > 20
    chi = ((seen - 40_000 * p).square() / (40_000 * p))[kept].sum()
    assert float(chi) < int(kept.sum()) + 6 * math.sqrt(2 * int(kept.sum()))
    assert seen[0] + seen[255] > 100  # both ends are drawn


# -------------------------------------------------------------------- the bound


def test_with_the_true_posterior_the_bound_is_the_density():
    model, w, shift, precision, marginal = linear(latent=1)
    x = marginal.sample((20,))

    def posterior(x):
        mean = (x - shift) @ w / 0.7**2 / precision[0, 0]
        return mean, (-0.5 * precision[0, 0].log()).expand_as(mean)

    model.posterior = posterior
    log_p = marginal.log_prob(x)
    torch.testing.assert_close(model.importance_weighted(x, 1), log_p)
    each = model.elbo(x, samples=4000)
    torch.testing.assert_close(each, log_p, atol=0.1, rtol=0)


def test_the_gap_is_the_divergence_of_the_guess_from_the_posterior():
    model, w, shift, precision, marginal = linear(latent=2)
    x = marginal.sample((6,))
    cov = precision.inverse()
    mean = (x - shift) @ w @ cov / 0.7**2
    guess = mean + 0.4, torch.full_like(mean, -0.3)
    model.posterior = lambda x: guess
    gap = marginal.log_prob(x) - model.elbo(x, samples=8000)
    q = MultivariateNormal(guess[0], torch.eye(2).double() * math.exp(-0.6))
    known = kl_divergence(q, MultivariateNormal(mean, cov.expand(6, 2, 2)))
    torch.testing.assert_close(gap, known, atol=0.15, rtol=0.05)


def test_elbo_stays_below_the_density_and_importance_weighting_climbs(small):
    x = small.sample(12, generator=seeded()).double()
    log_p = exact(small, x)
    repeats = {
        1: small.elbo(x, samples=3000),
        4: torch.stack([small.importance_weighted(x, 4) for _ in range(750)]).mean(0),
        60: torch.stack([small.importance_weighted(x, 60) for _ in range(50)]).mean(0),
    }
    gaps = {k: float((log_p - bound).mean()) for k, bound in repeats.items()}
    assert gaps[1] > gaps[4] + 0.005 > gaps[60] > -0.01
    many = small.importance_weighted(x, 3000, refine=200)
    torch.testing.assert_close(many, log_p, atol=0.15, rtol=0)


def test_one_importance_sample_is_the_elbo_in_the_mean(small):
    x = small.sample(3, generator=seeded()).double()
    wide = x.repeat_interleave(20_000, dim=0)
    one = small.importance_weighted(wide, 1).view(3, -1)
    elbo = small.elbo(x, samples=20_000)
    assert ((one.mean(1) - elbo).abs() < 5 * one.std(1) / math.sqrt(10_000)).all()


def test_a_refined_guess_is_the_best_normal():
    model, w, shift, precision, marginal = linear(latent=2)
    x = marginal.sample((5,))
    mean, log_std = model.refined(x, None, 1500)
    known = (x - shift) @ w @ precision.inverse() / 0.7**2
    torch.testing.assert_close(mean, known, atol=0.15, rtol=0)
    # the normal without correlations that is nearest has the precisions of the diagonal
    best = (-0.5 * precision.diagonal().log()).expand(5, 2)
    torch.testing.assert_close(log_std, best, atol=0.15, rtol=0)


def test_a_refined_guess_raises_the_bound_and_leaves_the_model_alone(small):
    x = small.sample(40, generator=seeded()).double()
    before = {name: p.clone() for name, p in small.state_dict().items()}
    poor = VAE.example().double()  # the same, but for its encoder
    poor.zero_grad()
    torch.nn.init.zeros_(poor.encoder.dense2.weight)
    many = x.repeat(50, 1)
    with torch.no_grad():
        rough = poor.importance_weighted(many, 1).mean().item()
        fine = poor.importance_weighted(many, 1, refine=100).mean().item()
        encoder = small.importance_weighted(many, 1).mean().item()
    log_p = exact(small, x).mean().item()
    assert rough + 1 < encoder - 0.02 < fine < log_p
    for name, p in poor.named_parameters():
        assert p.grad is None
        if name != "encoder.dense2.weight":
            assert torch.equal(p, before[name])


def test_a_label_refines_towards_its_kind():
    model, x = labeled(), torch.randn(3, 2, dtype=torch.float64)

    def refined(y):
        torch.manual_seed(4)
        return model.refined(x, torch.full((3,), y), 100)[0]

    means = [refined(0), refined(1)]
    assert (means[0] - means[1]).abs().max() > 0.2
    y = torch.ones(3, dtype=torch.int64)
    torch.manual_seed(5)
    told = model.importance_weighted(x, 300, y, refine=100)
    every = exact(model, x, 1)
    torch.testing.assert_close(told, every, atol=0.2, rtol=0)


@pytest.mark.parametrize("components", [1, 3])
def test_the_density_integrates_to_one_and_samples_follow_it(components):
    model = doubles(VAE((2,), 2, hidden=(8,), components=components))
    model.likelihood.log_std.data.fill_(-0.5)
    line = torch.linspace(-8, 8, 81, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    z = torch.cartesian_prod(*[torch.linspace(-6, 6, 61).double()] * 2)
    with torch.no_grad():
        means = model.decode(z)
        prior = model.prior.log_prob(z) + 2 * math.log(0.2)
        each = log_normal(grid[:, None], means, model.likelihood.log_std).sum(2)
        p = (each + prior).logsumexp(1).exp() * 0.2**2
    assert float(p.sum()) == pytest.approx(1, abs=0.01)
    x = model.float().sample(20_000, generator=seeded()).double()
    edges = torch.linspace(-7.9, 8.1, 41, dtype=torch.float64)  # between grid points
    chi_squared(x, grid, p, edges)


@pytest.mark.parametrize("components", [1, 3])
def test_the_gradient_of_the_loss_is_that_of_finite_differences(components):
    x = torch.randn(7, 2, dtype=torch.float64, generator=seeded())
    model = doubles(VAE((2,), 2, hidden=(5,), components=components))

    def loss():
        torch.manual_seed(5)
        return model.negative_elbo(x)

    loss().backward()
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        place = p.grad.abs().flatten().argmax()
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                p.view(-1)[place] += step
                values.append(loss().item())
                p.view(-1)[place] -= step
        slope = (values[0] - values[1]) / 2e-5
        assert slope == pytest.approx(p.grad.view(-1)[place].item(), rel=1e-4), name


def test_gradients_pass_through_a_draw():
    mean = torch.zeros(3, requires_grad=True)
    log_std = torch.zeros(3, requires_grad=True)
    z = draw(mean, log_std)
    z.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(3))
    torch.testing.assert_close(log_std.grad, z.detach())  # std 1: sigma eps = z


def test_a_cloud_stays_within_widths_that_can_be_computed_with():
    model = VAE((2,), 2, hidden=(4,))
    with torch.no_grad():  # an encoder that asks for widths of 0 and of infinity
        model.encoder.dense2.weight.zero_()
        model.encoder.dense2.bias.copy_(torch.tensor([0.0, 0.0, -1000.0, 1000.0]))
    x = torch.randn(3, 2, generator=seeded())
    expected = torch.tensor([-8.0, 3.0]).expand(3, 2)
    torch.testing.assert_close(model.posterior(x)[1], expected)
    assert model.elbo(x).isfinite().all()
    assert model.importance_weighted(x, 5).isfinite().all()


# ------------------------------------------------------------------------- labels


def labeled(**more):
    model = doubles(VAE((2,), 2, hidden=(6,), class_names=KINDS, **more))
    model.likelihood.log_std.data.fill_(0.3)  # wide, so that any guess will do
    return model


def test_without_a_label_the_bound_is_that_of_the_mixture():
    model = labeled()
    x = torch.randn(4, 2, dtype=torch.float64)

    def said(label):
        torch.manual_seed(3)
        return model.importance_weighted(x, 1500, label, refine=200)

    every = torch.stack([exact(model, x, y) for y in range(3)])
    log_p = every.logsumexp(0) - math.log(3)
    torch.testing.assert_close(said(None), log_p, atol=0.2, rtol=0)
    torch.testing.assert_close(said("long"), every[2], atol=0.2, rtol=0)
    assert (every[2] - log_p).abs().max() > 0.25


def test_a_label_is_a_name_a_number_or_a_tensor():
    model = labeled().float()
    by_name = model.sample(4, label="square", generator=seeded())
    assert torch.equal(by_name, model.sample(4, label=1, generator=seeded()))
    ones = torch.ones(4, dtype=torch.int64)
    assert torch.equal(by_name, model.sample(4, label=ones, generator=seeded()))
    assert not torch.equal(by_name, model.sample(4, label=2, generator=seeded()))


def test_without_a_label_kinds_are_drawn_evenly():
    model = VAE((2,), 2, hidden=(4,), class_names=KINDS)
    with torch.no_grad():  # the kinds lie at 10, 20 and 30 on both axes
        model.prior.means.copy_(torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1))
    model.decoder = torch.nn.Identity()
    kinds = model.sample(6000, generator=seeded())[:, 0].div(10).round().long()
    counts = kinds.bincount(minlength=4)[1:]
    assert (counts - 2000).abs().max() < 6 * math.sqrt(6000 * 2 / 9)
    assert model.sample(50, label="long", generator=seeded()).min() > 25


def test_a_label_changes_the_loss():
    model = labeled()
    x, y = torch.randn(6, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])

    def loss(*given):
        torch.manual_seed(1)
        return model.negative_elbo(x, *given).item()

    assert len({round(v, 6) for v in (loss(), loss(y), loss(y.flip(0)))}) == 3


# ------------------------------------------------------------------------ the class


def test_it_says_that_it_knows_a_bound():
    assert VAE.density is Density.BOUND


def test_decode_gives_means_and_sample_draws():
    model = VAE((1, 8, 8), 3, likelihood="bernoulli", hidden=(8,))
    z = torch.randn(5, 3, generator=seeded())
    means, drawn = model.decode(z), model.sample(5, generator=seeded())
    assert means.shape == drawn.shape == (5, 1, 8, 8)
    assert torch.equal(drawn, drawn.round())
    assert ((means > 0) & (means < 1)).all()


def test_draws_of_pixels_have_the_chance_that_decode_tells():
    model = doubles(VAE((1, 4, 4), 1, likelihood="bernoulli", hidden=(4,)))
    given = model.float().decoder(torch.full((20_000, 1), 0.3))[:, None]
    share = model.likelihood.sample(given.detach(), seeded()).mean(dim=0)
    chance = model.decode(torch.full((1, 1), 0.3))[0]
    assert (share - chance).abs().max() < 6 * 0.5 / math.sqrt(20_000)


def test_color_pictures_of_levels_are_drawn_as_levels():
    model = VAE((3, 8, 8), 4, likelihood="levels", hidden=(8,))
    x = model.sample(4, generator=seeded())
    assert x.shape == (4, 3, 8, 8)
    assert model.elbo(x).shape == (4,)
    assert model.encode(x).shape == (4, 4)


def test_the_seed_makes_the_weights():
    first, again, other = (VAE((2,), 2, components=4, seed=s) for s in (3, 3, 4))
    for name, p in first.state_dict().items():
        assert torch.equal(p, again.state_dict()[name])
    assert not torch.equal(first.prior.means, other.prior.means)
    assert not torch.equal(first.encoder.dense1.weight, other.encoder.dense1.weight)
    assert not torch.equal(first.decoder.dense1.weight, other.decoder.dense1.weight)


def test_the_decoder_has_the_layers_of_the_encoder_in_reverse():
    model = VAE((2,), 3, hidden=(6, 5))
    for network, units in ((model.encoder, (6, 5, 6)), (model.decoder, (5, 6, 2))):
        layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
        assert tuple(layer.out_features for layer in layers) == units
    usual = VAE((2,), 3).encoder
    assert (usual.dense1.out_features, usual.dense2.out_features) == (128, 128)


def test_encode_gives_the_mean_of_the_guess():
    model = labeled()
    x = torch.randn(3, 2, dtype=torch.float64)
    mean, log_std = model.posterior(x)
    assert torch.equal(model.encode(x), mean)
    assert not torch.equal(mean, log_std)


def test_a_refined_guess_begins_as_the_encoders():
    model = labeled()
    x = torch.randn(3, 2, dtype=torch.float64)
    for begun, said in zip(model.refined(x, None, 0), model.posterior(x), strict=True):
        assert torch.equal(begun, said)
        assert not begun.requires_grad  # a guess is numbers, of no graph


def test_the_label_of_a_bound_reaches_its_refined_guess(monkeypatch):
    model, seen = labeled(), []

    def refined(x, y, steps):
        seen.append((y.tolist(), steps))
        return model.posterior(x)

    monkeypatch.setattr(model, "refined", refined)
    x = torch.randn(3, 2, dtype=torch.float64)
    model.importance_weighted(x, 2, "long", refine=7)
    assert seen == [([2, 2, 2], 7)]


def test_the_loss_is_minus_the_mean_bound_of_one_draw():
    model = labeled()
    x, y = torch.randn(6, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    for given in ((), (y,)):
        torch.manual_seed(2)
        loss = model.negative_elbo(x, *given)
        torch.manual_seed(2)
        expected = -model.elbo(x, *given, samples=1).mean()
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(("shape", "bends"), [((2,), (2, 2)), ((1, 8, 8), (2, 4))])
@pytest.mark.parametrize(("name", "kind"), [("relu", nn.ReLU), ("silu", nn.SiLU)])
def test_the_activation_follows_every_hidden_layer(shape, bends, name, kind):
    model = VAE(shape, 3, hidden=(6, 5), activation=name)
    for network, count in zip((model.encoder, model.decoder), bends, strict=True):
        layers = [m for m in network.modules() if not list(m.children())]
        assert sum(isinstance(layer, kind) for layer in layers) == count
        assert sum(isinstance(layer, nn.ReLU | nn.SiLU) for layer in layers) == count
        weighted = nn.Linear | nn.Conv2d
        for first, then in pairwise(layers):  # never two in a row without a bend
            assert not (isinstance(first, weighted) and isinstance(then, weighted))
        assert not isinstance(layers[-1], kind)


def test_the_activation_is_relu_unless_told_and_changes_no_first_weight():
    plain, relu, silu = (
        VAE((1, 8, 8), 3, hidden=(6,), **more)
        for more in ({}, {"activation": "relu"}, {"activation": "silu"})
    )
    x = torch.rand(4, 1, 8, 8, generator=seeded())
    assert torch.equal(plain.encode(x), relu.encode(x))
    for name, p in silu.state_dict().items():
        assert torch.equal(p, relu.state_dict()[name])
    assert not torch.equal(silu.encode(x), relu.encode(x))
    z = torch.randn(4, 3, generator=seeded())
    assert not torch.equal(silu.decode(z), relu.decode(z))


def test_shipped_weights_come_with_their_activation():
    model = VAE.pretrained("fashion")
    assert isinstance(model.encoder.activation1, nn.SiLU)
    assert not any(isinstance(m, nn.ReLU) for m in model.modules())


@pytest.mark.parametrize("components", [1, 8])
def test_fit_raises_the_bound(components):
    x = VAE.example().sample(1000, generator=seeded())
    model = VAE((2,), 2, hidden=(32,), components=components)
    before = model.elbo(x).mean().item()
    fit(model, x, steps=200, batch_size=200, learning_rate=5e-3)
    assert model.elbo(x).mean().item() > before + 1


# ------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: VAE((2,), 0), ValueError, "latent is 0; expected 1 or more"),
        (lambda: VAE((2,), 2.0), TypeError, r"latent is 2\.0; expected a whole"),
        (lambda: VAE(2, 2), TypeError, "shape is 2; expected whole numbers"),
        (lambda: VAE((2,), 2, hidden=()), TypeError, r"hidden is \(\); expected whole"),
        (lambda: VAE((2,), 2, components=0), ValueError, "components is 0; expected 1"),
        (
            lambda: VAE((2,), 2, likelihood="poisson"),
            ValueError,
            "no likelihood 'poisson'; there are bernoulli, gaussian, levels",
        ),
        (
            lambda: VAE((2,), 2, activation="SiLU"),
            ValueError,
            "no activation 'SiLU'; there are relu, silu",
        ),
        (
            lambda: VAE((1, 30, 28), 2),
            ValueError,
            r"shape is \(1, 30, 28\); expected .* multiples of 4",
        ),
    ],
)
def test_a_model_that_cannot_be_made_says_why(make, kind, sentence):
    with pytest.raises(kind, match=sentence):
        make()


@pytest.mark.parametrize(
    ("likelihood", "x", "sentence"),
    [
        ("bernoulli", torch.full((2, 1, 8, 8), 0.5), "128 of 128 .* neither 0 nor 1"),
        ("levels", torch.full((2, 1, 8, 8), 0.5), "128 of 128 .* no level k / 255"),
        (
            "levels",
            torch.full((2, 1, 8, 8), 255.0),
            "from 255 to 255; expected .* 0 to",
        ),
        ("gaussian", torch.zeros(2, 8, 8), r"shape \(2, 8, 8\); expected \(n, 1, 8"),
        ("gaussian", torch.full((2, 1, 8, 8), math.nan), "128 of 128 .* NaN"),
    ],
)
@pytest.mark.parametrize("verb", ["elbo", "negative_elbo", "encode"])
def test_observations_outside_the_sample_space_are_refused(
    likelihood, x, sentence, verb
):
    model = VAE((1, 8, 8), 2, likelihood=likelihood, hidden=(4,))
    with pytest.raises(ValueError, match=sentence):
        getattr(model, verb)(x)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda m, x: m.elbo(x, samples=0), ValueError, "samples is 0; expected 1"),
        (
            lambda m, x: m.importance_weighted(x, 1.5),
            TypeError,
            r"samples is 1\.5; expected a whole",
        ),
        (
            lambda m, x: m.importance_weighted(x, 2, refine=-1),
            ValueError,
            "refine is -1; expected 0 or more",
        ),
        (
            lambda m, x: m.elbo(x, "oval"),
            ValueError,
            "no label 'oval'; there are round, square, long",
        ),
        (
            lambda m, x: m.elbo(x, torch.tensor([0, 1])),
            ValueError,
            r"label has shape \(2,\); expected \(3,\)",
        ),
        (
            lambda m, x: m.importance_weighted(x, 2, torch.tensor([0, 1, 3])),
            ValueError,
            "no label 3; there are 0 to 2",
        ),
        (
            lambda m, x: m.decode(torch.zeros(3, 5)),
            ValueError,
            r"z has shape \(3, 5\); expected \(n, 2\)",
        ),
        (lambda m, x: m.sample(2, label=True), TypeError, "label is True; expected"),
    ],
)
def test_bad_calls_get_their_sentence(call, kind, sentence):
    model = VAE((2,), 2, hidden=(4,), class_names=KINDS)
    with pytest.raises(kind, match=sentence):
        call(model, torch.zeros(3, 2))


def test_a_label_for_a_model_without_kinds_gets_its_sentence():
    with pytest.raises(ValueError, match="made without class_names and knows no kinds"):
        VAE((2,), 2).elbo(torch.zeros(3, 2), "round")


# --------------------------------------------------------------------- the diagrams


def test_the_cross_falls_into_clouds_and_between_points():
    tree = ElementTree.parse(DIAGRAMS / "vae-clouds.svg")
    parts = {e.get("data-part"): list(e) for e in tree.iter() if e.get("data-part")}

    def cross(part):
        (at,) = (e.get("data-cross") for e in part if e.get("data-cross"))
        return [float(number) for number in at.split()]

    def inside(e, at, reach=1.0):
        cx, cy = float(e.get("cx")), float(e.get("cy"))
        rx, ry = (float(e.get(r) or e.get("r")) for r in ("rx", "ry"))
        return math.hypot((at[0] - cx) / rx, (at[1] - cy) / ry) < reach

    clouds = [e for e in parts["clouds"] if e.get("data-cloud")]
    assert len(clouds) == 14
    assert sum(inside(e, cross(parts["clouds"])) for e in clouds) >= 2
    points = [e for e in parts["points"] if e.get("data-code")]
    assert not any(inside(e, cross(parts["points"]), reach=8) for e in points)
