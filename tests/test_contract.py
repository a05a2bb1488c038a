"""The contract: what holds for every model of a family, in one place."""

import copy
import functools
import inspect
import itertools
import math

import numpy as np
import pytest
import safetensors.torch
import scipy.stats
import torch

from gdlbook import fit
from gdlbook._model.example import fitted
from gdlbook.families import (
    DDPM,
    GAN,
    MADE,
    VAE,
    CausalTransformer,
    EnergyModel,
    PixelCNN,
    RealNVP,
)
from gdlbook.families.energy import Normalized
from gdlbook.generative.framework import Density, Undefined
from gdlbook.generative.taxonomy import VERBS, chapter, models

FAMILIES = [model for model in models() if chapter(model).startswith("families/")]
KINDS = ("left", "right")
PICTURE = (1, 4, 4)

# Every family in its other forms: numbers, bits, gray levels, symbols, kinds.
FORMS = {
    "MADE-bits": lambda **k: MADE((4,), (12,), **k),
    "MADE-kinds": lambda **k: MADE(
        (2,), (16,), components=3, class_names=[*KINDS], **k
    ),
    "MADE-bits-kinds": lambda **k: MADE((1, 2, 2), (12,), class_names=[*KINDS], **k),
    "PixelCNN-kinds": lambda **k: PixelCNN((1, 3, 3), 4, 1, class_names=[*KINDS], **k),
    "CausalTransformer-kinds": lambda **k: CausalTransformer(
        (3,), "ab.", end=".", width=8, heads=2, layers=1, class_names=[*KINDS], **k
    ),
    "RealNVP-kinds": lambda **k: RealNVP(
        (2,), couplings=4, hidden=8, class_names=[*KINDS], **k
    ),
    "RealNVP-pictures": lambda **k: RealNVP(PICTURE, couplings=4, hidden=8, **k),
    "VAE-mixture": lambda **k: VAE((2,), 2, components=3, hidden=(8,), **k),
    "VAE-kinds": lambda **k: VAE((2,), 2, class_names=[*KINDS], hidden=(8,), **k),
    "VAE-bits": lambda **k: VAE(PICTURE, 2, likelihood="bernoulli", hidden=(8,), **k),
    "VAE-levels-kinds": lambda **k: VAE(
        PICTURE, 2, likelihood="levels", hidden=(8,), class_names=[*KINDS], **k
    ),
    "EnergyModel-kinds": lambda **k: EnergyModel(
        (2,), hidden=(8,), class_names=[*KINDS], **k
    ),
    "EnergyModel-pictures-kinds": lambda **k: EnergyModel(
        PICTURE, hidden=(8,), chains=16, class_names=[*KINDS], **k
    ),
    "DDPM-kinds": lambda **k: DDPM(
        (2,), steps=6, sizes=(8, 8), class_names=[*KINDS], **k
    ),
    "DDPM-pictures-kinds": lambda **k: DDPM(
        PICTURE, steps=6, sizes=(16, 16), class_names=[*KINDS], **k
    ),
    "GAN-kinds": lambda **k: GAN((2,), class_names=[*KINDS], **k),
    "GAN-pictures-kinds": lambda **k: GAN(PICTURE, width=2, class_names=[*KINDS], **k),
}


def moved(model, scale=0.1):
    """The model with all that it learns moved, so that no zero of the start is left."""
    generator = seeded(1)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p += scale * torch.randn(p.shape, generator=generator)
    return model.eval()


@functools.cache
def _made(name):
    if name in FORMS:
        return moved(FORMS[name]())
    return next(kind for kind in FAMILIES if kind.__name__ == name).example()


def copied(name):
    """A copy of a model that is made once."""
    return copy.deepcopy(_made(name))


NAMES = [*(kind.__name__ for kind in FAMILIES), *FORMS]
MODELS = {name: functools.partial(copied, name) for name in NAMES}
every_family = pytest.mark.parametrize("kind", FAMILIES, ids=lambda k: k.__name__)
every_form = pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def some(*names):
    """Parametrize by the models of these names."""
    return pytest.mark.parametrize("make", [MODELS[n] for n in names], ids=names)


def some_that(fits):
    """Parametrize by the models whose name fits."""
    return some(*filter(fits, MODELS))


with_kinds = some_that(lambda name: "kinds" in name)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _drawn_from_a_seed():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@pytest.fixture
def _in_doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


VERB = {
    Density.EXACT: "log_prob",
    Density.BOUND: "elbo",
    Density.UNNORMALIZED: "energy",
}


def on_the_plane(model):
    return model.shape == (2,)


def drawn(model, n, seed=0):
    """Observations (n, ...) in the sample space of the model's loss."""
    x = model.sample(n, generator=seeded(seed))
    return (255 * x).round() / 255 if len(model.shape) == 3 else x


def batch(model, n=16):
    """What the losses of a model take: observations, and their kinds if it has some."""
    x = drawn(model, n)
    return (x, torch.arange(n) % 2) if model.class_names else (x,)


def answers(model, x, *label):
    """What a model says of x, from fixed random numbers; None if it says nothing."""
    if model.density not in VERB:
        return None
    with torch.no_grad():
        torch.default_generator.manual_seed(0)
        return getattr(model, VERB[model.density])(x, *label)


def labeled(model, verb, of):
    """Call a verb, with kinds if it needs them."""
    call = getattr(model, verb)
    if model.class_names and "label" in inspect.signature(call).parameters:
        return call(of, torch.arange(len(of)) % 2)
    return call(of)


def test_an_example_is_fitted():
    line = torch.nn.Linear(1, 1)
    x = torch.linspace(-1, 1, 20)[:, None]
    before = line.state_dict()["weight"].clone()

    def loss(x):
        return (line(x) - 2 * x).square().mean()

    start = loss(x).item()
    assert fitted(line, loss, x) is line
    assert not torch.equal(line.weight, before)
    assert loss(x).item() < 0.5 * start


# What it answers


@every_model
def test_shapes_and_kinds_of_numbers(make):
    model = make().eval()
    x = model.sample(5, generator=seeded())
    assert x.shape == (5, *model.shape)
    assert not x.requires_grad
    assert x.isfinite().all()
    assert x.dtype == (torch.int64 if hasattr(model, "alphabet") else torch.float32)
    said = answers(model, x)
    if said is not None:
        assert said.shape == (5,)
        assert said.is_floating_point()
        assert said.isfinite().all()


@every_form
def test_a_model_that_is_not_trained_yet_answers_as_well(make):
    model = make().eval()
    assert model.class_names in ((), KINDS)
    x = model.sample(5, generator=seeded())
    assert x.shape == (5, *model.shape)
    assert x.isfinite().all()
    said = answers(model, x)
    assert said is None or said.isfinite().all()


ANSWERS = {
    "MADE": {"sample", "log_prob"},
    "PixelCNN": {"sample", "log_prob"},
    "CausalTransformer": {"sample", "log_prob"},
    "RealNVP": {"sample", "log_prob", "encode", "decode"},
    "VAE": {"sample", "elbo", "encode", "decode"},
    "EnergyModel": {"sample", "energy"},
    "DDPM": {"sample", "elbo"},
    "GAN": {"sample", "decode"},
}
INSTEAD = {
    Density.EXACT: r"knows its density exactly, .* Use log_prob\(x\)\.",
    Density.BOUND: r"an integral without a closed form\. Use elbo\(x\), a lower",
    Density.UNNORMALIZED: r"constant .* is unknown\. Use energy\(x\)",
    Density.IMPLICIT: r"no way to evaluate it\. Compare sample\(n\) .* two-sample test",
    "encode": "nothing in it maps an observation to a latent vector",
    "decode": r"draws observations without a latent vector\. Use sample\(n\)\.",
}


@every_model
@pytest.mark.parametrize("verb", VERBS[1:])
def test_it_answers_the_right_verbs_and_declines_the_others_with_a_sentence(make, verb):
    model = make().eval()
    name, x = type(model).__name__, drawn(model, 3)
    of = torch.zeros(3, model.latent_size) if verb == "decode" else x
    if verb in ANSWERS[name]:
        assert len(labeled(model, verb, of)) == 3
        return
    why = INSTEAD.get(verb) or INSTEAD[model.density]
    with pytest.raises(Undefined, match=f"^{name} has no {verb}: .*{why}"):
        getattr(model, verb)(of)


@every_model
def test_codes_have_the_size_that_the_model_says(make):
    model = make().eval()
    x = drawn(model, 4)
    if not model.latent_size:
        assert "decode" not in ANSWERS[type(model).__name__]
        return
    z = torch.randn(4, model.latent_size, generator=seeded())
    with torch.no_grad():
        made = labeled(model, "decode", z)
        assert made.shape == x.shape
        assert torch.equal(made, labeled(model, "decode", z))
        if model.density is not Density.IMPLICIT:
            assert labeled(model, "encode", x).shape == z.shape


# Randomness


@every_model
def test_the_same_generator_draws_the_same(make):
    model = make().eval()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again = (model.sample(6, generator=seeded(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, model.sample(6, generator=seeded(4)))
    assert not torch.equal(model.sample(6), model.sample(6))


@every_family
def test_a_new_model_is_the_same_for_the_same_seed_and_leaves_the_state_alone(kind):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = kind.example().state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    again = kind.example().state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


@every_form
def test_the_weights_follow_from_the_seed(make):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (make(seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


# Losses


@every_model
def test_the_objectives_reach_every_parameter(make):
    model = make().train()
    trained, reached = set(), set()
    for name, (loss, parameters) in model.objectives().items():
        parameters = list(parameters)
        trained |= {id(p) for p in parameters}
        model.zero_grad()
        value = loss(*batch(model))
        assert value.shape == (), name
        value.backward(inputs=parameters)
        for p in parameters:
            assert p.grad is not None, name
            assert p.grad.isfinite().all(), name
        reached |= {id(p) for p in parameters if p.grad.any()}
    named = {id(p): n for n, p in model.named_parameters() if p.requires_grad}
    assert {n for i, n in named.items() if i not in trained} == set()
    # What no loss can move: the constant of an energy, the weight of one component.
    idle = {"prior.logits"} if isinstance(model, VAE) else set()
    if isinstance(model, EnergyModel):
        idle = {[*named.values()][-1]}
    assert {n for i, n in named.items() if i not in reached} <= idle


@every_model
@pytest.mark.usefixtures("_in_doubles")
def test_the_gradient_of_every_loss_is_that_of_finite_differences(make):
    model = moved(make()).double()
    given = [t.double() if t.is_floating_point() else t for t in batch(model)]
    if isinstance(model, EnergyModel):  # it takes its negatives as they are
        negatives = drawn(model, 16, seed=5).double()
        model.negatives = lambda n, y=None: negatives
    for name, (loss, parameters) in model.objectives().items():
        parameters = list(parameters)
        way = [torch.randn(p.shape, generator=seeded(9)) for p in parameters]

        def moves(step, loss=loss, parameters=parameters, way=way):
            """Go a step along the way, and return the loss there."""
            with torch.no_grad():
                for p, v in zip(parameters, way, strict=True):
                    p += step * v
            torch.default_generator.manual_seed(3)
            return loss(*given)

        gradient = torch.autograd.grad(moves(0), parameters)
        said = sum((g * v).sum() for g, v in zip(gradient, way, strict=True)).item()
        slope = (moves(1e-7) - moves(-2e-7)).item() / 2e-7
        assert abs(slope) > 1e-3, name
        assert said == pytest.approx(slope, rel=1e-4, abs=1e-5), name


@every_model
def test_saved_and_loaded_it_is_the_same_model(make):
    model, other = make().eval(), make().eval()
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.1)
    content = safetensors.torch.save(
        {name: t.contiguous() for name, t in model.state_dict().items()}
    )
    other.load_state_dict(safetensors.torch.load(content))
    x = model.sample(4, generator=seeded())
    assert torch.equal(other.sample(4, generator=seeded()), x)
    if model.density in VERB:
        assert torch.equal(answers(other, x), answers(model, x))


# Densities


def whole_space(model):
    """All observations of a model of bits or symbols."""
    if not hasattr(model, "alphabet"):
        d = math.prod(model.shape)
        x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=d)))
        return x.reshape(-1, *model.shape)
    places = range(len(model.alphabet))
    x = torch.tensor(list(itertools.product(places, repeat=model.shape[0])))
    ended = x == (-1 if model.end is None else model.end)
    return x[~(ended[:, :-1] & ~ended[:, 1:]).any(dim=1)]


def mass(model, label=None):
    """The sum of what the density, or the bound, gives to all there is."""
    given = () if label is None else (label,)
    if not on_the_plane(model):
        return float(answers(model, whole_space(model), *given).double().exp().sum())
    reach = 3 * float(model.sample(2000, generator=seeded()).abs().max())
    line = torch.linspace(-reach, reach, 401)
    said = answers(model, torch.cartesian_prod(line, line), *given).double()
    return float(said.exp().sum()) * float(line[1] - line[0]) ** 2


EXACT = ("MADE", "PixelCNN", "CausalTransformer", "RealNVP")


@some_that(lambda name: name.startswith(EXACT) and name != "RealNVP-pictures")
def test_a_density_has_the_mass_one(make):
    model = make().eval()
    assert model.density is Density.EXACT
    for label in (None, *model.class_names):
        assert mass(model, label) == pytest.approx(1, abs=0.01)


@some("VAE", "VAE-mixture", "VAE-kinds", "DDPM", "DDPM-kinds")
def test_a_bound_on_the_plane_has_at_most_the_mass_one(make):
    model = make().eval()
    assert model.density is Density.BOUND
    for label in (None, *model.class_names):
        assert 0.01 < mass(model, label) < 1.01


@some("EnergyModel", "EnergyModel-kinds")
def test_an_energy_with_its_constant_has_the_mass_one(make):
    model = make().eval()
    known = Normalized(model, model.log_constant((-25, 25, -25, 25)))
    line = torch.linspace(-25, 25, 401)
    with torch.no_grad():
        p = known.log_prob(torch.cartesian_prod(line, line)).double().exp()
    assert float(p.sum()) * float(line[1] - line[0]) ** 2 == pytest.approx(1, abs=1e-3)


@some_that(lambda name: name.startswith("VAE"))
def test_the_bound_of_a_vae_is_below_the_density(make):
    model = moved(make())
    x = drawn(model, 8)
    line = torch.linspace(-8, 8, 81)
    z = torch.cartesian_prod(line, line)
    for label in (None, *range(len(model.class_names))):
        y = None if label is None else torch.full((len(z),), label)
        with torch.no_grad():
            prior = model.prior.log_prob(z, y) + 2 * math.log(0.2)
            each = [
                model.reconstruction(one.expand(len(z), *one.shape), z) for one in x
            ]
            log_p = torch.stack([(prior + e).double().logsumexp(0) for e in each])
            given = () if label is None else (label,)
            bound = model.elbo(x, *given, samples=400)
        assert (bound < log_p + 0.1).all()
        assert (bound < log_p - 0.01).any()


def test_the_bound_of_a_diffusion_model_is_below_the_density():
    # One number and four steps: the chain is a product of matrices on a fine grid.
    model = moved(DDPM((1,), betas=[0.2, 0.3, 0.4, 0.6], sizes=(8, 8)), 0.3)
    line = torch.linspace(-12, 12, 2401)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(line).double()
    for t in (4, 3, 2, 1):
        with torch.no_grad():
            guess = model.denoised(line[:, None], torch.full((len(line),), t))[:, 0]
        mean = model.of_data[t] * guess + model.of_noisy[t] * line
        back = torch.distributions.Normal(mean[:, None], model.variance[t].sqrt())
        p = (back.log_prob(line).double() + p[:, None]).logsumexp(0) + math.log(0.01)
    assert float(p.exp().sum()) * 0.01 == pytest.approx(1, abs=1e-3)
    at = torch.arange(1000, 1401, 50)
    bounds = model.elbo(line[at, None].repeat(500, 1)).reshape(500, -1)
    error = bounds.std(dim=0) / math.sqrt(500)
    assert (bounds.mean(dim=0) < p[at] + 4 * error).all()
    assert (bounds.mean(dim=0) < p[at] - 0.001).any()


@some("MADE", "RealNVP", "EnergyModel")
def test_samples_follow_the_density_cell_by_cell(make):
    model = make().eval()
    n, side = 20_000, torch.linspace(-6, 6, 481)
    known = model
    if model.density is Density.UNNORMALIZED:
        known = Normalized(model, model.log_constant((-12, 12, -12, 12)))
    with torch.no_grad():
        p = known.log_prob(torch.cartesian_prod(side, side)).double().exp()
    cells = p.reshape(481, 481)[:480, :480].reshape(12, 40, 12, 40).sum(dim=(1, 3))
    expected = (n * cells * 0.025**2).numpy()
    x = model.sample(n, generator=seeded(4)).numpy()
    counts, *_ = np.histogram2d(*x.T, bins=12, range=[(-6, 6), (-6, 6)])
    full = expected > 20
    assert full.sum() > 10
    # points that temper copies are not independent: a fifth more spread is allowed
    spread = 1.2 if model.density is Density.UNNORMALIZED else 1.0
    chi = ((counts - expected)[full] ** 2 / expected[full] / spread).sum()
    assert scipy.stats.chi2.sf(chi, full.sum()) > 0.001


@some_that(lambda n: n in ("RealNVP", "EnergyModel", "MADE") or n == "MADE-kinds")
def test_the_gradient_of_the_density_reaches_the_observation(make):
    model = make().eval()
    x = torch.randn(4, 2, generator=seeded()).requires_grad_()
    call = getattr(model, VERB[model.density])
    call(x).sum().backward()
    step = torch.tensor([1e-3, 0.0])
    with torch.no_grad():
        slope = (call(x + step) - call(x - step)) / 2e-3
    assert torch.allclose(x.grad[:, 0], slope, atol=0.02)
    if model.latent_size:
        assert model.decode(model.encode(x)).requires_grad


# Labels


@with_kinds
def test_a_label_is_a_name_a_number_or_a_tensor(make):
    model, n = moved(make(), 0.3), 40
    ways = ("right", 1, torch.ones(n, dtype=torch.int64))
    x, *others = (model.sample(n, label=w, generator=seeded()) for w in ways)
    assert all(torch.equal(x, other) for other in others)
    assert not torch.equal(x, model.sample(n, label="left", generator=seeded()))
    if model.density in VERB:
        right, *others = (answers(model, x, way) for way in ways)
        assert all(torch.equal(right, other) for other in others)
        left, mixed = answers(model, x, "left"), torch.arange(n) % 2
        assert not torch.equal(left, right)
        of_each = torch.where(mixed == 1, right, left)
        if not isinstance(model, VAE):  # whose draws belong to rows
            assert torch.allclose(
                answers(model, x, mixed), of_each, rtol=1e-4, atol=1e-3
            )


@some_that(lambda name: name.startswith(EXACT) and "kinds" in name)
def test_without_a_label_the_density_is_the_even_mixture(make):
    model = make()
    x = drawn(model, 20)
    each = torch.stack([answers(model, x, name) for name in KINDS])
    mixture = each.logsumexp(dim=0) - math.log(2)
    assert torch.allclose(answers(model, x), mixture, atol=1e-5)
    assert (each[0] - each[1]).abs().max() > 1e-3


@some("EnergyModel-kinds", "EnergyModel-pictures-kinds")
def test_without_a_label_the_energies_of_the_kinds_are_added_up(make):
    model = make()
    x = drawn(model, 20)
    each = torch.stack([answers(model, x, name) for name in KINDS])
    assert torch.allclose(answers(model, x), -(-each).logsumexp(dim=0), atol=1e-5)


# A model, steps to fit it to two clouds, how far out those are, how often it is right.
TRAINED = {
    "MADE": (lambda **k: MADE((2,), (32,), components=4, **k), 500, 2.0, 0.97),
    "RealNVP": (lambda **k: RealNVP((2,), couplings=4, hidden=16, **k), 300, 2.0, 0.99),
    "VAE": (lambda **k: VAE((2,), 2, hidden=(32,), **k), 800, 2.0, 0.95),
    "EnergyModel": (
        lambda **k: EnergyModel((2,), hidden=(32, 32), **k),
        250,
        1.2,
        0.95,
    ),
    "DDPM": (lambda **k: DDPM((2,), steps=20, sizes=(32, 32), **k), 300, 2.0, 0.97),
    "GAN": (lambda **k: GAN((2,), **k), 400, 2.0, 0.97),
}


@pytest.mark.parametrize("name", TRAINED)
def test_trained_on_two_kinds_it_draws_by_label(name):
    make, steps, middle, least = TRAINED[name]
    y = torch.randint(2, (2000,), generator=seeded())
    x = 0.5 * torch.randn(2000, 2, generator=seeded(1))
    x[:, 0] += middle * (2 * y - 1)
    rate = 2e-3 if name == "GAN" else 1e-2
    model = make(class_names=KINDS)
    fit(model, (x, y), steps=steps, batch_size=256, learning_rate=rate, anneal=True)
    model.eval()
    mixed = torch.tensor([0, 1]).repeat(250)
    for label, right in (("left", 0), (1, 1), (mixed, mixed)):
        found = model.sample(500, label=label, generator=seeded())[:, 0] > 0
        assert (found == right).float().mean() > least
    every = model.sample(2000, generator=seeded())
    assert abs((every[:, 0] > 0).float().mean() - 0.5) < 0.06


# Bad input


SPOILED = {
    "shape": (lambda x: x[..., :-1], "has shape"),
    "empty": (lambda x: x[:0], "has shape"),
    "list": (lambda x: x.tolist(), "expected a"),
    "dtype": (lambda x: x.to(torch.int32), "int32"),
    "nan": (lambda x: x * math.nan, "NaN|expected"),
    "range": (lambda x: x + 300, "expected numbers from|neither 0 nor 1|runs from"),
}


@every_model
@pytest.mark.parametrize("how", SPOILED)
def test_bad_observations_get_their_sentence(make, how):
    model = make().eval()
    if how == "range" and on_the_plane(model):
        return  # all numbers are allowed
    x, *y = batch(model, 3)
    spoil, sentence = SPOILED[how]
    calls = [loss for loss, _ in model.objectives().values()]
    if isinstance(model, GAN):
        calls = [model.discriminator_loss]  # the other one reads none
    for call in calls:
        with pytest.raises((ValueError, TypeError), match=sentence):
            call(spoil(x), *y)
    for verb in {"encode", VERB.get(model.density)} & ANSWERS[type(model).__name__]:
        with pytest.raises((ValueError, TypeError), match=sentence):
            getattr(model, verb)(spoil(x))


@some_that(lambda name: name.startswith(("RealNVP", "VAE", "GAN")))
@pytest.mark.parametrize("how", ["shape", "empty", "list", "dtype", "nan"])
def test_bad_codes_get_their_sentence(make, how):
    model = make().eval()
    z = torch.randn(3, model.latent_size, generator=seeded())
    spoil, sentence = SPOILED[how]
    with pytest.raises((ValueError, TypeError), match=f"^z .*({sentence})"):
        model.decode(spoil(z))


@every_model
@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: m.sample(0), "n is 0; expected"),
        (lambda m: m.sample(2.0), r"n is 2\.0; expected a whole"),
        (lambda m: m.sample(True), "n is True; expected a whole"),
        (lambda m: m.sample(2, generator=3), r"generator is 3; expected a torch\.Gen"),
        (lambda m: m.pretrained("nobody"), "no weights of .* 'nobody'; there are"),
    ],
)
def test_bad_calls_get_their_sentence(make, call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call(make())


@some_that(lambda name: "kinds" not in name)
def test_a_label_gets_its_sentence_where_there_are_no_kinds(make):
    model = make()
    x, sentence = drawn(model, 2), "made without class_names and knows no"
    with pytest.raises(ValueError, match=sentence):
        model.sample(2, label="shoe")
    if model.density in VERB:
        with pytest.raises(ValueError, match=sentence):
            getattr(model, VERB[model.density])(x, "shoe")
    for loss, _ in model.objectives().values():
        with pytest.raises(ValueError, match=sentence):
            loss(x, torch.zeros(2, dtype=torch.int64))


@with_kinds
@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("shoe", "there is no label 'shoe'; there are left, right"),
        (2, "there is no label 2; there are 0 to 1"),
        (-1, "there is no label -1; there are 0 to 1"),
        (True, "label is True; expected a name, a whole number"),
        (torch.zeros(3).long(), r"label has shape \(3,\); expected \(2,\), one for"),
        (torch.zeros(2), r"label is torch\.float32; expected a name, a whole"),
    ],
    ids=["name", "high", "low", "bool", "shape", "dtype"],
)
def test_a_label_that_it_does_not_know_gets_its_sentence(make, label, sentence):
    model = make()
    x = drawn(model, 2)
    calls = [lambda: model.sample(2, label=label)]
    if model.density in VERB:
        calls.append(lambda: getattr(model, VERB[model.density])(x, label))
    if isinstance(label, torch.Tensor):
        calls += [lambda f=f: f(x, label) for f, _ in model.objectives().values()]
    for call in calls:
        with pytest.raises((ValueError, TypeError), match=sentence):
            call()


@with_kinds
def test_a_loss_without_kinds_is_that_of_the_mixture_or_gets_its_sentence(make):
    model = make()
    x = drawn(model, 4)
    for loss, _ in model.objectives().values():
        if isinstance(model, (RealNVP, VAE)):
            assert loss(x).isfinite()
            continue
        with pytest.raises((ValueError, TypeError), match=r"class_names|label is None"):
            loss(x)
