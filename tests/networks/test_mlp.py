"""The MLP and the five stages against Keras and fit; splits, scores, bad input."""

import os
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from gdlbook import fit, load, to_tensor
from gdlbook.networks import mlp
from gdlbook.networks.mlp import MLP
from gdlbook.train import one_thread

DIAGRAMS = Path(__file__).parents[2] / "docs" / "assets" / "diagrams"


def part(n=64, seed=0, shape=(1, 6, 6), kinds=3, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, *shape, generator=g).to(dtype)
    return x, torch.randint(kinds, (n,), generator=g)


def pictures(n=100, kinds=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(kinds), rng.integers(kinds, size=n - kinds)])
    return rng.integers(256, size=(n, 5, 4), dtype=np.uint8), y


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_builds_trains_and_evaluates_the_same(keras):
    x, y = part(48, kinds=3)
    model = mlp.build((x, y), hidden=(20, 15), seed=1)
    dense = keras.layers.Dense
    judge = keras.Sequential(
        [keras.Input((36,)), dense(20, "relu"), dense(15, "relu"), dense(3)]
    )
    judge.set_weights([p.detach().numpy().T for p in model.parameters()])
    assert judge.count_params() == sum(p.numel() for p in model.parameters())
    logits = model(x).detach().numpy()
    rows = x.flatten(1).numpy()
    assert np.abs(logits - judge.predict(rows, verbose=0)).max() < 1e-5

    judge.compile(
        optimizer=keras.optimizers.AdamW(1e-3, weight_decay=3.0, epsilon=1e-8),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    compiled = mlp.compile(model, learning_rate=1e-3, weight_decay=3.0)
    # one batch of all: no order to disagree on
    theirs = judge.fit(rows, y.numpy(), batch_size=48, epochs=20, verbose=0)
    ours = mlp.train(compiled, (x, y), epochs=20, batch_size=48)
    assert ours["training"][-1] < 0.9 * ours["training"][0]
    np.testing.assert_allclose(ours["training"], theirs.history["loss"], atol=1e-4)
    loss, accuracy = judge.evaluate(rows, y.numpy(), verbose=0)
    scores = mlp.evaluate(model, (x, y))
    assert scores.loss == pytest.approx(loss, abs=1e-4)
    assert scores.accuracy == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_fit_is_the_same_loop_to_the_last_bit(dropout):
    data = part(70)
    one, two = (mlp.build(data, hidden=(9,), dropout=dropout) for _ in range(2))
    with one_thread():
        curves = mlp.train(mlp.compile(one), data, epochs=3, batch_size=16, seed=5)
    history = fit(two, data, steps=15, batch_size=16, seed=5, progress=False)
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        assert ours.equal(theirs)
    epochs = history.loss["cross_entropy"].reshape(3, 5)
    mean = np.average(epochs, axis=1, weights=[16, 16, 16, 16, 6])
    np.testing.assert_allclose(curves["training"], mean, rtol=1e-12)


def test_mlp_is_the_formula():
    x, _ = part(5)
    model = MLP((1, 6, 6), (7, 4), 3)
    (w1, b1), (w2, b2), (w3, b3) = (
        (layer.weight.detach().numpy().T, layer.bias.detach().numpy())
        for layer in (model.dense1, model.dense2, model.dense3)
    )
    h = np.maximum(x.flatten(1).numpy() @ w1 + b1, 0)
    h = np.maximum(h @ w2 + b2, 0)
    logits = model(x).detach().numpy()
    np.testing.assert_allclose(logits, h @ w3 + b3, atol=1e-6)
    assert np.abs(w1).max() <= np.sqrt(6 / (36 + 7))
    assert np.abs(w1).max() > 0.9 * np.sqrt(6 / (36 + 7))


def test_mlp_takes_another_activation_dropout_and_shape():
    model = MLP((2,), (8, 8), 1, activation=nn.Tanh, dropout=0.25)
    names = [name for name, _ in model.named_children()]
    assert names == [
        *("flatten", "dense1", "activation1", "dropout1"),
        *("dense2", "activation2", "dropout2", "dense3"),
    ]
    assert isinstance(model.activation2, nn.Tanh)
    assert model.dropout1.p == 0.25
    assert model(torch.zeros(3, 2)).shape == (3, 1)
    assert [n for n, _ in MLP((2,), ()).named_children()] == ["flatten", "dense1"]


def test_the_seed_alone_decides_everything():
    data, ends = part(), []
    for noise in (1, 2):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        model = mlp.build(data, hidden=(8,), dropout=0.5, seed=3)
        mlp.train(mlp.compile(model), data, epochs=2, seed=4)
        assert torch.equal(torch.get_rng_state(), state)
        ends.append(model.dense1.weight.detach())
    assert ends[0].equal(ends[1])
    other = mlp.build(data, hidden=(8,), dropout=0.5, seed=3)
    mlp.train(mlp.compile(other), data, epochs=2, seed=5)
    assert not ends[0].equal(other.dense1.weight)


def test_prepare_scales_as_to_tensor_and_splits_every_kind():
    x, y = pictures(100)
    (tx, ty), (vx, vy) = mlp.prepare(x, y, validation=0.2, seed=1)
    assert tx.dtype == torch.float32
    assert ty.dtype == torch.int64
    for kind in range(4):
        n = (y == kind).sum()
        assert (vy == kind).sum() == round(0.2 * n)
        assert (ty == kind).sum() == n - round(0.2 * n)
    seen = torch.cat([tx, vx]).flatten(1)
    whole = to_tensor(x).flatten(1)
    # every picture is in one of the parts, once, and keeps its kind
    same = (seen[:, None] == whole[None]).all(dim=2)
    assert same.sum(dim=1).eq(1).all()
    assert same.sum(dim=0).eq(1).all()
    assert torch.cat([ty, vy]).equal(torch.tensor(y)[same.int().argmax(dim=1)])


def test_prepare_chooses_by_its_seed_and_not_in_order():
    x, y = np.zeros((90, 2, 2), np.uint8), np.repeat(np.arange(3), 30)
    x[:, 0, 0] = np.arange(90)
    held = [
        mlp.prepare(x, y, seed=seed)[1][0][:, 0, 0, 0].mul(255).round().int().tolist()
        for seed in (0, 0, 1)
    ]
    assert held[0] == held[1]
    assert held[0] != held[2]
    assert len({place % 30 for place in held[0]}) > 3  # not the first of each kind


def test_prepare_turns_color_and_leaves_the_data_alone():
    x = load("emoji").train.x[:40]
    y = load("emoji").train.y[:40] % 2
    (tx, _), (vx, vy) = mlp.prepare(x, y, validation=0.5)
    assert tx.shape[1:] == (3, 32, 32)
    assert vx[0].equal(next(p for p, k in zip(to_tensor(x), y, strict=True)
                            if p.equal(vx[0]) and k == vy[0]))  # fmt: skip
    copy = mlp.prepare(x, y)[0][0]
    copy += 1
    assert x.max() <= 255


def test_build_reads_its_sizes_from_the_data():
    data = part(50, shape=(3, 4, 5), kinds=7)
    model = mlp.build(data, hidden=(6,), dropout=0.5, seed=2)
    assert model(data[0]).shape == (50, 7)
    assert model.dense1.weight.equal(MLP((3, 4, 5), (6,), 7, seed=2).dense1.weight)
    assert model.dropout1.p == 0.5


def test_compile_changes_no_weight_and_pairs_what_it_is_given():
    model = mlp.build(part(), hidden=(8,))
    before = [p.clone() for p in model.parameters()]
    compiled = mlp.compile(model, learning_rate=0.2, weight_decay=0.1, loss=mean_of)
    assert compiled.model is model
    assert compiled.loss is mean_of
    assert isinstance(compiled.optimizer, torch.optim.AdamW)
    group = compiled.optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.2, 0.1)
    assert {id(p) for p in group["params"]} == {id(p) for p in model.parameters()}
    for p, old in zip(model.parameters(), before, strict=True):
        assert p.equal(old)


def mean_of(logits, y):
    return (logits.mean() - y.double().mean()) ** 2


def test_train_uses_the_loss_of_the_pair():
    data = part()
    model = mlp.build(data, hidden=(8,))
    curves = mlp.train(mlp.compile(model, loss=mean_of), data, data, epochs=30)
    assert curves["validation"][-1] < 0.01 < curves["validation"][0]


def test_weight_decay_shrinks_by_its_product_with_the_rate():
    data = part()
    model = mlp.build(data, hidden=(8,))
    before = model.dense1.weight.detach().clone()

    def no_pull(logits, y):
        return 0 * logits.sum()

    compiled = mlp.compile(model, learning_rate=0.1, weight_decay=0.5, loss=no_pull)
    mlp.train(compiled, data, epochs=1, batch_size=16)  # four steps
    torch.testing.assert_close(model.dense1.weight.detach(), before * 0.95**4)


def test_curves_are_what_evaluate_says_and_training_goes_on():
    data, held = part(), part(32, seed=1)
    model = mlp.build(data, hidden=(8,), dropout=0.5)
    compiled = mlp.compile(model)
    first = mlp.train(compiled, data, held, epochs=2)
    scores = mlp.evaluate(model, held)
    assert first["validation"][-1] == pytest.approx(scores.loss, rel=1e-6)
    assert first["accuracy"][-1] == scores.accuracy
    assert {len(v) for v in first.values()} == {2}
    weights = model.dense1.weight.detach().clone()
    second = mlp.train(compiled, data, epochs=1)
    assert not weights.equal(model.dense1.weight)
    assert (second["validation"], second["accuracy"]) == ([], [])


def test_dropout_is_on_in_training_and_off_in_measuring():
    data = part(64)
    model = mlp.build(data, hidden=(50,), dropout=0.5)
    assert model.logits(data[0]).equal(model.logits(data[0]))
    modes = []
    model.dropout1.register_forward_hook(lambda m, *_: modes.append(m.training))
    model.eval()
    mlp.train(mlp.compile(model), data, data, epochs=2, batch_size=64)
    assert modes == [True, False, True, False]


def test_evaluate_against_numpy():
    model, (x, y) = MLP((1, 6, 6), (8,), 3, seed=2), part(500)
    scores = mlp.evaluate(model, (x, y))
    logits = model(x).detach()
    p, y_, said = logits.softmax(1).numpy(), y.numpy(), logits.argmax(1).numpy()
    assert scores.loss == pytest.approx(cross_entropy(logits, y).item(), rel=1e-5)
    assert scores.accuracy == np.mean(said == y_)
    np.testing.assert_allclose(scores.probabilities, p, atol=1e-6)
    table = np.zeros((3, 3), int)
    np.add.at(table, (y_, said), 1)
    np.testing.assert_array_equal(scores.confusion, table)
    assert scores.confusion.diagonal().sum() / 500 == scores.accuracy
    error = 0.0
    for low in np.arange(10) / 10:
        here = (p.max(1) > low) & (p.max(1) <= low + 0.1)
        if here.any():
            gap = p.max(1)[here].mean() - (said == y_)[here].mean()
            error += here.mean() * abs(gap)
    assert scores.calibration_error == pytest.approx(error, abs=1e-6)
    assert error > 0.02


def test_calibration_bins():
    p = torch.tensor([[0.95, 0.05], [0.5, 0.5], [1.0, 0.0], [0.55, 0.45]])
    y = torch.tensor([0, 1, 1, 0])
    bins = mlp.calibration(p.double(), y)
    expected = torch.zeros(10, 3, dtype=torch.double)
    expected[5] = torch.tensor([1, 0.55, 1.0])
    expected[4] = torch.tensor([1, 0.5, 0.0])  # a bin holds its upper end
    expected[9] = torch.tensor([2, 0.975, 0.5])
    torch.testing.assert_close(bins, expected, atol=1e-7, rtol=0)


def test_answers_drawn_from_their_own_probabilities_are_calibrated():
    g = torch.Generator().manual_seed(0)
    p = (2 * torch.randn(20_000, 5, generator=g)).softmax(dim=1)
    y = p.multinomial(1, generator=g)[:, 0]
    n, confidence, right = mlp.calibration(p, y).T
    error = (confidence * (1 - confidence) / n.clamp(min=1)).sqrt()
    assert n.sum() == 20_000
    assert ((confidence - right).abs() < 4 * error)[n > 50].all()


def test_an_mlp_and_its_shuffled_partner_stay_partners():
    data = part(64, dtype=torch.float64)
    order = torch.randperm(36, generator=torch.Generator().manual_seed(0))
    shuffled = data[0].flatten(1)[:, order].view_as(data[0]), data[1]
    one, two = (mlp.build(data, hidden=(8, 8)).double() for _ in range(2))
    with torch.no_grad():
        two.dense1.weight.copy_(one.dense1.weight[:, order])
    ends = [
        mlp.train(mlp.compile(model, weight_decay=0.1), p, p, epochs=5)
        for model, p in ((one, data), (two, shuffled))
    ]
    np.testing.assert_allclose(ends[0]["validation"], ends[1]["validation"], rtol=1e-9)
    assert torch.allclose(one.dense1.weight[:, order], two.dense1.weight, atol=1e-9)
    stranger = mlp.build(data, hidden=(8, 8)).double()
    theirs = mlp.train(mlp.compile(stranger), shuffled, shuffled, epochs=5)
    assert not np.allclose(ends[0]["validation"], theirs["validation"], rtol=1e-3)


def test_a_loss_that_is_not_finite_stops_it():
    x, y = part()
    model = mlp.build((x, y), hidden=(8,))
    with pytest.raises(FloatingPointError, match=r"loss is nan.*0\.5 here.*not scaled"):
        mlp.train(mlp.compile(model, learning_rate=0.5), (x * torch.nan, y), epochs=1)


X, Y = pictures(40)
DATA = part()
MODEL = MLP((1, 6, 6), (8,), 3)
BAD = [
    (lambda: mlp.prepare(X / 255, Y), TypeError, "x holds float64 and y int64; .*uint"),
    (lambda: mlp.prepare(X, Y / 1), TypeError, "y float64; expected .*whole numbers"),
    (lambda: mlp.prepare(X[0], Y), ValueError, r"x has shape \(5, 4\) and y \(40,\)"),
    (lambda: mlp.prepare(X, Y[:9]), ValueError, r"\(40, 5, 4\) and y \(9,\); expected"),
    (lambda: mlp.prepare(X[None], Y[:1]), ValueError, r"\(1, 40, 5, 4\).*width, 3\)"),
    (lambda: mlp.prepare(X, Y, validation=1), ValueError, "validation is 1; .*share"),
    (lambda: mlp.prepare(X, Y, validation=0), ValueError, "validation is 0; expected"),
    (lambda: mlp.prepare(X[:4], Y[:4]), ValueError, "kind 0 has 1 pictures and all"),
    (lambda: MLP((2,), (8, 0)), ValueError, r"hidden \(8, 0\).*at least 1"),
    (lambda: MLP((0, 3), (8,)), ValueError, r"shape is \(0, 3\)"),
    (lambda: MLP((2,), (8,), 0), ValueError, "kinds 0"),
    (lambda: MLP((2,), (8,), dropout=1.0), ValueError, "dropout 1.0; .*1 excluded"),
    (lambda: MLP((2,), (8,), dropout=-0.1), ValueError, "dropout -0.1"),
    (lambda: mlp.compile(MODEL, learning_rate=0), ValueError, "learning_rate is 0 "),
    (lambda: mlp.compile(MODEL, learning_rate=np.nan), ValueError, "rate is nan"),
    (lambda: mlp.compile(MODEL, weight_decay=-1), ValueError, "weight_decay -1; exp"),
    (lambda: train(DATA, epochs=0), ValueError, "epochs is 0 and batch_size 32"),
    (lambda: train(DATA, epochs=1, batch_size=0), ValueError, "batch_size 0; exp"),
    (lambda: train((DATA[0], DATA[1][:9]), epochs=1), ValueError, r"y \(9,\); exp"),
    (lambda: train((DATA[0].long(), DATA[1]), epochs=1), TypeError, "x holds torch.i"),
    (lambda: mlp.evaluate(MODEL, (DATA[0], DATA[1][:9])), ValueError, r"and y \(9,\)"),
    (lambda: mlp.evaluate(MODEL, (DATA[0][:0], DATA[1][:0])), ValueError, "or more"),
    (lambda: mlp.evaluate(MODEL, (DATA[0], DATA[1] + 1)), ValueError, "1 to 3; the m"),
    (lambda: mlp.evaluate(MODEL, (DATA[0], DATA[1] - 1)), ValueError, "from -1 to 1"),
]  # fmt: skip


def train(data, **settings):
    return mlp.train(mlp.compile(MODEL), data, **settings)


@pytest.mark.parametrize(("call", "error", "sentence"), BAD)
def test_bad_input_gets_its_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_the_diagram_of_the_shuffle_shows_what_the_code_computes():
    seen = defaultdict(list)
    for text in ElementTree.parse(DIAGRAMS / "mlp-shuffle.svg").iter():
        if "data-cell" in text.attrib:
            number = int(text.text.replace("\N{MINUS SIGN}", "-"))
            seen[text.attrib["data-cell"]].append(number)
    pairs = []
    for side in ("order", "shuffled"):
        pixels, again = np.split(np.array(seen[f"{side}-pixel"]), 2)
        weights = np.array(seen[f"{side}-weight"])
        np.testing.assert_array_equal(pixels, again)
        assert seen[f"{side}-sum"] == [pixels @ weights]
        edges = np.correlate(pixels, [-1, 0, 1])
        np.testing.assert_array_equal(seen[f"{side}-filter"], edges)
        pairs.append(sorted(zip(pixels, weights, strict=True)))
    assert pairs[0] == pairs[1]  # shuffled alike
    assert seen["order-sum"] == seen["shuffled-sum"]
    assert seen["order-filter"] != seen["shuffled-filter"]


def test_the_diagram_of_the_stages_names_the_functions():
    svg = ElementTree.parse(DIAGRAMS / "mlp-stages.svg")
    words = {text.text for text in svg.iter() if text.text}
    stages = {"prepare", "build", "compile", "train", "evaluate"}
    assert stages <= words
    assert all(callable(getattr(mlp, stage)) for stage in stages)
