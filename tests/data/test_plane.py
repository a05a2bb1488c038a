import re

import numpy as np
import pytest
import torch

from gdlbook.data import Toy, checkerboard, mixture, moons, spiral

TOYS = [moons, spiral, checkerboard, mixture]


@pytest.fixture(params=TOYS, ids=lambda toy: toy.name)
def toy(request: pytest.FixtureRequest) -> Toy:
    found: Toy = request.param
    return found


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_has_its_name() -> None:
    assert [toy.name for toy in TOYS] == ["moons", "spiral", "checkerboard", "mixture"]
    assert repr(moons) == "<toy moons>"


def test_samples_are_float32_points(toy: Toy) -> None:
    for n in (1, 7, np.int64(3)):
        x = toy.sample(int(n))
        assert x.shape == (n, 2)
        assert x.dtype == torch.float32
    assert toy.sample(np.int64(3)).shape == (3, 2)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_points(toy: Toy) -> None:
    first = toy.sample(100, generator=seeded(1))
    assert torch.equal(first, toy.sample(100, generator=seeded(1)))
    assert not torch.equal(first, toy.sample(100, generator=seeded(2)))
    assert len(set(map(tuple, first.tolist()))) == 100


def test_a_generator_leaves_the_global_state_alone(toy: Toy) -> None:
    before = torch.random.get_rng_state()
    generator = seeded(1)
    first, second = (toy.sample(5, generator=generator) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


def test_without_a_generator_the_global_seed_counts(toy: Toy) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first = toy.sample(5)
        assert not torch.equal(first, toy.sample(5))
        torch.manual_seed(3)
        assert torch.equal(first, toy.sample(5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_prob_has_the_dtype_of_the_points(toy: Toy, dtype: torch.dtype) -> None:
    x = toy.sample(9, generator=seeded(0))
    value = toy.log_prob(x.to(dtype))
    assert value.shape == (9,)
    assert value.dtype == dtype
    torch.testing.assert_close(value, toy.log_prob(x.double()).to(dtype))
    assert toy.log_prob(x[:0]).shape == (0,)


def test_log_prob_treats_each_point_alone(toy: Toy) -> None:
    """Also across the pieces in which a large batch is computed."""
    x = toy.sample(5000, generator=seeded(0)).double()
    whole = toy.log_prob(x)
    for i in (0, 2047, 2048, 4999):
        torch.testing.assert_close(toy.log_prob(x[i : i + 1]), whole[i : i + 1])


@pytest.mark.parametrize("n", [0, -1])
def test_sample_refuses_no_points(toy: Toy, n: int) -> None:
    with pytest.raises(ValueError, match=f"n is {n}; expected at least one"):
        toy.sample(n)


@pytest.mark.parametrize("n", [2.0, "3", None, [4]])
def test_sample_refuses_what_is_no_count(toy: Toy, n: object) -> None:
    sentence = re.escape(f"n is {n!r}; expected a whole number")
    with pytest.raises(TypeError, match=sentence):
        toy.sample(n)  # type: ignore[arg-type]


def test_sample_refuses_a_seed_for_a_generator(toy: Toy) -> None:
    with pytest.raises(TypeError, match=r"generator is 0; expected a torch\.Generator"):
        toy.sample(3, generator=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2,), (3, 3), (2, 1), (1, 2, 2), ()])
def test_log_prob_refuses_other_shapes(toy: Toy, shape: tuple[int, ...]) -> None:
    sentence = re.escape(f"x has shape {shape}; expected (n, 2)")
    with pytest.raises(ValueError, match=sentence):
        toy.log_prob(torch.zeros(shape))


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.zeros((3, 2)), "x is a ndarray; expected a tensor"),
        ([[0.0, 0.0]], "x is a list; expected a tensor"),
        (torch.zeros(3, 2, dtype=torch.int64), r"dtype torch\.int64; expected float"),
        (torch.zeros(3, 2, dtype=torch.complex64), "complex64; expected float"),
    ],
)
def test_log_prob_refuses_other_types(toy: Toy, x: object, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        toy.log_prob(x)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_log_prob_refuses_what_is_not_finite(toy: Toy, bad: float) -> None:
    x = torch.zeros(5, 2)
    x[1, 0] = x[3, 1] = bad
    with pytest.raises(ValueError, match=r"2 of 5 points .* at row 1") as error:
        toy.log_prob(x)
    assert str(bad) in str(error.value)
