"""Adversarial networks: losses, penalty, the best discriminator, labels, sentences."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from gdlbook import fit
from gdlbook.families.gan import GAN

KINDS = ("left", "right", "top")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def plane(**options):
    return GAN((2,), **options)


@pytest.fixture(scope="module")
def by_kind():
    return plane(class_names=KINDS, seed=1)


@pytest.fixture(scope="module")
def pictures():
    return GAN((1, 28, 28), width=4, class_names=KINDS)


def drawn_alike(call, seed=3):
    """Call with torch's own randomness from a seed, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return call()


# The losses


def test_the_discriminators_loss_is_the_cross_entropy_of_torch():
    model, x = plane(penalty=0), torch.randn(40, 2, generator=seeded())
    loss = drawn_alike(lambda: model.discriminator_loss(x))
    fake = drawn_alike(lambda: model.sample(40))
    real, fake = model.logit(x), model.logit(fake)
    expected = cross_entropy(real, torch.ones(40)) + cross_entropy(
        fake, torch.zeros(40)
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_generators_losses_are_cross_entropies_of_torch():
    x = torch.zeros(40, 2)
    both = {name: plane(loss=name) for name in ("saturating", "non-saturating")}
    loss = {
        name: drawn_alike(lambda m=m: m.generator_loss(x)) for name, m in both.items()
    }
    fake = both["saturating"].logit(drawn_alike(lambda: both["saturating"].sample(40)))
    down, up = (cross_entropy(fake, target(40)) for target in (torch.zeros, torch.ones))
    assert loss["saturating"].item() == pytest.approx(-down.item(), rel=1e-6)
    assert loss["non-saturating"].item() == pytest.approx(up.item(), rel=1e-6)


class Constant(nn.Module):
    """A discriminator with the same logit everywhere."""

    def __init__(self, logit):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit, dtype=torch.float64))

    def forward(self, x, y):
        return self.logit.expand(len(x))


@pytest.mark.parametrize("logit", [-9.0, -2.0, 0.0, 3.0])
@pytest.mark.parametrize("loss", ["saturating", "non-saturating"])
def test_the_gradient_of_a_generators_loss_at_the_logit(loss, logit):
    model = plane(loss=loss)
    model.discriminator = Constant(logit)
    model.generator_loss(torch.zeros(8, 2)).backward()
    says = 1 / (1 + math.exp(-logit))
    expected = -says if loss == "saturating" else says - 1
    assert model.discriminator.logit.grad.item() == pytest.approx(expected, rel=1e-9)
    step = 1e-5
    values = []
    for moved in (logit - step, logit + step):
        model.discriminator = Constant(moved)
        values.append(model.generator_loss(torch.zeros(8, 2)).item())
    difference = (values[1] - values[0]) / (2 * step)
    assert difference == pytest.approx(expected, abs=1e-7)


def test_the_observations_do_not_enter_the_generators_loss():
    model = plane()
    here, there = (
        drawn_alike(lambda x=x: model.generator_loss(x))
        for x in (torch.zeros(6, 2), torch.ones(6, 2))
    )
    assert torch.equal(here, there)


def test_each_loss_trains_one_network():
    model, x = plane(), torch.randn(8, 2, generator=seeded())
    model.discriminator_loss(x).backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())
    trained = {name: pair[1] for name, pair in model.objectives().items()}
    assert {id(p) for p in trained["generator"]} == {
        id(p) for p in model.generator.parameters()
    }
    assert {id(p) for p in trained["discriminator"]} == {
        id(p) for p in model.discriminator.parameters()
    }


# The penalty


def test_the_penalty_is_the_squared_slope_by_finite_differences(by_kind):
    model = plane(class_names=KINDS, seed=1).double()
    with torch.no_grad():
        model.discriminator.of_kind.weight.normal_(generator=seeded())
    x = torch.randn(5, 2, generator=seeded(), dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 0, 1])
    step, squares = 1e-5, torch.zeros(5, dtype=torch.float64)
    for direction in torch.eye(2, dtype=torch.float64):
        ends = [model.logit(x + s * step * direction, y) for s in (-1, 1)]
        squares += ((ends[1] - ends[0]) / (2 * step)).square().detach()
    penalty = model.gradient_penalty(x, y)
    assert penalty.item() == pytest.approx(squares.mean().item(), rel=1e-6)


def test_the_penalty_of_a_plane_is_its_squared_slope_and_trains_it():
    model = plane()
    model.discriminator = nn.Bilinear(2, 1, 1)  # stands in: only its weights matter
    slope = torch.tensor([3.0, -4.0], requires_grad=True)
    model._judge = lambda x, y: x @ slope
    penalty = model.gradient_penalty(torch.randn(7, 2, generator=seeded()))
    assert penalty.item() == pytest.approx(25)
    penalty.backward()
    assert slope.grad.tolist() == pytest.approx([6, -8])


def test_the_penalty_enters_with_half_its_weight_on_quarters_of_real_and_drawn():
    x, y = torch.randn(16, 2, generator=seeded()), torch.arange(16) % 3
    models = [plane(penalty=p, class_names=KINDS) for p in (0, 3)]
    for model in models:
        torch.nn.init.normal_(model.discriminator.of_kind.weight, generator=seeded())
    without, with_it = (
        drawn_alike(lambda m=m: m.discriminator_loss(x, y)) for m in models
    )
    drawn = drawn_alike(lambda: models[0].sample(16, label=y))
    slopes = [models[0].gradient_penalty(some[:4], y[:4]).item() for some in (x, drawn)]
    assert slopes[1] != pytest.approx(slopes[0], rel=0.01)
    expected = 1.5 * sum(slopes)
    assert (with_it - without).item() == pytest.approx(expected, rel=1e-4)


# The best discriminator, on a world that is known

WORLD, WIDE = Normal(1.0, 0.7), Normal(0.0, 1.5)


def log_ratio(x):
    return (WORLD.log_prob(x) - WIDE.log_prob(x)).squeeze(1)


class Judge(GAN):
    """A discriminator against a model that stays as it is, and is known."""

    def sample(self, n, *, label=None, generator=None):
        return WIDE.sample((n, 1))

    def objectives(self):
        return {"discriminator": super().objectives()["discriminator"]}


def divergence():
    """Return the Jensen-Shannon divergence of the two, by quadrature."""
    x = torch.linspace(-10, 10, 8001, dtype=torch.float64)
    log_p, log_q = WORLD.log_prob(x), WIDE.log_prob(x)
    middle = torch.logaddexp(log_p, log_q) - math.log(2)
    terms = log_p.exp() * (log_p - middle) + log_q.exp() * (log_q - middle)
    return 0.5 * torch.trapezoid(terms, x).item()


def test_the_best_loss_is_log_four_minus_twice_the_divergence():
    model = Judge((1,), penalty=0)
    model._judge = lambda x, y: log_ratio(x)
    x = drawn_alike(lambda: WORLD.sample((200_000, 1)))
    best = drawn_alike(lambda: model.discriminator_loss(x), seed=4).item()
    # the standard error is about 0.002
    assert best == pytest.approx(math.log(4) - 2 * divergence(), abs=0.008)
    for factor, shift in ((0.9, 0), (1.1, 0), (1, 0.2), (1, -0.2)):
        model._judge = lambda x, y, a=factor, b=shift: a * log_ratio(x) + b
        other = drawn_alike(lambda: model.discriminator_loss(x), seed=4).item()
        assert other > best, (factor, shift)


def test_a_trained_discriminator_finds_the_log_ratio():
    model = Judge((1,), penalty=0)
    x = drawn_alike(lambda: WORLD.sample((20_000, 1)))
    fit(model, x, steps=500, batch_size=512, learning_rate=5e-3, anneal=True)
    there = torch.linspace(-1, 2.5, 71)[:, None]
    off = (model.logit(there) - log_ratio(there)).abs()
    assert off.mean() < 0.12
    assert off.max() < 0.5


def test_the_two_networks_find_a_gaussian():
    means, stds = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0])
    x = means + stds * torch.randn(4000, 2, generator=seeded())
    model = plane(penalty=1)
    fit(model, x, steps=800, batch_size=128, learning_rate=2e-3, anneal=True)
    drawn = model.sample(4000, generator=seeded())
    assert drawn.mean(dim=0).tolist() == pytest.approx(means.tolist(), abs=0.2)
    assert drawn.std(dim=0).tolist() == pytest.approx(stds.tolist(), abs=0.25)


# Noise, labels, pictures


def test_a_sample_is_what_decode_makes_of_normal_noise():
    model = plane()
    z = torch.randn(5, 8, generator=seeded(2))
    assert torch.equal(model.sample(5, generator=seeded(2)), model.decode(z))


def test_without_a_label_every_kind_is_as_probable(by_kind, monkeypatch):
    seen = []
    monkeypatch.setattr(
        by_kind, "_generate", lambda z, y: seen.append(y.bincount()) or z
    )
    by_kind.sample(3000, generator=seeded())
    statistic = ((seen[0] - 1000.0) ** 2 / 1000).sum().item()
    assert statistic < 13.8  # chi-square of 2 degrees, at 0.001


def test_the_discriminator_starts_without_opinion_on_kinds_and_learns_one():
    model = plane(class_names=KINDS)
    x = torch.randn(6, 2, generator=seeded())
    assert torch.equal(model.logit(x, "left"), model.logit(x, "top"))
    with torch.no_grad():
        model.discriminator.of_kind.weight[2] = 1.0
    features = model.discriminator.features(x).sum(dim=1)
    more = model.logit(x, "top") - model.logit(x, "left")
    assert torch.allclose(more, features, atol=1e-5)


def test_fakes_are_drawn_of_the_kinds_of_the_batch(by_kind, monkeypatch):
    seen, generate = [], by_kind._generate
    monkeypatch.setattr(
        by_kind, "_generate", lambda z, y: seen.append(y) or generate(z, y)
    )
    y = torch.tensor([2, 0, 0, 1])
    by_kind.discriminator_loss(torch.zeros(4, 2), y)
    by_kind.generator_loss(torch.zeros(4, 2), y)
    assert [kinds.tolist() for kinds in seen] == [y.tolist()] * 2


def test_kinds_are_learned():
    y = torch.randint(3, (3000,), generator=seeded())
    places = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    x = places[y] + 0.3 * torch.randn(3000, 2, generator=seeded(1))
    model = plane(class_names=KINDS)
    fit(model, (x, y), steps=500, batch_size=128, learning_rate=2e-3, anneal=True)
    for kind, place in zip(KINDS, places, strict=True):
        drawn = model.sample(500, label=kind, generator=seeded())
        near = (drawn - place).norm(dim=1) < 1.2
        assert near.float().mean() > 0.9, kind


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 8, 12)])
def test_pictures_of_any_size_that_halves_twice(shape):
    model = GAN(shape, width=3)
    x = model.sample(2, generator=seeded())
    assert x.shape == (2, *shape)
    assert x.min() >= 0
    assert x.max() <= 1
    assert model.logit(x).shape == (2,)
    assert model.latent_size == 32


def test_pictures_have_both_losses(pictures):
    x, y = torch.rand(8, 1, 28, 28, generator=seeded()), torch.arange(8) % 3
    for loss, parameters in pictures.objectives().values():
        value = loss(x, y)
        assert value.isfinite()
        gradients = torch.autograd.grad(value, parameters)
        assert all(g.isfinite().all() for g in gradients)


def test_the_scale_of_the_layers_before_a_norm_does_not_matter():
    model = GAN((1, 28, 28), width=4)
    z = torch.randn(3, 32, generator=seeded())
    before = model.decode(z)
    layers = list(model.generator)
    norms = [i for i, layer in enumerate(layers) if isinstance(layer, nn.GroupNorm)]
    assert len(norms) == 3
    with torch.no_grad():
        for layer in layers[: norms[-1]]:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.weight *= 50
    assert torch.allclose(model.decode(z), before, atol=1e-3)


# What it refuses


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: GAN((2, 3)), r"shape is \(2, 3\); expected \(numbers,\), or"),
        (lambda: GAN((1, 28, 30)), r"\(1, 28, 30\); .* divisible by 4"),
        (lambda: GAN(2), "shape is 2; expected whole numbers"),
        (lambda: plane(loss="loud"), "loss is 'loud'; expected 'non-saturating' or"),
        (lambda: plane(penalty=-1), "penalty is -1; expected a finite number above"),
        (lambda: plane(penalty="1"), "penalty is '1'; expected a number"),
        (lambda: plane(latent_size=0), "latent_size is 0; expected 1 or more"),
        (lambda: plane(width=2.5), r"width is 2\.5; expected a whole number"),
        (lambda: plane(seed=-1), "seed is -1; expected 0 or more"),
        (
            lambda: plane().decode(torch.zeros(3, 2)),
            r"z has shape \(3, 2\); expected \(n, 8\)",
        ),
        (lambda: plane().logit(torch.zeros(3, 3)), r"x has shape \(3, 3\)"),
        (
            lambda: GAN((1, 4, 4), width=2).logit(torch.full((1, 1, 4, 4), 255.0)),
            "x runs from 255 to 255; expected numbers from 0 to 1",
        ),
        (lambda: plane().logit(torch.full((1, 2), math.nan)), "x holds 2 of 2 numbers"),
        (
            lambda: plane().discriminator_loss(
                torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)
            ),
            "made without class_names and knows no kinds",
        ),
    ],
)
def test_bad_input_gets_its_sentence(call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda m: m.sample(2, label="up"),
            "no label 'up'; there are left, right, top",
        ),
        (lambda m: m.sample(2, label=3), "no label 3; there are 0 to 2"),
        (lambda m: m.sample(2, label=torch.zeros(3).long()), r"label has shape \(3,\)"),
        (lambda m: m.decode(torch.zeros(2, 8)), "label is None, but this model draws"),
        (lambda m: m.logit(torch.zeros(2, 2)), "expected one of left, right, top, or"),
        (lambda m: m.generator_loss(torch.zeros(2, 2)), r"or the kinds \(2,\)"),
    ],
)
def test_bad_labels_get_their_sentence(by_kind, call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call(by_kind)
