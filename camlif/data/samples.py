"""Cohorts that open with one click, without network: two synthetic, one real.

A name goes in, a `Cohort` or a folder of its tables comes out. Raises `ConfigError` for an unknown
name, `MissingPackageError` where the real one needs a package that is not installed. It is that of
Desmedt et al., Clinical Cancer Research 2007 (GEO GSE7390).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from camlif.data.cohort import Cohort
from camlif.data.reading.durations import DAYS_PER_MONTH
from camlif.data.reading.readers import load_cohort
from camlif.data.reading.writing import write_cohort
from camlif.data.schema import (
    ClinicalColumn,
    CohortInfo,
    ColumnWords,
    Endpoint,
    FeatureSchema,
    GroupSpec,
    ModalitySpec,
)
from camlif.data.simulator import TITLES, simulate, write_simulated
from camlif.exceptions import ConfigError, MissingPackageError

SAMPLE_FOLDER = Path(__file__).resolve().parents[2] / "sample_data"
SAMPLE_PATIENTS = 480
SAMPLE_SEED = 1
"""Patients and seed of the folders in ``sample_data``."""

TRANSBIG_GRADES = {
    "poorly differentiated": 3.0,
    "intermediate": 2.0,
    "well differentiated": 1.0,
    "unkown": np.nan,  # spelt so in the source
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A cohort that comes with the project.

    Attributes
    ----------
    key, title, description : str
    badge : {"synthetic", "public"}
    """

    key: str
    title: str
    badge: Literal["synthetic", "public"]
    description: str


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        sample.key: sample
        for sample in (
            Sample(
                key="glioma",
                title=TITLES["glioma"],
                badge="synthetic",
                description="Pathology features and 320 genomic ones of simulated patients with "
                "WHO subtype and grade; 15% lack one modality. The truth is known.",
            ),
            Sample(
                key="luad",
                title=TITLES["luad"],
                badge="synthetic",
                description="487 CT and 793 pathology features of simulated patients with age, "
                "sex, smoking and stage. The truth is known.",
            ),
            Sample(
                key="transbig",
                title="Breast cancer (TRANSBIG)",
                badge="public",
                description="198 real patients with node-negative breast cancer: 76 genes; grade, "
                "size and oestrogen receptor. The endpoint is distant metastasis, not death.",
            ),
        )
    }
)


TRANSBIG_INFO = CohortInfo(
    title=SAMPLES["transbig"].title,
    badge="public",
    profile="breast",
    endpoint=Endpoint(
        name="distant metastasis",
        event_noun="distant metastasis",
        event_free="free of distant metastasis",
    ),
    subtype_column="er_status",
    grade_column="grade",
    units={"age": "years", "size_cm": "cm"},
    names={
        "pathology": ColumnWords("Grade, size and ER"),
        "genomics": ColumnWords("76-gene signature"),
    },
    source="Desmedt et al., Clinical Cancer Research 2007 (GEO GSE7390, TRANSBIG), as contained in "
    "scikit-survival (load_breast_cancer). Time to distant metastasis, given in days, here in "
    "months of 30.4375 days.",
    licence="Public GEO series; read at run time from scikit-survival (GPL-3.0), not shipped here.",
    notes=(
        "The endpoint is distant metastasis, not death.",
        "Grade, tumour size and oestrogen receptor status stand for the pathology side: there are "
        "no image features.",
        "The 76 genes were chosen in other patients for this very endpoint.",
    ),
)


def load_sample(key: str) -> Cohort:
    """Return a sample cohort.

    Parameters
    ----------
    key : {"glioma", "luad", "transbig"}
        The synthetic ones are read from ``sample_data``, or simulated anew with the same seed
        where that folder is absent; TRANSBIG is read from the installed scikit-survival.

    Raises
    ------
    ConfigError
        For an unknown key; MissingPackageError for ``transbig`` without scikit-survival.
    """
    if key not in SAMPLES:
        raise ConfigError(f"No sample {key!r}; there are {', '.join(SAMPLES)}.")
    if key == "transbig":
        return _transbig()
    with sample_folder(key) as folder:
        return load_cohort(folder)


@contextmanager
def sample_folder(key: str) -> Iterator[Path]:
    """Yield a sample as a cohort folder; one that is made for the purpose is gone afterwards.

    Parameters and errors are those of `load_sample`.
    """
    folder = SAMPLE_FOLDER / key
    if key != "transbig" and folder.is_dir():
        yield folder
        return
    with TemporaryDirectory() as temporary:
        if key == "transbig":
            write_cohort(_transbig(), Path(temporary))
        else:
            write_simulated(simulate(key, n_patients=SAMPLE_PATIENTS, seed=SAMPLE_SEED), temporary)
        yield Path(temporary)


def _transbig() -> Cohort:
    """Breast cancer data of Desmedt et al. with distant metastasis as endpoint.

    References
    ----------
    Desmedt C et al. (2007), Clinical Cancer Research 13:3207-3214 (GSE7390).
    """
    try:
        from sksurv.datasets import load_breast_cancer
    except ImportError as error:
        raise MissingPackageError("The sample TRANSBIG", "scikit-survival") from error
    features, outcome = load_breast_cancer()
    genes = tuple(c for c in features.columns if c.startswith("X"))
    event_name, time_name = outcome.dtype.names
    pathology = pd.DataFrame(
        {
            "grade": features["grade"].astype(object).map(TRANSBIG_GRADES).astype(float),
            "size_cm": features["size"].astype(float),
            "er_positive": (features["er"].astype(object) == "positive").astype(float),
        }
    )
    ids = np.array([f"TRANSBIG-{i:03d}" for i in range(1, 1 + len(features))], dtype=str)
    grade = [f"{g:.0f}" if np.isfinite(g) else np.nan for g in pathology["grade"].to_numpy()]
    clinical = pd.DataFrame(
        {
            "age": features["age"].astype(float).to_numpy(),
            "grade": grade,
            "er_status": features["er"].astype(str).to_numpy(),
        },
        index=pd.Index(ids, dtype=object),
    )
    return Cohort(
        info=TRANSBIG_INFO,
        schema=FeatureSchema(
            (
                ModalitySpec("pathology", (GroupSpec("pathology", tuple(pathology.columns)),)),
                ModalitySpec("genomics", (GroupSpec("genomics", genes),)),
            ),
            (ClinicalColumn("age", "numeric"),),
        ),
        patient_ids=ids,
        tables={
            "pathology": pathology.to_numpy(np.float32),
            "genomics": features[list(genes)].to_numpy(np.float32),
        },
        presence=np.ones((len(ids), 2), dtype=bool),
        clinical=clinical,
        duration=outcome[time_name].astype(np.float64) / DAYS_PER_MONTH,
        event=outcome[event_name].astype(bool),
    )
