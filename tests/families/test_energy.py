"""The energy model: walks, gradients, constant, chains, samples, labels, pictures."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.stats
import torch

from gdlbook.data import load, moons, to_tensor
from gdlbook.families.energy import (
    EnergyModel,
    Normalized,
    _slope,
    langevin,
    roughness,
)
from gdlbook.generative.framework import (
    kl_by_quadrature,
    two_sample_test,
)
from gdlbook.train import fit

DIAGRAMS = Path(__file__).parents[2] / "docs/assets/diagrams"
BOX = (-20.0, 20.0, -20.0, 20.0)
PICTURE = (1, 8, 8)
KINDS = ("left", "right")


@pytest.fixture(autouse=True)
def _state():
    """Leave torch's own random state as it was."""
    with torch.random.fork_rng(devices=[]):
        yield


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bell(x):
    """The energy of a normal density with mean 1 and standard deviation 1/2."""
    return (2 * (x - 1) ** 2).flatten(1).sum(dim=1)


def valleys(x):
    """The energy of the page: two valleys, the left one lower."""
    return (2 * (x**2 - 1) ** 2 + x / 2)[:, 0]


# Walks


def test_an_adjusted_walk_follows_the_energy_whatever_the_size_of_its_steps():
    for size in ((0.2, 0.2), (0.7, 0.7), (0.1, 1.6)):
        x = langevin(bell, torch.zeros(4000, 1), 200, size, generator=seeded())
        normal = scipy.stats.norm(1, 0.5)
        assert scipy.stats.kstest(x[:, 0].numpy(), normal.cdf).pvalue > 0.001


def test_an_adjusted_walk_gives_each_valley_its_share_by_the_integral():
    x = langevin(valleys, torch.full((20_000, 1), 1.5), 400, (0.4, 0.4),
                 generator=seeded())  # fmt: skip
    line = torch.linspace(-3, 3, 6001).double()[:, None]
    p = (-valleys(line)).exp()
    share = float(p[:3000].sum() / p.sum())
    assert float((x < 0).float().mean()) == pytest.approx(share, abs=0.02)


def test_a_walk_that_is_not_adjusted_is_too_wide_by_what_theory_says():
    # x' = (1 - a) x + eps z with a = eps^2 / 2 / s^2 has variance eps^2 / (2a - a^2).
    eps = 0.5
    x = langevin(bell, torch.ones(20_000, 1), 100, (eps, eps), adjust=False,
                 generator=seeded())  # fmt: skip
    a = eps**2 / 2 / 0.25
    assert float(x.var()) == pytest.approx(eps**2 / (2 * a - a**2), rel=0.03)
    assert float(x.var()) > 0.25 * 1.2
    small = langevin(bell, torch.ones(20_000, 1), 400, (0.1, 0.1), adjust=False,
                     generator=seeded())  # fmt: skip
    assert float(small.var()) == pytest.approx(0.25, rel=0.04)


def test_without_noise_it_goes_to_the_bottom_and_the_box_holds_it():
    start = torch.randn(50, 2, generator=seeded())
    x = langevin(bell, start, 200, (0.3, 0.3), adjust=False, noise=0.0)
    assert torch.allclose(x, torch.ones(50, 2), atol=1e-4)
    x = langevin(bell, start, 200, (0.3, 0.3), adjust=False, noise=0.0, box=(0, 0.75))
    assert torch.equal(x, torch.full((50, 2), 0.75))


def test_the_step_is_half_of_eps_squared_down_the_slope_and_eps_of_noise():
    x = torch.tensor([[0.25]])
    eps, start = 0.3, seeded(3)
    torch.rand(1, 1, generator=start)
    z = torch.randn(1, 1, generator=start)
    there = langevin(bell, x, 1, (eps, eps), adjust=False, generator=seeded(3))
    assert torch.allclose(there, x - 0.5 * eps**2 * 4 * (x - 1) + eps * z)


def test_walks_are_alone_and_of_many_sizes():
    # a walk that is refused everywhere stays; its neighbor moves
    def wall(x):
        return torch.where(x[:, 0] > 5, 0.0 * x[:, 0], 1e4 * (x[:, 0] - 6) ** 2)

    x = torch.tensor([[9.0], [6.0]])
    there = langevin(wall, x, 20, (0.5, 0.5), generator=seeded())
    assert (there != x).all()
    frozen = langevin(lambda x: 1e6 * x.square().sum(dim=1), torch.zeros(3, 1), 5,
                      (1.0, 1.0), generator=seeded())  # fmt: skip
    assert torch.equal(frozen, torch.zeros(3, 1))
    flat = langevin(lambda x: 0 * x[:, 0], torch.zeros(5000, 1), 1, (0.1, 1.6),
                    generator=seeded())  # fmt: skip
    mean = (1.6**2 - 0.1**2) / (2 * math.log(16))  # of eps^2
    assert float(flat.square().mean()) == pytest.approx(mean, rel=0.1)


def test_each_walk_has_one_size_drawn_evenly_on_a_logarithmic_scale():
    x, start = torch.zeros(3, 2, 2, dtype=torch.float64), seeded(5)
    even = torch.rand(3, 1, 1, generator=start, dtype=torch.float64)
    z = torch.randn(3, 2, 2, generator=start, dtype=torch.float64)
    there = langevin(lambda x: 0 * x.flatten(1).sum(dim=1), x, 1, adjust=False,
                     generator=seeded(5))  # fmt: skip
    assert torch.allclose(there, 0.1 * 16**even * z, rtol=1e-12)


def test_a_walk_returns_numbers_and_leaves_its_start_alone():
    for learns in (True, False):
        start = torch.ones(3, 1, requires_grad=learns)
        there = langevin(bell, start, 2, generator=seeded())
        assert not there.requires_grad
        assert start.requires_grad is learns
        assert (start == 1).all()
    # nor does it hold on to what it needed for its slopes
    assert not _slope(bell, start)[0].requires_grad


def test_an_adjusted_walk_refuses_what_it_cannot_correct():
    for wrong in ({"noise": 0.5}, {"box": (0, 1)}):
        with pytest.raises(ValueError, match=r"adjust=True with noise=.* adjust=False"):
            langevin(bell, torch.zeros(3, 1), 1, **wrong)


# The model on the plane


def shaken(model, scale=0.2):
    generator = seeded(1)
    with torch.no_grad():
        for p in model.parameters():
            p += scale * torch.randn(p.shape, generator=generator)
    return model.eval()


def test_a_new_model_is_its_bell():
    model = EnergyModel((2,))
    assert model.log_constant(BOX) == pytest.approx(math.log(2 * math.pi * 16), 1e-4)
    x = torch.randn(10, 2, generator=seeded())
    assert torch.allclose(model.energy(x), x.square().sum(dim=1) / 32)
    drawn = model.sample(4000, generator=seeded())
    for side in drawn.T:
        normal = scipy.stats.norm(0, 4)
        assert scipy.stats.kstest(side.numpy(), normal.cdf).pvalue > 0.001


def test_what_it_is_made_of_where_nothing_else_is_asked_for():
    plane, pictures = EnergyModel((2,)), EnergyModel(PICTURE)
    for model, size in ((plane, (0.1, 1.6)), (pictures, (0.01, 0.01))):
        hidden = [len(p) for p in model.network.parameters() if p.ndim == 2]
        assert hidden == [64, 64, 64, 1]
        assert (model.steps, model.size, len(model.chains)) == (10, size, 1024)
        assert (model.fresh, model.magnitude) == (0, 0)
    assert EnergyModel((2,), steps=3, size=(0.2, 0.4)).size == (0.2, 0.4)
    assert EnergyModel((2,), fresh=1).fresh == 1


def test_the_first_units_bend_all_over_the_plane():
    first = EnergyModel((2,)).network[0]
    assert 1.9 < first.weight.abs().max() <= 2
    assert 3.7 < first.bias.abs().max() <= 4
    assert EnergyModel(PICTURE).network[-1].weight.abs().max() > 0
    assert EnergyModel((2,)).energy(torch.full((1, 2), 1000.0)).isfinite()


def test_at_rest_a_sample_is_where_the_bell_put_it():
    # steps too small to move, and an energy that copies none: nothing but the start
    model = EnergyModel((2,), size=(1e-6, 1e-6))
    drawn = model.sample(600, generator=seeded(3))
    start = 4 * torch.randn(600, 2, generator=seeded(3))
    distance, place = torch.cdist(drawn, start).min(dim=1)
    assert distance.max() < 0.02
    assert len(place.unique()) > 550  # shares of 1 in 600 round
    assert not torch.equal(place, torch.arange(600))  # in another order


def test_temper_stays_within_its_crowd_when_shares_round_to_less_than_one(monkeypatch):
    model = shaken(EnergyModel((2,), hidden=(8,)))
    real = torch.rand

    def rand(*size, **options):
        return torch.ones(1) if size == (1,) else real(*size, **options)

    monkeypatch.setattr(torch, "rand", rand)
    for i in range(3):
        assert model.sample(700, generator=seeded(i)).isfinite().all()


@pytest.mark.parametrize("shape", [(2,), PICTURE])
def test_a_sample_does_not_come_from_the_chains(shape):
    model = shaken(EnergyModel(shape, hidden=(8,), chains=16))
    before = model.chains.clone()
    drawn = model.sample(4, generator=seeded())
    assert torch.equal(model.chains, before)
    model.chains.fill_(0.5)
    assert torch.equal(model.sample(4, generator=seeded()), drawn)


def test_a_walk_without_noise_takes_the_least_step_down_the_slope():
    model = shaken(EnergyModel((2,), hidden=(8,), size=(0.2, 0.9))).double()
    x = torch.randn(5, 2, generator=seeded(), dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(model.energy(x).sum(), x)
    down = model.walk(x, 1, noise=0)
    assert torch.allclose(down, x - 0.5 * 0.2**2 * slope)
    noisy = [model.walk(x, 3, noise=0.5, generator=seeded(1)) for _ in range(2)]
    assert torch.equal(*noisy)
    plain = [model.walk(x, 3, generator=seeded(1)) for _ in range(2)]
    assert torch.equal(*plain)


def test_the_gradient_of_the_contrast_is_that_of_the_negative_log_likelihood():
    model = EnergyModel.example().double()
    x = torch.randn(300, 2, generator=seeded(), dtype=torch.float64)
    weights = list(model.parameters())
    way = [torch.randn(w.shape, generator=seeded(i)).double() for i, w in
           enumerate(weights)]  # fmt: skip
    with torch.no_grad():
        nll = []
        for step in (1e-5, -2e-5):
            for w, v in zip(weights, way, strict=True):
                w += step * v
            nll.append(float(model.energy(x).mean()) + model.log_constant(BOX))
        for w, v in zip(weights, way, strict=True):
            w += 1e-5 * v
    slope = (nll[0] - nll[1]) / 2e-5

    # samples by the integral: cells of the grid, in proportion to their probability
    side = torch.linspace(-20, 20, 301).double()
    grid = torch.cartesian_prod(side, side)
    p = (-model.energy(grid).detach()).softmax(dim=0)
    chosen = torch.multinomial(p, 200_000, replacement=True, generator=seeded())
    loss = model.contrast(x, grid[chosen])
    gradient = torch.autograd.grad(loss, weights)
    said = sum(float((g * v).sum()) for g, v in zip(gradient, way, strict=True))
    assert abs(slope) > 0.3
    assert said == pytest.approx(slope, abs=0.03)


def test_the_contrast_is_the_energy_of_the_data_minus_that_of_the_negatives():
    model = shaken(EnergyModel((2,), hidden=(8,)))
    x, negatives = torch.randn(2, 30, 2, generator=seeded())
    with torch.no_grad():
        gap = model.energy(x).mean() - model.energy(negatives).mean()
        assert torch.allclose(model.contrast(x, negatives), gap, atol=1e-6)
        priced = EnergyModel((2,), hidden=(8,), magnitude=0.5)
        priced.load_state_dict(model.state_dict())
        f = [model.energy(t) - t.square().sum(dim=1) / 32 for t in (x, negatives)]
        price = 0.5 * sum(t.square().mean() for t in f)
        assert torch.allclose(priced.contrast(x, negatives), gap + price, atol=1e-5)


def test_the_constant_makes_the_density_integrate_to_one_and_scipy_agrees():
    model = shaken(EnergyModel((2,), hidden=(8,)), scale=0.05)
    log_z = model.log_constant(BOX)
    side = np.linspace(-20, 20, 401)
    grid = torch.tensor(np.stack(np.meshgrid(side, side), -1)).float().reshape(-1, 2)
    with torch.no_grad():
        p = Normalized(model, log_z).log_prob(grid).exp().reshape(401, 401)
    area = np.trapezoid(np.trapezoid(p.double().numpy(), side), side)
    assert area == pytest.approx(1, abs=1e-3)
    assert model.log_constant((-17, 16, -18, 19)) == pytest.approx(log_z, abs=1e-3)


def test_the_cells_of_the_constant_fill_the_box():
    model, seen = EnergyModel((2,)), []
    energy = model.energy
    model.energy = lambda x: seen.append(x) or energy(x)
    log_z = model.log_constant((-20, 24, -18, 21))
    x, cell = torch.cat(seen), torch.tensor([44 / 300, 39 / 300])
    assert len(x.unique(dim=0)) == 300**2
    low, high = torch.tensor([-20, -18]), torch.tensor([24, 21])
    assert torch.allclose(x.min(dim=0)[0], low + cell / 2, atol=1e-4)
    assert torch.allclose(x.max(dim=0)[0], high - cell / 2, atol=1e-4)
    assert log_z == pytest.approx(math.log(2 * math.pi * 16), abs=1e-5)


def test_the_constant_allows_a_thousandth_at_the_edge_on_any_side():
    model = EnergyModel((2,))
    model.log_constant((-10.5, 10.5, -10.5, 10.5))  # 9 ten-thousandths
    cut = [
        [6 * (2 * (i % 2) - 1) if i == k else BOX[i] for i in range(4)]
        for k in range(4)
    ]
    for box in ((-10, 10, -10, 10), *cut):
        with pytest.raises(ValueError, match=r"in the outermost .* widen bounds"):
            model.log_constant(box)


@pytest.fixture(scope="module")
def moon():
    x = moons.sample(10_000, generator=seeded())
    model = EnergyModel((2,), hidden=(64, 64))
    fit(model, x, steps=500, batch_size=256, learning_rate=5e-3, anneal=True)
    return model.eval()


def test_it_learns_two_moons_and_draws_them(moon):
    density = Normalized(moon, moon.log_constant((-12, 12, -12, 12)))
    assert kl_by_quadrature(moons, density, BOX, points=600) < 0.25
    drawn = moon.sample(2000, generator=seeded(2))
    test = moons.sample(2000, generator=seeded(3))
    assert two_sample_test(test, drawn).accuracy < 0.62


def test_downhill_finds_the_moons_again(moon):
    noisy = moons.sample(300, generator=seeded()) + 0.4
    rolled = moon.walk(noisy, 200, noise=0)
    log_p = [float(moons.log_prob(t).mean()) for t in (noisy, rolled)]
    assert log_p[1] > log_p[0] + 2


def test_the_sum_of_two_energies_draws_from_the_product(moon):
    def right(x):
        return torch.nn.functional.softplus(-4 * x[:, 0])

    start = moon.sample(2000, generator=seeded())
    both = langevin(lambda x: moon.energy(x) + right(x), start, 200, generator=seeded())
    world = moons.sample(20_000, generator=seeded(1))
    kept = torch.rand(20_000, generator=seeded(2)) < (-right(world)).exp()
    assert two_sample_test(world[kept][:2000], both).accuracy < 0.58
    assert two_sample_test(world[kept][:2000], start).accuracy > 0.65


def test_temper_gives_separate_valleys_their_shares():
    # an energy set by hand: two narrow wells, three in four on the right
    class Wells(EnergyModel):
        def _says(self, x):
            center = torch.tensor([3.0, 0.0])
            wells = torch.stack([
                math.log(0.75) - 20 * (x - center).square().sum(dim=1),
                math.log(0.25) - 20 * (x + center).square().sum(dim=1),
            ])  # fmt: skip
            return -wells.logsumexp(dim=0)[:, None] - self._base(x)[:, None]

    x = Wells((2,)).sample(4000, generator=seeded())
    assert float((x[:, 0] > 0).float().mean()) == pytest.approx(0.75, abs=0.04)
    assert float(x[:, 1].std()) == pytest.approx(1 / math.sqrt(40), rel=0.1)


def test_few_samples_are_of_the_same_distribution_as_many():
    model = EnergyModel.example()
    few = torch.cat([model.sample(5, generator=seeded(i)) for i in range(12)])
    many = model.sample(2000, generator=seeded(99))
    for a, b in zip(few.T, many.T, strict=True):
        assert scipy.stats.ks_2samp(a.numpy(), b.numpy()).pvalue > 0.001


# Chains


def test_chains_go_on_from_where_they_are():
    model = shaken(EnergyModel((2,), hidden=(8,), chains=64, size=(0.01, 0.01)))
    before = model.chains.clone()
    torch.manual_seed(0)
    x = model.negatives(16)
    assert not x.requires_grad
    assert not model.chains.requires_grad
    moved = (model.chains != before).any(dim=1)
    assert 8 < moved.sum() <= 16
    assert (model.chains[moved] - before[moved]).abs().max() < 0.3
    nearest = torch.cdist(x, model.chains).min(dim=1).values
    assert nearest.median() == 0
    assert "chains" not in model.state_dict()


def test_every_chain_has_its_turn_and_is_put_back_where_its_walk_ended():
    model, asked = EnergyModel((2,), chains=5, steps=7, class_names=KINDS), []
    assert model.chains.shape == (6, 2)  # as many for each kind

    def walk(x, steps, *, label):
        asked.append((steps, label))
        return x + 100

    model.walk = walk
    before, y = model.chains.clone(), torch.ones(400, dtype=torch.int64)
    torch.manual_seed(0)
    x = model.negatives(400, y)
    assert asked == [(7, y)]
    assert torch.equal(model.chains[::2], before[::2])
    assert torch.equal(model.chains[1::2], before[1::2] + 100)
    assert torch.equal(x.unique(dim=0), model.chains[1::2].unique(dim=0))


def test_contrastive_divergence_sets_noisy_data_against_chains_of_their_kinds():
    model, asked = EnergyModel(PICTURE, hidden=(8,), class_names=KINDS), []
    model.contrast = lambda *given: asked.append(given) or torch.zeros(())
    model.negatives = lambda n, y: ("negatives", n, y)
    x, y = torch.full((50, *PICTURE), 0.5), torch.arange(50) % 2
    model.contrastive_divergence(x, y)
    ((data, (_, n, kinds), own),) = asked
    assert float((data - x).std()) == pytest.approx(0.03, rel=0.1)
    assert (n, kinds.tolist(), own.tolist()) == (50, y.tolist(), y.tolist())


def test_a_share_of_the_chains_starts_anew():
    model = EnergyModel((2,), chains=2000, fresh=0.25, steps=1, size=(1e-6, 1e-6))
    model.chains.zero_()
    torch.manual_seed(0)
    x = model.negatives(2000)
    anew = x.norm(dim=1) > 0.01
    assert float(anew.float().mean()) == pytest.approx(0.25, abs=0.03)
    assert float(x[anew].std()) == pytest.approx(4, rel=0.1)


def test_fit_keeps_the_chains_in_its_checkpoint(tmp_path):
    x = moons.sample(500, generator=seeded())
    settings = {"batch_size": 64, "learning_rate": 1e-3, "every": 5}
    whole, parts = EnergyModel((2,), hidden=(8,)), EnergyModel((2,), hidden=(8,))
    fit(whole, x, steps=10, **settings)
    file = tmp_path / "run.safetensors"
    fit(parts, x, steps=5, checkpoint=file, **settings)
    again = EnergyModel((2,), hidden=(8,))
    fit(again, x, steps=10, checkpoint=file, **settings)
    assert torch.equal(again.chains, whole.chains)
    assert not torch.equal(parts.chains, whole.chains)
    for a, b in zip(again.parameters(), whole.parameters(), strict=True):
        assert torch.equal(a, b)


def test_chains_that_do_not_reach_the_data_explode_and_a_price_holds_them():
    x = moons.sample(5000, generator=seeded())
    short = {"fresh": 1.0, "size": (0.3, 0.3)}
    gaps = {}
    for magnitude in (0.0, 0.01):
        model = EnergyModel((2,), magnitude=magnitude, **short)
        history = fit(model, x, steps=300, batch_size=256, learning_rate=3e-3)
        gaps[magnitude] = -history.loss["contrastive_divergence"][-20:].mean()
    assert gaps[0.0] > 1000
    assert gaps[0.01] < 100


# Labels


@pytest.fixture(scope="module")
def conditional():
    generator = seeded()
    y = torch.randint(2, (2000,), generator=generator)
    x = 0.5 * torch.randn(2000, 2, generator=generator)
    x[:, 0] += 2.4 * y - 1.2
    model = EnergyModel((2,), hidden=(32, 32), class_names=KINDS)
    fit(model, (x, y), steps=250, batch_size=256, learning_rate=1e-2, anneal=True)
    return model.eval()


def test_the_kinds_stand_at_the_right_height_against_each_other(conditional):
    side = torch.linspace(-20, 20, 301)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        log_mass = (-conditional.energy(grid)).logsumexp(dim=0)
        for kind in KINDS:
            own = (-conditional.energy(grid, kind)).logsumexp(dim=0)
            assert float((own - log_mass).exp()) == pytest.approx(0.5, abs=0.12)


def test_with_kinds_the_loss_adds_the_cross_entropy_of_torch(conditional):
    x, negatives = torch.randn(2, 20, 2, generator=seeded())
    y = torch.tensor([0, 1] * 10)
    with torch.no_grad():
        each = torch.stack([conditional.energy(x, k) for k in (0, 1)], dim=1)
        known = torch.nn.functional.cross_entropy(-each, y)
        gap = conditional.energy(x, y).mean() - conditional.energy(negatives, y).mean()
        assert torch.allclose(conditional.contrast(x, negatives, y), gap + known, 1e-4)


def test_a_chain_keeps_its_kind():
    model = EnergyModel((2,), class_names=KINDS, chains=8, steps=1, size=(1e-6, 1e-6))
    model.chains.copy_(10.0 * (torch.arange(8) % 2)[:, None])
    y = torch.tensor([0, 1, 1, 0])
    x = model.negatives(4, y)
    assert torch.equal(x[:, 0] > 5, y == 1)


# Pictures


def test_roughness_is_means_over_blocks_of_squares():
    x = torch.rand(3, 2, 8, 12, generator=seeded())
    told = roughness(x).reshape(3, 3, 2, 2, 3)
    block = np.s_[:, :, 4:8, 4:8]
    assert torch.allclose(told[:, 0, :, 1, 1], x[block].square().mean(dim=(2, 3)))
    right = x[:, :, 4:8, 5:9] - x[block]
    below = torch.nn.functional.pad(x, (0, 0, 0, 1))[:, :, 5:9, 4:8] - x[block]
    assert torch.allclose(told[:, 1, :, 1, 1], right.square().mean(dim=(2, 3)))
    assert torch.allclose(told[:, 2, :, 1, 1], below.square().mean(dim=(2, 3)))
    assert roughness(torch.zeros(1, 1, 4, 4)).abs().max() == 0


def test_pictures_stay_in_their_box_and_their_data_get_noise():
    model = shaken(EnergyModel(PICTURE, hidden=(8,), chains=16))
    x = model.sample(4, generator=seeded())
    assert x.shape == (4, *PICTURE)
    assert 0 <= float(x.min()) <= float(x.max()) <= 1
    gray = torch.full((500, *PICTURE), 0.5)
    assert float(model.blur(gray).std()) == pytest.approx(0.03, rel=0.05)
    assert float(model.blur(torch.ones(9, *PICTURE)).max()) == 1
    plane = torch.randn(3, 2, generator=seeded())
    assert torch.equal(EnergyModel((2,)).blur(plane), plane)


def test_a_unit_of_the_loss_of_pictures_is_forty_thousand_nats():
    model = shaken(EnergyModel(PICTURE, hidden=(8,)))
    x, negatives = torch.rand(2, 5, *PICTURE, generator=seeded())
    with torch.no_grad():
        gap = model.energy(x).mean() - model.energy(negatives).mean()
        loss = model.contrast(x, negatives)
    assert float(loss) == pytest.approx(float(gap) / 40_000, rel=1e-3)


def test_the_energy_of_pictures_is_what_the_network_says_of_pixels_and_roughness():
    model = shaken(EnergyModel(PICTURE, hidden=(8,), class_names=KINDS))
    x = torch.rand(5, *PICTURE, generator=seeded())
    with torch.no_grad():
        says = model.network(torch.cat([x.flatten(1), 4 * roughness(x)], dim=1))
        for kind in (0, 1):
            assert torch.allclose(model.energy(x, kind), 40_000 * says[:, kind])
        y = torch.tensor([0, 1, 1, 0, 1])
        known = torch.nn.functional.cross_entropy(-40_000 * says, y) / 40_000
        loss = model.contrast(x, x, y)  # the energies cancel
    assert float(loss) == pytest.approx(float(known), rel=1e-4)


def test_walks_to_pictures_start_at_even_pixels():
    chains = EnergyModel(PICTURE, hidden=(8,), chains=64).chains
    assert scipy.stats.kstest(chains.flatten().numpy(), "uniform").pvalue > 0.001


def test_the_shipped_model_draws_what_it_is_asked_for():
    model = EnergyModel.pretrained("fashion")
    test = load("fashion").test
    kinds = ("Trouser", "Sneaker", "Bag")
    drawn = {k: model.sample(8, label=k, generator=seeded()) for k in kinds}
    means = {
        k: to_tensor(test.x[test.y == model.class_names.index(k)]).mean(dim=0)
        for k in kinds
    }
    for kind, x in drawn.items():
        nearest = [
            min(kinds, key=lambda k: float((one - means[k]).norm())) for one in x
        ]
        assert nearest.count(kind) >= 6


# The class


def test_the_weights_and_chains_follow_from_the_seed():
    first, again, other = (EnergyModel((2,), seed=s) for s in (0, 0, 1))
    assert torch.equal(first.chains, again.chains)
    assert not torch.equal(first.chains, other.chains)
    assert torch.equal(first.network[0].weight, again.network[0].weight)
    assert not torch.equal(first.network[0].weight, other.network[0].weight)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: EnergyModel((28, 28)), ValueError, r"shape is \(28, 28\); expected"),
        (lambda: EnergyModel((1, 28, 30)), ValueError, "that 4 divides"),
        (lambda: EnergyModel((1, 30, 28)), ValueError, "that 4 divides"),
        (lambda: EnergyModel((2,), size=(1, 2, 3)), TypeError, "expected two numbers"),
        (lambda: EnergyModel((2,), size=(1, 0)), ValueError, r"size\[1\] is 0"),
        (lambda: EnergyModel((2,), fresh=1.5), ValueError, r"fresh is 1\.5; expected"),
        (lambda: EnergyModel((2,), magnitude=-1), ValueError, "magnitude is -1; exp"),
        (lambda: EnergyModel(2), TypeError, "shape is 2; expected whole numbers"),
        (lambda: EnergyModel((2,), hidden=()), TypeError, r"hidden is \(\); expected"),
        (lambda: EnergyModel((2,), steps=0), ValueError, "steps is 0; expected 1"),
        (lambda: EnergyModel((2,), size=0.1), TypeError, r"size is 0\.1; expected two"),
        (lambda: EnergyModel((2,), size=(0, 1)), ValueError, r"size\[0\] is 0"),
        (lambda: EnergyModel((2,), size=(2, 1)), ValueError, "the least step, then"),
        (lambda: EnergyModel((2,), fresh=2), ValueError, "fresh is 2; expected a sha"),
        (lambda: EnergyModel((2,), fresh=-1), ValueError, "fresh is -1; expected"),
        (lambda: EnergyModel((2,), magnitude="x"), TypeError, "magnitude is 'x'; exp"),
        (lambda: EnergyModel((2,), chains=0), ValueError, "chains is 0; expected 1"),
        (lambda: EnergyModel((2,), seed=-1), ValueError, "seed is -1; expected 0"),
    ],
)
def test_what_it_cannot_be_made_of_gets_a_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


def test_what_does_not_fit_gets_a_sentence():
    pictures = EnergyModel(PICTURE, hidden=(4,))
    with pytest.raises(ValueError, match="expected numbers from 0 to 1"):
        pictures.energy(torch.full((1, *PICTURE), 2.0))
    with pytest.raises(ValueError, match="expected numbers from 0 to 1"):
        pictures.contrastive_divergence(torch.full((1, *PICTURE), -1.0))
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8\); the constant can be"):
        pictures.log_constant(BOX)
    with pytest.raises(
        ValueError, match=r"in the outermost of 300 x 300 cells .* widen"
    ):
        EnergyModel((2,)).log_constant((-6, 6, -6, 6))
    with pytest.raises(ValueError, match=r"x has shape \(3, 3\); expected \(n, 2\)"):
        EnergyModel((2,)).walk(torch.zeros(3, 3), 1)


# The pictures of the page


def test_the_diagram_is_the_energy_of_the_page():
    tree = ElementTree.parse(DIAGRAMS / "energy-landscape.svg")
    (track,) = (e for e in tree.iter() if e.get("data-curve") == "track")
    points = [p.split() for p in track.get("d")[1:].split("L")]
    for across, up in points:
        x = (float(across) - 270) / 130
        e = float(valleys(torch.tensor([[x]])))
        assert float(up) == pytest.approx(236 - 44 * e, abs=0.5)
    places = [float(e.get("data-x")) for e in tree.iter() if e.get("data-x")]
    assert sum(x < 0 for x in places) == 4
    assert sum(x > 0 for x in places) == 3
