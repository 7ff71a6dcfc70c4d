"""Simulated cohorts with a known truth: what a model can reach at best is part of the data.

A scenario, a size and a seed go in; a cohort, its truth and the oracle's C-index come out, or a
folder of tables. Raises `ConfigError` for an unknown scenario or too few patients.

Log hazard = main effects of clinical variables and of one latent factor per modality, plus
``interaction`` times the product of the two factors. Each factor is standard normal and loads on
most columns of its modality, so it is well measured; the product is invisible to a model that adds
up columns. The other columns are noise.

Follow-up is Weibull with independent exponential censoring, whose rate is solved for so that the
expected share of events equals the published one:

- ``glioma``: 0.33, as 187 deaths of 569 patients in the TCGA GBM and LGG table of Chen et al.,
  Cancer Cell 2022 (PORPOISE);
- ``luad``: 0.36, about the share of deaths among the some 500 patients of TCGA-LUAD (TCGA clinical
  data resource, Liu et al., Cell 2018).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq

from camlif.data import simulated_columns as names
from camlif.data.manifest import (
    MANIFEST,
    ClinicalSection,
    EndpointSection,
    Manifest,
    ModalitySection,
)
from camlif.exceptions import ConfigError
from camlif.files import place_folder
from camlif.statistics.concordance import concordance_index
from camlif.wording import count

Scenario = Literal["glioma", "luad"]
SCENARIOS: tuple[Scenario, ...] = ("glioma", "luad")
MIN_PATIENTS = 20

EVENT_RATE = {"glioma": 0.33, "luad": 0.36}
WEIBULL_SHAPE = 1.2
SCALE_MONTHS = {"glioma": 110.0, "luad": 100.0}
"""Weibull scale at log hazard 0."""
LONGEST_MONTHS = 180.0
"""Follow-up ends here for everyone (administrative censoring)."""

SHARE_INFORMATIVE = 0.7
"""Share of a group's columns that load on the modality's factors; the others are noise."""
LOADING = 1.5
NUISANCE = 0.3
"""Loading on a factor of the feature group that has nothing to do with survival."""
SHARE_LACKING = 0.15
"""Share of glioma patients who lack one modality, either one with the same chance."""

SUBTYPES = ("IDH-wt astrocytoma", "IDH-mut astrocytoma", "oligodendroglioma")
SUBTYPE_SHARES = (0.30, 0.42, 0.28)
GRADES = ("2", "3", "4")
GRADE_SHARES = {
    "IDH-wt astrocytoma": (0.05, 0.20, 0.75),
    "IDH-mut astrocytoma": (0.45, 0.43, 0.12),
    "oligodendroglioma": (0.55, 0.45, 0.0),
}
STAGES = ("I", "II", "III", "IV")
STAGE_SHARES = (0.54, 0.24, 0.16, 0.06)

GLIOMA_EFFECTS = {
    "IDH-wt astrocytoma": 0.55,
    "IDH-mut astrocytoma": 0.0,
    "oligodendroglioma": -0.35,
    "grade": 0.30,
    "age_decade": 0.15,
    "pathology": 0.45,
    "genomics": 0.45,
    "interaction": 1.3,
}
LUAD_EFFECTS = {
    "stage": 0.45,
    "age_decade": 0.10,
    "male": 0.2,
    "smoking": 0.3,
    "ct": 0.55,
    "pathology": 0.55,
    "interaction": 1.5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What drew the outcomes.

    Attributes
    ----------
    log_hazard : float64, shape (n,)
        Up to a constant.
    terms : mapping of term to float64, shape (n,)
        Its summands.
    oracle_c_index : float
        C-index of ``log_hazard``: the ceiling against which models are read.
    """

    log_hazard: NDArray[np.float64]
    terms: Mapping[str, NDArray[np.float64]]
    oracle_c_index: float

    def variance_shares(self) -> dict[str, float]:
        """Return each term's covariance with the log hazard, as share of its variance; sum 1."""
        total = float(np.var(self.log_hazard))
        centred = self.log_hazard - self.log_hazard.mean()
        return {name: float(np.mean(t * centred) / total) for name, t in self.terms.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A simulated cohort as tables, and its truth.

    Attributes
    ----------
    scenario : {"glioma", "luad"}
    n_patients, seed : int
    clinical : DataFrame
        With ``patient_id``, ``survival_months`` and ``event``.
    modalities : mapping of modality to DataFrame
        First column ``patient_id``; patients who lack the modality have no row.
    truth : Truth
    """

    scenario: Scenario
    n_patients: int
    seed: int
    clinical: pd.DataFrame
    modalities: Mapping[str, pd.DataFrame]
    truth: Truth

    @property
    def command(self) -> str:
        """The command line that makes the same cohort."""
        return (
            f"python -m camlif simulate {self.scenario} --patients {self.n_patients} "
            f"--seed {self.seed} --out sample_data/{self.scenario}"
        )

    @property
    def manifest(self) -> Manifest:
        """The cohort's description of itself."""
        glioma = self.scenario == "glioma"
        shares = self.truth.variance_shares()
        return Manifest(
            title=TITLES[self.scenario],
            badge="synthetic",
            profile="glioma" if glioma else "lung",
            source=f"Simulated: {self.command}",
            licence="CC0-1.0",
            notes=(
                "Synthetic data: no real patient is in them.",
                f"The true log hazard reaches a C-index of {self.truth.oracle_c_index:.3f}; "
                f"{100 * shares['interaction']:.0f}% of its variance is a product of two "
                "modalities that no sum of columns can express.",
            ),
            oracle_c_index=round(self.truth.oracle_c_index, 4),
            endpoint=EndpointSection(),
            clinical=ClinicalSection(
                file="clinical.csv",
                duration="survival_months",
                duration_unit="months",
                event="event",
                subtype="subtype" if glioma else None,
                grade="grade" if glioma else None,
            ),
            modalities={
                modality: ModalitySection(file=_file(self.scenario, modality), groups=groups)
                for modality, groups in names.GROUPS[self.scenario].items()
            },
            units={"age": "years"},
        )


TITLES = {
    "glioma": "Synthetic glioma (pathology and genomics)",
    "luad": "Synthetic lung adenocarcinoma (CT and pathology)",
}


def simulate(scenario: str, *, n_patients: int, seed: int) -> Simulated:
    """Draw a cohort; the same arguments give the same tables.

    Parameters
    ----------
    scenario : {"glioma", "luad"}
    n_patients : int
        At least 20.
    seed : int

    Raises
    ------
    ConfigError
        For an unknown scenario or too few patients.
    """
    if scenario not in SCENARIOS:
        raise ConfigError(f"No scenario {scenario!r}; there are {' and '.join(SCENARIOS)}.")
    if n_patients < MIN_PATIENTS:
        raise ConfigError(f"A cohort needs at least {MIN_PATIENTS} patients, not {n_patients}.")
    rng = np.random.default_rng(np.random.SeedSequence([SCENARIOS.index(scenario), seed]))
    draw = _draw_glioma if scenario == "glioma" else _draw_luad
    clinical, modalities, terms = draw(n_patients, rng)
    log_hazard = np.sum(list(terms.values()), axis=0)
    event, duration = _follow_up(log_hazard, scenario, rng)
    ids = [f"SYN-{scenario[0].upper()}{i + 1:04d}" for i in range(n_patients)]
    clinical.insert(0, "patient_id", ids)
    clinical.insert(1, "survival_months", duration)
    clinical.insert(2, "event", event.astype(int))
    absent = _absent(scenario, list(modalities), n_patients, rng)
    tables = {}
    for modality, table in modalities.items():
        table = pd.concat([pd.Series(ids, name="patient_id"), table], axis=1)
        tables[modality] = table[~absent[modality]].reset_index(drop=True)
    return Simulated(
        scenario="glioma" if scenario == "glioma" else "luad",
        n_patients=n_patients,
        seed=seed,
        clinical=clinical,
        modalities=tables,
        truth=Truth(
            log_hazard=log_hazard,
            terms=terms,
            oracle_c_index=concordance_index(log_hazard, event, duration),
        ),
    )


Drawn = tuple[pd.DataFrame, dict[str, pd.DataFrame], dict[str, NDArray[np.float64]]]


def _draw_glioma(n: int, rng: np.random.Generator) -> Drawn:
    effect = GLIOMA_EFFECTS
    subtype = rng.choice(SUBTYPES, n, p=SUBTYPE_SHARES)
    grade = np.array([rng.choice(GRADES, p=GRADE_SHARES[s]) for s in subtype])
    wild = subtype == SUBTYPES[0]
    age = np.clip(rng.normal(np.where(wild, 58, 42), 12), 18, 89).round()
    clinical = pd.DataFrame(
        {"age": age.astype(int), "sex": _sex(n, 0.42, rng), "subtype": subtype, "grade": grade}
    )
    p, g = rng.standard_normal((2, n))
    terms = {
        "subtype": np.array([effect[s] for s in subtype]),
        "grade": effect["grade"] * (grade.astype(float) - 3),
        "age": effect["age_decade"] * (age - 48) / 10,
        "pathology": effect["pathology"] * p,
        "genomics": effect["genomics"] * g,
        "interaction": effect["interaction"] * p * g,
    }
    pathology = {
        group: _columns(len(columns), p, rng) for group, columns in names.GLIOMA_PATHOLOGY.items()
    }
    rna = _columns(len(names.GLIOMA_RNA), g, rng)
    cnv = _columns(len(names.GLIOMA_CNV), g, rng)
    codeleted = subtype == SUBTYPES[2]
    shift = np.zeros_like(cnv)
    arms = {"cnv_1p": -3.0 * codeleted, "cnv_19q": -3.0 * codeleted}
    arms |= {"cnv_7p": 2.0 * wild, "cnv_7q": 2.0 * wild, "cnv_10q": -2.5 * wild}
    for arm, change in arms.items():
        shift[:, names.GLIOMA_CNV.index(arm)] = change
    calls = np.clip(np.rint(0.8 * cnv + shift), -2, 2)
    mutated = ~wild ^ (rng.random(n) < 0.03)  # 3 % of calls are wrong
    genomics = np.column_stack([rna.round(2), calls, mutated])
    columns = [*names.GLIOMA_RNA, *names.GLIOMA_CNV, *names.GLIOMA_MUTATIONS]
    table = pd.DataFrame(genomics, columns=columns)
    table = table.astype(dict.fromkeys(columns[len(names.GLIOMA_RNA) :], int))
    return (
        clinical,
        {"pathology": _scaled(pathology, names.GLIOMA_PATHOLOGY, rng), "genomics": table},
        terms,
    )


def _draw_luad(n: int, rng: np.random.Generator) -> Drawn:
    effect = LUAD_EFFECTS
    stage = rng.choice(len(STAGES), n, p=STAGE_SHARES)
    age = np.clip(rng.normal(66, 10, n), 33, 89).round()
    sex = _sex(n, 0.54, rng)
    smoking = rng.choice(["never", "former", "current"], n, p=(0.15, 0.60, 0.25))
    clinical = pd.DataFrame(
        {"age": age.astype(int), "sex": sex, "smoking": smoking, "stage": np.array(STAGES)[stage]}
    )
    c, p = rng.standard_normal((2, n))
    terms = {
        "stage": effect["stage"] * stage.astype(float),
        "age": effect["age_decade"] * (age - 66) / 10,
        "sex": effect["male"] * (sex == "male"),
        "smoking": effect["smoking"] * (smoking == "current"),
        "ct": effect["ct"] * c,
        "pathology": effect["pathology"] * p,
        "interaction": effect["interaction"] * c * p,
    }
    ct = {group: _columns(len(columns), c, rng) for group, columns in names.LUAD_CT.items()}
    pathology = {
        group: _columns(len(columns), p, rng) for group, columns in names.LUAD_PATHOLOGY.items()
    }
    tables = {
        "ct": _scaled(ct, names.LUAD_CT, rng),
        "pathology": _scaled(pathology, names.LUAD_PATHOLOGY, rng),
    }
    return clinical, tables, terms


def _sex(n: int, share_female: float, rng: np.random.Generator) -> NDArray[np.str_]:
    return np.where(rng.random(n) < share_female, "female", "male")


def _columns(k: int, factor: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw k columns of one group: loadings on the factor, on a nuisance factor, and noise."""
    n = len(factor)
    loadings = LOADING * rng.standard_normal(k) * (rng.random(k) < SHARE_INFORMATIVE)
    nuisance = rng.standard_normal(n)[:, None] * (NUISANCE * rng.standard_normal(k))
    return factor[:, None] * loadings + nuisance + rng.standard_normal((n, k))


def _scaled(
    groups: Mapping[str, NDArray[np.float64]],
    columns: Mapping[str, tuple[str, ...]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Give each column a location and a scale of its own, and four significant digits."""
    values = np.concatenate([groups[group] for group in columns], axis=1)
    k = values.shape[1]
    scale = 10 ** rng.uniform(-2, 3, k)
    values = scale * (values + rng.uniform(-1, 6, k))
    with np.errstate(divide="ignore"):
        digits = 3 - np.floor(np.log10(np.abs(values)))
    factor = 10 ** np.where(np.isfinite(digits), digits, 0)
    rounded = np.rint(values * factor) / factor
    return pd.DataFrame(rounded, columns=[c for group in columns.values() for c in group])


def _follow_up(
    log_hazard: NDArray[np.float64], scenario: str, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Draw Weibull times to the event, and censoring times with the published share of events."""
    n = len(log_hazard)
    centred = log_hazard - log_hazard.mean()
    scale = SCALE_MONTHS[scenario] * np.exp(-centred / WEIBULL_SHAPE)
    to_event = scale * rng.exponential(size=n) ** (1 / WEIBULL_SHAPE)
    unit = rng.exponential(size=n)

    def excess(log_mean: float) -> float:
        """Events expected given the times to event, above the wanted share."""
        seen = np.exp(-to_event / np.exp(log_mean)) * (to_event <= LONGEST_MONTHS)
        return float(seen.mean()) - EVENT_RATE[scenario]

    mean = np.exp(brentq(excess, np.log(1e-3), np.log(1e6)))
    censoring = np.minimum(unit * mean, LONGEST_MONTHS)
    duration = np.maximum(np.minimum(to_event, censoring), 0.01)
    return to_event <= censoring, duration.round(2)


def _absent(
    scenario: str, modalities: list[str], n: int, rng: np.random.Generator
) -> dict[str, NDArray[np.bool_]]:
    """Choose who lacks which modality; nobody lacks two."""
    absent = {modality: np.zeros(n, dtype=bool) for modality in modalities}
    if scenario == "glioma":
        chosen = rng.permutation(n)[: round(SHARE_LACKING * n)]
        for i, patient in enumerate(chosen):
            absent[modalities[i % len(modalities)]][patient] = True
    return absent


def _file(scenario: str, modality: str) -> str:
    return f"{modality}.csv.gz" if scenario == "luad" else f"{modality}.csv"


def write_simulated(simulated: Simulated, folder: str | Path) -> Path:
    """Write a cohort folder: tables, ``cohort.toml``, ``oracle.json`` and ``README.md``.

    Parameters
    ----------
    simulated : Simulated
    folder : str or Path
        Made if absent; files of the same names are replaced.

    Returns
    -------
    Path
        The folder.
    """
    out = Path(folder)
    with place_folder(out) as draft:
        _write_tables(simulated, draft)
    return out


def _write_tables(simulated: Simulated, out: Path) -> None:
    simulated.clinical.to_csv(out / "clinical.csv", index=False, lineterminator="\n")
    for modality, table in simulated.modalities.items():
        name = _file(simulated.scenario, modality)
        # A fixed time stamp, so that the same command writes the same bytes.
        packing: Any = {"method": "gzip", "mtime": 0} if name.endswith(".gz") else None
        table.to_csv(out / name, index=False, lineterminator="\n", compression=packing)
    (out / MANIFEST).write_text(simulated.manifest.to_toml(), "utf-8")
    (out / "oracle.json").write_text(json.dumps(oracle(simulated), indent=2) + "\n", "utf-8")
    (out / "README.md").write_text(_readme(simulated), "utf-8")


def oracle(simulated: Simulated) -> dict[str, Any]:
    """Return the ceiling and what it is made of, as ``oracle.json`` holds it."""
    return {
        "scenario": simulated.scenario,
        "n_patients": simulated.n_patients,
        "seed": simulated.seed,
        "n_events": int(simulated.clinical["event"].sum()),
        "oracle_c_index": round(simulated.truth.oracle_c_index, 4),
        "variance_shares": {k: round(v, 4) for k, v in simulated.truth.variance_shares().items()},
        "log_hazard_sd": round(float(simulated.truth.log_hazard.std()), 4),
    }


def _readme(simulated: Simulated) -> str:
    summary = oracle(simulated)
    patients = count(summary["n_patients"], "patient")
    deaths = count(summary["n_events"], "death")
    shares = "\n".join(f"| {k} | {v:.2f} |" for k, v in summary["variance_shares"].items())
    return f"""# {TITLES[simulated.scenario]}

**Synthetic data.** No real patient is in these tables; nothing learned from them says anything
about the disease. They exist to show the product and to test it against a known truth. CC0-1.0.

Made by

    {simulated.command}

{patients}, {deaths}. The true log hazard reaches a
C-index of {summary["oracle_c_index"]:.3f} (`oracle.json`): no model can be expected to do better.
How patients were drawn is documented in `camlif/data/simulator.py`.

| term of the log hazard | share of its variance |
|---|---|
{shares}
"""
