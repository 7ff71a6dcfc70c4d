"""Where the dashboard finds models and keeps its own small files, read from the environment.

Variables ``CAMLIF_*`` go in, frozen `Installation` come out; README names them.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from camlif.files import PRIVATE, write_new

ROOT = Path(__file__).resolve().parents[2]
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Installation:
    """Folders of this installation.

    Attributes
    ----------
    models : Path
        Model folders; ``CAMLIF_MODELS``.
    home : Path
        Key for case tokens, runs and own models; ``CAMLIF_HOME``, by default in the user's data
        folder.
    imports : Path or None
        Folder whose cohort folders Upload & check reads where they are; ``CAMLIF_IMPORT``.
    database : str or None
        URL of the database of notes and worklists; ``CAMLIF_DATABASE``, by default a file in
        ``home``.
    """

    models: Path
    home: Path
    imports: Path | None = None
    database: str | None = None

    @property
    def own_models(self) -> Path:
        """Models trained from the pages."""
        return self.home / "models"

    @property
    def runs(self) -> Path:
        """Folders of trainings and studies started from the pages."""
        return self.home / "runs"


@cache
def settings() -> Installation:
    """Return the settings of this process."""
    data = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return Installation(
        models=Path(os.environ.get("CAMLIF_MODELS", ROOT / "models")),
        home=Path(os.environ.get("CAMLIF_HOME", data / "camlif")),
        imports=_folder(os.environ.get("CAMLIF_IMPORT")),
        database=os.environ.get("CAMLIF_DATABASE") or None,
    )


def _folder(name: str | None) -> Path | None:
    return Path(name) if name else None


@cache
def install_key() -> bytes:
    """Return the key behind case tokens, made at first use and readable by its owner only.

    Where the folder cannot be written, the key lives as long as the process and links end with it.
    """
    path = settings().home / "token.key"
    try:
        path.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if not path.exists():
            write_new(path, secrets.token_bytes(KEY_BYTES), mode=0o600)
        return path.read_bytes()
    except OSError:
        return secrets.token_bytes(KEY_BYTES)
