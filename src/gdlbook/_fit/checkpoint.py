"""A run on disk, to go on from: in safetensors, never pickle."""

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gdlbook._fit.inputs import Settings
from gdlbook._fit.run import Objective, Run, copy

SETTINGS = ("seed", "batch_size", "learning_rate", "average", "every", "patience")


class Checkpoint:
    """One file that holds the state of a run and the settings that it stands for.

    Format: https://huggingface.co/docs/safetensors
    """

    def __init__(self, path: str | os.PathLike[str], settings: Settings) -> None:
        self.path = Path(path)
        self.steps = settings.steps
        self.settings = {
            "data": _describe(settings.data),
            "validation": _describe(settings.validation),
        } | {name: str(getattr(settings, name)) for name in SETTINGS}
        # A rate that falls has the length of the run in it.
        self.settings["anneal"] = f"over {settings.steps}" * settings.anneal or "none"
        if not self.path.parent.is_dir():
            raise ValueError(
                f"checkpoint {str(self.path)!r} lies in a folder that does not exist: "
                f"make {str(self.path.parent)!r} first"
            )
        if self.path.is_dir():
            raise ValueError(
                f"checkpoint {str(self.path)!r} is a folder; give the path of a file"
            )

    def save(self, run: Run) -> None:
        """Write the run beside the file, then rename: old or new, never half."""
        # safetensors wants every tensor contiguous and in memory of its own.
        tensors = {
            name: tensor.detach().clone(memory_format=torch.contiguous_format)
            for name, tensor in _tensors(run).items()
        }
        facts = {"settings": json.dumps(self.settings), "seconds": repr(run.seconds)}
        partial = self.path.with_name(f"{self.path.name}.partial")
        with partial.open("wb") as file:
            file.write(save(tensors, metadata=facts))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def resume(self, run: Run) -> None:
        """Take the run to where the file left it, if there is a file.

        Raises:
            ValueError: The file is no checkpoint, or one of another run.
        """
        if not self.path.exists():
            return
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = file.metadata() or {}
                settings, seconds = json.loads(facts["settings"]), facts["seconds"]
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError) as error:
            raise ValueError(
                f"{str(self.path)!r} is not a checkpoint of fit ({error}); "
                "delete it or give another path"
            ) from error
        self._compare(settings, self.settings)
        self._compare(_layout(tensors), _layout(_tensors(run)))
        done = len(tensors[f"loss/{run.objectives[0].name}"])
        if done > self.steps:
            raise ValueError(
                f"checkpoint {str(self.path)!r} is after step {done:,} already, and "
                f"steps is {self.steps:,}: ask for more, or delete the file"
            )
        _load(run, tensors)
        run.seconds = float(seconds)

    def _compare(self, there: Mapping[str, str], here: Mapping[str, str]) -> None:
        for name in [*here, *there]:
            if here.get(name) != there.get(name):
                raise ValueError(
                    f"checkpoint {str(self.path)!r} was made with "
                    f"{name} {there.get(name, 'missing')}, this run has "
                    f"{name} {here.get(name, 'missing')}: only steps may change; "
                    "delete the file to start over, or give another path"
                )


def _describe(tensors: Sequence[Tensor]) -> str:
    """Tell data apart: type, shape and a checksum of every tensor."""
    return ", ".join(map(_describe_one, tensors)) or "none"


def _describe_one(tensor: Tensor) -> str:
    content = zlib.crc32(tensor.contiguous().view(torch.uint8).numpy().data)
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {tuple(tensor.shape)} with checksum {content:08x}"


def _layout(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Tell models apart: the shape of every weight, the name of every loss."""
    return {
        name.replace("/", " "): str(tuple(t.shape)) if name[0] == "w" else "recorded"
        for name, t in tensors.items()
        if name.startswith(("weights/", "loss/"))
    }


def _tensors(run: Run) -> dict[str, Tensor]:
    """Return the state of a run, that of the random numbers included."""
    state = {"random": torch.get_rng_state(), "steps": torch.tensor(run.steps).long()}
    state |= {f"weights/{name}": tensor for name, tensor in run.weights.items()}
    state |= {f"average/{name}": tensor for name, tensor in run.average.items()}
    state |= {f"best/{name}": tensor for name, tensor in run.best.items()}
    for o in run.objectives:
        state[f"loss/{o.name}"] = torch.tensor(o.trace, dtype=torch.float64)
        state[f"validation/{o.name}"] = torch.tensor(o.validation, dtype=torch.float64)
        for place, parameter in enumerate(o.parameters):
            for key, tensor in o.optimizer.state[parameter].items():
                state[f"adam/{o.name}/{place}/{key}"] = tensor
    return state


def _load(run: Run, state: Mapping[str, Tensor]) -> None:
    """Take up the state that `_tensors` returned."""
    torch.set_rng_state(state["random"])
    copy(_under("weights/", state), into=run.weights)
    copy(_under("average/", state), into=run.average)
    run.best = _under("best/", state)
    run.steps = state["steps"].tolist()
    for o in run.objectives:
        o.trace = state[f"loss/{o.name}"].tolist()
        o.validation = state[f"validation/{o.name}"].tolist()
        _load_adam(o, _under(f"adam/{o.name}/", state))
    run.done = len(run.objectives[0].trace)


def _load_adam(objective: Objective, state: Mapping[str, Tensor]) -> None:
    for place, parameter in enumerate(objective.parameters):
        kept = _under(f"{place}/", state)
        if kept:
            # The fused Adam walks through memory, so its averages need the order of
            # the parameter's own.
            own = {
                key: torch.empty_like(parameter, requires_grad=False) for key in kept
            }
            own["step"] = torch.empty_like(kept["step"])
            copy(kept, into=own)
            objective.optimizer.state[parameter] = own


def _under(start: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(start): tensor
        for name, tensor in state.items()
        if name.startswith(start)
    }
