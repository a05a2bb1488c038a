import subprocess
import sys

import pytest

import gdlbook.data
from gdlbook.data import Pictures, Texts, load


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["fashion", "emoji", "names", "moby_dick"])
def test_a_set_is_read_once(name: str) -> None:
    assert isinstance(load(name), Pictures | Texts)  # type: ignore[call-overload]
    assert load(name) is load(name)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["mnist", "", None, 3, ["fashion"]])
def test_an_unknown_name_lists_what_exists(name: object) -> None:
    with pytest.raises(ValueError, match="emoji, fashion, moby_dick, names") as error:
        load(name)  # type: ignore[call-overload]
    assert repr(name) in str(error.value)


def test_load_waits_neither_for_torch_nor_for_matplotlib() -> None:
    code = (
        "import sys; from gdlbook.data import load\n"
        "for name in ('fashion', 'emoji', 'names', 'moby_dick'): load(name)\n"
        "print(sorted({'torch', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    assert run(code) == "['numpy']"


def test_toys_and_to_tensor_bring_torch_only() -> None:
    code = (
        "import sys; from gdlbook.data import moons\n"
        "print(sorted({'torch', 'matplotlib'} & set(sys.modules)))\n"
        "print(sorted(m for m in sys.modules if m.startswith('gdlbook.')))"
    )
    bare, package = run(code).splitlines()
    assert bare == "['torch']"
    assert all(name.startswith("gdlbook.data") for name in eval(package))


def test_every_public_name_is_there_and_no_other() -> None:
    for name in gdlbook.data.__all__:
        assert getattr(gdlbook.data, name) is not None
        assert name in dir(gdlbook.data)
    with pytest.raises(AttributeError, match=r"'gdlbook\.data' has no attribute 'sun'"):
        _ = gdlbook.data.sun
