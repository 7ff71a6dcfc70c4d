"""What the paper prints: C-index of An et al., AAAI 2025, Tables 1 to 3.

These numbers are of the paper's cohorts, two of which are not public in the form it used: they are
marks beside a study's own, never averaged with them and no target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedValue:
    """One cell of a table of the paper.

    Attributes
    ----------
    table : int
    label : str
        Row or column as printed.
    mean : float
    half_width : float or None
        The printed subscript, read as half of a 95 % t interval over the 15 splits.
    p_value : float or None
    """

    table: int
    label: str
    mean: float
    half_width: float | None = None
    p_value: float | None = None


COHORTS = {
    "gbmlgg": "TCGA-GBMLGG (769 patients)",
    "kirc": "TCGA-KIRC (417 patients)",
    "luad": "multi-centre LUAD, not public (1,047 patients)",
}

_TABLE_2 = {
    "gpdbn": ("GPDBN", (0.812, 0.015), (0.712, 0.038), (0.657, 0.024)),
    "mcat": ("MCAT", (0.835, 0.023), (0.708, 0.032), (0.672, 0.032)),
    "pathomic_fusion": ("Pathomic Fusion", (0.878, 0.009), (0.719, 0.031), (0.684, 0.033)),
    "motcat": ("MOTCat", (0.867, 0.028), (0.721, 0.026), (0.678, 0.038)),
    "cmta": ("CMTA", (0.863, 0.012), (0.729, 0.029), (0.693, 0.027)),
    "pg_mlif": ("PG-MLIF", (0.895, 0.007), (0.728, 0.026), (0.691, 0.028)),
}


def _table_2() -> dict[tuple[str, str], dict[str, PrintedValue]]:
    return {
        (key, key): {
            cohort: PrintedValue(table=2, label=label, mean=mean, half_width=half_width)
            for cohort, (mean, half_width) in zip(COHORTS, cells, strict=True)
        }
        for key, (label, *cells) in _TABLE_2.items()
    }


def _table_3() -> dict[tuple[str, str], dict[str, PrintedValue]]:
    rows = {
        "no_ca": ("w/o CA", 0.696, 0.024, 4.6426e-07),
        "no_alignment": ("w/o alignment constraint", 0.703, 0.031, 6.2170e-05),
        "no_second_fusion": ("w/o second fusion", 0.708, 0.027, 6.4282e-08),
    }
    return {
        ("camlif", name): {
            "luad": PrintedValue(
                table=3, label=label, mean=mean, half_width=half_width, p_value=p_value
            )
        }
        for name, (label, mean, half_width, p_value) in rows.items()
    }


def _table_1() -> dict[tuple[str, str], dict[str, PrintedValue]]:
    columns = {
        "ct": ("CT", 0.688),
        "pathology:tumour": ("Path_Tu", 0.645),
        "pathology:epithelium": ("Path_Ep", 0.621),
        "pathology:stroma": ("Path_St", 0.618),
        "pathology:nuclei": ("Path_Nu", 0.637),
        "pathology": ("Path_All", 0.667),
    }
    return {
        (method, variant): {"luad": PrintedValue(table=1, label=label, mean=mean)}
        for method in ("unimodal", "unimodal_mlp")
        for variant, (label, mean) in columns.items()
    }


PRINTED: Mapping[tuple[str, str], Mapping[str, PrintedValue]] = {
    ("camlif", "default"): {
        "gbmlgg": PrintedValue(table=2, label="CA-MLIF", mean=0.908, half_width=0.011),
        "kirc": PrintedValue(table=2, label="CA-MLIF", mean=0.732, half_width=0.028),
        "luad": PrintedValue(
            table=2, label="CA-MLIF", mean=0.719, half_width=0.021, p_value=3.8907e-09
        ),
    },
    **_table_3(),
    **_table_2(),
    **_table_1(),
}
"""Method and variant to the printed values by cohort (keys of `COHORTS`)."""
