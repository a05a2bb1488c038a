"""RealNVP: inverse, log determinant, total probability, samples, pictures."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from torch.distributions import Independent, Normal

from gdlbook.data import load, moons, to_tensor
from gdlbook.families.flow import Coupling, RealNVP, halvings, squash, stretch
from gdlbook.generative.first_model import bits_per_dimension
from gdlbook.generative.framework import Undefined, two_sample_test
from gdlbook.train import fit

DIAGRAMS = Path(__file__).parents[2] / "docs/assets/diagrams"

PICTURE = (2, 8, 4)  # two colors, eight rows, four columns


@pytest.fixture(autouse=True)
def _state():
    """Leave torch's own random state as it was."""
    with torch.random.fork_rng(devices=[]):
        yield


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(model, scale=0.05):
    """Move every parameter from where it begins, so that no coupling is idle."""
    generator = seeded(1)
    with torch.no_grad():
        for p in model.parameters():
            p += scale * torch.randn(p.shape, generator=generator)
    return model.eval()


def pixels(n, shape, dtype=torch.float32):
    """Dequantized pictures in which a third is black and a third white."""
    x = torch.rand(n, *shape, generator=seeded(2), dtype=dtype)
    level = torch.randint(3, x.shape, generator=seeded(3))
    return torch.where(level == 0, x / 256, torch.where(level == 1, 1 - x / 256, x))


SHAPES = {"plane": (2,), "list": (5,), "picture": PICTURE}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def observed(n, shape, dtype=torch.float32):
    if len(shape) == 3:
        return pixels(n, shape, dtype)
    return torch.randn(n, *shape, generator=seeded(2), dtype=dtype)


@every_shape
def test_decode_undoes_encode_to_a_hundred_thousandth(shape):
    model = shaken(RealNVP(shape, hidden=16))
    x = observed(50, shape)
    with torch.no_grad():
        z = model.encode(x)
        assert (z - x.flatten(1)).abs().mean() > 0.1  # it does something
        assert (model.decode(z) - x).abs().max() < 1e-5


def test_decode_undoes_encode_in_the_trained_flow_of_pictures():
    model = RealNVP.pretrained("fashion")
    levels = to_tensor(load("fashion").test.x[:50])
    with torch.no_grad():
        x = model.dequantize(levels)
        assert (model.decode(model.encode(x)) - x).abs().max() < 1e-5


@every_shape
def test_encode_undoes_decode(shape):
    model = shaken(RealNVP(shape, hidden=16)).double()
    z = torch.randn(50, math.prod(shape), generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        x = model.decode(0.5 * z)
        assert torch.allclose(model.encode(x), 0.5 * z, atol=1e-6)


@every_shape
def test_the_log_determinant_is_that_of_autograds_jacobian(shape):
    model = shaken(RealNVP(shape, hidden=8, couplings=5)).double()
    for x in observed(3, shape, torch.float64):
        jacobian = torch.autograd.functional.jacobian(
            lambda v: model.encode(v[None])[0], x
        ).reshape(x.numel(), x.numel())
        sign, log_det = torch.linalg.slogdet(jacobian)
        with torch.no_grad():
            normal = Normal(0.0, 1.0).log_prob(model.encode(x[None])).sum()
            said = model.log_prob(x[None])[0]
        assert sign != 0
        assert float(said - normal) == pytest.approx(float(log_det), abs=1e-8)


def test_the_jacobian_of_one_coupling_is_triangular_with_the_scales_on_its_diagonal():
    coupling = Coupling(torch.tensor([True, False, False]), (), 8, 0, 3.0).double()
    shaken(coupling)
    x = torch.randn(3, generator=seeded(), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: coupling(v[None])[0][0], x)
    s, _ = coupling.scale_and_shift(x[None, :1], None)
    assert torch.equal(jacobian.triu(1), torch.zeros(3, 3).double())
    assert torch.allclose(jacobian.diagonal()[1:], s[0].exp())
    assert jacobian[0, 0] == 1
    assert jacobian[1:, 0].abs().min() > 0


def test_a_new_flow_is_the_identity():
    x = observed(4, (2,))
    model = RealNVP((2,))
    assert torch.equal(model.encode(x), x)
    assert torch.allclose(model.log_prob(x), Normal(0.0, 1.0).log_prob(x).sum(1))


def test_with_constant_scales_it_is_the_gaussian_of_torch():
    model = RealNVP((2,), couplings=2)
    with torch.no_grad():
        model.couplings[0].offset.copy_(torch.tensor([0.7, -1.0]))  # moves number 1
        model.couplings[1].offset.copy_(torch.tensor([-0.4, 2.0]))  # moves number 0
    scale = (3 * torch.tanh(torch.tensor([-0.4, 0.7]) / 3)).exp()
    gaussian = Independent(Normal(torch.tensor([-2.0, 1.0]) / scale, 1 / scale), 1)
    x = observed(20, (2,))
    assert torch.allclose(model.log_prob(x), gaussian.log_prob(x), atol=1e-5)


def test_it_learns_two_moons():
    x = moons.sample(4000, generator=seeded())
    model = RealNVP((2,), couplings=6, hidden=32)
    with torch.no_grad():
        before = float(model.nll(x))
    fit(model, x, steps=400, batch_size=256, learning_rate=5e-3, anneal=True)
    truth = -float(moons.log_prob(x).mean())
    assert before - truth > 1
    with torch.no_grad():
        assert float(model.nll(x)) - truth < 0.15
    test = moons.sample(2000, generator=seeded(1))
    drawn = model.sample(2000, generator=seeded(2))
    assert two_sample_test(test, drawn).accuracy < 0.62


# Pictures


def test_stretch_has_the_slope_that_it_says_and_squash_undoes_it():
    x = torch.linspace(0.0001, 0.9999, 3001, dtype=torch.float64)
    h, log_slope = stretch(x)
    assert (h.diff() > 0).all()
    assert torch.allclose(squash(h), x, atol=1e-12)
    off = (x * 256 - (x * 256).round()).abs() > 1e-3  # the line bends at 1 and 255
    step = 1e-8
    slope = (stretch(x + step)[0] - stretch(x - step)[0]) / (2 * step)
    assert torch.allclose(slope[off], log_slope.exp()[off], rtol=1e-5)


def test_the_end_levels_are_the_logit_of_scipy_and_the_others_a_line():
    u = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    share = scipy.special.expit(3.0)
    black, white = stretch(u / 256)[0], stretch(1 - u / 256)[0]
    expected = scipy.special.logit(share * u.numpy()) - 8
    assert black.numpy() == pytest.approx(expected)
    assert white.numpy() == pytest.approx(-expected)
    middle = stretch((1 + 254 * u) / 256)[0]
    assert torch.allclose(middle, 10 * u - 5)


def test_the_ends_of_the_range_stay_finite():
    x = torch.tensor([0.0, 1.0])
    h, log_slope = stretch(x)
    assert h.isfinite().all()
    assert log_slope.isfinite().all()
    assert torch.allclose(squash(h), x, atol=1e-6)
    assert torch.equal(squash(torch.tensor([-1e9, 1e9])), x)


def test_the_density_of_one_pixel_integrates_to_one():
    model = shaken(RealNVP((1, 4, 4), couplings=4, hidden=8)).double()
    rest = pixels(1, (1, 4, 4), torch.float64)
    # Finer where the density is steep: within black and within white.
    ends = torch.logspace(-9, 0, 4001, dtype=torch.float64) / 256
    middle = torch.linspace(1 / 256, 255 / 256, 4001, dtype=torch.float64)
    side = torch.cat([ends, middle, 1 - ends.flip(0)])
    # Pixels that nothing reads and every coupling leaves alone but for its own scale:
    for coupling in model.couplings:
        for weight in (coupling.first.weight, coupling.last.weight):
            weight.data.zero_()
    x = rest.repeat(len(side), 1, 1, 1)
    x[:, 0, 1, 2] = side
    with torch.no_grad():
        log_p = model.log_prob(x)
        others = model.log_prob(rest) - pixel_alone(model, rest)
    area = torch.trapezoid((log_p - others).exp(), side)
    assert float(area) == pytest.approx(1, abs=1e-3)


def pixel_alone(model, x):
    """The log density of pixel (1, 2), in a flow whose pixels ignore each other."""
    z = model.encode(x).reshape(16, -1)[6]
    slopes = sum(
        c.scale_and_shift(torch.zeros(1, 8, 1, 1).double(), None)[0]
        .flatten()[(c.move == 6).nonzero().flatten()]
        .sum()
        for c in model.couplings
    )
    h = stretch(x)[1][0, 0, 1, 2]
    return Normal(0.0, 1.0).log_prob(z).sum() + slopes + h


def test_dequantize_keeps_the_level_and_fills_it_evenly():
    model = RealNVP(PICTURE)
    levels = torch.arange(256).repeat(100)[: 100 * 256].reshape(-1, *PICTURE)
    torch.manual_seed(0)
    x = model.dequantize(levels / 255)
    assert torch.equal((256 * x).floor().clamp(max=255), levels)
    noise = (256 * x - levels).flatten().numpy()
    assert scipy.stats.kstest(noise, "uniform").pvalue > 0.001
    plane = torch.randn(3, 2, generator=seeded())
    assert torch.equal(RealNVP((2,)).dequantize(plane), plane)


def test_the_loss_of_pictures_is_the_density_per_gray_level():
    model = shaken(RealNVP(PICTURE, hidden=8))
    x = (255 * pixels(9, PICTURE)).round() / 255
    with torch.no_grad():
        torch.manual_seed(5)
        loss = model.nll(x)
        torch.manual_seed(5)
        nats = 64 * math.log(256) - model.log_prob(model.dequantize(x))
    assert float(loss) == pytest.approx(float(nats.mean()), rel=1e-6)


def test_a_short_training_saves_three_bits_of_eight():
    x = to_tensor(load("fashion").train.x[:1000])
    model = RealNVP((1, 28, 28), couplings=4, hidden=24)
    fit(model, x, steps=60, batch_size=64, learning_rate=5e-3, anneal=True)
    with torch.no_grad():
        torch.manual_seed(0)
        bits = bits_per_dimension(float(model.nll(x[:200])), 784)
    assert bits < 5
    drawn = model.sample(20, generator=seeded())
    assert drawn.shape == (20, 1, 28, 28)
    assert 0 <= float(drawn.min()) <= float(drawn.max()) <= 1


@every_shape
def test_every_channel_is_moved_and_every_one_is_read(shape):
    for keep in halvings(shape):
        assert 0 < keep.sum() < len(keep)
    model = RealNVP(shape)
    moved = torch.cat([c.move for c in model.couplings])
    read = torch.cat([c.keep for c in model.couplings])
    channels = set(range(len(halvings(shape)[0])))
    assert set(moved.tolist()) == set(read.tolist()) == channels


def test_the_first_halving_is_a_checkerboard_on_the_picture():
    keep = halvings((1, 8, 8))[0]
    board = torch.nn.functional.pixel_shuffle(
        keep.float().reshape(1, 16, 1, 1).repeat(1, 1, 2, 2), 4
    )[0, 0]
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    assert torch.equal(board, ((rows + columns) % 2 == 0).float())


def test_a_coupling_reads_only_what_it_keeps():
    model = shaken(RealNVP(PICTURE, hidden=8))
    coupling = model.couplings[0]
    x = torch.randn(2, 32, 2, 1, generator=seeded())
    z, _ = coupling(x)
    assert torch.equal(z[:, coupling.keep], x[:, coupling.keep])
    assert (z[:, coupling.move] != x[:, coupling.move]).any()
    other = x.index_add(1, coupling.move, torch.ones(2, len(coupling.move), 2, 1))
    s, t = coupling.scale_and_shift(x[:, coupling.keep], None)
    again = coupling.scale_and_shift(other[:, coupling.keep], None)
    assert torch.equal(s, again[0])
    assert torch.equal(t, again[1])


def test_the_log_scale_stays_within_its_limit():
    model = shaken(RealNVP((2,), limit=0.5), scale=5.0)
    for coupling in model.couplings:
        s, _ = coupling.scale_and_shift(torch.linspace(-99, 99, 50)[:, None], None)
        assert 0.4 < s.abs().max() <= 0.5


@every_shape
def test_the_steps_lead_from_x_to_z(shape):
    model = shaken(RealNVP(shape, hidden=8, couplings=3))
    x = observed(4, shape)
    states = model.steps(x)
    assert len(states) == 4
    assert torch.equal(states[-1].flatten(1), model.encode(x))
    assert torch.equal(model.couplings[1](states[1])[0], states[2])


# Labels

KINDS = ("left", "right")


def test_a_map_for_each_kind_needs_the_kind():
    conditional = shaken(RealNVP((2,), couplings=4, class_names=KINDS), scale=0.1)
    x = torch.randn(5, 2, generator=seeded())
    y = torch.tensor([0, 1, 0, 1, 1])
    with torch.no_grad():
        z = conditional.encode(x, y)
        assert torch.allclose(conditional.decode(z, y), x, atol=1e-5)
        assert not torch.allclose(conditional.decode(z, 1 - y), x, atol=0.1)
    for call in (conditional.encode, conditional.decode, conditional.steps):
        with pytest.raises(Undefined, match="a map of its own for each of 2 kinds"):
            call(x)


# The class


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: RealNVP((1,)), ValueError, r"shape is \(1,\); expected \(d,\) with d"),
        (lambda: RealNVP((1, 28, 30)), ValueError, r"28, 30\); .* that 4 divides"),
        (lambda: RealNVP((28, 28)), ValueError, r"shape is \(28, 28\); expected"),
        (lambda: RealNVP(2), TypeError, "shape is 2; expected whole numbers"),
        (lambda: RealNVP((2,), couplings=1), ValueError, "couplings is 1; expected 2"),
        (lambda: RealNVP((2,), hidden=0.5), TypeError, r"hidden is 0\.5; expected"),
        (lambda: RealNVP((2,), limit=0), ValueError, "limit is 0; expected a finite"),
        (lambda: RealNVP((2,), seed=-1), ValueError, "seed is -1; expected 0 or more"),
    ],
)
def test_what_it_cannot_be_made_of_gets_a_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


def test_what_lies_outside_the_sample_space_gets_a_sentence():
    model = RealNVP(PICTURE, hidden=4, couplings=2)
    gray = torch.zeros(1, *PICTURE)
    for x in (gray - 0.1, gray + 255):
        with pytest.raises(ValueError, match="expected numbers from 0 to 1"):
            model.log_prob(x)
        with pytest.raises(ValueError, match="expected numbers from 0 to 1"):
            model.nll(x)
    with pytest.raises(ValueError, match=r"a number 0\.5 levels beside a gray level"):
        model.nll(gray + 0.5 / 255)
    with pytest.raises(ValueError, match=r"z has shape \(1, 2\); expected \(n, 64\)"):
        model.decode(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="made without class_names"):
        model.log_prob(gray, label="shoe")


# The pictures of the page


def test_the_diagram_of_the_line_moves_equal_shares_as_the_page_does():
    tree = ElementTree.parse(DIAGRAMS / "flow-change.svg")
    lines = [e for e in tree.iter() if e.get("data-z")]
    shares = (np.arange(16) + 0.5) / 16
    for line, share in zip(lines, shares, strict=True):
        z = float(line.get("data-z"))
        assert z == pytest.approx(scipy.stats.norm.ppf(share), abs=1e-3)
        start, end = line.get("d")[1:].split("L")
        assert float(start.split()[0]) == pytest.approx(270 + 70 * z, abs=0.1)
        x = 2 * math.tanh(1.2 * z) + 0.3 * z
        assert float(end.split()[0]) == pytest.approx(270 + 70 * x, abs=0.1)


def test_the_diagram_of_the_checkerboard_is_the_first_halving():
    tree = ElementTree.parse(DIAGRAMS / "flow-squeeze.svg")
    keep = halvings((1, 8, 8))[0]
    channels = [e.get("data-channel") for e in tree.iter() if e.get("data-channel")]
    assert len(channels) == 64
    for text in channels:
        channel, kept = map(int, text.split(","))
        assert keep[channel] == kept
    pixels = [e.get("data-pixel") for e in tree.iter() if e.get("data-pixel")]
    assert len(pixels) == 64
    for text in pixels:
        row, column, kept = map(int, text.split(","))
        assert keep[4 * (row % 4) + column % 4] == kept
