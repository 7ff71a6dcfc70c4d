"""Which tables this program wrote itself: they are results, and never a cohort's input.

Column names go in; what the table is comes out, or None for a table of somebody else's. Headers are
those of the writers, which a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

PRODUCTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "scores of a model": frozenset({"patient_id", "log_risk", "risk_group"}),
        "contributions to scores": frozenset({"patient_id", "level", "contribution", "method"}),
        "results of a study": frozenset({"method", "variant", "head", "split", "c_index"}),
        "held-out risks of a study": frozenset({"method", "variant", "head", "split", "log_risk"}),
        "failed cells of a study": frozenset({"cell", "method", "variant", "head", "first_split"}),
        "records of cases": frozenset({"kind", "case_token", "model_digest"}),
    }
)
"""Columns that every table of a kind has, whatever else it holds."""
SPLIT = re.compile(r"split_\d+")
OWN_FILE = re.compile(r"oracle\.json|.+\.problems\.json")
"""Files beside tables that are no tables: the truth of a simulation, what a command warned of."""


def product_of(columns: Collection[str]) -> str | None:
    """Say what a table is if this program wrote it; None if it did not."""
    names = {name.lstrip("\ufeff").strip().lower() for name in columns}
    for title, needed in PRODUCTS.items():
        if needed <= names:
            return title
    others = names - {"patient_id"}
    if "patient_id" in names and others and all(SPLIT.fullmatch(name) for name in others):
        return "splits of patients"
    return None
