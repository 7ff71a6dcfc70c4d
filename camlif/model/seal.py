"""The seal of a model folder: a digest of every file, of their list, and perhaps a signature.

A folder goes in; nothing comes out, or an `ArtifactError` names the file that is not the one that
was saved with the others. Digests show damage and mixed-up files; only a signature (HMAC-SHA256,
RFC 2104, with a hospital's own key) shows that nobody wrote the folder anew. Other files that lie
there are never opened.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from camlif.exceptions import ArtifactError

WEIGHTS, CONFIG, CARD, CARD_TEXT = "model.safetensors", "config.json", "card.json", "card.md"
FILES = (WEIGHTS, CONFIG, CARD, CARD_TEXT)
"""Of a model folder, besides its seal."""
SEAL = "manifest.json"
KEY_VARIABLE = "CAMLIF_MODEL_KEY"
"""Environment variable that names a file with the key; unset: nothing is signed or required."""
MIN_KEY = 16
"""Bytes of the shortest key."""


def write_seal(folder: Path, names: Iterable[str]) -> None:
    """Write the seal of a folder's files.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Its files, all of them.

    Raises
    ------
    ArtifactError
        If `KEY_VARIABLE` names no usable key.
    """
    files = {name: file_digest(folder / name) for name in sorted(names)}
    whole = _digest_of(files)
    key = _signing_key()
    seal = {"files": files, "digest": whole, "signature": _sign(whole, key)}
    (folder / SEAL).write_text(json.dumps(seal, indent=1) + "\n", encoding="utf-8")


def check_seal(folder: Path, name: str) -> None:
    """Require the files that were sealed together, and the signature if there is a key.

    Parameters
    ----------
    folder : Path
    name : str
        Of the model, for errors.

    Raises
    ------
    ArtifactError
        If the seal or a file is absent or changed, or the signature
        is not that of the key.
    """
    seal = _read(folder, name)
    files = seal["files"]
    if _digest_of(files) != seal["digest"]:
        raise ArtifactError(f"{name}/{SEAL}: its own digest does not match; copy the folder again.")
    if set(files) != set(FILES):
        raise ArtifactError(f"{name}/{SEAL}: no list of the files {', '.join(FILES)}.")
    for file, known in files.items():
        if not (folder / file).is_file():
            raise ArtifactError(f"{name}: no file {file}. A model folder needs it.")
        if file_digest(folder / file) != known:
            raise ArtifactError(
                f"{name}/{file}: not the file that was saved with this model; copy it all again."
            )
    key = _signing_key()
    expected = _sign(seal["digest"], key)
    if expected is not None and not hmac.compare_digest(seal["signature"] or "", expected):
        raise ArtifactError(
            f"{name}/{SEAL}: not signed by the key that {KEY_VARIABLE} names; use a model of "
            "yours, or unset it."
        )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{name}: no file {SEAL}. A model folder needs it.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{name}/{SEAL}: cannot be read ({error}).") from error
    well_formed = (
        isinstance(seal, dict)
        and set(seal) == {"files", "digest", "signature"}
        and isinstance(seal["files"], dict)
        and all(isinstance(known, str) for known in seal["files"].values())
        and isinstance(seal["signature"], str | None)
    )
    if not well_formed:
        raise ArtifactError(f"{name}/{SEAL}: no valid list of files.")
    return dict(seal)


def _digest_of(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _signing_key() -> bytes | None:
    named = os.environ.get(KEY_VARIABLE)
    if not named:
        return None
    try:
        key = Path(named).read_bytes().strip()
    except OSError as error:
        raise ArtifactError(f"{KEY_VARIABLE}: {named} cannot be read ({error}).") from error
    if len(key) < MIN_KEY:
        raise ArtifactError(f"{KEY_VARIABLE}: a key has at least {MIN_KEY} bytes.")
    return key


def _sign(digest: str, key: bytes | None) -> str | None:
    return None if key is None else hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()
