"""Which of a model's columns a cohort has, and the cohort in the model's column order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camlif.data.cohort import Cohort
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityMatch:
    """How many of a model's columns of one modality a cohort has.

    ``source`` is the cohort's modality that holds them, None where there is none.
    """

    modality: str
    source: str | None
    n_expected: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def n_found(self) -> int:
        """Columns found."""
        return self.n_expected - len(self.missing)

    @property
    def share(self) -> float:
        """Share of the model's columns found."""
        return self.n_found / self.n_expected

    @property
    def complete(self) -> bool:
        """Whether every column is there."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class MatchReport:
    """Match of a cohort's columns with a model's, by modality, and clinical columns missing."""

    modalities: tuple[ModalityMatch, ...]
    clinical_missing: tuple[str, ...]

    @property
    def share(self) -> float:
        """Share of all the model's feature columns found."""
        found = sum(m.n_found for m in self.modalities)
        return found / sum(m.n_expected for m in self.modalities)

    @property
    def usable(self) -> bool:
        """Whether at least one modality is complete and none is there in part."""
        return any(m.complete for m in self.modalities) and all(
            m.complete or m.n_found == 0 for m in self.modalities
        )


def match_schema(expected: FeatureSchema, found: FeatureSchema) -> MatchReport:
    """Compare column names; a modality under another name is found by its columns."""
    matches = []
    for modality in expected.modalities:
        wanted = set(modality.columns)
        overlap = {m.name: len(wanted & set(m.columns)) for m in found.modalities}
        best = max(overlap, key=lambda name: (overlap[name], name == modality.name), default=None)
        if best is None or not overlap[best]:
            matches.append(_absent(modality.name, modality.columns))
            continue
        there = found[best].columns
        present = set(there)
        matches.append(
            ModalityMatch(
                modality=modality.name,
                source=best,
                n_expected=modality.n_features,
                missing=tuple(c for c in modality.columns if c not in present),
                extra=tuple(c for c in there if c not in wanted),
            )
        )
    return MatchReport(
        tuple(matches), tuple(c.name for c in expected.clinical if not _has_clinical(found, c.name))
    )


def _absent(name: str, columns: tuple[str, ...]) -> ModalityMatch:
    return ModalityMatch(
        modality=name, source=None, n_expected=len(columns), missing=columns, extra=()
    )


def _has_clinical(schema: FeatureSchema, name: str) -> bool:
    return any(c.name == name for c in schema.clinical)


def align(cohort: Cohort, expected: FeatureSchema, *, missing: tuple[str, ...] = ()) -> Cohort:
    """Return the cohort in a model's columns and order, found by name.

    Parameters
    ----------
    cohort : Cohort
    expected : FeatureSchema
    missing : tuple of str
        Modalities that the user declares missing, whatever columns are there.

    Raises
    ------
    SchemaError
        If a modality has some of the model's columns but not all; the error names them. If a
        modality in ``missing`` is none of the model's.
    """
    for name in missing:
        expected[name]  # a misspelt name would otherwise be scored with
    report = match_schema(expected, cohort.schema)
    tables, bags, specs, presence = {}, {}, [], []
    for match in report.modalities:
        if match.source is None or match.modality in missing:
            continue
        if match.missing:
            shown = ", ".join(match.missing[:5]) + (" ..." if len(match.missing) > 5 else "")
            raise SchemaError(
                f"{len(match.missing)} of {match.n_expected} features the model needs are absent.",
                file=match.source,
                column=shown,
                fix=f"Rename the columns, or mark {match.modality} as missing.",
                code="E-13",
            )
        spec = expected[match.modality]
        position = {c: i for i, c in enumerate(cohort.schema[match.source].columns)}
        order = [position[c] for c in spec.columns]
        if spec.bag:
            bags[spec.name] = tuple(bag[:, order] for bag in cohort.bags[match.source])
        else:
            tables[spec.name] = np.ascontiguousarray(cohort.tables[match.source][:, order])
        specs.append(spec)
        presence.append(cohort.presence[:, cohort.schema.names.index(match.source)])
    return Cohort(
        info=cohort.info,
        schema=FeatureSchema(tuple(specs), expected.clinical),
        patient_ids=cohort.patient_ids,
        tables=tables,
        bags=bags,
        presence=np.stack(presence, axis=1) if presence else np.zeros((len(cohort), 0), dtype=bool),
        clinical=cohort.clinical,
        duration=cohort.duration,
        event=cohort.event,
        entry=cohort.entry,
    )
