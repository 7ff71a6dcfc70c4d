"""Which of a model's columns a cohort has, and the cohort in the model's column order.

A cohort and a model's schema go in; out come the columns found and missing, and the cohort in the
model's order. Raises `SchemaError` where a modality has some of the model's columns but not all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL
from camlif.data.schema import FeatureSchema, ModalitySpec
from camlif.exceptions import SchemaError
from camlif.wording import count, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMatch:
    """How many of a model's columns of one modality, or clinical inputs, a cohort has.

    Attributes
    ----------
    modality : str
        Of the model; `CLINICAL` for its clinical inputs.
    source : str or None
        The cohort's modality that holds them, None where there is none.
    n_expected : int
    missing, extra : tuple of str
        Columns that the model reads and the source lacks; columns of the source that this modality
        does not read.
    rivals : tuple of str
        The cohort's modalities that have the columns equally well, where names do not tell which
        is meant; empty otherwise.
    """

    modality: str
    source: str | None
    n_expected: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    rivals: tuple[str, ...] = ()

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
        """Whether every column is there, and it is clear where."""
        return not self.missing and not self.rivals


@dataclass(frozen=True, slots=True)
class MatchReport:
    """Match of a cohort's columns with a model's.

    Attributes
    ----------
    modalities : tuple of TableMatch
        In the model's order.
    inputs : TableMatch or None
        Clinical inputs; None where the model reads none.
    """

    modalities: tuple[TableMatch, ...]
    inputs: TableMatch | None

    @property
    def tables(self) -> tuple[TableMatch, ...]:
        """Modalities, then clinical inputs."""
        return self.modalities if self.inputs is None else (*self.modalities, self.inputs)

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


def match_columns(
    expected: FeatureSchema, found: FeatureSchema, clinical: Iterable[object]
) -> MatchReport:
    """Compare column names; a modality under another name is found by its columns.

    No column of the cohort serves two of the model: modalities of equal names come first, then
    those of most columns.

    Parameters
    ----------
    expected, found : FeatureSchema
        Of the model and of the cohort.
    clinical : iterable
        Columns of the cohort's clinical table.
    """
    there = {m.name: set(m.columns) for m in found.modalities}

    def best_first(modality: ModalitySpec) -> tuple[bool, int]:
        overlap = [len(columns.intersection(modality.columns)) for columns in there.values()]
        return modality.name not in there, -max(overlap, default=0)

    matches: dict[str, TableMatch] = {}
    for modality in sorted(expected.modalities, key=best_first):
        match = _match_modality(modality, there, found)
        matches[modality.name] = match
        if match.source is not None:
            there[match.source] -= set(modality.columns)
    return MatchReport(
        tuple(matches[name] for name in expected.names),
        _match_inputs(expected, [str(column) for column in clinical]),
    )


def _match_modality(
    modality: ModalitySpec, there: Mapping[str, set[str]], found: FeatureSchema
) -> TableMatch:
    """Find the table that has most of a modality's columns; ``there`` are those still unread."""
    overlap = {name: len(columns.intersection(modality.columns)) for name, columns in there.items()}
    most = max(overlap.values(), default=0)
    best = [name for name, n in overlap.items() if n == most]
    if not most:
        return TableMatch(
            modality=modality.name,
            source=None,
            n_expected=modality.n_features,
            missing=modality.columns,
            extra=(),
        )
    source = modality.name if modality.name in best else best[0]
    wanted = set(modality.columns)
    return TableMatch(
        modality=modality.name,
        source=source,
        n_expected=modality.n_features,
        missing=tuple(c for c in modality.columns if c not in there[source]),
        extra=tuple(c for c in found[source].columns if c not in wanted),
        rivals=() if len(best) == 1 or modality.name in best else tuple(best),
    )


def _match_inputs(expected: FeatureSchema, clinical: Sequence[str]) -> TableMatch | None:
    wanted = [column.name for column in expected.clinical]
    if not wanted:
        return None
    missing = tuple(name for name in wanted if name not in clinical)
    return TableMatch(
        modality=CLINICAL,
        source=CLINICAL if clinical else None,
        n_expected=len(wanted),
        missing=missing,
        extra=tuple(name for name in clinical if name not in wanted),
    )


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
    report = match_columns(expected, cohort.schema, cohort.clinical.columns)
    tables, bags, specs, presence = {}, {}, [], []
    for match in report.modalities:
        if match.source is None or match.modality in missing:
            continue
        if match.rivals:
            raise SchemaError(
                f"{listed(match.rivals)} both have the columns of {match.modality}.",
                file=match.source,
                fix=f"Call the one that is meant {match.modality}, or mark it as missing.",
                code="E-13",
            )
        if match.missing:
            shown = ", ".join(match.missing[:5]) + (" ..." if len(match.missing) > 5 else "")
            raise SchemaError(
                f"{len(match.missing)} of {count(match.n_expected, 'feature')} the model needs are "
                "absent.",
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
