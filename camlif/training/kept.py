"""Members that are finished, kept on disk until the ensemble is whole, so that training can resume.

A folder and the digest of a training go in; parts of an ensemble are written, and come back to the
byte. A file that is damaged or of another training counts as none. Raises OSError where the folder
cannot be written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from camlif.data.preprocessing import StackedColumns
from camlif.files import place_file
from camlif.training.spread import Part
from camlif.wording import listed

OFFSET = "offset"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedPart:
    """Some of the members; parameters, columns and offset as in `Ensemble`, on the CPU.

    Attributes
    ----------
    part : Part
    history : dict of str to float32 array, shape (epochs, e)
    seconds : float
        From the beginning of the training, earlier runs of it included.
    """

    part: Part
    parameters: dict[str, Tensor]
    columns: StackedColumns
    offset: Tensor
    history: dict[str, NDArray[np.float32]]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMembers:
    """A folder of finished members of one training.

    Attributes
    ----------
    folder : Path
        Made when the first members are finished.
    total : int
        Members of the whole ensemble.
    digest : str
        Of everything that determines the members: data, settings, splits, device, versions.
    """

    folder: Path
    total: int
    digest: str

    def add(self, trained: TrainedPart) -> None:
        """Keep some members."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"parameters/{name}": p for name, p in trained.parameters.items()}
        for name, columns in trained.columns.items():
            tensors |= {f"columns/{name}/{key}": values for key, values in columns.items()}
        tensors[OFFSET] = trained.offset
        for term, values in trained.history.items():
            tensors[f"history/{term}"] = torch.from_numpy(values)
        header = {"digest": self.digest, "seconds": trained.seconds, "names": list(tensors)}
        part = trained.part
        with place_file(self.folder / f"{self._prefix}{part.first}-{part.stop}.safetensors") as at:
            whole = {name: t.contiguous().clone() for name, t in tensors.items()}
            save_file(whole, at, {"training": json.dumps(header)})

    def found(self) -> list[TrainedPart]:
        """Return the members kept, in their order."""
        read = [self._read(path) for path in self.folder.glob(f"{self._prefix}*.safetensors")]
        parts: list[TrainedPart] = []
        for trained in sorted((p for p in read if p is not None), key=lambda p: p.part.first):
            if not parts or parts[-1].part.stop <= trained.part.first:
                parts.append(trained)
        return parts

    def words(self) -> str:
        """Say which members are kept."""
        kept = [f"{p.part.first} to {p.part.stop - 1}" for p in self.found()]
        if not kept:
            return "No member was finished, so that none is kept."
        return (
            f"Members {listed(kept)} of {self.total} are kept (counted from 0): the same command "
            "goes on from there."
        )

    @property
    def _prefix(self) -> str:
        return f"{self.digest[:16]}."

    def _read(self, path: Path) -> TrainedPart | None:
        try:
            first, stop = map(int, path.name.split(".")[1].split("-"))
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["training"])
                tensors = {name: file.get_tensor(name) for name in header["names"]}
            if header["digest"] != self.digest or len(tensors[OFFSET]) != stop - first:
                return None
        except (SafetensorError, OSError, LookupError, ValueError):
            return None
        loaded = _Loaded()
        for name, tensor in tensors.items():
            loaded.take(name, tensor)
        return TrainedPart(
            part=Part(first, stop, self.total),
            parameters=loaded.parameters,
            columns=loaded.columns,
            offset=tensors[OFFSET],
            history=loaded.history,
            seconds=float(header["seconds"]),
        )


@dataclass(slots=True)
class _Loaded:
    parameters: dict[str, Tensor] = field(default_factory=dict)
    columns: StackedColumns = field(default_factory=dict)
    history: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def take(self, name: str, tensor: Tensor) -> None:
        kind, _, rest = name.partition("/")
        if kind == "parameters":
            self.parameters[rest] = tensor
        elif kind == "history":
            self.history[rest] = tensor.numpy()
        elif kind == "columns":
            modality, _, key = rest.rpartition("/")
            self.columns.setdefault(modality, {})[key] = tensor


def digest_of(facts: Iterable[str | bytes]) -> str:
    """SHA-256 of what determines the members of a training.

    Parameters
    ----------
    facts : iterable of str or bytes
        Always in the same order.
    """
    sha = hashlib.sha256()
    for fact in facts:
        content = fact.encode() if isinstance(fact, str) else fact
        sha.update(f"{len(content)}:".encode() + content)
    return sha.hexdigest()


def kept_beside(model: Path) -> Path:
    """Return where the finished members of a model folder are kept until it is whole.

    Parameters
    ----------
    model : Path
        The model folder, which need not be there.
    """
    model = model.resolve()
    return model.with_name(f".{model.name}.members")


def drop_kept(folder: Path) -> None:
    """Remove kept members, those of other trainings into the same model folder included.

    Parameters
    ----------
    folder : Path
        From `kept_beside`.
    """
    shutil.rmtree(folder, ignore_errors=True)
