"""The comparison: budget, one scale for a table, what a row says, and the record."""

import json
import math
import re
import time
from pathlib import Path

import pytest
import torch
from torch.distributions import MultivariateNormal

import gdlbook.families
from gdlbook._compare.worlds import WORLDS, World, nudged
from gdlbook.families import comparison
from gdlbook.families.comparison import (
    COLUMNS,
    ENTRIES,
    FOLDER,
    Entry,
    Row,
    as_asked,
    compete,
    drawn,
    modes_found,
    record,
    stem,
    steps_within,
    table,
    world,
)
from gdlbook.families.energy import EnergyModel
from gdlbook.families.flow import RealNVP
from gdlbook.generative.framework import (
    Density,
    Estimate,
    GenerativeModel,
    Undefined,
    scorecard,
)
from gdlbook.generative.taxonomy import chapter, models
from recipes.comparison import RECIPES

every_world = pytest.mark.parametrize("name", list(WORLDS))
every_contest = pytest.mark.parametrize("contest", RECIPES, ids=lambda c: c.name)
DIAGRAM = Path(__file__).parents[2] / "docs/assets/diagrams/comparison-race.svg"
TEXT = {"CausalTransformer"}  # has no world here


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Bell(GenerativeModel):
    """A standard normal on the plane, or its energy with a constant forgotten."""

    density = Density.EXACT

    def __init__(self, seed=0):
        super().__init__()
        self.middle = torch.nn.Parameter(torch.zeros(2))
        self.seen = []

    def objectives(self):
        return {"nll": (self.nll, [self.middle])}

    def nll(self, x):
        self.seen.append(len(x))
        return -self.log_prob(x).mean()

    def sample(self, n, *, generator=None):
        return self.middle.detach() + torch.randn(n, 2, generator=generator)

    def log_prob(self, x):
        return MultivariateNormal(self.middle, torch.eye(2)).log_prob(x)


class Energy(Bell):
    density = Density.UNNORMALIZED
    log_prob = GenerativeModel.log_prob

    def nll(self, x):
        return self.energy(x).mean()

    def energy(self, x):
        return (x - self.middle).square().sum(dim=1) / 2 + 3.0


class Grays(GenerativeModel):
    """Pictures of one pixel between 0 and 1, a bound, and a code."""

    def __init__(self, density):
        super().__init__()
        self.density = density

    def sample(self, n, *, generator=None):
        return torch.rand(n, 1, 1, 1, generator=generator)

    def elbo(self, x):
        return x.flatten(1).sum(dim=1)

    def encode(self, x):
        return x.flatten(1)


GRAY = World(*(torch.arange(256.0).view(-1, 1, 1, 1) / 255,) * 3, levels=True)


@every_world
def test_a_world_holds_what_its_models_expect(name):
    arena = world(name)
    assert arena.train.dtype == torch.float32
    assert arena.train.shape[1:] == arena.test.shape[1:] == arena.learned.shape[1:]
    assert 900 <= len(arena.test) <= 4000
    if arena.labels is None:
        assert arena.truth is not None
        return
    y, y_test = arena.labels
    assert (len(y), len(y_test)) == (len(arena.train), len(arena.test))
    assert set(y_test.tolist()) == set(y.tolist())
    levels = 255 * arena.test
    assert (levels - levels.round()).abs().max() < 1e-3
    shades = len(set(levels.round().flatten().tolist()))
    assert shades > 200 if arena.levels else shades == 2


def test_the_test_part_is_no_part_of_the_training():
    for name in ("moons", "clothing, gray"):
        arena = world(name)
        known = {row.numpy().tobytes() for row in arena.train}
        fresh = [row.numpy().tobytes() not in known for row in arena.test]
        assert sum(fresh) >= 0.98 * len(fresh)  # a few pictures are in the data twice


def test_unknown_worlds_are_named():
    for ask in (world, record, drawn, stem):
        with pytest.raises(ValueError, match=r"no world 'mars'; there are 'moons'"):
            ask("mars")


def test_nudged_pictures_are_moved_by_a_pixel():
    x = torch.zeros(1, 1, 4, 5)
    x[0, 0, 1, 2] = 1
    places = [tuple(p[0].nonzero()[0].tolist()) for p in nudged(x)]
    assert sorted(places) == [(0, 2), (1, 1), (1, 2), (1, 3), (2, 2)]
    assert places[0] == (1, 2)
    x[...] = 1
    assert [int(p.sum()) for p in nudged(x)] == [20, 15, 15, 16, 16]


def test_every_family_competes_on_the_plane():
    ours = {m.__name__ for m in models() if chapter(m).startswith("families/")}
    for name in ("moons", "mixture"):
        sent = {entry.kind for entry in ENTRIES[name]}
        assert sent == ours - TEXT - {"PixelCNN"}
    assert ours - TEXT == {e.kind for entries in ENTRIES.values() for e in entries}
    assert set(ENTRIES) == set(WORLDS)


@every_world
def test_an_entry_fits_its_world_and_is_the_same_for_the_same_seed(name):
    arena = world(name)
    for entry in ENTRIES[name]:
        assert entry.kind in gdlbook.families.__all__
        model, again, other = entry.new(0), entry.new(0), entry.new(1)
        assert model.sample(2, generator=seeded()).shape == (2, *arena.test.shape[1:])
        first, same, another = (m.state_dict().values() for m in (model, again, other))
        assert all(map(torch.equal, first, same))
        assert not all(map(torch.equal, first, another))


@pytest.fixture
def clock(monkeypatch):
    """A clock that a step of training moves by a hundredth of a second."""
    now = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: now[0])

    class Clocked(Bell):
        def nll(self, x):
            now[0] += 0.01
            return super().nll(x)

    monkeypatch.setattr(gdlbook.families, "Bell", Clocked, raising=False)
    return now


def test_a_budget_is_turned_into_steps(clock):
    x = torch.randn(50, 2, generator=seeded())
    entry = Entry("Bell", {}, 10, 0.1)
    assert steps_within(3, entry, x) in (299, 300)
    before = clock[0]
    steps_within(20.0, entry, x)
    assert clock[0] - before > 20 / 20, "a twentieth is tried, not less"
    assert steps_within(40.0, entry, x) in (3999, 4000)
    with pytest.raises(ValueError, match="seconds is 0; expected"):
        steps_within(0, entry, x)


def test_a_row_holds_what_the_scorecard_says(monkeypatch):
    monkeypatch.setattr(gdlbook.families, "Bell", Bell, raising=False)
    arena = world("moons")
    entry = Entry("Bell", {}, 16, 0.01)
    row, model = compete(entry, arena, 7, seed=3)
    assert model.seen == [16] * 7
    assert not torch.equal(model.middle, torch.zeros(2))
    card = scorecard(model, arena.train, arena.test, world=arena.truth)
    told = (row.held_out, row.distance, row.told, row.spread, row.copying, row.probe)
    assert told == (
        card.held_out,
        card.distance,
        card.two_sample.accuracy,
        card.spread,
        card.copying,
        card.probe,
    )
    assert (row.kind, row.seed, row.size, row.parameters) == ("Bell", 3, 2, 2)
    assert (row.steps, row.says, row.modes) == (7, "exact", None)
    assert row.training > 0
    assert row.sampling >= 0
    with pytest.raises(ValueError, match="steps is 0"):
        compete(entry, arena, 0)


def test_on_the_plane_an_energy_is_given_its_constant():
    arena, model = world("mixture"), EnergyModel.example()
    asked = as_asked(model, arena)
    assert asked.density is Density.EXACT
    line = torch.linspace(-12, 12, 301)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        total = float(asked.log_prob(grid).double().exp().sum()) * 0.08**2
        apart = asked.log_prob(grid) + model.energy(grid)
    assert total == pytest.approx(1, abs=0.01)
    assert apart.std() < 1e-4
    drawn = (m.sample(3, generator=seeded()) for m in (asked, model))
    assert torch.equal(*drawn)


def test_a_row_of_an_energy_says_where_its_constant_is_from():
    settings = {"shape": [2], "hidden": [8], "chains": 16, "steps": 1}
    row, _ = compete(Entry("EnergyModel", settings, 16, 0.01), world("mixture"), 1)
    assert row.says == "summed up"
    assert row.distance is not None
    assert row.modes is not None


def test_a_flow_is_asked_about_whole_levels_and_draws_them():
    flow = RealNVP((1, 4, 4), couplings=2, hidden=4)
    asked = as_asked(flow, GRAY)
    assert asked.density is Density.BOUND
    x = torch.randint(256, (300, 1, 4, 4), generator=seeded()) / 255
    torch.manual_seed(0)
    with torch.no_grad():
        said = asked.elbo(x)
        torch.manual_seed(0)
        assert said.mean() == pytest.approx(-float(flow.nll(x)), rel=1e-5)
        torch.manual_seed(0)
        code = asked.encode(x)
        torch.manual_seed(0)
        assert torch.equal(code, flow.encode(flow.dequantize(x)))
    drawn = asked.sample(500, generator=seeded())
    noisy = flow.sample(500, generator=seeded())
    assert torch.equal((255 * drawn).round(), (256 * noisy).floor().clamp(0, 255))
    assert ((255 * drawn) - (255 * drawn).round()).abs().max() < 1e-4


@pytest.mark.parametrize("density", [Density.BOUND, Density.IMPLICIT])
def test_what_speaks_of_levels_already_is_left_alone(density):
    asked = as_asked(Grays(density), GRAY)
    assert asked.density is density
    if density is Density.BOUND:
        assert torch.equal(asked.elbo(GRAY.test), GRAY.test.flatten())
    assert torch.equal(asked.encode(GRAY.test), GRAY.test.flatten(1))
    x = asked.sample(500, generator=seeded())
    assert torch.equal((255 * x).round() / 255, x)
    raw = Grays(density).sample(500, generator=seeded())
    assert (x - raw).abs().max() <= 0.5 / 255 + 1e-6


def test_verbs_that_a_model_lacks_stay_undefined():
    class Silent(GenerativeModel):
        density = Density.IMPLICIT

    with pytest.raises(Undefined, match="Silent has no elbo"):
        as_asked(Silent(), GRAY).elbo(GRAY.test)
    with pytest.raises(Undefined, match="Silent has no encode"):
        as_asked(Silent(), GRAY).encode(GRAY.test)
    plain = Bell()
    assert as_asked(plain, world("moons")) is plain


def test_modes_are_counted():
    class Some(GenerativeModel):
        def __init__(self, shares, std=0.1):
            super().__init__()
            self.shares, self.std = torch.tensor(shares), std

        def sample(self, n, *, generator=None):
            k = torch.multinomial(self.shares, n, True, generator=generator)
            return means[k] + self.std * torch.randn(n, 2, generator=generator)

    means = 5 * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert modes_found(Some([0.25, 0.25, 0.25, 0.25]), means) == 4
    assert modes_found(Some([0.5, 0.5, 0.0, 0.0]), means) == 2
    assert modes_found(Some([0.47, 0.47, 0.06, 0.0]), means) == 3
    assert modes_found(Some([0.48, 0.48, 0.04, 0.0]), means) == 2
    assert modes_found(Some([0.25, 0.25, 0.25, 0.25], std=3.0), means) == 0


ROW = Row(
    kind="One",
    seed=0,
    size=4,
    parameters=12_345,
    steps=1000,
    training=30.4,
    says="exact",
    held_out=Estimate(-8 * math.log(2), 0.1),
    distance=Estimate(0.0123, 0.001),
    told=0.512,
    sampling=1.5,
    spread=1.0,
    copying=0.5,
    probe=None,
    modes=None,
)


def changed(**what):
    return Row(**(vars(ROW) | what))


def test_a_table_has_a_line_for_each_kind():
    rows = [
        ROW,
        changed(seed=1, told=0.534, distance=Estimate(0.0125, 0.001)),
        changed(kind="Other", says="bound", told=0.7, probe=0.81),
        changed(kind="None", says="nothing", held_out=None, distance=None, modes=24),
        changed(kind="Loose", says="bound", distance=None),
    ]
    columns = ["says", "from the truth", "bits", "told apart", "probe", "modes"]
    assert table(rows, columns).splitlines() == [
        "          says  from the truth    bits  told apart  probe  modes",
        "One      exact     0.012-0.013    2.00   0.51-0.53      -      -",
        "Other    bound         < 0.012  < 2.00        0.70   0.81      -",
        "None   nothing               -       -        0.51      -     24",
        "Loose    bound               -  < 2.00        0.51      -      -",
    ]
    columns = ["nats", "ms for 64", "parameters", "steps", "seconds", "spread"]
    assert table([ROW], columns).splitlines() == [
        "     nats  ms for 64  parameters  steps  seconds  spread",
        "One   5.5    1,500.0      12,345  1,000       30    1.00",
    ]
    assert table([ROW], ["copying"]).split() == ["copying", "One", "0.50"]


def test_a_table_of_nothing_is_refused():
    with pytest.raises(ValueError, match="rows is empty"):
        table([], ["says"])
    with pytest.raises(ValueError, match=r"no column 'colour'; there are says, from"):
        table([ROW], ["says", "colour"])
    assert len(COLUMNS) == len(set(COLUMNS))


def told(contest):
    return json.loads(FOLDER.joinpath(f"{contest.stem}.json").read_text("utf-8"))


def test_there_is_a_record_of_each_world_and_no_other_file():
    assert [contest.name for contest in RECIPES] == list(WORLDS)
    made = {f"{contest.stem}.json" for contest in RECIPES}
    made |= {f"{contest.stem}.safetensors" for contest in RECIPES if contest.samples}
    assert {file.name for file in FOLDER.iterdir()} == made | {"README.md"}


@every_contest
def test_a_record_has_a_row_for_every_entry_and_seed(contest):
    rows = record(contest.name)
    wanted = [(e.kind, s) for e in ENTRIES[contest.name] for s in contest.seeds]
    assert [(row.kind, row.seed) for row in rows] == wanted
    for row in rows:
        assert row.training == pytest.approx(contest.seconds, rel=0.25)
        assert 0.4 < row.told <= 1
        assert (row.held_out is None) == (row.says in ("constant", "nothing"))


@every_contest
def test_pictures_of_a_record_are_whole_levels(contest):
    if not contest.samples:
        return
    found, shape = drawn(contest.name), world(contest.name).test.shape[1:]
    assert found.keys() == {entry.kind for entry in ENTRIES[contest.name]}
    for pictures in found.values():
        assert pictures.dtype == torch.uint8
        assert pictures.shape == (contest.samples, *shape)
        assert len(pictures.unique()) > 1


@every_contest
def test_every_entry_begins_as_its_record_says(contest):
    entries = told(contest)["entries"]
    assert told(contest)["seconds"] == contest.seconds
    for entry in ENTRIES[contest.name]:
        then = entries[entry.kind]
        assert then["model"] == json.loads(json.dumps(entry.model))
        assert then["batch_size"] == entry.batch_size
        assert then["learning_rate"] == entry.learning_rate
        assert then["average"] == entry.average
        losses = contest.first_losses(entry)
        assert losses.keys() == then["first_losses"].keys()
        for name, expected in then["first_losses"].items():
            assert losses[name] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_the_diagram_has_a_tick_for_some_400_steps():
    svg = DIAGRAM.read_text("utf-8")
    ticks = re.search(r'<path d="([^"]*)" stroke="var\(--p-model\)"', svg)[1]
    heights = re.findall(r"M\d+ (\d+)v14", ticks)
    drawn_ticks = [heights.count(y) for y in dict.fromkeys(heights)]
    for entry, count in zip(ENTRIES["moons"], drawn_ticks, strict=True):
        made = [row.steps for row in record("moons") if row.kind == entry.kind]
        assert count * 400 == pytest.approx(sum(made) / len(made), rel=0.2)


def test_a_contest_goes_on_where_it_was_ended(tmp_path, monkeypatch):
    from recipes import comparison as made

    monkeypatch.setattr(made, "UNFINISHED", tmp_path)
    monkeypatch.setattr(made, "MEASURED", tmp_path / "measured")
    monkeypatch.setattr(gdlbook.families, "Bell", Bell, raising=False)
    monkeypatch.setattr(gdlbook.families, "Energy", Energy, raising=False)
    entries = (Entry("Bell", {}, 16, 0.01), Entry("Energy", {}, 16, 0.01))
    monkeypatch.setitem(ENTRIES, "moons", entries)
    measured, ended = [], [True]
    original = made.compete

    def interrupted(entry, *args):
        if entry.kind == "Energy" and ended.pop():
            raise KeyboardInterrupt
        measured.append(entry.kind)
        return original(entry, *args)

    monkeypatch.setattr(made, "compete", interrupted)
    ended.insert(0, False)
    contest = made.Contest("moons", seconds=0.05, samples=2)
    with pytest.raises(KeyboardInterrupt):
        contest.retrain()
    assert not (tmp_path / "measured").exists()
    contest.retrain()
    assert measured == ["Bell", "Energy"]
    assert [file.name for file in tmp_path.iterdir()] == ["measured"]
    monkeypatch.setattr(comparison, "FOLDER", tmp_path / "measured")
    rows = record("moons")
    assert [row.kind for row in rows] == ["Bell", "Energy"]
    assert isinstance(rows[0].distance, Estimate)
    assert all(p.dtype == torch.uint8 for p in drawn("moons").values())
    assert {k: p.shape for k, p in drawn("moons").items()} == {
        "Bell": (2, 2),
        "Energy": (2, 2),
    }
