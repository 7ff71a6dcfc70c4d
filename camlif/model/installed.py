"""The models installed in a folder, and which of them fits a cohort's columns.

Folders go in; their models come out, read without weights. Nothing fails: a damaged model carries
its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from camlif.data.cohort import Cohort
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ArtifactError
from camlif.files import folders_in, standing
from camlif.model.card import Card
from camlif.model.matching import MatchReport, match_columns
from camlif.model.seal import CARD, CONFIG, check_seal
from camlif.model.storage import read_card, read_schema

MODEL_FILES = frozenset(
    [
        ".pt",
        ".pth",
        ".pkl",
        ".pickle",
        ".joblib",
        ".ckpt",
        ".onnx",
        ".h5",
        ".keras",
        ".npz",
        ".bin",
        ".safetensors",
        ".rds",
        ".zip",
    ]
)
"""Endings under which other programs keep models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model folder, read without its weights.

    ``error`` says why the folder cannot be used; ``schema`` and ``card`` are then None.
    """

    path: Path
    schema: FeatureSchema | None = None
    card: Card | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """Folder name."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class ModelMatch:
    """How well an installed model fits a cohort's columns."""

    model: InstalledModel
    report: MatchReport


def installed_models(*folders: Path) -> tuple[InstalledModel, ...]:
    """List what lies in some folders, by name; what is no sound model carries its error.

    Of two models of one name, that of the earlier folder is listed. Nothing but a model folder is
    ever opened.
    """
    found: dict[str, InstalledModel] = {}
    for folder in folders:
        for path in folders_in(folder):
            if _claims_a_model(standing(path)):
                found.setdefault(path.name, _read(path))
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if path.is_file() and path.suffix.lower() in MODEL_FILES:
                error = f"{path.name}: models are folders of this program; this file is not opened."
                found.setdefault(path.name, InstalledModel(path=path, error=error))
    return tuple(found[name] for name in sorted(found))


def _claims_a_model(folder: Path) -> bool:
    """Whether a folder holds a file of a model, of this program or another."""
    if not folder.is_dir():
        return False
    files = list(folder.iterdir())
    return any(p.name in (CONFIG, CARD) or p.suffix.lower() in MODEL_FILES for p in files)


def _read(path: Path) -> InstalledModel:
    try:
        check_seal(standing(path), path.name)
        return InstalledModel(path=path, schema=read_schema(path), card=read_card(path))
    except ArtifactError as error:
        return InstalledModel(path=path, error=str(error))


def rank_models(models: tuple[InstalledModel, ...], cohort: Cohort) -> tuple[ModelMatch, ...]:
    """Sort usable models by the share of their columns that a cohort has, best first.

    Models without a single column in common are left out.
    """
    columns = cohort.clinical.columns
    matches = [
        ModelMatch(m, match_columns(m.schema, cohort.schema, columns)) for m in models if m.schema
    ]
    return tuple(
        sorted(
            (m for m in matches if m.report.share > 0),
            key=lambda m: (not m.report.usable, -m.report.share, m.model.name),
        )
    )
