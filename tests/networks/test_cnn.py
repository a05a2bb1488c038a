"""StackedCNN against Keras and against NumPy; shapes, counts, modes, bad input."""

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from gdlbook import fit, load, to_tensor
from gdlbook.networks.cnn import DeepCNN, FlattenLast, SameConv2d, StackedCNN
from gdlbook.networks.convolution import conv2d

# Keras reads torch's tensors into NumPy in a way that NumPy 2 has deprecated.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)

DIAGRAMS = Path(__file__).parents[2] / "docs" / "assets" / "diagrams"
TIMES = "\N{MULTIPLICATION SIGN}"
SHAPES = [(4, 4, 3, 10), (10,), (3, 3, 10, 20), (20,), (1280, 10), (10,)]


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def keras_model(keras, activation=None, softmax=True):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(10, (4, 4), strides=2, padding="same", activation=activation),
            layers.Conv2D(20, (3, 3), strides=2, padding="same", activation=activation),
            layers.Flatten(),
            layers.Dense(10, activation="softmax" if softmax else None),
        ]
    )


def weights_and_pictures(seed):
    rng = np.random.default_rng(seed)
    weights = [
        (rng.standard_normal(s) / np.sqrt(np.prod(s[:-1]))).astype(np.float32)
        for s in SHAPES
    ]
    return weights, rng.random((16, 32, 32, 3), dtype=np.float32)


def by_numpy(weights, x, *, relu=False):
    """Logits (n, 10) by the chapter before: channels last, all the way."""
    w1, b1, w2, b2, w3, b3 = weights
    for filters, bias in ((w1, b1), (w2, b2)):
        x = conv2d(x, filters, bias, stride=2, padding="same")
        x = np.maximum(x, 0) if relu else x
    return x.reshape(len(x), -1) @ w3 + b3


def first(x):
    return torch.from_numpy(x).permute(0, 3, 1, 2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", [None, "relu"])
def test_keras_gives_the_same_answers(keras, activation, seed):
    weights, x = weights_and_pictures(seed)
    judge = keras_model(keras, activation)
    judge.set_weights(weights)
    model = StackedCNN(activation=nn.ReLU if activation else None, seed=9)
    model.load_keras_weights(judge.get_weights())
    answers = model.probabilities(first(x)).numpy()
    assert np.abs(answers - judge.predict(x, verbose=0)).max() < 1e-5
    judge = keras_model(keras, activation, softmax=False)
    judge.set_weights(weights)
    logits = model(first(x)).detach().numpy()
    assert np.abs(logits).max() > 1
    assert np.abs(logits - judge.predict(x, verbose=0)).max() < 1e-5


def test_keras_gives_the_same_answers_to_real_pictures(keras):
    judge = keras_model(keras, softmax=False)
    x = load("emoji").test.x[:64]
    model = StackedCNN()
    model.load_keras_weights(judge.get_weights())
    answers = judge.predict(np.asarray(x, np.float32) / 255, verbose=0)
    logits = model(to_tensor(x)).detach().numpy()
    assert np.abs(logits - answers).max() < 1e-5


@pytest.mark.parametrize("relu", [False, True])
def test_numpy_gives_the_same_answers(relu):
    weights, x = weights_and_pictures(5)
    model = StackedCNN(activation=nn.ReLU if relu else None)
    model.load_keras_weights(weights)
    logits = model(first(x)).detach().numpy()
    assert np.allclose(logits, by_numpy(weights, x, relu=relu), atol=1e-5)


def test_keras_counts_the_same_parameters_and_draws_from_the_same_range(keras):
    judge, model = keras_model(keras), StackedCNN()
    assert judge.count_params() == sum(p.numel() for p in model.parameters()) == 15120
    for name, kernel in zip(
        ("conv1", "conv2", "dense"), judge.get_weights()[::2], strict=True
    ):
        layer = model.get_submodule(name)
        drawn, theirs = layer.weight.abs().max().item(), np.abs(kernel).max()
        assert drawn == pytest.approx(theirs, rel=0.05)
        assert not layer.bias.any()


@pytest.mark.parametrize(
    ("n", "kernel", "stride"), [(16, 3, 2), (32, 4, 2), (7, 2, 1), (9, 5, 4), (8, 1, 3)]
)
def test_the_zeros_are_those_of_the_chapter_before(n, kernel, stride):
    layer = SameConv2d(2, 3, kernel_size=kernel, stride=stride)
    x = np.random.default_rng(0).random((2, n, n + 1, 2), dtype=np.float32)
    filters = layer.weight.detach().permute(2, 3, 1, 0).numpy()
    expected = conv2d(
        x, filters, layer.bias.detach().numpy(), stride=stride, padding="same"
    )
    out = layer(first(x)).detach().permute(0, 2, 3, 1).numpy()
    assert out.shape == expected.shape
    assert np.allclose(out, expected, atol=1e-5)


def test_flatten_puts_the_channels_innermost():
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # n, rows, columns, channels
    flat = FlattenLast()(first(x))
    assert np.array_equal(flat, x.reshape(2, -1))


def test_summary_lists_shapes_and_counts():
    rows = [line.split() for line in StackedCNN().summary().splitlines()]
    assert rows[1:] == [
        ["conv1", "16", "x", "16", "x", "10", "490"],
        ["conv2", "8", "x", "8", "x", "20", "1,820"],
        ["flatten", "1280", "0"],
        ["dense", "10", "12,810"],
        ["total", "15,120"],
    ]
    relu = StackedCNN(activation=nn.ReLU).summary()
    assert "activation1 16 x 16 x 10           0" in relu
    deep = DeepCNN(dropout=0.25)
    assert deep.dropout.p == 0.25
    assert "conv1       16 x 16 x 16         432" in deep.summary()  # no bias
    count = sum(p.numel() for p in deep.parameters())
    assert deep.summary().splitlines()[-1].split() == ["total", f"{count:,}"]


def test_layer_outputs_go_up_the_stack():
    model = DeepCNN()
    assert model.training
    x = torch.rand(4, 3, 32, 32)
    outputs = model.layer_outputs(x)
    assert model.training
    assert list(outputs) == [name for name, _ in model.named_children()]
    assert outputs["conv4"].shape == (4, 64, 4, 4)
    assert torch.equal(outputs["dropout"], outputs["flatten"])  # off: not training
    assert torch.equal(outputs["dense"].softmax(1), model.probabilities(x))
    assert not outputs["dense"].requires_grad


def test_evaluation_leaves_model_and_batch_norm_alone():
    model = DeepCNN()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x, y = torch.rand(300, 3, 32, 32), torch.zeros(300, dtype=torch.long)
    model.accuracy(x, y)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    model.eval()
    model.probabilities(x)
    assert not model.training


def test_accuracy_is_the_share_of_right_kinds():
    model, x = StackedCNN(), torch.rand(300, 3, 32, 32)  # more than one part of 256
    y = model(x).argmax(1)
    assert model.accuracy(x, y) == 1.0
    y[:75] = (y[:75] + 1) % 10
    assert model.accuracy(x, y) == 0.75
    assert torch.allclose(model.probabilities(x).sum(1), torch.ones(300))


def test_the_seed_alone_decides_the_weights():
    for make in (StackedCNN, DeepCNN):
        torch.manual_seed(1)
        state = torch.get_rng_state()
        one = make(seed=3)
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(2)
        two, other = make(seed=3), make(seed=4)
        assert torch.equal(one.conv1.weight, two.conv1.weight)
        assert not torch.equal(one.conv1.weight, other.conv1.weight)


def test_the_objective_is_the_cross_entropy_of_every_parameter():
    model, x = StackedCNN(), torch.rand(5, 3, 32, 32)
    y = torch.tensor([0, 9, 3, 3, 1])
    loss, parameters = model.objectives()["cross_entropy"]
    assert {id(p) for p in parameters} == {id(p) for p in model.parameters()}
    by_hand = -torch.log(model.probabilities(x)[torch.arange(5), y]).mean()
    assert loss(x, y).item() == pytest.approx(by_hand.item(), rel=1e-5)
    loss(x, y).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters)


def test_without_activation_the_logits_are_affine():
    x = torch.rand(3, 3, 32, 32)
    a, b, nothing = x[:1], x[1:2], torch.zeros(1, 3, 32, 32)

    def bend(model):
        with torch.no_grad():
            return (model(a + b) + model(nothing) - model(a) - model(b)).abs().max()

    assert bend(StackedCNN()) < 1e-5
    assert bend(StackedCNN(activation=nn.ReLU)) > 1e-2


@pytest.mark.parametrize("make", [StackedCNN, DeepCNN])
def test_a_few_pictures_are_learned_by_heart(make):
    part = load("emoji").train
    batch = to_tensor(part.x[:32]), torch.tensor(part.y[:32])
    model = make()
    fit(model, batch, steps=150, progress=False)
    assert model.accuracy(*batch) > 0.9


def test_bad_pictures():
    model = StackedCNN()
    with pytest.raises(TypeError, match=r"x holds torch.uint8; expected floats"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"\(1, 32, 32, 3\); expected .*\(n, 3, 32, "):
        model(torch.zeros(1, 32, 32, 3))
    with pytest.raises(ValueError, match=r"\(3, 32, 32\); expected"):
        model(torch.zeros(3, 32, 32))
    x = torch.zeros(4, 3, 32, 32)
    with pytest.raises(ValueError, match=r"\(4, 3, 32, 32\) and y \(3,\)"):
        model.accuracy(x, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="one or more"):
        model.accuracy(x[:0], torch.zeros(0, dtype=torch.long))


def test_bad_keras_weights_change_nothing():
    weights, _ = weights_and_pictures(0)
    model = StackedCNN()
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match="got 5 arrays; expected 6"):
        model.load_keras_weights(weights[:5])
    turned = [*weights[:4], weights[4].T, weights[5]]
    message = r"weights\[4\] has shape \(10, 1280\); expected \(1280, 10\)"
    with pytest.raises(ValueError, match=message):
        model.load_keras_weights(turned)
    torch_order = [weights[0].transpose(3, 2, 0, 1), *weights[1:]]
    message = r"weights\[0\] has shape \(10, 3, 4, 4\); expected \(4, 4, 3, 10\)"
    with pytest.raises(ValueError, match=message):
        model.load_keras_weights(torch_order)
    with pytest.raises(TypeError, match=r"weights\[1\] holds <U1; expected real"):
        model.load_keras_weights([weights[0], np.array(["a"] * 10), *weights[2:]])
    after = model.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_diagram_shows_the_shapes_and_counts_of_the_model():
    svg = ElementTree.parse(DIAGRAMS / "cnn-stack.svg")
    text = " ".join(re.sub(r"\s+", " ", t) for t in svg.getroot().itertext())
    for name, out in StackedCNN().layer_outputs(torch.zeros(1, 3, 32, 32)).items():
        shape = f" {TIMES} ".join(map(str, (*out.shape[2:], out.shape[1])))
        assert shape in text, name
    for name in ("conv1", "conv2", "dense"):
        layer = StackedCNN().get_submodule(name)
        assert f"{sum(p.numel() for p in layer.parameters()):,}" in text


def test_the_diagram_of_the_receptive_field_is_that_of_the_gradient():
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    model = StackedCNN()
    model.conv2(model.conv1(x))[0, :, 4, 4].sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    seen = (len(rows), int(rows[0]), int(rows[-1]))
    svg = ElementTree.parse(DIAGRAMS / "cnn-receptive.svg")
    field = svg.getroot().get("data-field")
    assert field == "{} rows, {} to {}".format(*seen)
