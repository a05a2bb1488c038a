"""The three models: causal by the Jacobian, summing to one, and drawn as they say."""

import inspect
import itertools
import math
import re
from pathlib import Path
from string import ascii_lowercase

import pytest
import torch
from scipy import stats
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.nn.functional import scaled_dot_product_attention

from gdlbook import fit, load, moons
from gdlbook.families import MADE, CausalTransformer, PixelCNN
from gdlbook.families.autoregressive import CausalAttention, MaskedLinear, masks
from gdlbook.generative.framework import Density, kl_by_quadrature
from gdlbook.generative.world_model import CharModel

SMALL = {"channels": 6, "layers": 2}
AB = ("a", "b")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(model, size=0.3, seed=0):
    """The model with all weights moved, so that no zero of the start hides a path."""
    generator = seeded(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))
    return model.eval()


def every(values, length):
    return torch.tensor(list(itertools.product(values, repeat=length)))


def all_pictures(rows, columns):
    return every([0.0, 1.0], rows * columns).view(-1, 1, rows, columns)


def jacobian(model, x, kind=None):
    """What each conditional hears of each number: (d, d), one row for an output."""
    x = x.clone().requires_grad_()
    made = model(x, kind).reshape(math.prod(model.shape), -1)
    heard = torch.zeros(len(made), len(made))
    for i, row in enumerate(made):
        for number in row:
            (slope,) = torch.autograd.grad(number, x, retain_graph=True)
            heard[i] += slope.abs().flatten()
    return heard


BINARY = {
    "MADE": lambda **k: MADE((1, 3, 3), (40,), **k),
    "MADE, deep": lambda **k: MADE((1, 3, 3), (40, 40), **k),
    "PixelCNN": lambda **k: PixelCNN((1, 3, 3), **SMALL, **k),
}
binary = pytest.mark.parametrize("make", BINARY.values(), ids=BINARY)


# Causal


@binary
@pytest.mark.parametrize("class_names", [(), AB])
def test_each_conditional_hears_all_before_and_nothing_after(make, class_names):
    model = shaken(make(class_names=class_names))
    kind = torch.tensor([1]) if class_names else None
    heard = sum(
        jacobian(model, torch.rand(1, 1, 3, 3, generator=seeded(i)), kind)
        for i in range(5)
    )
    before = torch.ones(9, 9).tril(-1).bool()
    assert (heard[~before] == 0).all()
    assert (heard[before] > 0).all()


def test_no_pixel_of_a_larger_picture_is_out_of_sight_and_none_is_seen_too_soon():
    model = shaken(PixelCNN((1, 11, 11), 4, 3), 0.2)
    heard = torch.zeros(121, 121)
    for i in range(4):
        x = torch.rand(1, 1, 11, 11, generator=seeded(i))
        heard += jacobian(model, x)
    before = torch.ones(121, 121).tril(-1).bool()
    assert (heard[~before] == 0).all()
    row, column = torch.arange(121) // 11, torch.arange(121) % 11
    near = (row[:, None] - row <= 5) & ((column[:, None] - column).abs() <= 7)
    assert (heard[before & near] > 0).all()


def test_mixtures_of_real_numbers_hear_only_what_came_before():
    model = shaken(MADE((4,), (30,), components=3))
    heard = jacobian(model, torch.randn(1, 4, generator=seeded()))
    before = torch.ones(4, 4).tril(-1).bool()
    assert (heard[~before] == 0).all()
    assert (heard[before] > 0).all()


@pytest.mark.parametrize("class_names", [(), AB])
def test_a_symbol_changes_what_comes_after_it_and_nothing_else(class_names):
    model = shaken(CausalTransformer((7,), "abc", class_names=class_names))
    kind = torch.tensor([1]) if class_names else None
    x = torch.randint(3, (1, 7), generator=seeded())
    with torch.no_grad():
        said = model(x, kind)[0]
        for j in range(7):
            other = x.clone()
            other[0, j] = (x[0, j] + 1) % 3
            moved = (model(other, kind)[0] - said).abs().amax(dim=1)
            assert (moved[: j + 1] == 0).all()
            assert (moved[j + 1 :] > 1e-6).all()


def test_attention_is_that_of_torch():
    attention = CausalAttention(12, 3)
    h = torch.randn(2, 5, 12, generator=seeded())
    q, k, v = attention.read(h).view(2, 5, 3, 3, 4).permute(2, 0, 3, 1, 4)
    judge = scaled_dot_product_attention(q, k, v, is_causal=True)
    judge = attention.write(judge.transpose(1, 2).reshape(2, 5, 12))
    assert torch.allclose(attention(h), judge, atol=1e-6)


def test_masks_are_those_of_the_paper():
    first, last = masks(3, [4])
    assert first.int().tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0]]
    assert last.int().tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    first, last = masks(3, [3], lowest=0)
    assert first.int().tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert last.int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_the_gradient_of_a_masked_layer_is_that_of_finite_differences():
    layer = MaskedLinear(masks(4, [5])[0]).double()
    x = torch.randn(3, 4, generator=seeded(), dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


# Densities


@binary
@pytest.mark.parametrize("class_names", [(), AB])
def test_all_512_pictures_have_probability_one_together(make, class_names):
    model = shaken(make(class_names=class_names), 0.5).double()
    x = all_pictures(3, 3).double()
    with torch.no_grad():
        assert float(model.log_prob(x).exp().sum()) == pytest.approx(1, abs=1e-9)
        if class_names:
            each = [model.log_prob(x, label).exp() for label in class_names]
            assert [float(p.sum()) for p in each] == pytest.approx([1, 1], abs=1e-9)
            assert (each[0] - each[1]).abs().max() > 1e-3
            assert torch.allclose(model.log_prob(x).exp(), sum(each) / 2)


@pytest.mark.parametrize("class_names", [(), AB])
def test_all_texts_have_probability_one_together(class_names):
    model = shaken(CausalTransformer((4,), "abc", class_names=class_names)).double()
    with torch.no_grad():
        total = model.log_prob(every(range(3), 4)).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-9)


def test_all_texts_that_end_have_probability_one_together():
    model = shaken(CausalTransformer((4,), "ab.", end=".")).double()
    texts = ["".join(t) for k in range(5) for t in itertools.product("ab", repeat=k)]
    with torch.no_grad():
        log_p = model.log_prob(model.to_tokens(texts))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)
    with torch.no_grad():
        each = model.log_conditionals(model.to_tokens(["a", "ab"]))
    assert each[0, 2:].tolist() == [0, 0]
    assert (each[0, :2] < 0).all()
    assert each[1, 3] == 0


@pytest.mark.parametrize(
    "model",
    [
        shaken(MADE((5,), (20,)), 0.5),
        shaken(MADE((5,), (20,), class_names=AB), 0.5),
        shaken(PixelCNN((1, 2, 3), **SMALL), 0.5),
        shaken(PixelCNN((1, 2, 3), **SMALL, class_names=AB), 0.5),
        shaken(CausalTransformer((3,), "abc")),
        shaken(CausalTransformer((3,), "abc", class_names=AB)),
        shaken(CausalTransformer((3,), "ab.", end=".")),
    ],
    ids=lambda m: type(m).__name__,
)
def test_samples_come_as_often_as_the_density_says(model):
    """A chi-squared test at a level of 1 in 1,000, from a fixed seed."""
    drawn = model.sample(20_000, generator=seeded())
    kinds, counts = drawn.unique(dim=0, return_counts=True)
    with torch.no_grad():
        expected = 20_000 * model.log_prob(kinds).double().exp()
    often = expected >= 5
    seen = [*counts[often].tolist(), int(counts[~often].sum())]
    wanted = [*expected[often].tolist(), 20_000 - float(expected[often].sum())]
    if wanted[-1] < 5:
        seen, wanted = seen[:-1], wanted[:-1]
    whole = sum(seen) / sum(wanted)
    assert len(seen) > 5
    assert whole == pytest.approx(1, abs=0.001)
    assert stats.chisquare(seen, [whole * w for w in wanted]).pvalue > 1e-3


def test_a_conditional_of_real_numbers_is_the_mixture_of_torch():
    model = shaken(MADE((3,), (16,), components=4), 0.5)
    x = torch.randn(6, 3, generator=seeded())
    logits, means, log_std = model(x).chunk(3, dim=-1)
    judge = MixtureSameFamily(Categorical(logits=logits), Normal(means, log_std.exp()))
    assert torch.allclose(model.log_conditionals(x), judge.log_prob(x), atol=1e-5)
    assert torch.allclose(model.log_prob(x), judge.log_prob(x).sum(dim=1), atol=1e-5)


def test_samples_of_real_numbers_follow_the_density():
    """Through its own distribution functions a sample is uniform; level 1 in 1,000."""
    model = shaken(MADE((2,), (16,), components=3), 0.3)
    x = model.sample(4000, generator=seeded())
    with torch.no_grad():
        logits, means, log_std = model(x).chunk(3, dim=-1)
    judge = MixtureSameFamily(Categorical(logits=logits), Normal(means, log_std.exp()))
    u = judge.cdf(x)
    for column in u.unbind(dim=1):
        assert stats.kstest(column.numpy(), "uniform").pvalue > 1e-3
    assert abs(float(u.T.corrcoef()[0, 1])) < 4 / math.sqrt(4000)


def test_made_learns_the_moons():
    x = moons.sample(4000, generator=seeded())
    model = MADE((2,), (64, 64), components=16)
    before = kl_by_quadrature(moons, model, (-9, 9, -9, 9))
    fit(model, x, steps=600, batch_size=128, learning_rate=5e-3, anneal=True)
    after = kl_by_quadrature(moons, model, (-9, 9, -9, 9))
    assert after < 0.06 < 0.5 < before


def test_the_conditional_log_probs_add_up():
    model = shaken(PixelCNN((1, 4, 5), **SMALL, class_names=AB))
    x = model.sample(3, label="b", generator=seeded())
    with torch.no_grad():
        each = model.log_conditionals(x, "b")
        assert each.shape == (3, 20)
        assert torch.allclose(each.sum(dim=1), model.log_prob(x, "b"))
        given = torch.tensor([0, 1, 1])
        loss = model.nll(x, given)
        assert loss == pytest.approx(-float(model.log_prob(x, given).mean()))


# Samples


@pytest.mark.parametrize("class_names", [(), AB])
def test_the_fast_way_to_draw_is_the_slow_one(class_names):
    model = shaken(PixelCNN((1, 7, 6), 6, 3, class_names=class_names))
    label = torch.tensor([0, 1, 1, 0]) if class_names else None
    fast = model.sample(4, label=label, generator=seeded(3))
    generator, slow = seeded(3), torch.zeros(4, 1, 7, 6)
    with torch.no_grad():
        for i, j in itertools.product(range(7), range(6)):
            p = model(slow, label)[:, 0, i, j].sigmoid()
            slow[:, 0, i, j] = torch.bernoulli(p, generator=generator)
    assert torch.equal(fast, slow)
    assert 0.1 < float(fast.mean()) < 0.9


@pytest.mark.parametrize("kind", [MADE, PixelCNN])
def test_a_label_asks_for_its_kind(kind):
    x = torch.zeros(64, 1, 4, 4)
    x[:32, :, :2] = x[32:, :, 2:] = 1
    y = torch.arange(64) // 32
    small = {"hidden": (30,)} if kind is MADE else SMALL
    model = kind((1, 4, 4), class_names=("above", "below"), **small)
    fit(model, (x, y), steps=150, learning_rate=0.02)
    for i, name in enumerate(("above", "below")):
        drawn = model.sample(20, label=name, generator=seeded())
        assert torch.equal(drawn, model.sample(20, label=i, generator=seeded()))
        assert (drawn == x[32 * i]).float().mean() > 0.95
    mixed = model.sample(200, generator=seeded())
    share = float((mixed[:, 0, 0, 0] == 1).float().mean())
    assert 0.35 < share < 0.65


def test_dropout_is_of_training_only():
    model = MADE((6,), (50,), dropout=0.5)
    x = (torch.rand(8, 6, generator=seeded()) > 0.5).float()
    assert not torch.equal(model(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


def test_cold_it_takes_the_likeliest_and_hot_any_symbol():
    model = shaken(CausalTransformer((6,), "abcd"))
    cold = model.sample(5, temperature=1e-4, generator=seeded())
    with torch.no_grad():
        assert torch.equal(model(cold).argmax(dim=2), cold)
    hot = model.sample(5000, temperature=1e4, generator=seeded())
    assert hot.flatten().bincount().float() / hot.numel() == pytest.approx(
        torch.full((4,), 0.25), abs=0.02
    )


def test_a_prompt_begins_every_text():
    model = shaken(CausalTransformer((6,), "ab.", end="."))
    texts = model.to_texts(model.sample(30, prompt="ba", generator=seeded()))
    assert all(text.startswith("ba") for text in texts)
    assert len(set(texts)) > 3
    assert model.to_texts(model.sample(2, prompt="a.", generator=seeded())) == ["a"] * 2


def test_texts_to_places_and_back():
    model = CausalTransformer((5,), "abn.", end=".")
    x = model.to_tokens(["anna", "", "banab"])
    assert x.tolist() == [[0, 2, 2, 0, 3], [3] * 5, [1, 0, 2, 0, 1]]
    assert model.to_texts(x) == ["anna", "", "banab"]
    assert CausalTransformer((2,), "ab").to_texts(torch.tensor([[0, 1]])) == ["ab"]


def test_what_they_are():
    for kind in (MADE, PixelCNN, CausalTransformer):
        assert kind.density is Density.EXACT
        assert {"shape", "class_names", "seed"} <= set(
            inspect.signature(kind).parameters
        )


# What does not fit


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: MADE(2), "shape is 2; expected whole numbers"),
        (lambda: MADE((2,), (0,)), r"hidden\[0\] is 0; expected 1 or more"),
        (lambda: MADE((2,), components=-1), "components is -1; expected 0 or more"),
        (lambda: PixelCNN((3, 8, 8)), r"shape is \(3, 8, 8\); expected \(1, rows"),
        (lambda: PixelCNN((1, 8, 8), 0), "channels is 0; expected 1 or more"),
        (lambda: PixelCNN((1, 8, 8), layers=1.5), "layers is 1.5; expected a whole"),
        (lambda: CausalTransformer((2, 3), "ab"), r"shape is \(2, 3\); expected \(le"),
        (lambda: CausalTransformer((2,), "aba"), "alphabet is 'aba'; expected two sym"),
        (lambda: CausalTransformer((2,), "a"), "alphabet is 'a'; expected two symbols"),
        (lambda: CausalTransformer((2,), "ab", end="c"), "end is 'c'; expected one"),
        (lambda: CausalTransformer((2,), "ab", end="ab"), "end is 'ab'; expected one"),
        (
            lambda: CausalTransformer((2,), "ab", width=10),
            "width is 10; expected a multiple of heads, which is 4",
        ),
    ],
)
def test_a_model_that_cannot_be_made_says_why(make, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        make()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: m.to_tokens("anna"), "texts is no list of strings; expected one"),
        (lambda m: m.to_tokens([]), "texts is empty; expected one text or more"),
        (lambda m: m.to_tokens([3]), "texts is no list of strings; expected one"),
        (lambda m: m.to_tokens(["axa"]), "'axa' holds 'x'; expected symbols of 'abn.'"),
        (lambda m: m.to_tokens(["annabn"]), "'annabn' has 6 symbols; expected 5, or f"),
        (lambda m: m.sample(1, prompt="z"), "'z' holds 'z'; expected symbols of"),
        (lambda m: m.sample(1, prompt="a" * 6), "prompt has 6 symbols; expected at mo"),
        (lambda m: m.sample(1, temperature=0), "temperature is 0; expected a finite"),
        (
            lambda m: m.log_prob(torch.tensor([[0, 3, 0, 3, 3]])),
            r"row 0 of x goes on after its end: \[0, 3, 0, 3, 3\]; expected nothing",
        ),
        (
            lambda m: m.log_prob(torch.tensor([[0, 1, 2, 3]])),
            r"x has shape \(1, 4\); expected \(n, 5\)",
        ),
        (lambda m: m.log_prob(torch.full((1, 5), 4)), "x runs from 4 to 4; expected"),
    ],
)
def test_a_text_that_does_not_fit_is_named(call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call(CausalTransformer((5,), "abn.", end="."))


def test_a_text_of_another_length_is_named_without_an_end():
    with pytest.raises(ValueError, match=r"'ab' has 2 symbols; expected 3$"):
        CausalTransformer((3,), "ab").to_tokens(["ab"])


@binary
def test_gray_pictures_are_refused(make):
    with pytest.raises(ValueError, match="neither 0 nor 1; expected black and white"):
        make().log_prob(torch.full((2, 1, 3, 3), 0.5))


@binary
def test_labels_that_do_not_fit_are_named(make):
    x = torch.zeros(2, 1, 3, 3)
    model = make(class_names=AB)
    with pytest.raises(ValueError, match="there is no label 'c'; there are a, b"):
        model.log_prob(x, "c")
    with pytest.raises(ValueError, match=r"label has shape \(3,\); expected \(2,\)"):
        model.log_prob(x, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(TypeError, match="label is None; expected a name"):
        model.log_conditionals(x)
    with pytest.raises(ValueError, match="made without class_names and knows no kinds"):
        make().log_prob(x, "a")


# What the diagrams say


DIAGRAMS = Path(__file__).parents[2] / "docs" / "assets" / "diagrams"


def test_the_lines_of_the_diagram_are_the_masks():
    text = (DIAGRAMS / "autoregressive-masks.svg").read_text("utf-8")
    lines = {
        ((int(a), int(b)), (int(c), int(d)))
        for a, b, c, d in re.findall(r"M(\d+) (\d+)L(\d+) (\d+)", text)
    }
    inputs, hidden, outputs = (
        [(x, y) for x in columns]
        for columns, y in (
            ((120, 270, 420), 218),
            ((105, 215, 325, 435), 130),
            ((120, 270, 420), 42),
        )
    )
    first, last = masks(3, [4])
    expected = {(inputs[j], hidden[k]) for k, j in first.nonzero().tolist()}
    expected |= {(hidden[k], outputs[i]) for i, k in last.nonzero().tolist()}
    assert lines == expected


def test_the_bars_of_the_diagram_are_what_follows_mar():
    text = (DIAGRAMS / "autoregressive-order.svg").read_text("utf-8")
    bars = re.findall(r'>(\w)</text><rect x="410" y="\d+" width="(\d+)"', text)
    p = CharModel(load("names").train, order=4, strength=10).probabilities("mar")
    best = [(ascii_lowercase[k], str(round(380 * p[k]))) for k in (-p).argsort()[:4]]
    assert bars == best
