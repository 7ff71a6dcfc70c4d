"""Which inputs of a model tell the levels of a column, so that it separates by construction.

A schema, a cohort and one level per patient go in; names of columns come out. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from camlif.data.cohort import Cohort
    from camlif.data.schema import FeatureSchema

FEWEST = 5
"""Patients of a level: in fewer any column may be constant by chance."""
MOST_CODES = 20
"""Range of an input of codes: grades, copies of a gene, present and absent."""
NEARLY_ALL = 0.9
"""Of the patients of a level: a mutation that defines a subtype is missed in some."""


def telling_inputs(schema: FeatureSchema, cohort: Cohort, levels: pd.Series) -> tuple[str, ...]:
    """Return the coded inputs that nearly have one value within each level, not the same in all.

    Parameters
    ----------
    schema : FeatureSchema
        Of the model.
    cohort : Cohort
        Its n patients have the model's columns, as far as they go.
    levels : Series, shape (n,)
        Such as the subtype; missing where unknown.
    """
    codes = pd.factorize(levels)[0]
    sizes = np.bincount(codes[codes >= 0])
    rows = [np.flatnonzero(codes == level) for level in np.flatnonzero(sizes >= FEWEST)]
    if len(rows) < 2:
        return ()
    found: list[str] = []
    for names, values in _inputs(schema, cohort):
        coded = [j for j in range(len(names)) if _is_code(values[:, j])]
        found += [names[j] for j in coded if _tells(values[:, j], rows)]
    return tuple(dict.fromkeys(found))


def _is_code(values: NDArray[np.float64]) -> bool:
    """Whether a column holds a few different whole numbers."""
    known = values[np.isfinite(values)]
    return bool(len(known) and np.ptp(known) <= MOST_CODES and (known == np.round(known)).all())


def _tells(values: NDArray[np.float64], rows: Sequence[NDArray[np.int_]]) -> bool:
    """Whether nearly all patients of each level have one value, which is not that of all levels."""
    usual = []
    for members in rows:
        known = values[members][np.isfinite(values[members])]
        if not len(known):
            return False
        codes, sizes = np.unique(known, return_counts=True)
        if sizes.max() < NEARLY_ALL * len(known):
            return False
        usual.append(codes[sizes.argmax()])
    return len(set(usual)) > 1


def _inputs(
    schema: FeatureSchema, cohort: Cohort
) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """Names and values (n, f) of the inputs that the cohort has, categories as codes."""
    clinical = [c.name for c in schema.clinical if c.name in cohort.clinical]
    if clinical:
        coded = [pd.factorize(cohort.clinical[name])[0].astype(float) for name in clinical]
        values = np.stack(coded, axis=1)
        yield clinical, np.where(values < 0, np.nan, values)
    for modality in cohort.schema.modalities:
        if modality.name in schema.names and modality.name in cohort.tables:
            known = set(schema[modality.name].columns)
            at = [j for j, name in enumerate(modality.columns) if name in known]
            names = [modality.columns[j] for j in at]
            yield names, cohort.tables[modality.name][:, at].astype(np.float64)
