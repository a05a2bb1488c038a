"""Labeled pictures in two parts, and the way from bytes to a tensor."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gdlbook.data.shipped import read

if TYPE_CHECKING:
    import torch

_FILES = {"fashion": "fashion_mnist_10k.npz", "emoji": "emoji32.npz"}

_LICENCES = {
    "fashion": (
        "Fashion-MNIST, copyright (c) 2017 Zalando SE, is under the MIT License: "
        "see gdlbook/data/licences/fashion-mnist-MIT.txt."
    ),
    "emoji": (
        "Each drawing is under the licence of its source: noto and noto-v1 are by "
        "Google LLC (Apache-2.0), fluent-emoji and fluent-emoji-flat by Microsoft "
        "Corporation (MIT), twemoji by Twitter, Inc and other contributors "
        "(CC-BY-4.0), all redrawn at 32x32 on white: see "
        "gdlbook/data/licences/NOTICE.md."
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class Part:
    """Pictures and their labels; the arrays are read-only.

    Attributes:
        x: uint8 pictures, (n, height, width) gray or (n, height, width, 3) color.
        y: int64 labels (n,), positions in `Pictures.class_names`.
        source: name of the set that each picture comes from (n,), where the licence
            depends on it, else None.
        code: Unicode code points that each picture draws (n,), where it draws some,
            else None.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    source: NDArray[np.str_] | None = None
    code: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Part(x={self.x.dtype} {self.x.shape}, y={self.y.dtype} {self.y.shape})"


@dataclass(frozen=True, eq=False, repr=False)
class Pictures:
    """A set of labeled pictures: a part to train on, and one to test on.

    Attributes:
        train: the pictures to fit and to validate with.
        test: the pictures that judge the finished model.
        class_names: name of each label, by position.
        licence: whose the pictures are, and under which licence.
    """

    train: Part
    test: Part
    class_names: tuple[str, ...]
    licence: str

    def __repr__(self) -> str:
        kinds = ", ".join(self.class_names)
        return f"Pictures(train={self.train}, test={self.test}, classes: {kinds})"


def read_pictures(name: str) -> Pictures:
    """The shipped pictures of that name, "fashion" or "emoji"."""
    with np.load(io.BytesIO(read(_FILES[name])), allow_pickle=False) as archive:
        arrays = dict(archive)
    return Pictures(
        train=_part(arrays, "train"),
        test=_part(arrays, "test"),
        class_names=tuple(arrays["class_names"].tolist()),
        licence=_LICENCES[name],
    )


def _part(arrays: dict[str, NDArray[Any]], name: str) -> Part:
    columns = {"x": arrays[f"x_{name}"], "y": arrays[f"y_{name}"].astype(np.int64)}
    if f"source_{name}" in arrays:
        columns["source"] = arrays["source_names"][arrays[f"source_{name}"]]
        columns["code"] = arrays[f"code_{name}"]
    # load() hands the same arrays to every caller: an edit by one would reach all.
    for column in columns.values():
        column.flags.writeable = False
    return Part(**columns)


def to_tensor(x: NDArray[np.uint8]) -> "torch.Tensor":
    """Pictures as a network takes them: x / 255, channels first.

    Args:
        x: uint8 pictures, (n, height, width) gray or (n, height, width, 3) color.

    Returns:
        A new float32 tensor in [0, 1], (n, 1, height, width) or (n, 3, height, width).

    Raises:
        TypeError: x is not a NumPy array of uint8.
        ValueError: x has another shape, or looks like a single picture.
    """
    if not isinstance(x, np.ndarray):
        hint = "; pass its pictures, .x" if isinstance(x, Part) else ""
        raise TypeError(
            f"x is a {type(x).__name__}; expected a NumPy array of uint8 pictures{hint}"
        )
    if x.dtype != np.uint8:
        raise TypeError(f"x has dtype {x.dtype}; expected uint8, values 0 to 255")
    _check_shape(x.shape)
    import torch  # here, so that a chapter in NumPy does not wait for it

    first = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
    return torch.tensor(np.ascontiguousarray(first)).float() / 255


def _check_shape(shape: tuple[int, ...]) -> None:
    one = len(shape) == 2 or (len(shape) == 3 and shape[-1] == 3)
    if one or len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] != 3):
        raise ValueError(
            f"x has shape {shape}; expected (n, height, width) or "
            "(n, height, width, 3)" + ("; for a single picture, pass x[None]" * one)
        )
