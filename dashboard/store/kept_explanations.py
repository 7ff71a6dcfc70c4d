"""Explanations of shipped cohorts on disk, by the digest of everything that they depend on.

What they depend on goes in, and an explanation that was kept comes out; None where there is none
and where its file is damaged or of something else. A folder that cannot be written costs the next
computation only.

Contributions tell a patient's values: of uploaded tables nothing is kept here.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import camlif
from camlif.explain.results import FeatureAttribution, ModalityAttribution, PlayerContributions
from camlif.files import PRIVATE, place_file, sweep

FOLDER = "explained"
MOST_BYTES = 200 * 2**20
"""Of all files together: some thousand patients. The oldest go first."""
SWEPT_AFTER = 16
"""Files written, on average, before their sizes are looked at: a look takes longer than a file."""
COMPUTED_BY = ("torch", "numpy", "captum")
"""Packages whose versions may change a number."""

Explanation = FeatureAttribution | ModalityAttribution
_RECORDS = {c.__name__: c for c in (FeatureAttribution, ModalityAttribution, PlayerContributions)}
_DAMAGED = (OSError, EOFError, ValueError, TypeError, LookupError, zipfile.BadZipFile, zlib.error)


def digest_of(*parts: object) -> str:
    """Return the key of an explanation: digest of its settings and of the code that computes it.

    Parameters
    ----------
    *parts : JSON values
        Digests of cohort and model, patients, method, baseline and so on.
    """
    return hashlib.sha256(json.dumps([_code(), *parts]).encode()).hexdigest()


@cache
def _code() -> str:
    """Digest of the library's source and of the versions of what it computes with."""
    digest = hashlib.sha256(json.dumps([version(name) for name in COMPUTED_BY]).encode())
    root = Path(camlif.__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class KeptExplanations:
    """A folder of explanations, at most ``most_bytes`` of them."""

    folder: Path
    most_bytes: int = MOST_BYTES

    def has(self, key: str) -> bool:
        """Whether a file of a key is there; it may be damaged."""
        return self._file(key).is_file()

    def read(self, key: str) -> Explanation | None:
        """Return the explanation of a key; None where it is not kept whole."""
        try:
            # Opened here: NumPy leaves a damaged file open.
            with (
                self._file(key).open("rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                head = json.loads(arrays["head"].tobytes())
                if head["key"] != key:
                    return None
                found = _decoded(head["explanation"], arrays)
        except _DAMAGED:
            return None
        return found if isinstance(found, Explanation) else None

    def write(self, key: str, explanation: Explanation) -> None:
        """Keep an explanation, and drop the oldest of too many."""
        arrays: dict[str, NDArray[Any]] = {}
        head = {"key": key, "explanation": _encoded(explanation, arrays)}
        arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
        with suppress(OSError):
            self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            with place_file(self._file(key), lasting=False) as draft, draft.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # no array is a flag
            if int(key[:2], 16) % SWEPT_AFTER == 0:  # a digest: as good as chance
                self._drop_oldest()

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npz"

    def _drop_oldest(self) -> None:
        sweep(self.folder)
        files = sorted(
            ((file.stat(), file) for file in self.folder.glob("*.npz")),
            key=lambda found: found[0].st_mtime_ns,
        )
        total = sum(stat.st_size for stat, _ in files)
        for stat, file in files:
            if total <= self.most_bytes:
                return
            file.unlink(missing_ok=True)
            total -= stat.st_size


def _encoded(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Turn a record into JSON values, with its arrays beside them under numbers."""
    if is_dataclass(value):
        parts = {f.name: _encoded(getattr(value, f.name), arrays) for f in fields(value)}
        return {"record": type(value).__name__, "fields": parts}
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return [_encoded(part, arrays) for part in value]
    return value


def _decoded(value: Any, arrays: Any) -> Any:
    """Undo `_encoded`; TypeError or LookupError for what it did not write."""
    if isinstance(value, list):
        return tuple(_decoded(part, arrays) for part in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    parts = {name: _decoded(part, arrays) for name, part in value["fields"].items()}
    return _RECORDS[value["record"]](**parts)
