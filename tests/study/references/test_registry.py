"""What every classical reference owes a study, and what single ones promise."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.config import TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, Preprocessor, encode
from camlif.exceptions import MissingPackageError, SchemaError
from camlif.linear.selection import cross_validate
from camlif.statistics import concordance_index
from camlif.statistics.outcome import FollowUp
from camlif.study.references import CLASSICAL, ClassicalInputs, classical_inputs
from camlif.study.references.interface import CUT_COLUMNS, MAX_COLUMNS, Design, FittedModel
from camlif.study.references.penalised import ALPHA_MIN_RATIO, L1_RATIO, N_ALPHAS
from tests.builders.cohorts import make_cohort

N, N_TRAIN = 150, 90
TRAIN, TEST = np.arange(N_TRAIN), np.arange(N_TRAIN, N)
TREES = ("random_survival_forest", "gradient_boosting")
SELECTING = TrainConfig(select_top=6)


@cache
def cohort() -> Cohort:
    return make_cohort(N, clinical=True, strength=3.0, missing_values=0.05)


@cache
def inputs() -> ClassicalInputs:
    return prepare(cohort())


@cache
def fitted(key: str) -> FittedModel:
    return fit(key, inputs(), cohort())


def prepare(cohort: Cohort) -> ClassicalInputs:
    raw = encode(cohort, cohort.schema)
    event, duration = cohort.outcome()
    preprocessor = Preprocessor.fit(
        raw, cohort.schema, TRAIN, SELECTING, event=event, duration=duration
    )
    return classical_inputs(raw, preprocessor)


def fit(key: str, x: ClassicalInputs, cohort: Cohort, *, seed: int = 0) -> FittedModel:
    return CLASSICAL[key].model.fit(x.take(TRAIN), cohort.follow_up(TRAIN), seed=seed)


def tables(**blocks: Float64Array) -> ClassicalInputs:
    """Inputs without clinical columns whose patients have everything."""
    n = len(next(iter(blocks.values())))
    return ClassicalInputs(
        tables=blocks,
        clinical=np.zeros((n, 0)),
        presence={name: np.ones(n, dtype=bool) for name in blocks},
    )


def draw(
    n: int, widths: dict[str, int], *, seed: int = 0
) -> tuple[ClassicalInputs, BoolArray, Float64Array]:
    """Independent columns; the first one of each block carries the hazard."""
    rng = np.random.default_rng(seed)
    blocks = {name: rng.standard_normal((n, width)) for name, width in widths.items()}
    log_risk = sum(block[:, 0] for block in blocks.values())
    duration = rng.exponential(np.exp(-log_risk))
    return tables(**blocks), rng.random(n) < 0.7, duration


@pytest.mark.parametrize("key", CLASSICAL)
def test_every_reference_gives_finite_risks_and_plain_settings(key: str) -> None:
    model, x = fitted(key), inputs()
    risk = model.risk(x)
    assert risk.shape == (N,)
    assert risk.dtype == np.float64
    assert np.isfinite(risk).all()
    assert json.loads(json.dumps(dict(model.settings))) == model.settings
    np.testing.assert_allclose(model.risk(x.take(TEST)), risk[TEST], rtol=0, atol=1e-12)


@pytest.mark.parametrize("key", [k for k in CLASSICAL if k not in ("km", "cox_clinical")])
def test_every_reference_finds_a_strong_main_effect(key: str) -> None:
    event, duration = cohort().outcome()
    risk = fitted(key).risk(inputs().take(TEST))
    assert concordance_index(risk, event[TEST], duration[TEST]) > 0.7


@pytest.mark.parametrize("key", CLASSICAL)
def test_fits_do_not_depend_on_test_patients(key: str) -> None:
    original = cohort()
    event, duration = original.outcome()
    event, duration = event.copy(), duration.copy()
    event[TEST], duration[TEST] = ~event[TEST], duration[TEST][::-1] + 100
    perturbed = {name: table.copy() for name, table in original.tables.items()}
    for table in perturbed.values():
        table[TEST] = 100 - 3 * table[TEST]
    age = original.clinical["age"].to_numpy(dtype=float, copy=True)
    age[TEST] += 500
    clinical = original.clinical.assign(age=age)
    changed = replace(original, tables=perturbed, clinical=clinical, event=event, duration=duration)
    refitted = fit(key, prepare(changed), changed)
    assert refitted.settings == fitted(key).settings
    np.testing.assert_array_equal(refitted.risk(inputs()), fitted(key).risk(inputs()))


@pytest.mark.parametrize("key", CLASSICAL)
def test_the_same_seed_gives_the_same_fit(key: str) -> None:
    again = fit(key, inputs(), cohort())
    assert again.settings == fitted(key).settings
    np.testing.assert_array_equal(again.risk(inputs()), fitted(key).risk(inputs()))


@pytest.mark.parametrize("key", TREES)
def test_another_seed_grows_other_trees(key: str) -> None:
    other = fit(key, inputs(), cohort(), seed=1)
    assert (other.risk(inputs()) != fitted(key).risk(inputs())).any()


def test_the_constant_risk_has_a_c_index_of_one_half() -> None:
    assert concordance_index(fitted("km").risk(inputs()), *cohort().outcome()) == 0.5


@pytest.fixture
def without_scikit_survival(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "sksurv"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "sksurv", None)


@pytest.mark.usefixtures("without_scikit_survival")
@pytest.mark.parametrize("key", [key for key in CLASSICAL if key not in TREES])
def test_all_references_but_the_trees_do_without_scikit_survival(key: str) -> None:
    x, event, duration = draw(60, {"ct": 2})
    with_clinical = replace(x, clinical=x.tables["ct"])
    model = CLASSICAL[key].model.fit(with_clinical, FollowUp(event, duration), seed=0)
    assert np.isfinite(model.risk(with_clinical)).all()


@pytest.mark.usefixtures("without_scikit_survival")
@pytest.mark.parametrize("key", TREES)
def test_trees_say_that_scikit_survival_is_missing_and_how_to_install_it(key: str) -> None:
    x, event, duration = draw(60, {"ct": 2})
    missing = "needs scikit-survival, which is not installed: pip install scikit-survival"
    with pytest.raises(MissingPackageError, match=missing):
        CLASSICAL[key].model.fit(x, FollowUp(event, duration), seed=0)


def test_the_elastic_net_chooses_and_fits_as_scikit_survival_does() -> None:
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    event, duration = (values[TRAIN] for values in cohort().outcome())
    x, model = inputs().take(TRAIN), fitted("cox_enet")
    design = Design.fit(x, FollowUp(event, duration))
    grid = {"l1_ratio": L1_RATIO, "n_alphas": N_ALPHAS, "alpha_min_ratio": ALPHA_MIN_RATIO}

    def coxnet(rows: IntArray, **alphas: Any) -> tuple[Design, Any]:
        part = Design.fit(x.take(rows), FollowUp(event[rows], duration[rows]))
        path = CoxnetSurvivalAnalysis(**grid | alphas, max_iter=1_000_000, tol=1e-10)
        return part, path.fit(part(x.take(rows)), Surv.from_arrays(event[rows], duration[rows]))

    def held_out(train: IntArray, rows: IntArray) -> Float64Array:
        part, inner = coxnet(train, alphas=path.alphas_)
        return np.asarray(inner.coef_.T @ part(x.take(rows)).T)

    path = coxnet(np.arange(len(x)))[1]
    inner = cross_validate(held_out, event, duration, seed=0)
    coefficients = path.coef_[:, inner.best]
    assert model.settings["alpha"] == pytest.approx(path.alphas_[inner.best], rel=1e-9)
    assert model.settings["inner_c_index"] == pytest.approx(inner.c_index[inner.best], abs=1e-12)
    assert model.settings["n_coefficients"] == np.count_nonzero(coefficients)
    np.testing.assert_allclose(model.risk(x), design(x) @ coefficients, rtol=0, atol=1e-4)


def test_a_clinical_model_does_not_apply_without_clinical_inputs() -> None:
    x, event, duration = draw(60, {"ct": 3})
    with pytest.raises(SchemaError, match="needs clinical inputs") as caught:
        CLASSICAL["cox_clinical"].model.fit(x, FollowUp(event, duration), seed=0)
    assert caught.value.file == "clinical"


def test_a_clinical_model_ignores_the_modalities() -> None:
    x, model = inputs(), fitted("cox_clinical")
    blank = ClassicalInputs(
        tables={name: 0 * table for name, table in x.tables.items()},
        clinical=x.clinical,
        presence=x.presence,
    )
    np.testing.assert_array_equal(model.risk(x), model.risk(blank))


def test_a_wide_modality_is_cut_to_its_strongest_columns() -> None:
    x, event, duration = draw(60, {"rna": MAX_COLUMNS + 1, "ct": MAX_COLUMNS})
    design = Design.fit(x, FollowUp(event, duration))
    assert design.n_columns == {"rna": CUT_COLUMNS, "ct": MAX_COLUMNS}
    assert design.columns["rna"][0] == 0  # the one that carries the hazard
    uncut = CLASSICAL["linear_cox"].model.fit(x, FollowUp(event, duration), seed=0)
    assert uncut.settings["n_columns"] == {"rna": MAX_COLUMNS + 1, "ct": MAX_COLUMNS}


def test_the_penalty_of_wide_noise_is_judged_on_columns_chosen_without_the_held_out_fold() -> None:
    rng = np.random.default_rng(1)
    x = tables(rna=rng.standard_normal((100, 1000)))
    event, duration = rng.random(100) < 0.7, rng.exponential(size=100)
    settings = CLASSICAL["cox_ridge"].model.fit(x, FollowUp(event, duration), seed=0).settings
    # Columns chosen once, on all the patients, would rank the held-out ones at about 0.9.
    assert settings["inner_c_index"] < 0.65


def test_a_design_is_standardised_on_the_patients_it_was_fitted_on() -> None:
    x, event, duration = draw(80, {"a": 3, "b": 2})
    x.tables["a"][:, 1] = 7.0  # constant
    design = Design.fit(x, FollowUp(event, duration))
    matrix = design(x)
    assert matrix.shape == (80, 4)
    np.testing.assert_allclose(matrix.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(matrix.std(0), 1, atol=1e-12)


@pytest.mark.parametrize("key", ["late_mean", "late_stack"])
def test_late_fusion_of_a_modality_with_itself_ranks_as_the_modality(key: str) -> None:
    x, event, duration = draw(100, {"ct": 4})
    twice = tables(ct=x.tables["ct"], copy=x.tables["ct"])
    alone = CLASSICAL["cox_ridge"].model.fit(x, FollowUp(event, duration), seed=0).risk(x)
    fused = CLASSICAL[key].model.fit(twice, FollowUp(event, duration), seed=0).risk(twice)
    np.testing.assert_array_equal(np.argsort(fused), np.argsort(alone))


def test_late_mean_does_not_let_the_richer_modality_dominate() -> None:
    x, event, duration = draw(150, {"ct": 1, "rna": 120})
    model = CLASSICAL["late_mean"].model.fit(x, FollowUp(event, duration), seed=0)
    assert model.settings["weights"] == {"ct": 0.5, "rna": 0.5}
    # Held-out patients of the same law: each block's share of the fused risk spreads by its weight.
    fresh, _, _ = draw(2000, {"ct": 1, "rna": 120}, seed=9)
    spread = {}
    for name in fresh.tables:
        other = {m: t if m == name else 0 * t for m, t in fresh.tables.items()}
        spread[name] = float(model.risk(tables(**other)).std())
    assert spread["rna"] / spread["ct"] == pytest.approx(1.0, abs=0.25)


def test_late_stack_weighs_signal_above_noise() -> None:
    x, event, duration = draw(200, {"ct": 3})
    noise: NDArray[np.float64] = np.random.default_rng(7).standard_normal((200, 3))
    both = tables(ct=x.tables["ct"], noise=noise)
    model = CLASSICAL["late_stack"].model.fit(both, FollowUp(event, duration), seed=0)
    weights = model.settings["weights"]
    assert min(weights.values()) >= 0
    assert weights["ct"] > 5 * weights["noise"]


def test_late_fusion_counts_an_absent_modality_as_average() -> None:
    x, event, duration = draw(120, {"ct": 3, "rna": 4})
    here = np.arange(120) % 3 > 0
    gaps = ClassicalInputs(
        tables={**x.tables, "rna": np.where(here[:, None], x.tables["rna"], 0.0)},
        clinical=x.clinical,
        presence={**x.presence, "rna": here},
    )
    model = CLASSICAL["late_mean"].model.fit(gaps, FollowUp(event, duration), seed=0)
    nowhere = ClassicalInputs(
        tables=x.tables, clinical=x.clinical, presence={**x.presence, "rna": ~here & here}
    )
    alone = CLASSICAL["late_mean"].model.fit(
        tables(ct=x.tables["ct"]), FollowUp(event, duration), seed=0
    )
    np.testing.assert_allclose(model.risk(nowhere), alone.risk(x) / 2, rtol=0, atol=1e-12)


def test_inputs_of_absent_modalities_are_zero_and_bags_are_averaged() -> None:
    cohort = make_cohort(N, {"ct": (3,)}, bags={"slide": 4}, clinical=True, gaps=0.3)
    x = prepare(cohort)
    absent = ~x.presence["ct"]
    assert absent.any()
    assert not x.tables["ct"][absent].any()
    assert x.tables["slide"].shape == (N, 4)
    single = np.array([len(bag) == 1 for bag in cohort.bags["slide"]])
    rows = np.array([bag[0] for bag in cohort.bags["slide"] if len(bag) == 1])
    slopes = [np.corrcoef(rows[:, j], x.tables["slide"][single, j])[0, 1] for j in range(4)]
    assert min(slopes) > 0.99
    assert list(x.blocks) == ["ct", "slide", CLINICAL]
