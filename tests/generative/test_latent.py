"""Latent space: against SciPy, against the definition, and every bad input."""

import math
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from scipy.linalg import subspace_angles
from scipy.stats import kstest, multivariate_normal, norm

from gdlbook import fit, load, to_tensor
from gdlbook.generative.framework import Density, GenerativeModel, Undefined
from gdlbook.generative.latent import (
    Autoencoder,
    PrincipalComponents,
    attribute,
    walk,
)

DIAGRAMS = Path(__file__).parents[2] / "docs/assets/diagrams"


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def observations(n: int = 200, shape: tuple[int, ...] = (2, 3), seed: int = 0):
    """Correlated, off center, float64."""
    d = math.prod(shape)
    mixing = torch.randn(d, d, generator=generator(seed), dtype=torch.float64)
    noise = torch.randn(n, d, generator=generator(seed + 1), dtype=torch.float64)
    return (noise @ mixing + 3).reshape(n, *shape)


def covariance(model: PrincipalComponents) -> np.ndarray:
    w = model.directions.flatten(1)
    return (w.T @ w + model.noise * torch.eye(w.shape[1]).double()).numpy()


@pytest.mark.parametrize("latent", [1, 2, 5])
def test_log_prob_is_the_gaussian_of_scipy(latent):
    x = observations()
    model = PrincipalComponents.fit(x, latent)
    mean = model.mean.flatten().numpy()
    expected = multivariate_normal(mean, covariance(model)).logpdf(x.flatten(1))
    np.testing.assert_allclose(model.log_prob(x), expected, rtol=1e-10)


def test_log_prob_of_directions_that_are_not_orthogonal():
    w = torch.randn(2, 4, generator=generator(), dtype=torch.float64)
    w[1] += 2 * w[0]
    model = PrincipalComponents(torch.arange(4.0), w, 0.3)
    x = observations(20, (4,))
    expected = multivariate_normal(np.arange(4.0), covariance(model)).logpdf(x)
    np.testing.assert_allclose(model.log_prob(x), expected, rtol=1e-10)


def test_the_density_integrates_to_one():
    model = PrincipalComponents(torch.tensor([1.0, -1.0]), torch.eye(2)[:1], 0.4)

    def density(b: float, a: float) -> float:
        return model.log_prob(torch.tensor([[a, b]]).double()).exp().item()

    total, _ = dblquad(density, -9, 11, -7, 5, epsabs=1e-4)
    assert total == pytest.approx(1, abs=1e-3)


def test_samples_follow_the_density():
    """Along any line through it a Gaussian is normal: at 1 in 10,000 it would fail."""
    model = PrincipalComponents.fit(observations(), 2)
    x = model.sample(4000, generator=generator(5))
    assert x.shape == (4000, 2, 3)
    assert x.dtype == torch.float32
    for seed in range(4):
        line = np.random.default_rng(seed).standard_normal(6)
        std = np.sqrt(line @ covariance(model) @ line)
        centered = (x - model.mean).flatten(1).numpy() @ line
        assert kstest(centered / std, norm.cdf).pvalue > 1e-4


def test_samples_come_from_the_generator_and_leave_the_global_state_alone():
    model = PrincipalComponents.fit(observations(), 2)
    state = torch.random.get_rng_state()
    first, second = (model.sample(3, generator=generator(7)) for _ in range(2))
    Autoencoder((2, 3), 2)
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_directions_are_the_eigenvectors_of_the_covariance():
    x = observations()
    model = PrincipalComponents.fit(x, 2)
    values, vectors = np.linalg.eigh(np.cov(x.flatten(1).T, bias=True))
    noise = values[:-2].mean()
    assert model.noise.item() == pytest.approx(noise, rel=1e-10)
    for i, w in enumerate(model.directions.flatten(1).numpy()):
        expected = np.sqrt(values[-1 - i] - noise) * vectors[:, -1 - i]
        expected *= np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(w, expected, rtol=1e-8)
    np.testing.assert_allclose(model.mean, x.mean(dim=0))


def test_the_fit_is_the_maximum_of_the_likelihood():
    """No small step away from it gains, and the slope there is zero."""
    x = observations()
    model = PrincipalComponents.fit(x, 2)
    best = model.log_prob(x).mean().item()
    parts = model.mean, model.directions, model.noise

    def likelihood(steps):
        mean, w, noise = (p + step for p, step in zip(parts, steps, strict=True))
        return PrincipalComponents(mean, w, noise.item()).log_prob(x).mean().item()

    for seed in range(20):
        steps = [1e-3 * torch.randn(p.shape, generator=generator(seed)) for p in parts]
        there, back = likelihood(steps), likelihood([-step for step in steps])
        assert max(there, back) < best
        assert abs(there - back) < 1e-6


def test_turned_directions_are_the_same_model():
    x = observations()
    model = PrincipalComponents.fit(x, 3)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator()).double())
    directions = torch.tensordot(turn, model.directions, 1)
    turned = PrincipalComponents(model.mean, directions, model.noise.item())
    assert not torch.allclose(turned.encode(x), model.encode(x), atol=0.1)
    assert torch.allclose(turned.log_prob(x), model.log_prob(x))
    assert torch.allclose(
        turned.decode(turned.encode(x)), model.decode(model.encode(x))
    )


def test_rebuilding_leaves_what_lies_along_the_directions_left_out():
    x = observations()
    values = np.linalg.eigvalsh(np.cov(x.flatten(1).T, bias=True))
    for latent in (1, 3, 5):
        model = PrincipalComponents.fit(x, latent)
        error = (model.decode(model.encode(x)) - x).square().sum(dim=(1, 2)).mean()
        assert error.item() == pytest.approx(values[:-latent].sum(), rel=1e-9)


def test_encode_finds_the_nearest_and_undoes_decode():
    model = PrincipalComponents.fit(observations(), 3)
    z = torch.randn(50, 3, generator=generator(), dtype=torch.float64)
    assert torch.allclose(model.encode(model.decode(z)), z)
    x = observations(50, seed=9)
    rest = (x - model.decode(model.encode(x))).flatten(1)
    assert (rest @ model.directions.flatten(1).T).abs().max() < 1e-9


def test_codes_of_the_training_data_have_mean_zero_and_no_correlation():
    x = observations()
    model = PrincipalComponents.fit(x, 2)
    z = model.encode(x)
    spread = torch.cov(z.T, correction=0)
    w = model.directions.flatten(1).square().sum(dim=1)
    assert z.mean(dim=0).abs().max() < 1e-10
    assert torch.allclose(spread, torch.diag(1 + model.noise / w))


def test_more_numbers_than_observations():
    x = observations(6, (30,))
    model = PrincipalComponents.fit(x, 3)
    expected = multivariate_normal(model.mean.numpy(), covariance(model)).logpdf(x)
    np.testing.assert_allclose(model.log_prob(x), expected, rtol=1e-9)


def test_dtypes():
    x = observations().float()
    model = PrincipalComponents.fit(x, 2)
    assert model.encode(x).dtype == model.decode(model.encode(x)).dtype == x.dtype
    assert model.log_prob(x).dtype == torch.float64


def test_weights_can_be_stored_and_loaded():
    x = observations()
    model, other = (PrincipalComponents.fit(part, 2) for part in (x, x[:100] + 1))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_prob(x), model.log_prob(x))


def test_components_are_a_model_of_the_framework_and_an_autoencoder_is_none():
    model = PrincipalComponents.fit(observations(), 2)
    assert model.density is Density.EXACT
    assert model.latent_size == 2
    assert PrincipalComponents.example().sample(3).shape == (3, 2)
    with pytest.raises(Undefined, match="PrincipalComponents has no elbo: it knows"):
        model.elbo(observations())
    with pytest.raises(Undefined, match=r"no objectives.*class method fit"):
        model.objectives()
    coder = Autoencoder((2, 3), 2)
    assert not isinstance(coder, GenerativeModel)
    assert not hasattr(coder, "sample")


def test_shapes_of_an_autoencoder():
    coder = Autoencoder((3, 4, 5), 2, (8, 6))
    x = torch.rand(7, 3, 4, 5, generator=generator())
    assert coder.encode(x).shape == (7, 2)
    assert coder.decode(coder.encode(x)).shape == x.shape
    units = [layer.out_features for layer in coder.modules() if hasattr(layer, "bias")]
    assert units == [8, 6, 2, 6, 8, 60]


def test_the_loss_is_the_squared_error_of_a_picture():
    coder = Autoencoder((2, 3), 2, (4,))
    x = torch.rand(5, 2, 3, generator=generator())
    ((name, (loss, parameters)),) = coder.objectives().items()
    error = coder.decode(coder.encode(x)) - x
    assert name == "squared_error"
    assert loss(x).item() == pytest.approx(error.square().sum().item() / 5, rel=1e-6)
    assert len(parameters) == len(list(coder.parameters())) == 8


def test_the_seed_decides_the_weights():
    first, same, other = (Autoencoder((2, 3), 2, (4,), seed=s) for s in (1, 1, 2))
    for network in ("encoder", "decoder"):
        a, b, c = (
            torch.cat([p.flatten() for p in coder.get_submodule(network).parameters()])
            for coder in (first, same, other)
        )
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_the_gradient_of_the_loss():
    coder = Autoencoder((2, 3), 2, (4,)).double()
    x = observations(5).double()
    ((loss, parameters),) = coder.objectives().values()
    loss(x).backward()
    weight = parameters[0]
    slope = weight.grad[1, 2].item()
    with torch.no_grad():
        weight[1, 2] += 1e-6
        above = loss(x).item()
        weight[1, 2] -= 2e-6
        below = loss(x).item()
    assert slope == pytest.approx((above - below) / 2e-6, rel=1e-5)


def test_a_linear_autoencoder_finds_the_sheet_of_the_principal_components():
    scales = torch.tensor([3.0, 2.0, 0.5, 0.4, 0.3, 0.2])
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator(2)))
    x = torch.randn(500, 6, generator=generator(3)) * scales @ turn + 1
    coder = Autoencoder((6,), 2, ())
    for rate in (1e-2, 1e-3):
        fit(coder, x, steps=300, batch_size=64, learning_rate=rate, progress=False)
    model = PrincipalComponents.fit(x, 2)
    learned = coder.decoder.dense1.weight.detach().double().numpy()
    angles = np.rad2deg(subspace_angles(learned, model.directions.numpy().T))
    assert angles.max() < 3
    best, found = ((m.decode(m.encode(x)) - x).square().mean() for m in (model, coder))
    assert best < found < 1.1 * best


def test_a_bent_autoencoder_beats_every_straight_line_on_a_circle():
    angle = 2 * math.pi * torch.rand(500, generator=generator())
    x = torch.stack([angle.cos(), angle.sin()], dim=1)
    line = PrincipalComponents.fit(x, 1)
    coder = Autoencoder((2,), 1, (32, 32))
    fit(coder, x, steps=600, batch_size=64, learning_rate=3e-3, progress=False)
    by_line, by_curve = (
        (m.decode(m.encode(x)) - x).square().mean() for m in (line, coder)
    )
    assert by_curve < by_line / 4


def test_a_walk_begins_and_ends_and_keeps_its_pace():
    start, end = torch.rand(2, 3, 4, generator=generator())
    path = walk(start, end, 5)
    assert path.shape == (5, 3, 4)
    assert torch.equal(path[0], start)
    assert torch.equal(path[-1], end)
    assert torch.allclose(path.diff(dim=0), (end - start) / 4, atol=1e-6)
    assert walk(start.double(), end.double(), 2).dtype == torch.float64


def test_a_walk_with_linear_decoding_is_a_walk_in_pixels():
    x = observations()
    model = PrincipalComponents.fit(x, 2)
    z = model.encode(x)
    rebuilt = model.decode(z)
    by_z = model.decode(walk(z[0], z[1], 4))
    assert torch.allclose(by_z, walk(rebuilt[0], rebuilt[1], 4))


def test_an_attribute_is_the_difference_of_means():
    z = torch.tensor([[1.0, 0.0], [3.0, 2.0], [10.0, 10.0]])
    has = torch.tensor([True, True, False])
    assert torch.equal(attribute(z, has), torch.tensor([-8.0, -9.0]))
    assert torch.equal(attribute(z, ~has), torch.tensor([8.0, 9.0]))


X = observations(20, (4,)).float()
NAN = X.clone()
NAN[3, 1] = torch.nan
MODEL = PrincipalComponents.fit(X, 2)
CODER = Autoencoder((4,), 2, (3,))
LOW_RANK = X[:, :2] @ torch.tensor([[1.0, 0, 2, 0], [0, 1.0, 0, 3]])
EVEN = torch.cat([torch.eye(3), -torch.eye(3)])

BAD = {
    "fit: an array": (
        lambda: PrincipalComponents.fit(X.numpy(), 2),
        TypeError,
        "x is ndarray; expected a floating tensor",
    ),
    "fit: bytes": (
        lambda: PrincipalComponents.fit(X.byte(), 2),
        TypeError,
        "x is torch.uint8; expected a floating tensor, as float32",
    ),
    "fit: one row": (
        lambda: PrincipalComponents.fit(X[:1], 1),
        ValueError,
        r"x has shape \(1, 4\); expected \(n, \.\.\.\), n from 2 up",
    ),
    "fit: empty": (
        lambda: PrincipalComponents.fit(X[:0], 1),
        ValueError,
        r"x has shape \(0, 4\); expected",
    ),
    "fit: no numbers": (
        lambda: PrincipalComponents.fit(X[:, :0], 1),
        ValueError,
        r"x has shape \(20, 0\); expected",
    ),
    "fit: NaN": (
        lambda: PrincipalComponents.fit(NAN, 1),
        ValueError,
        "x holds 1 of 80 numbers that are NaN or infinite; expected finite ones",
    ),
    "fit: all directions": (
        lambda: PrincipalComponents.fit(X, 4),
        ValueError,
        r"latent is 4; expected fewer than the 4 directions in which x of shape "
        r"\(20, 4\) varies",
    ),
    "fit: low rank": (
        lambda: PrincipalComponents.fit(LOW_RANK, 2),
        ValueError,
        "latent is 2; expected fewer than the 2 directions",
    ),
    "fit: constant": (
        lambda: PrincipalComponents.fit(torch.ones(5, 4), 1),
        ValueError,
        "latent is 1; expected fewer than the 0 directions",
    ),
    "fit: even": (
        lambda: PrincipalComponents.fit(EVEN, 1),
        ValueError,
        "x varies in direction 1 no more than in all later ones",
    ),
    "fit: zero": (
        lambda: PrincipalComponents.fit(X, 0),
        ValueError,
        "latent is 0; expected 1 or more",
    ),
    "fit: half": (
        lambda: PrincipalComponents.fit(X, 1.5),
        TypeError,
        r"latent is 1\.5; expected a whole number",
    ),
    "fit: bool": (
        lambda: PrincipalComponents.fit(X, True),
        TypeError,
        "latent is True; expected a whole number",
    ),
    "mean: a number": (
        lambda: PrincipalComponents(torch.tensor(1.0), X[:1], 1.0),
        ValueError,
        r"mean has shape \(\); expected",
    ),
    "directions: shape": (
        lambda: PrincipalComponents(torch.zeros(3), X[:1], 1.0),
        ValueError,
        r"directions has shape \(1, 4\); expected \(n, 3\), n from 1 up",
    ),
    "directions: too many": (
        lambda: PrincipalComponents(torch.zeros(4), X[:4], 1.0),
        ValueError,
        r"directions has shape \(4, 4\); expected fewer than the 4 numbers",
    ),
    "directions: dependent": (
        lambda: PrincipalComponents(torch.zeros(4), torch.ones(2, 4), 1.0),
        ValueError,
        "none a sum of multiples of others",
    ),
    "noise: zero": (
        lambda: PrincipalComponents(torch.zeros(4), X[:1], 0.0),
        ValueError,
        r"noise is 0\.0; expected a finite number above zero",
    ),
    "noise: NaN": (
        lambda: PrincipalComponents(torch.zeros(4), X[:1], math.nan),
        ValueError,
        "noise is nan; expected a finite",
    ),
    "noise: text": (
        lambda: PrincipalComponents(torch.zeros(4), X[:1], "1"),
        TypeError,
        "noise is '1'; expected a number",
    ),
    "sample: none": (lambda: MODEL.sample(0), ValueError, "n is 0; expected 1 or more"),
    "sample: half": (
        lambda: MODEL.sample(0.5),
        TypeError,
        r"n is 0\.5; expected a whole number",
    ),
    "shape: empty": (
        lambda: Autoencoder((), 2),
        ValueError,
        "shape is empty; expected",
    ),
    "shape: zero": (
        lambda: Autoencoder((0, 2), 2),
        ValueError,
        "a size of shape is 0; expected 1 or more",
    ),
    "hidden: text": (
        lambda: Autoencoder((4,), 2, ("8",)),
        TypeError,
        "a size of hidden is '8'; expected a whole number",
    ),
    "latent: zero": (
        lambda: Autoencoder((4,), 0),
        ValueError,
        "latent is 0; expected 1 or more",
    ),
    "walk: shapes": (
        lambda: walk(X[0], X[0, :3], 3),
        ValueError,
        r"start has shape \(4,\) and end \(3,\); expected one shape for both",
    ),
    "walk: dtypes": (
        lambda: walk(X[0], X[0].double(), 3),
        TypeError,
        "start is torch.float32 and end torch.float64; expected one",
    ),
    "walk: NaN": (lambda: walk(NAN[3], X[0], 3), ValueError, "start holds 1 of 4"),
    "walk: one step": (
        lambda: walk(X[0], X[1], 1),
        ValueError,
        "steps is 1; expected 2 or more",
    ),
    "walk: list": (lambda: walk([1.0], X[0], 3), TypeError, "start is list; expected"),
    "attribute: numbers": (
        lambda: attribute(X, torch.ones(20)),
        TypeError,
        "has is torch.float32; expected a tensor of bool",
    ),
    "attribute: list": (
        lambda: attribute(X, [True] * 20),
        TypeError,
        "has is list; expected a tensor of bool",
    ),
    "attribute: length": (
        lambda: attribute(X, torch.tensor([True, False])),
        ValueError,
        r"has has shape \(2,\) and 1 True for z of shape \(20, 4\)",
    ),
    "attribute: all": (
        lambda: attribute(X, torch.ones(20, dtype=torch.bool)),
        ValueError,
        "20 True.*some True, some False",
    ),
    "attribute: none": (
        lambda: attribute(X, torch.zeros(20, dtype=torch.bool)),
        ValueError,
        "0 True.*some True, some False",
    ),
    "attribute: NaN": (
        lambda: attribute(NAN, torch.ones(20, dtype=torch.bool)),
        ValueError,
        "z holds 1 of 80",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(name):
    call, error, sentence = BAD[name]
    with pytest.raises(error, match=sentence):
        call()


VERBS = {
    "encode": (MODEL.encode, "x", 4),
    "log_prob": (MODEL.log_prob, "x", 4),
    "decode": (MODEL.decode, "z", 2),
    "encode of the autoencoder": (CODER.encode, "x", 4),
    "decode of the autoencoder": (CODER.decode, "z", 2),
}


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_checks_what_it_is_given(name):
    verb, what, size = VERBS[name]
    with pytest.raises(TypeError, match=f"{what} is torch.int64; expected a floating"):
        verb(torch.ones(3, size, dtype=torch.long))
    with pytest.raises(
        ValueError, match=rf"\(3, 9\); expected \(n, {size}\), n from 1"
    ):
        verb(torch.ones(3, 9))
    with pytest.raises(ValueError, match=rf"{what} has shape \({size},\); expected"):
        verb(torch.ones(size))
    with pytest.raises(ValueError, match=rf"{what} has shape \(0, {size}\); expected"):
        verb(torch.ones(0, size))
    holed = torch.ones(3, size)
    holed[1, 0] = torch.inf
    with pytest.raises(ValueError, match=f"{what} holds 1 of {3 * size} numbers"):
        verb(holed)


def parts_of(diagram: str) -> dict[str, ElementTree.Element]:
    tree = ElementTree.parse(DIAGRAMS / diagram)
    return {
        part.attrib["data-part"]: part
        for part in tree.iter()
        if "data-part" in part.attrib
    }


def numbers(text: str) -> list[float]:
    return [float(n) for n in text.replace("L", " ").replace("M", " ").split()]


def test_the_line_of_the_diagram_is_the_first_principal_component():
    squares, places = {}, {}
    for name, part in parts_of("latent-bend.svg").items():
        gaps = [
            numbers(gap.attrib["d"]) for gap in part.iter() if "data-cell" in gap.attrib
        ]
        x, foot = np.array(gaps)[:, :2], np.array(gaps)[:, 2:]
        squares[name] = np.square(x - foot).sum()
        circles = [c.attrib for c in part.iter() if c.tag.endswith("circle")]
        np.testing.assert_array_equal(
            x, [[float(c["cx"]), float(c["cy"])] for c in circles]
        )
        places[name] = x - x[0]
        if name == "line":
            points = torch.tensor(x)
            model = PrincipalComponents.fit(points, 1)
            rebuilt = model.decode(model.encode(points))
            np.testing.assert_allclose(foot, rebuilt, atol=0.2)
    np.testing.assert_allclose(places["line"], places["curve"], atol=0.11)
    assert squares["curve"] < squares["line"] / 10


def drawn(part: ElementTree.Element) -> np.ndarray:
    """The gray levels of a picture that is drawn as runs of equal pixels."""
    frame, *paths = part
    left, top, side = (float(frame.attrib[name]) for name in ("x", "y", "width"))
    pixels = np.zeros((28, 28))
    for path in paths:
        for run in path.attrib["d"].split("M")[1:]:
            x, y = map(float, run.split("h")[0].split())
            width = float(run.split("h")[1].split("v")[0])
            row, first = (round(28 * v / side) for v in (y - top, x - left))
            many = round(28 * width / side)
            pixels[row, first : first + many] = float(path.attrib["fill-opacity"])
    return pixels


def test_the_diagram_of_the_bottleneck_shows_what_the_code_computes():
    x = to_tensor(load("fashion").train.x)
    order = torch.randperm(8000, generator=generator())
    model, boot = PrincipalComponents.fit(x[order[1000:]], 8), x[order[21:22]]
    z = model.encode(boot)
    texts = defaultdict(list)
    for text in ElementTree.parse(DIAGRAMS / "latent-bottleneck.svg").iter():
        texts[text.attrib.get("data-cell")].append(text.text)
    seen = [float(t.replace("\N{MINUS SIGN}", "-")) for t in texts["z"]]
    np.testing.assert_allclose(seen, z[0], atol=0.051)
    pictures = parts_of("latent-bottleneck.svg")
    for name, picture in (("boot", boot), ("rebuilt", model.decode(z))):
        levels = picture[0, 0].clamp(0, 1)
        np.testing.assert_allclose(drawn(pictures[name]), levels, atol=0.09)
