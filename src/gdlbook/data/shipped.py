"""The files that the package ships: found, read and checked against their sums."""

import hashlib
from importlib.resources import files

FOLDER = files("gdlbook.data")

SHA256 = {
    "fashion_mnist_10k.npz": (
        "e44eb07a149a1dd6f590d64c2f3de6540d1dd99f02c73ab380b519e7b6ae5a98"
    ),
    "emoji32.npz": ("5375a6ad1eb70cf881b62c7f90464c7dd6cd23787f6c08f54e0db42a16656d53"),
    "moby_dick.txt": (
        "fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240"
    ),
    "names.txt": ("1bf57faa9a8675e2b5114072fd1c9dcaf44a68e3643482055851a1abc9643150"),
}


def read(name: str) -> bytes:
    """The bytes of a shipped file, once their sha256 is the recorded one.

    Args:
        name: a key of `SHA256`.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: its sum is another than the recorded one.
    """
    path, expected = FOLDER / name, SHA256[name]
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing (expected sha256 {expected}, saw no file): install "
            "gdlbook again"
        ) from None
    seen = hashlib.sha256(content).hexdigest()
    if seen != expected:
        raise ValueError(
            f"{path} is damaged: expected sha256 {expected}, saw {seen} over "
            f"{len(content):,} bytes; install gdlbook again"
        )
    return content
