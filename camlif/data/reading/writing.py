"""A cohort back to a folder that `load_cohort` reads as the same cohort.

A `Cohort` and a folder go in; ``clinical.csv``, a parquet table a modality and ``cohort.toml`` come
out. Raises OSError where the folder cannot be written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.data.manifest import (
    MANIFEST,
    ClinicalSection,
    EndpointSection,
    Manifest,
    ModalitySection,
)
from camlif.data.schema import ENTRY_COLUMN, OUTCOME_COLUMNS, ModalitySpec
from camlif.files import place_folder

ID = "patient_id"


def write_cohort(cohort: Cohort, folder: str | Path) -> None:
    """Write ``clinical.csv``, one parquet table per modality and ``cohort.toml``.

    Parameters
    ----------
    cohort : Cohort
    folder : str or Path
        Made if absent; files of the same names are replaced.

    Notes
    -----
    A patient who lacks a modality has no row in its table; one who lacks an outcome has empty cells
    for it. Schema, values and outcome are read back as they were, the levels of a category in
    alphabetical order.
    """
    with place_folder(Path(folder)) as draft:
        _clinical(cohort).to_csv(draft / "clinical.csv", index=False)
        for i, modality in enumerate(cohort.schema.modalities):
            table = _modality(cohort, modality, cohort.presence[:, i])
            table.to_parquet(draft / f"{modality.name}.parquet", index=False)
        (draft / MANIFEST).write_text(_manifest(cohort).to_toml(), "utf-8")


def _clinical(cohort: Cohort) -> pd.DataFrame:
    table = cohort.clinical.reset_index(drop=True)
    table.insert(0, ID, cohort.patient_ids)
    if cohort.duration is not None and cohort.event is not None:
        duration, event = OUTCOME_COLUMNS
        table[duration] = cohort.duration
        table[event] = pd.array(np.where(cohort.with_outcome, cohort.event, 0), dtype="Int64")
        table.loc[~cohort.with_outcome, event] = pd.NA
    if cohort.entry is not None:
        table[ENTRY_COLUMN] = cohort.entry
    return table


def _modality(cohort: Cohort, modality: ModalitySpec, present: BoolArray) -> pd.DataFrame:
    rows, ids = np.flatnonzero(present), cohort.patient_ids
    if modality.bag is None:
        values, owner = cohort.tables[modality.name][rows], ids[rows]
    else:
        bags = [cohort.bags[modality.name][row] for row in rows]
        values = np.concatenate([np.zeros((0, modality.n_features), "float32"), *bags])
        owner = np.repeat(ids[rows], [len(bag) for bag in bags])
    table = pd.DataFrame(values, columns=list(modality.columns))
    table.insert(0, ID, owner)
    return table


def _manifest(cohort: Cohort) -> Manifest:
    info = cohort.info
    has_outcome = cohort.duration is not None
    inputs = tuple(column.name for column in cohort.schema.clinical)
    return Manifest(
        title=info.title,
        badge=info.badge,
        profile=info.profile,
        source=info.source,
        licence=info.licence,
        notes=info.notes,
        oracle_c_index=info.oracle_c_index,
        id=ID,
        endpoint=EndpointSection(
            name=info.endpoint.name,
            event_noun=info.endpoint.event_noun,
            event_free=info.endpoint.event_free,
        ),
        clinical=ClinicalSection(
            file="clinical.csv",
            duration=OUTCOME_COLUMNS[0] if has_outcome else None,
            duration_unit="months" if has_outcome else None,
            event=OUTCOME_COLUMNS[1] if has_outcome else None,
            entry=None if cohort.entry is None else ENTRY_COLUMN,
            inputs=inputs,
            include=inputs,
            subtype=info.subtype_column,
            grade=info.grade_column,
        ),
        modalities={m.name: _section(m) for m in cohort.schema.modalities},
        units=dict(info.units),
    )


def _section(modality: ModalitySpec) -> ModalitySection:
    return ModalitySection(
        file=f"{modality.name}.parquet",
        type="table" if modality.bag is None else "bag",
        max_instances=None if modality.bag is None else modality.bag.max_instances,
        include=("*",),  # what it holds was decided when it was read
        groups={}
        if modality.bag is not None
        else {group.name: group.columns for group in modality.groups},
    )
