"""Names that sum to one; the world model, its planner and its dream against truth."""

import itertools
import math
from collections import Counter
from pathlib import Path
from string import ascii_lowercase
from xml.etree import ElementTree

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from gdlbook import fit, load
from gdlbook._world.network import Network
from gdlbook.generative.framework import Density
from gdlbook.generative.world_model import (
    CharModel,
    Dream,
    Experience,
    Planner,
    QAgent,
    RandomAgent,
    WorldModel,
    imagine,
    pendulum,
    play,
    turns,
    upright,
)

DIAGRAMS = Path(__file__).parents[2] / "docs" / "assets" / "diagrams"
NAMES = ["anna", "ann", "hannah", "nan", "bob", "abba"]
few = load("names").train[::20]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def states(n, seed=0):
    angle = 2 * math.pi * torch.rand(n, generator=seeded(seed))
    speed = 16 * torch.rand(n, generator=seeded(seed + 1)) - 8
    return torch.stack([angle.cos(), angle.sin(), speed], dim=1)


def torques(*shape, seed=0):
    return 4 * torch.rand(shape, generator=seeded(seed + 2)) - 2


# --- names ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1, 2, 5])
def test_every_context_has_probabilities_that_sum_to_one(order):
    model = CharModel(few, order=order, strength=0.7)
    for prefix in ("", "a", "mar", "zzzz", "christ"):
        for temperature in (0.2, 1.0, 3.0):
            p = model.probabilities(prefix, temperature=temperature)
            assert p.shape == (27,)
            assert p.min() > 0
            assert p.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_all_names_and_all_longer_beginnings_have_probability_one(order):
    model = CharModel(NAMES, order=order, strength=0.5)
    ended = going = 0.0
    for length in range(3):
        words = ["".join(w) for w in itertools.product(ascii_lowercase, repeat=length)]
        ended += float(model.log_prob(words).exp().sum())
        if length == 2:
            ends = np.array([model.probabilities(word)[26] for word in words])
            going = float(
                (model.log_prob(words).exp().numpy() * (1 - ends) / ends).sum()
            )
    assert ended + going == pytest.approx(1, abs=1e-12)
    assert ended < 0.9


def test_the_recursion_by_hand():
    model = CharModel(["ab", "aa"], order=1, strength=2.0)
    even = 1 / 27
    p0 = {"a": (3 + 2 * even) / 8, "b": (1 + 2 * even) / 8, "$": (2 + 2 * even) / 8}
    after_a = {c: (1 + 2 * p0[c]) / 5 for c in "ab$"}
    p = model.probabilities("a")
    assert p[0] == pytest.approx(after_a["a"] + 0 / 5)
    assert p[1] == pytest.approx(after_a["b"])
    assert p[26] == pytest.approx(after_a["$"])


def test_counts_are_those_of_the_names():
    model = CharModel(NAMES, order=2)
    found = Counter(
        (f"^{name}$"[max(0, i - 2) : i], f"^{name}$"[i])
        for name in NAMES
        for i in range(1, len(name) + 2)
    )
    for (context, symbol), count in found.items():
        assert model.counts[context][(ascii_lowercase + "$").index(symbol)] == count
    assert sum(model.counts[""]) == sum(len(name) + 1 for name in NAMES)


def test_weak_strength_gives_frequencies():
    p = CharModel(NAMES, order=1, strength=1e-9).probabilities("")
    assert p[0] == pytest.approx(3 / 6)
    assert p[1] == pytest.approx(1 / 6)


def test_perplexity_of_a_uniform_model_is_the_number_of_symbols():
    assert CharModel(NAMES, strength=1e12).perplexity(few) == pytest.approx(27)
    model = CharModel(few, order=3)
    total = -float(model.log_prob(["maria", "li"]).sum())
    assert model.perplexity(["maria", "li"]) == pytest.approx(math.exp(total / 9))
    assert model.perplexity(few) < CharModel(few, order=0).perplexity(few) < 27


def test_samples_follow_log_prob():
    model = CharModel(["a", "ab", "b", "bb"], order=2, strength=0.05)
    n = 4000
    drawn = Counter(model.sample(n, generator=seeded()))
    p = {name: model.log_prob([name]).exp().item() for name in ("a", "ab", "b", "bb")}
    assert sum(p.values()) > 0.8
    for name, probability in p.items():  # five standard deviations
        spread = math.sqrt(n * probability * (1 - probability))
        assert abs(drawn[name] - n * probability) < 5 * spread


def test_same_seed_same_names_whatever_ran_before():
    model = CharModel(few)
    first = model.sample(5, generator=seeded(3))
    torch.rand(7)
    model.sample(2)
    assert model.sample(5, generator=seeded(3)) == first
    state = torch.get_rng_state()
    model.sample(3, generator=seeded(4))
    assert torch.equal(state, torch.get_rng_state())


def test_temperature_sharpens_and_flattens():
    model = CharModel(few, order=3)
    entropies, tops = [], []
    for temperature in (0.1, 0.3, 0.7, 1.0, 1.5, 3.0, 10.0, 1e6):
        p = model.probabilities("ma", temperature=temperature)
        positive = p[p > 0]
        entropies.append(-(positive * np.log(positive)).sum())
        tops.append(p.max())
    assert entropies == sorted(entropies)
    assert tops == sorted(tops, reverse=True)
    assert entropies[-1] == pytest.approx(math.log(27), abs=1e-6)
    p = model.probabilities("ma")
    np.testing.assert_allclose(
        model.probabilities("ma", temperature=0.5), p**2 / (p**2).sum(), rtol=1e-12
    )
    p[:] = 0  # a copy: the model is as before
    assert model.probabilities("ma").sum() == pytest.approx(1)


def test_names_that_go_in_a_circle_are_refused():
    model = CharModel(["anna", "hannah", "ann"], order=1, strength=0.1)
    with pytest.raises(ValueError, match=r"not ended after 1,000.*0\.02, raise it"):
        model.sample(10, temperature=0.02, generator=seeded())


def test_the_flag_is_that_of_the_protocol():
    assert CharModel.density is Density.EXACT


BAD_NAMES = [
    (lambda: CharModel("anna"), TypeError, "names is 'anna'; expected a list"),
    (lambda: CharModel(3), TypeError, "names is 3; expected a list"),
    (lambda: CharModel([]), ValueError, "names is empty"),
    (lambda: CharModel(["an", 3]), TypeError, "3 is a int; expected a string"),
    (
        lambda: CharModel(["Anna"]),
        ValueError,
        r"'Anna' holds \['A'\]; expected letters",
    ),
    (lambda: CharModel(["an$"]), ValueError, r"'an\$' holds"),
    (
        lambda: CharModel(NAMES, order=-1),
        ValueError,
        "order is -1; expected at least 0",
    ),
    (lambda: CharModel(NAMES, order=1.5), TypeError, "order is 1.5; expected a whole"),
    (lambda: CharModel(NAMES, strength=0), ValueError, "strength is 0; .* above 0"),
    (lambda: CharModel(NAMES, strength="1"), TypeError, "strength is '1'; expected"),
    (lambda: CharModel(NAMES, strength=math.nan), ValueError, "strength is nan"),
    (lambda: CharModel(NAMES).log_prob([]), ValueError, "names is empty"),
    (lambda: CharModel(NAMES).log_prob("ann"), TypeError, "expected a list of strings"),
    (lambda: CharModel(NAMES).perplexity(["a b"]), ValueError, r"holds \[' '\]"),
    (lambda: CharModel(NAMES).probabilities(1), TypeError, "1 is a int; expected a st"),
    (lambda: CharModel(NAMES).probabilities("^a"), ValueError, r"holds \['\^'\]"),
    (
        lambda: CharModel(NAMES).probabilities("a", temperature=0),
        ValueError,
        "temperature is 0; expected a number above 0",
    ),
    (
        lambda: CharModel(NAMES).sample(1, temperature=True),
        TypeError,
        "temperature is True; expected a number",
    ),
    (lambda: CharModel(NAMES).sample(0), ValueError, "n is 0; expected at least 1"),
    (lambda: CharModel(NAMES).sample(2.0), TypeError, "n is 2.0; expected a whole"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD_NAMES)
def test_bad_names_are_refused(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


# --- the pendulum --------------------------------------------------------------------


def test_equations_and_reward_are_gymnasiums():
    played = play(RandomAgent(), episodes=4, seed=0)
    torch.testing.assert_close(
        pendulum(played.state, played.action), played.next_state, atol=1e-4, rtol=1e-5
    )
    world = gymnasium.make("Pendulum-v1")
    state, _ = world.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(200):
        torque = rng.uniform(-3, 3, 1).astype(np.float32)  # beyond the limit too
        seen, reward, *_ = world.step(torque)
        step = [torch.tensor(part) for part in (state, torque[0], seen)]
        assert upright(*step).item() == pytest.approx(reward, abs=1e-4)
        torch.testing.assert_close(pendulum(*step[:2]), step[2], atol=1e-4, rtol=1e-5)
        state = seen


def test_bounds_are_those_that_the_environment_declares():
    world = gymnasium.make("Pendulum-v1")
    np.testing.assert_array_equal(world.observation_space.high, [1, 1, 8])
    np.testing.assert_array_equal(world.action_space.high, [2])
    assert world.spec.max_episode_steps == 200


def test_turns_count_full_turns():
    speed = torch.full((200, 1), 2 * math.pi)  # one turn a second, for ten seconds
    path = torch.cat([torch.ones(200, 1), torch.zeros(200, 1), speed], dim=1)
    assert turns(path, torch.zeros(200), path).sum() == pytest.approx(10, abs=1e-4)


def test_play_is_the_same_for_the_same_seed_and_leaves_no_trace():
    state = torch.get_rng_state()
    first = play(RandomAgent(), episodes=2, seed=5)
    again = play(RandomAgent(), episodes=2, seed=5)
    assert all(map(torch.equal, first, again))
    assert torch.equal(state, torch.get_rng_state())
    other = play(RandomAgent(), episodes=2, seed=6)
    assert not torch.equal(first.state, other.state)
    assert [tuple(p.shape) for p in first] == [(2, 200, 3), (2, 200), (2, 200, 3)]
    assert [tuple(p.shape) for p in first.rows()] == [(400, 3), (400,), (400, 3)]
    assert torch.equal(first.rows().state[200], first.state[1, 0])
    assert first.action.abs().max() <= 2


def test_imagine_follows_the_world():
    played = play(RandomAgent(), episodes=3, seed=1)
    followed = imagine(pendulum, played.state[:, 0], played.action)
    torch.testing.assert_close(
        followed.next_state, played.next_state, atol=0.05, rtol=0.01
    )
    assert torch.equal(followed.state[:, 1:], followed.next_state[:, :-1])


@pytest.fixture(scope="module")
def experience():
    return play(RandomAgent(), episodes=3, seed=0)


@pytest.fixture(scope="module")
def learned(experience):
    model = WorldModel(experience, seed=0)
    fit(
        model,
        experience.rows(),
        steps=800,
        batch_size=64,
        learning_rate=3e-3,
        progress=False,
    )
    return model


def test_the_loss_is_the_squared_error_in_units_of_the_change(experience):
    model = WorldModel(experience, seed=0)
    rows = experience.rows()
    loss, parameters = model.objectives()["squared_error"]
    spread = (rows.next_state - rows.state).std(dim=0)
    error = (model._predict(*rows[:2]) - rows.next_state) / spread
    torch.testing.assert_close(loss(*rows), (error**2).mean())
    assert {id(p) for p in parameters} == {id(p) for p in model.parameters()}


def test_what_is_learned_is_close_to_the_equations(experience, learned):
    before = WorldModel(experience, seed=0)
    state, torque = states(500), torques(500)
    true = pendulum(state, torque)
    with torch.no_grad():
        errors = [(m(state, torque) - true).abs().mean() for m in (before, learned)]
    assert errors[1] < 0.05
    assert errors[1] < errors[0] / 5


def test_a_state_of_the_model_is_a_possible_state(learned):
    state, torque = 3 * states(200), torques(200)  # far outside
    with torch.no_grad():
        seen = learned(state, torque)
    torch.testing.assert_close(seen[:, :2].norm(dim=1), torch.ones(200))
    assert seen[:, 2].abs().max() <= 8
    with torch.no_grad():
        free = learned._predict(state, torque)
    assert (free[:, :2].norm(dim=1) - 1).abs().max() > 0.5  # it is the walls that do it


def test_same_seed_same_weights(experience):
    one, two = (WorldModel(experience, seed=s) for s in (1, 1))
    assert all(map(torch.equal, one.parameters(), two.parameters()))
    other = WorldModel(experience, seed=2)
    assert not torch.equal(next(iter(one.parameters())), next(iter(other.parameters())))


def returns(agent, task=upright, episodes=3, seed=1001):
    return task(*play(agent, episodes=episodes, seed=seed)).sum(dim=1)


def test_planning_in_the_model_is_as_good_as_in_the_truth_and_serves_two_tasks(learned):
    random = returns(RandomAgent()).mean()
    truth = returns(Planner(pendulum, upright)).mean()
    model = returns(Planner(learned, upright)).mean()
    assert truth > random / 3
    assert model > 1.5 * truth  # both negative
    assert returns(Planner(learned, turns), turns).mean() > 6


def test_a_planner_sees_no_further_than_its_horizon():
    short = returns(Planner(pendulum, upright, horizon=5)).mean()
    assert short < 2 * returns(Planner(pendulum, upright)).mean()


def test_a_planner_keeps_within_the_torque_and_forgets_when_reset():
    planner = Planner(pendulum, upright, horizon=6, candidates=20)
    state = states(4)
    planner.reset(4, seed=0)
    first = planner.act(state)
    assert first.shape == (4,)
    assert first.abs().max() <= 2
    assert not torch.equal(planner.act(state), first)
    planner.reset(4, seed=0)
    assert torch.equal(planner.act(state), first)
    planner.reset(4, seed=1)
    assert not torch.equal(planner.act(state), first)


def test_a_planner_finds_the_best_torque_where_it_is_known():
    def wanted(state, action, next_state):
        return -((action - 1.3) ** 2)

    planner = Planner(pendulum, wanted, horizon=1, candidates=400)
    planner.reset(5, seed=0)
    torch.testing.assert_close(
        planner.act(states(5)), torch.full((5,), 1.3), atol=0.05, rtol=0
    )


@pytest.mark.filterwarnings("ignore:.*(normalized space|infinity).*:UserWarning")
def test_a_dream_is_a_gymnasium_environment(experience):
    dream = Dream(pendulum, upright, experience.state[:, 0])
    check_env(dream, skip_render_check=True)


def test_a_dream_in_the_true_equations_is_the_world():
    world = gymnasium.make("Pendulum-v1").unwrapped
    state, _ = world.reset(seed=0)
    dream = Dream(pendulum, upright, torch.tensor(state)[None])
    assert np.array_equal(dream.reset(seed=0)[0], state)
    rng = np.random.default_rng(0)
    for step in range(1, 201):
        torque = rng.uniform(-2, 2, 1).astype(np.float32)
        seen, reward, *_ = world.step(torque)
        imagined, dreamed, ended, cut, _ = dream.step(torque)
        np.testing.assert_allclose(imagined, seen, atol=0.05)
        assert dreamed == pytest.approx(reward, abs=0.1)
        assert (ended, cut) == (False, step == 200)


def test_the_network_by_hand_is_torchs_with_its_gradient_and_its_adam():
    rng = np.random.default_rng(0)
    ours = Network((3, 8, 6, 5), rng, rate=1e-2)
    linear = [torch.nn.Linear(n, m) for n, m in ((3, 8), (8, 6), (6, 5))]
    theirs = torch.nn.Sequential(
        linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2]
    )
    with torch.no_grad():
        for layer, own in zip(linear, ours._layers, strict=True):
            layer.weight.copy_(torch.tensor(own[:-1].T))
            layer.bias.copy_(torch.tensor(own[-1]))
    adam = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    for _ in range(20):
        x, wanted = (rng.normal(size=(7, n)).astype(np.float32) for n in (3, 5))
        out = ours(x)
        expected = theirs(torch.tensor(x))
        np.testing.assert_allclose(out, expected.detach().numpy(), atol=1e-4)
        ours.update(2 * (out - wanted) / wanted.size)
        adam.zero_grad()
        (expected - torch.tensor(wanted)).square().mean().backward()
        adam.step()


def test_q_moves_toward_the_rule():
    agent = QAgent(seed=0)
    # One state from which nothing moves, and five torques with rewards of their own.
    rewards = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    agent._memory, agent._filled = np.zeros((5, 8), np.float32), 5
    agent._memory[:, 3], agent._memory[:, 4] = np.arange(5), rewards
    for step in range(1500):
        agent._update()
        if step % 50 == 0:
            agent._slow.weights[:] = agent.network.weights
    q = agent.network(np.zeros((1, 3), np.float32))[0]
    # The fixed point: Q = (1 - gamma) r + gamma max Q, and max Q = max r = 1.
    share = 1 - 0.97 ** (1500 / 50)
    expected = 0.03 * rewards + 0.97 * share
    np.testing.assert_allclose(q, expected, atol=0.05)
    np.testing.assert_allclose(np.diff(q), 0.03 * np.diff(rewards), atol=0.01)


def test_q_remembers_what_happened_and_repeats_itself():
    agents = [QAgent(seed=4), QAgent(seed=4)]
    for agent in agents:
        agent.learn(gymnasium.make("Pendulum-v1"), steps=70, updates=1)
        np.random.default_rng(3).random()
        torch.rand(3)
    one, two = agents
    assert np.array_equal(one._memory, two._memory)
    assert np.array_equal(one.network.weights, two.network.weights)
    assert not np.array_equal(one._slow.weights, one.network.weights)
    memory, unit = torch.tensor(one._memory), torch.tensor(one.unit)
    steps = Experience(
        memory[:, :3] * unit,
        one.torques[memory[:, 3].long()],
        memory[:, 5:] * unit,
    )
    torch.testing.assert_close(
        pendulum(*steps[:2]), steps.next_state, atol=1e-4, rtol=1e-5
    )
    torch.testing.assert_close(upright(*steps), memory[:, 4], atol=1e-3, rtol=1e-4)
    assert one._filled == 70
    before = one.network.weights.copy()
    one.act(states(3))
    assert np.array_equal(before, one.network.weights)


def test_q_learns_to_do_what_pays():
    def push_left(state, action, next_state):
        return action / 2

    agent = QAgent(seed=0)
    agent.learn(Dream(pendulum, push_left, states(50)), steps=300, updates=1)
    assert (agent.act(states(200, seed=9)) > 0).float().mean() > 0.8


STATE, TORQUE = torch.zeros(4, 3), torch.zeros(4)
BAD_WORLDS = [
    (lambda: pendulum([0.0], TORQUE), TypeError, "state is list; expected a floating"),
    (lambda: pendulum(STATE, TORQUE.int()), TypeError, "action is torch.int32"),
    (lambda: pendulum(STATE, TORQUE[:2]), ValueError, r"\(4, 3\) and action \(2,\)"),
    (lambda: pendulum(STATE[:, :2], TORQUE), ValueError, r"state has shape \(4, 2\)"),
    (lambda: upright(STATE, TORQUE, STATE[:1]), ValueError, r"next_state .* \(1, 3\)"),
    (lambda: turns(STATE, TORQUE, None), TypeError, "next_state is NoneType"),
    (
        lambda: WorldModel(Experience(STATE[:1], TORQUE[:1], STATE[:1])),
        ValueError,
        "experience holds 1 steps; expected 2",
    ),
    (
        lambda: WorldModel(Experience(STATE, TORQUE, STATE[:2])),
        ValueError,
        r"next_state has shape \(2, 3\)",
    ),
    (
        lambda: WorldModel(Experience(STATE, TORQUE, STATE))(STATE, TORQUE[:3]),
        ValueError,
        r"action \(3,\); expected",
    ),
    (lambda: imagine(pendulum, STATE, TORQUE), ValueError, r"actions has shape \(4,\)"),
    (lambda: imagine(pendulum, STATE, None), ValueError, "actions has shape None"),
    (
        lambda: imagine(pendulum, STATE, torch.zeros(4, 0)),
        ValueError,
        r"actions has shape \(4, 0\); expected \(n, steps\)",
    ),
    (lambda: Planner(None, upright), TypeError, "dynamics is None; expected a func"),
    (lambda: Planner(pendulum, 1), TypeError, "reward is 1; expected a function"),
    (lambda: Planner(pendulum, upright, horizon=0), ValueError, "horizon is 0"),
    (lambda: Planner(pendulum, upright, candidates=9), ValueError, "at least 20"),
    (lambda: play(None, episodes=1, seed=0), TypeError, "agent is None; expected one"),
    (lambda: play(RandomAgent(), episodes=0, seed=0), ValueError, "episodes is 0"),
    (lambda: play(RandomAgent(), episodes=1, seed=-1), ValueError, "seed is -1"),
    (lambda: play(RandomAgent(), episodes=1.0, seed=0), TypeError, "episodes is 1.0"),
    (lambda: Dream(pendulum, upright, [0]), TypeError, "starts is a list; expected"),
    (lambda: Dream(pendulum, upright, TORQUE), ValueError, r"starts has shape \(4,\)"),
    (lambda: Dream(pendulum, upright, STATE[:0]), ValueError, r"shape \(0, 3\)"),
    (lambda: Dream(pendulum, None, STATE), TypeError, "reward is None; expected a fu"),
    (lambda: QAgent(seed=-1), ValueError, "seed is -1; expected at least 0"),
    (lambda: QAgent(seed="0"), TypeError, "seed is '0'; expected a whole number"),
    (lambda: QAgent().learn("Pendulum-v1", steps=1), TypeError, "env is 'Pendulum-v1'"),
    (
        lambda: QAgent().learn(Dream(pendulum, upright, STATE), steps=0),
        ValueError,
        "steps is 0; expected at least 1",
    ),
    (
        lambda: QAgent().learn(Dream(pendulum, upright, STATE), steps=1, updates=0),
        ValueError,
        "updates is 0; expected at least 1",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD_WORLDS)
def test_bad_worlds_are_refused(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_diagram_of_the_context_shows_what_the_names_say():
    seen = {"context": "", "letter": [], "count": {}}
    drawing = ElementTree.parse(DIAGRAMS / "world_model-context.svg")
    for text in drawing.iter():
        if "data-context" in text.attrib:
            seen["context"] += text.text
        if "data-letter" in text.attrib:
            seen["letter"].append(text.text)
        if "data-count" in text.attrib:
            seen["count"][text.attrib["data-count"]] = int(text.text)
    counts = CharModel(load("names").train, order=3).counts[seen["context"]]
    common = sorted(zip(counts, ascii_lowercase, strict=False), reverse=True)[:6]
    assert [letter for _, letter in common] == seen["letter"]
    assert {letter: count for count, letter in common} == seen["count"]


def test_turns_are_those_of_the_step_that_was_made():
    state, seen = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 8.0]])
    made = turns(state, torch.zeros(1), seen)
    assert made.item() == pytest.approx(8 * 0.05 / (2 * math.pi))
