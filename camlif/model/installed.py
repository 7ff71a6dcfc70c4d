"""The models installed in a folder, and which of them fits a cohort's columns.

Folders go in; their models come out, read without weights. Nothing fails: a damaged model carries
its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from camlif.data.schema import FeatureSchema
from camlif.exceptions import ArtifactError
from camlif.files import folders_in, standing
from camlif.model.card import Card
from camlif.model.matching import MatchReport, match_schema
from camlif.model.storage import CARD, CONFIG, read_card, read_schema


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
    """List the model folders below some folders, by name; damaged ones carry their error.

    Of two models of one name, that of the earlier folder is listed.
    """
    paths: dict[str, Path] = {}
    for folder in folders:
        for path in folders_in(folder):
            home = standing(path)
            if (home / CONFIG).is_file() and (home / CARD).is_file():
                paths.setdefault(path.name, path)
    return tuple(_read(paths[name]) for name in sorted(paths))


def _read(path: Path) -> InstalledModel:
    try:
        return InstalledModel(path=path, schema=read_schema(path), card=read_card(path))
    except ArtifactError as error:
        return InstalledModel(path=path, error=str(error))


def rank_models(
    models: tuple[InstalledModel, ...], schema: FeatureSchema
) -> tuple[ModelMatch, ...]:
    """Sort usable models by the share of their columns that a cohort has, best first.

    Models without a single column in common are left out.
    """
    matches = [ModelMatch(m, match_schema(m.schema, schema)) for m in models if m.schema]
    return tuple(
        sorted(
            (m for m in matches if m.report.share > 0),
            key=lambda m: (not m.report.usable, -m.report.share, m.model.name),
        )
    )
