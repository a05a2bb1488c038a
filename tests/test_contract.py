"""The contract: what holds for every model of a family, in one place."""

import math

import pytest
import safetensors.torch
import torch

from gdlbook._model.example import fitted
from gdlbook.generative.framework import Density
from gdlbook.generative.taxonomy import chapter, models

FAMILIES = [model for model in models() if chapter(model).startswith("families/")]
every_family = pytest.mark.parametrize("kind", FAMILIES, ids=lambda k: k.__name__)
VERB = {
    Density.EXACT: "log_prob",
    Density.BOUND: "elbo",
    Density.UNNORMALIZED: "energy",
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def on_the_plane(model):
    return model.sample(1, generator=seeded()).shape == (1, 2)


def answers(model, x):
    """What a model says of x, from fixed random numbers; None if it says nothing."""
    if model.density not in VERB:
        return None
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        return getattr(model, VERB[model.density])(x)


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


@every_family
def test_shapes_and_kinds_of_numbers(kind):
    model = kind.example().eval()
    x = model.sample(5, generator=seeded())
    assert len(x) == 5
    assert not x.requires_grad
    assert x.isfinite().all()
    said = answers(model, x)
    if said is not None:
        assert said.shape == (5,)
        assert said.is_floating_point()
        assert said.isfinite().all()


@every_family
def test_the_same_generator_draws_the_same(kind):
    model = kind.example().eval()
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


@every_family
def test_the_objectives_reach_every_parameter(kind):
    model = kind.example().train()
    x = model.sample(16, generator=seeded())
    trained = set()
    for name, (loss, parameters) in model.objectives().items():
        parameters = list(parameters)
        trained |= {id(p) for p in parameters}
        model.zero_grad()
        value = loss(x)
        assert value.shape == (), name
        value.backward(inputs=parameters)
        for p in parameters:
            assert p.grad is not None, name
            assert p.grad.isfinite().all(), name
    named = {id(p): n for n, p in model.named_parameters() if p.requires_grad}
    assert {n for i, n in named.items() if i not in trained} == set()


@every_family
def test_saved_and_loaded_it_is_the_same_model(kind):
    model, other = kind.example().eval(), kind.example().eval()
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


@every_family
def test_codes_have_the_size_that_the_model_says(kind):
    model = kind.example().eval()
    x = model.sample(4, generator=seeded())
    if not model.latent_size:
        return
    z = torch.randn(4, model.latent_size, generator=seeded())
    assert model.decode(z).shape == x.shape
    if kind.density is not Density.IMPLICIT:
        assert model.encode(x).shape == z.shape


@every_family
def test_a_density_on_the_plane_integrates_to_one_and_a_bound_to_at_most_one(kind):
    model = kind.example().eval()
    if model.density not in (Density.EXACT, Density.BOUND) or not on_the_plane(model):
        return
    samples = model.sample(2000, generator=seeded())
    reach = 3 * float(samples.abs().max())
    line = torch.linspace(-reach, reach, 401)
    said = answers(model, torch.cartesian_prod(line, line)).double()
    total = float(said.exp().sum()) * float(line[1] - line[0]) ** 2
    if model.density is Density.EXACT:
        assert total == pytest.approx(1, abs=0.01)
    else:
        assert 0.01 < total < 1.01


@every_family
@pytest.mark.parametrize(
    ("spoil", "kind_of_error", "sentence"),
    [
        (lambda x: x[..., :-1], ValueError, "has shape"),
        (lambda x: x[:0], ValueError, "has shape"),
        (lambda x: x.tolist(), TypeError, "expected a"),
        (lambda x: x.to(torch.int32), TypeError, "int32"),
        (lambda x: x * math.nan, (ValueError, TypeError), "NaN|expected"),
    ],
    ids=["shape", "empty", "list", "dtype", "nan"],
)
def test_bad_observations_get_their_sentence(kind, spoil, kind_of_error, sentence):
    model = kind.example().eval()
    if model.density not in VERB:
        return
    x = model.sample(3, generator=seeded())
    with pytest.raises(kind_of_error, match=sentence):
        getattr(model, VERB[model.density])(spoil(x))


@every_family
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
def test_bad_calls_get_their_sentence(kind, call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call(kind.example())


@every_family
def test_a_label_that_it_does_not_know_gets_its_sentence(kind):
    model = kind.example()
    if "label" in kind.sample.__annotations__:
        with pytest.raises(ValueError, match="made without class_names and knows no"):
            model.sample(2, label="shoe")
