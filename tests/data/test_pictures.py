import dataclasses
import re

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gdlbook.data import Part, Pictures, load, to_tensor

SETS = {
    "fashion": ((28, 28), 8000, 2000),
    "emoji": ((32, 32, 3), 4328, 949),
}


@pytest.fixture(params=sorted(SETS))
def pictures(request: pytest.FixtureRequest) -> Pictures:
    found: Pictures = load(request.param)
    return found


@pytest.mark.parametrize("name", sorted(SETS))
def test_shapes_types_and_counts(name: str) -> None:
    shape, train, test = SETS[name]
    pictures = load(name)  # type: ignore[call-overload]
    for part, count in ((pictures.train, train), (pictures.test, test)):
        assert part.x.shape == (count, *shape)
        assert part.x.dtype == np.uint8
        assert part.y.shape == (count,)
        assert part.y.dtype == np.int64
        assert len(part) == count
        assert set(part.y.tolist()) == set(range(10))
        assert part.x.min() == 0
        assert part.x.max() == 255


def test_fashion_is_balanced() -> None:
    fashion = load("fashion")
    assert np.bincount(fashion.train.y).tolist() == [800] * 10
    assert np.bincount(fashion.test.y).tolist() == [200] * 10


def test_fashion_is_what_its_labels_say() -> None:
    """Facts of the things: trousers are narrow, sandals airy, boots high at right."""
    fashion = load("fashion")
    mean = {
        kind: fashion.train.x[fashion.train.y == label].mean(axis=0)
        for label, kind in enumerate(fashion.class_names)
    }
    assert mean["Trouser"][:, :6].mean() < 0.1 * mean["Pullover"][:, :6].mean()
    assert mean["Sandal"].mean() < 0.5 * mean["Pullover"].mean()
    assert mean["Ankle boot"][:8, 16:].mean() > 5 * mean["Sneaker"][:8, 16:].mean()


def test_emoji_shares_no_concept_and_no_picture_between_parts() -> None:
    emoji = load("emoji")
    assert emoji.train.code is not None
    assert emoji.test.code is not None
    assert not set(emoji.train.code) & set(emoji.test.code)
    train = {picture.tobytes() for picture in emoji.train.x}
    test = {picture.tobytes() for picture in emoji.test.x}
    assert len(train) == len(emoji.train)
    assert len(test) == len(emoji.test)
    assert not train & test


def test_emoji_is_what_its_codes_say() -> None:
    emoji = load("emoji")
    kinds = {"1f34c": "plant", "1f697": "vehicle", "1f404": "animal", "1f600": "face"}
    for code, kind in kinds.items():
        for part in (emoji.train, emoji.test):
            labels = set(part.y[part.code == code].tolist())
            assert labels <= {emoji.class_names.index(kind)}
        assert code in {*emoji.train.code, *emoji.test.code}  # type: ignore[misc]


def test_every_emoji_can_be_attributed() -> None:
    emoji = load("emoji")
    sources = {"noto", "noto-v1", "fluent-emoji", "fluent-emoji-flat", "twemoji"}
    for part in (emoji.train, emoji.test):
        assert part.source is not None
        assert part.source.shape == (len(part),)
        assert set(part.source.tolist()) == sources
    for source in sources:
        assert re.search(rf"\b{source}\b", emoji.licence)


@pytest.mark.parametrize(
    ("name", "holder", "licence"),
    [
        ("fashion", "Zalando SE", "MIT License"),
        ("emoji", "Google LLC", "Apache-2.0"),
        ("emoji", "Microsoft Corporation", "MIT"),
        ("emoji", "Twitter, Inc", "CC-BY-4.0"),
    ],
)
def test_the_licence_is_a_sentence(name: str, holder: str, licence: str) -> None:
    sentence = load(name).licence  # type: ignore[call-overload]
    assert holder in sentence
    assert licence in sentence
    assert sentence.endswith(".")


def test_kinds_have_ten_different_names(pictures: Pictures) -> None:
    assert len(set(pictures.class_names)) == len(pictures.class_names) == 10
    assert all(type(name) is str for name in pictures.class_names)


def test_nothing_can_be_edited(pictures: Pictures) -> None:
    for part in (pictures.train, pictures.test):
        for field in dataclasses.fields(part):
            array = getattr(part, field.name)
            if array is not None:
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = array[1]
                with pytest.raises(dataclasses.FrozenInstanceError):
                    setattr(part, field.name, array)
    with pytest.raises(dataclasses.FrozenInstanceError):
        pictures.licence = ""  # type: ignore[misc]


def test_printed_it_says_what_it_is() -> None:
    text = repr(load("fashion"))
    assert "train=Part(x=uint8 (8000, 28, 28), y=int64 (8000,))" in text
    assert "Ankle boot" in text


def test_to_tensor_is_the_picture_over_255(pictures: Pictures) -> None:
    x = pictures.test.x
    tensor = to_tensor(x)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert (float(tensor.min()), float(tensor.max())) == (0, 1)
    channels = 3 if x.ndim == 4 else 1
    assert tensor.shape == (len(x), channels, *x.shape[1:3])
    last = tensor.permute(0, 2, 3, 1).numpy().reshape(x.shape)
    np.testing.assert_array_equal(last, x.astype(np.float32) / np.float32(255))


def test_to_tensor_copies() -> None:
    x = np.full((2, 3, 5), 255, np.uint8)
    tensor = to_tensor(x)
    tensor.zero_()
    assert x.min() == 255


def test_to_tensor_takes_no_picture_at_all() -> None:
    assert to_tensor(np.zeros((0, 4, 4), np.uint8)).shape == (0, 1, 4, 4)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.zeros((2, 4, 4)), r"dtype float64; expected uint8"),
        (np.zeros((2, 4, 4), np.int64), r"dtype int64; expected uint8"),
        ([[0, 1], [2, 3]], r"x is a list; expected a NumPy array"),
        (torch.zeros(2, 4, 4), r"x is a Tensor; expected a NumPy array"),
    ],
)
def test_to_tensor_refuses_what_is_no_picture(x: object, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        to_tensor(x)  # type: ignore[arg-type]


def test_to_tensor_refuses_a_part() -> None:
    part: Part = load("fashion").test
    with pytest.raises(TypeError, match=r"x is a Part; .* pass its pictures, \.x"):
        to_tensor(part)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5,), False),
        ((28, 28), True),
        ((32, 32, 3), True),
        ((2, 32, 32, 4), False),
        ((2, 3, 32, 32), False),
        ((1, 2, 32, 32, 3), False),
    ],
)
def test_to_tensor_refuses_other_shapes(shape: tuple[int, ...], hint: bool) -> None:
    x: NDArray[np.uint8] = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=re.escape(f"shape {shape}")) as error:
        to_tensor(x)
    assert ("pass x[None]" in str(error.value)) == hint
