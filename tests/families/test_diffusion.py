"""Diffusion: both chains against mathematics, the bound against known worlds."""

import math
import re

import pytest
import scipy.stats
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from gdlbook import fit, moons
from gdlbook.families.diffusion import DDPM, _log_level, schedule
from gdlbook.generative.framework import two_sample_test


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _drawn_from_a_seed():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


MEAN, STD = torch.tensor([1.0, -0.5]), torch.tensor(0.4)


class Perfect(nn.Module):
    """What the best network says where the world is one round Gaussian."""

    def __init__(self, model):
        super().__init__()
        self.signal, self.noise = model.signal, model.noise

    def data(self, x_t, t):
        a, s = self.signal[t][:, None], self.noise[t][:, None]
        share = a * STD**2 / (a**2 * STD**2 + s**2)
        return MEAN + share * (x_t - a * MEAN)

    def forward(self, x_t, t, y):
        a, s = self.signal[t][:, None], self.noise[t][:, None]
        return (a * x_t - self.data(x_t, t)) / s


def gaussian_world(**settings):
    """A model that knows its world, N(MEAN, STD), to the last digit."""
    model = DDPM((2,), **settings).eval()
    model.network = Perfect(model)
    a, s = model.signal, model.noise
    model.error = STD**2 * s**2 / (a**2 * STD**2 + s**2)
    return model


def world_log_prob(x):
    return Normal(MEAN, STD).log_prob(x).sum(1)


# ---------------------------------------------------------------------- the schedule


def test_the_linear_schedule_is_that_of_the_paper():
    beta = schedule("linear", 1000)
    assert beta[0] == pytest.approx(1e-4, rel=1e-4)
    assert beta[-1] == pytest.approx(0.02, rel=1e-4)
    assert beta[499] - beta[498] == pytest.approx(0.0199 / 999, rel=1e-3)


def test_the_cosine_schedule_is_its_formula():
    beta = torch.tensor(schedule("cosine", 100)).double()
    f = [math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(101)]
    signal = (1 - beta).cumprod(0)
    for t in (1, 10, 50, 99):
        assert signal[t - 1] == pytest.approx(f[t] / f[0], rel=1e-5)


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("steps", [20, 100, 1000])
def test_no_schedule_leaves_signal_at_its_end(name, steps):
    beta = torch.tensor(schedule(name, steps))
    assert ((beta > 0) & (beta < 1)).all()
    assert (1 - beta.double()).prod().sqrt() < 0.01


# ----------------------------------------------------------------- the forward chain


def test_one_leap_is_all_the_steps_before_it():
    model = DDPM((2,), steps=40)
    scale, variance = 1.0, 0.0  # of x_0 in x_t, and of the noise, step by step
    for t, beta in enumerate(schedule("cosine", 40), start=1):
        scale *= math.sqrt(1 - beta)
        variance = (1 - beta) * variance + beta
        one = torch.tensor([t])
        x, noise = torch.ones(1, 2), torch.ones(1, 2)
        assert model.noised(x, one, 0 * noise).mean() == pytest.approx(scale, rel=1e-4)
        leap = model.noised(0 * x, one, noise).mean() ** 2
        assert leap == pytest.approx(variance, rel=1e-4)
    assert torch.equal(model.noised(x, torch.tensor([0]), noise), x)


def test_the_step_back_is_bayes_rule():
    model = DDPM((2,), steps=30, betas="linear")
    beta = torch.tensor([0.0, *schedule("linear", 30)])
    for t in (1, 2, 15, 30):
        # q(x_{t-1} | x_0) q(x_t | x_{t-1}) as a function of x_{t-1}: add precisions
        a, s2 = model.signal[t - 1], model.noise[t - 1] ** 2
        if t == 1:
            assert model.least[1] == 0
            assert model.of_data[1] == 1
            assert model.of_noisy[1] == 0
            continue
        precision = 1 / s2 + (1 - beta[t]) / beta[t]
        weight = (1 - beta[t]).sqrt() / beta[t]
        for found, expected in (
            (model.least[t], 1 / precision),
            (model.of_data[t], a / s2 / precision),
            (model.of_noisy[t], weight / precision),
        ):
            assert torch.isclose(found, expected, rtol=1e-4)


# ----------------------------------------------------------------------- what is said


@pytest.mark.parametrize("target", ["noise", "data", "velocity"])
def test_a_network_that_says_what_is_wanted_has_no_loss_and_guesses_x(target):
    model = DDPM((2,), steps=20, target=target)
    x, noise, t = torch.randn(7, 2), torch.randn(7, 2), torch.randint(1, 19, (7,))
    x_t = model.noised(x, t, noise)
    wanted = model._wanted(x, t, noise)
    assert torch.allclose(model._guess(wanted, x_t, t), x, atol=1e-3)

    class Knows(nn.Module):
        def forward(self, x_t, t, y):  # undoes the noise that the loss has drawn
            a, s = model.signal[t][:, None], model.noise[t][:, None]
            return model._wanted(x, t, (x_t - a * x) / s)

    model.network = Knows()
    assert model.simple_loss(x) < 1e-8


def test_the_targets_are_those_of_the_papers():
    models = {n: DDPM((2,), steps=20, target=n) for n in ("noise", "data", "velocity")}
    x, noise, t = torch.randn(5, 2), torch.randn(5, 2), torch.full((5,), 7)
    wanted = {name: m._wanted(x, t, noise) for name, m in models.items()}
    a, s = models["data"].signal[7], models["data"].noise[7]
    assert torch.equal(wanted["noise"], noise)
    assert torch.equal(wanted["data"], x)
    assert torch.allclose(wanted["velocity"], a * noise - s * x)


def test_the_loss_has_the_gradient_of_finite_differences():
    model = DDPM((2,), steps=10, sizes=(8, 8)).double()
    with torch.no_grad():
        model.network.last.weight.normal_()
    x = torch.randn(16, 2).double()

    def loss():
        torch.default_generator.manual_seed(3)
        return model.simple_loss(x)

    loss().backward()
    for p in (model.network.layers[0].weight, model.network.embed.time.bias):
        with torch.no_grad():
            p.view(-1)[0] += 1e-5
            above = loss()
            p.view(-1)[0] -= 2e-5
            below = loss()
            p.view(-1)[0] += 1e-5
        slope = (above - below) / 2e-5
        assert torch.isclose(p.grad.view(-1)[0], slope, rtol=1e-5)


def test_the_times_of_a_batch_are_spread_evenly():
    model = DDPM((2,), steps=20)
    t = model._times(40)
    assert sorted(t.tolist()) == sorted(2 * list(range(1, 21)))
    assert t.tolist() != sorted(t.tolist())
    many = torch.cat([model._times(3) for _ in range(4000)])
    counts = many.bincount(minlength=21)[1:]
    assert counts.min() > 600 - 5 * 600**0.5


# ---------------------------------------------------------------------- the variances


def test_the_running_mean_takes_up_errors_and_forgets_old_ones():
    model = DDPM((2,), steps=5)
    t = torch.tensor([2, 2, 4])
    off = torch.tensor([[1.0, 1], [3, 3], [2, 2]])
    model._note(off, t)
    assert model.error.tolist() == [1, 1, 5, 1, 4, 1]  # those not seen are as before
    for _ in range(300):
        model._note(0 * off, t)
    assert model.error[2] < 1e-6
    assert model.seen.tolist() == [0, 0, 602, 0, 301, 0]


def test_only_training_notes_errors():
    model, x = DDPM((2,), steps=5), torch.randn(50, 2)
    model.eval().simple_loss(x)
    assert (model.error == 1).all()
    model.train().simple_loss(x)
    assert (model.error[1:] != 1).all()


def test_the_variance_is_the_one_that_makes_the_bound_best():
    model = gaussian_world(steps=12)
    x = Normal(MEAN, STD).sample((4000,))
    best, kept = model.elbo(x).mean(), model.error
    for factor in (0.8, 1.25):
        model.error = kept * factor
        assert model.elbo(x).mean() < best - 0.01


# -------------------------------------------------------------------------- the bound


def test_where_the_world_is_gaussian_the_bound_is_the_density():
    # There the true steps back are Gaussian, so nothing is lost but what the prior is.
    model = gaussian_world(steps=25)
    x = Normal(MEAN, STD).sample((100,))
    draws = torch.stack([model.elbo(x) for _ in range(40)])
    apart = draws.mean(0) - world_log_prob(x)
    error = draws.std(0) / 40**0.5
    assert (apart.abs() < 4.5 * error + 0.003).all()
    assert abs(apart.mean()) < 0.01


def test_the_terms_are_those_of_the_library():
    model = DDPM((2,), steps=8).eval()
    model.error = torch.linspace(0.1, 0.9, 9)
    x, noise = torch.randn(3, 2), torch.randn(3, 2)
    for t in (1, 2, 8):
        times = torch.full((3,), t)
        x_t = model.noised(x, times, noise)
        guess = model.denoised(x_t, times)
        mean = model.of_data[t] * guess + model.of_noisy[t] * x_t
        back = Normal(mean, model.variance[t].sqrt())
        if t == 1:
            expected = -back.log_prob(x)
        else:
            true = model.of_data[t] * x + model.of_noisy[t] * x_t
            expected = kl_divergence(Normal(true, model.least[t].sqrt()), back)
        # what has mean zero, and is there to make the estimate steadier
        share = model.of_data[t] ** 2 * model.error[t] / model.variance[t]
        expected = expected.sum(1) - (share / 2 * (noise**2 - 1)).sum(1)
        found = model.term(x, times, noise, None)
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_prior_term_is_a_divergence():
    model = DDPM((2,), betas=[0.1, 0.2])
    x = torch.randn(4, 2)
    end = Normal(model.signal[2] * x, model.noise[2])
    expected = kl_divergence(end, Normal(0.0, 1.0)).sum(1)
    with torch.no_grad():
        model.term = lambda x, t, noise, y: torch.zeros(len(x))
        assert torch.allclose(model._bound(x, None), -expected, atol=1e-6)


def test_the_noises_of_the_bound_come_in_pairs_at_all_times():
    model, seen = DDPM((2,), steps=3), []

    def term(x, t, noise, y):
        seen.append((t.unique().item(), noise.clone()))
        return torch.zeros(len(x))

    model.term = term
    model.elbo(torch.randn(4, 2))
    assert [t for t, _ in seen] == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    noises = [noise for _, noise in seen]
    for there, back in zip(noises[::2], noises[1::2], strict=True):
        assert torch.equal(there, -back)
    assert not torch.equal(noises[0], noises[2])


def test_what_has_mean_zero_makes_the_bound_steady():
    model = gaussian_world(steps=25)
    x = Normal(MEAN, STD).sample((500,))
    scatter = torch.stack([model.elbo(x) for _ in range(10)]).std(0).mean()
    assert scatter < 0.3  # of one plain draw of each term it would be above 1


def test_levels_have_probabilities_that_sum_to_one():
    levels = torch.arange(256) / 127.5 - 1
    for mean, std in ((0.3, 0.01), (-1.0, 0.2), (0.999, 0.5), (5.0, 0.3)):
        log_p = _log_level(levels, mean - levels, torch.full((256,), std))
        assert log_p.exp().sum() == pytest.approx(1, abs=1e-5)
        edges = (levels[:-1] + levels[1:]).double().numpy() / 2
        cdf = scipy.stats.norm(mean, std).cdf([-math.inf, *edges, math.inf])
        expected = torch.tensor(cdf).diff()
        assert torch.allclose(log_p.exp().double(), expected, atol=1e-5)


def test_levels_far_out_have_finite_logarithms():
    x = torch.tensor([-0.5, 0.5, -1.0, 1.0])
    for std in (1e-3, 1e-2):
        log_p = _log_level(x, torch.tensor([1.4, -1.4, 1.9, -1.9]), torch.tensor(std))
        assert log_p.isfinite().all()
        assert (log_p < -50).all()


@pytest.mark.parametrize("sizes", [(16, 16), (24, 16)])
def test_time_and_kind_reach_the_last_layer_of_the_smallest_network(sizes):
    model = DDPM((1, 8, 8), steps=5, sizes=sizes, class_names=NAMES)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=seeded()))
    x, t = torch.randn(2, 1, 8, 8, generator=seeded()), torch.tensor([3, 3])
    first, other = (torch.full_like(t, kind) for kind in (0, 1))
    out = model.network(x, t, first)
    assert (out - model.network(x, t, other)).abs().max() > 0.1
    assert (out - model.network(x, t - 1, first)).abs().max() > 0.1


def test_a_bound_on_pictures_is_a_log_probability():
    model = DDPM((1, 4, 4), steps=5, sizes=(16, 16)).eval()
    x = model.sample(3, generator=seeded())
    assert (model.elbo(x) < 0).all()
    assert (255 * x - (255 * x).round()).abs().max() < 1e-4
    for stop in model.walk(2, steps=2, generator=seeded()):
        assert model.elbo(stop).isfinite().all()  # every stop is a picture
    assert x.min() >= 0
    assert x.max() <= 1


# ------------------------------------------------------------------------- sampling


def test_ancestral_samples_follow_the_world_that_the_model_knows():
    model = gaussian_world(steps=40)
    x = (model.sample(4000, generator=seeded()) - MEAN) / STD
    for axis in (0, 1):
        assert scipy.stats.kstest(x[:, axis], "norm").pvalue > 0.01


def test_ddim_with_all_steps_comes_near_the_world_and_one_step_gives_its_mean():
    model = gaussian_world(steps=200)
    x = model.sample(4000, steps=200, generator=seeded())
    assert torch.allclose(x.mean(0), MEAN, atol=0.03)
    assert torch.allclose(x.std(0), STD.expand(2), atol=0.04)
    one = model.sample(4000, steps=1, generator=seeded())
    assert torch.allclose(one, MEAN.expand(4000, 2), atol=0.03)


def test_ddim_is_its_formula():
    model = gaussian_world(steps=10)
    walk = list(model.walk(3, steps=5, generator=seeded()))
    for i, (now, then) in enumerate([(10, 8), (8, 6), (6, 4), (4, 2), (2, 0)]):
        guess = model.network.data(walk[i], torch.full((3,), now))
        noise = (walk[i] - model.signal[now] * guess) / model.noise[now]
        expected = model.noised(guess, torch.full((3,), then), noise)
        assert torch.allclose(walk[i + 1], expected, atol=1e-4)


@pytest.mark.parametrize("steps", [None, 3])
def test_a_walk_starts_at_noise_and_ends_as_the_sample(steps):
    model = DDPM.example().eval()
    walk = list(model.walk(5, steps=steps, generator=seeded(1)))
    assert [x.shape for x in walk] == ((steps or 20) + 1) * [(5, 2)]
    assert not any(x.requires_grad for x in walk)
    assert torch.is_grad_enabled()
    assert torch.equal(walk[0], torch.randn(5, 2, generator=seeded(1)))
    assert torch.equal(walk[-1], model.sample(5, steps=steps, generator=seeded(1)))


def test_ddim_draws_nothing_but_its_start():
    model, generator = DDPM.example().eval(), seeded()
    model.sample(4, steps=5, generator=generator)
    expected = seeded()
    torch.randn(4, 2, generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def test_it_learns_the_moons():
    generator = seeded()
    x, test = moons.sample(4000, generator=generator), moons.sample(1000)
    model = DDPM((2,), steps=50, sizes=(64, 64, 64))
    fit(model, x, steps=800, batch_size=200, learning_rate=1e-2, anneal=True)
    model.eval()
    gap = (moons.log_prob(test) - model.elbo(test)).mean()
    assert 0 < gap < 0.5  # one Gaussian is 0.9 away
    drawn = model.sample(1000, generator=generator)
    assert two_sample_test(test, drawn).accuracy < 0.6


# ---------------------------------------------------------------------------- labels

NAMES = ("left", "right")


@pytest.fixture(scope="module")
def conditional():
    """Two kinds, on the left and on the right; a little trained."""
    model = DDPM((2,), steps=20, sizes=(32, 32), class_names=NAMES)
    y = torch.arange(1000) % 2
    noise = 0.3 * torch.randn(1000, 2, generator=seeded())
    x = noise + torch.stack([4.0 * y - 2, 0 * y], dim=1)
    fit(model, (x, y), steps=300, batch_size=100, learning_rate=1e-2, anneal=True)
    return model.eval()


def test_the_bound_knows_the_kind_and_without_it_pays_for_the_guess(conditional):
    x = torch.tensor([[-2.0, 0.0], [2.0, 0.0]]).repeat(300, 1)
    right = conditional.elbo(x, label=torch.tensor([0, 1]).repeat(300))
    wrong = conditional.elbo(x, label=torch.tensor([1, 0]).repeat(300))
    assert right.mean() > wrong.mean() + 3
    without = conditional.elbo(x)
    assert abs(without.mean() - right.mean() + math.log(2)) < 0.05


def test_a_tenth_of_a_batch_is_learned_without_its_labels():
    model = DDPM((2,), steps=5, class_names=NAMES)
    y = model._some_unlabeled(torch.ones(5000, dtype=torch.int64), 5000)
    assert set(y.tolist()) == {1, 2}
    assert 400 < int((y == 2).sum()) < 600


def test_guidance_exaggerates_what_the_label_changes(conditional):
    x, t = torch.randn(4, 2), torch.full((4,), 15)
    y = torch.ones(4, dtype=torch.int64)
    with torch.no_grad():
        given, free = conditional.network(x, t, y), conditional.network(x, t, None)
        guided = conditional.denoised(x, t, y, guidance=2.0)
        expected = conditional._guess(3 * given - 2 * free, x, t)
    assert torch.allclose(guided, expected, atol=1e-5)
    plain = conditional.sample(300, label=1, steps=10, generator=seeded())
    strong = conditional.sample(
        300, label=1, steps=10, guidance=3.0, generator=seeded()
    )
    assert strong[:, 0].mean() > plain[:, 0].mean()


# ------------------------------------------------------------------------ the networks


def test_at_first_the_network_says_nothing():
    for shape in ((2,), (1, 8, 8), (3, 8, 8)):
        model = DDPM(shape, steps=5)
        x = torch.randn(2, *shape)
        assert (model.network(x, torch.tensor([1, 5]), None) == 0).all()


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 12, 8)])
def test_every_answer_depends_on_time_kind_and_all_of_the_observation(shape):
    model = DDPM(shape, steps=9, class_names=NAMES, seed=3).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    x = torch.randn(1, *shape).double().requires_grad_()
    t, y = torch.tensor([4]), torch.tensor([0])
    said = model.network(x, t, y)
    assert said.shape == x.shape
    assert not torch.allclose(said, model.network(x, t + 1, y))
    assert not torch.allclose(said, model.network(x, t, 1 - y))
    assert not torch.allclose(said, model.network(x, t, None))
    said.flatten()[0].backward()
    assert (x.grad != 0).all()
    for name, p in model.named_parameters():  # no path through the network is idle
        assert p.grad.abs().sum() > 1e-9, name


def test_the_bridge_hands_the_finer_map_across():
    network = DDPM((1, 8, 8), steps=5).network
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn_like(p))
        for p in network.grow.parameters():  # what comes from below
            p.zero_()
    x = torch.randn(1, 1, 8, 8).requires_grad_()
    network(x, torch.tensor([2]), None).sum().backward()
    assert (x.grad != 0).all()


def test_the_default_networks_are_small():
    sizes = {
        shape: sum(p.numel() for p in DDPM(shape, class_names=["a"] * 10).parameters())
        for shape in ((2,), (1, 28, 28), (3, 32, 32))
    }
    assert sizes[2,] < 100_000
    assert sizes[1, 28, 28] + sizes[3, 32, 32] < 350_000


# ------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: schedule("square", 10), ValueError, "no schedule 'square'; there are"),
        (lambda: schedule("linear", 1), ValueError, "steps is 1; expected 2 or more"),
        (lambda: DDPM((2,), steps=2.5), TypeError, "steps is 2.5; expected a whole"),
        (lambda: DDPM((2,), target="score"), ValueError, "target is 'score'; expected"),
        (
            lambda: DDPM((2,), betas=[0.1, 1.5]),
            ValueError,
            "betas are 2 numbers from 0.1 to 1.5; expected two or more, each above 0",
        ),
        (lambda: DDPM((2,), betas=[]), ValueError, "betas are 0 numbers"),
        (
            lambda: DDPM((1, 30, 30)),
            ValueError,
            "shape is (1, 30, 30); expected one axis, or channels and two sides that",
        ),
        (lambda: DDPM((4, 4)), ValueError, "shape is (4, 4); expected one axis, or"),
        (
            lambda: DDPM((1, 8, 8), sizes=(8, 16)),
            ValueError,
            "sizes is (8, 16); expected two multiples of 8, from 16",
        ),
        (lambda: DDPM((2,), seed=-1), ValueError, "seed is -1; expected 0 or more"),
        (
            lambda: DDPM.example().sample(2, steps=21),
            ValueError,
            "steps is 21; expected 20 at most",
        ),
        (lambda: DDPM.example().sample(2, steps=0), ValueError, "steps is 0; expected"),
        (
            lambda: DDPM.example().sample(2, guidance=1.0),
            ValueError,
            "guidance is 1.0, but this model was made without class_names",
        ),
        (
            lambda: DDPM((2,), class_names=NAMES).sample(2, guidance=-1.0),
            ValueError,
            "guidance is -1.0; expected a finite number above zero",
        ),
        (
            lambda: DDPM((2,), class_names=NAMES).sample(2, label="up"),
            ValueError,
            "no label 'up'; there are left, right",
        ),
        (
            lambda: DDPM((2,), class_names=NAMES).simple_loss(torch.zeros(3, 2)),
            ValueError,
            "y is missing: this model was made with class_names",
        ),
        (
            lambda: DDPM.example().simple_loss(torch.zeros(3, 2), torch.zeros(3)),
            ValueError,
            "made without class_names and knows no kinds",
        ),
        (
            lambda: DDPM((1, 8, 8)).elbo(torch.full((2, 1, 8, 8), 0.5)),
            ValueError,
            "x holds 128 of 128 numbers between two gray levels; expected whole",
        ),
        (
            lambda: DDPM((1, 8, 8)).simple_loss(torch.full((2, 1, 8, 8), 255.0)),
            ValueError,
            "x runs from 255 to 255; expected numbers from 0 to 1",
        ),
    ],
)
def test_bad_input_gets_its_sentence(call, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        call()
