"""Scoring over the stack equals scoring with ordinary modules, whoever shares the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs, encode
from camlif.data.schema import FeatureSchema, GroupSpec, ModalitySpec
from camlif.data.splits import make_splits
from camlif.exceptions import SchemaError
from camlif.model.matching import align
from camlif.networks.interface import Inputs
from camlif.training import ensemble as ensemble_module
from camlif.training.engine import train_ensemble
from camlif.training.ensemble import Ensemble, choose_device, to_tensors
from tests.builders.cohorts import make_cohort

CPU = torch.device("cpu")
NARROW = NetworkConfig(width=8, mam_width=4, lmf_width=4, lmf_rank=2, owc_hidden=4)


def trained(cohort: Cohort) -> Ensemble:
    splits = make_splits(cohort.patient_ids, cohort.event, n_splits=5)
    config = RunConfig(network=NARROW, training=TrainConfig(epochs=1))
    return train_ensemble(cohort, config, splits, device=CPU).ensemble


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return make_cohort(
        50, {"p": (3, 4), "c": (5,)}, bags={"w": 3}, clinical=True, gaps=0.2, missing_values=0.1
    )


@pytest.fixture(scope="module")
def ensemble(cohort: Cohort) -> Ensemble:
    return trained(cohort)


@pytest.fixture(scope="module")
def raw(cohort: Cohort) -> RawInputs:
    return encode(cohort, cohort.schema)


def test_stacked_scores_equal_those_of_single_modules(ensemble: Ensemble, raw: RawInputs) -> None:
    prediction = ensemble.predict(raw, embed=True)
    inputs = ensemble.standardise(to_tensors(raw, CPU))
    width = NARROW.lmf_width
    for e in range(5):
        own = Inputs(
            {m: t[e] for m, t in inputs.tables.items()},
            {m: t[e] for m, t in inputs.masks.items()},
            inputs.presence[e],
            inputs.clinical[e],
        )
        with torch.no_grad():
            output = ensemble.member(e)(own)
        expected = (output.risk - ensemble.offset[e]).numpy()
        np.testing.assert_allclose(prediction.log_risk[:, e], expected, atol=1e-5)
        fusion = prediction.embedding[:, e * width : (e + 1) * width]
        np.testing.assert_allclose(fusion, output.embeddings["fusion"].numpy(), atol=1e-5)


# T2, T9: bags are padded to the longest of the chunk, with values that must not matter
def test_a_risk_does_not_depend_on_who_is_scored_along(
    cohort: Cohort, ensemble: Ensemble, raw: RawInputs
) -> None:
    together = ensemble.predict(raw).log_risk
    for row in (0, 7, 31):
        one = cohort.take([row])
        alone = ensemble.predict(encode(one, one.schema)).log_risk
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


def test_chunks_do_not_change_scores(
    ensemble: Ensemble, raw: RawInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ensemble.predict(raw)
    monkeypatch.setattr(ensemble_module, "CHUNK", 7)
    parts = ensemble.predict(raw)
    np.testing.assert_allclose(parts.log_risk, whole.log_risk, atol=1e-6)
    assert parts.embedding.shape == (50, 0)


def test_chosen_members_score_as_they_do_in_the_stack(ensemble: Ensemble, raw: RawInputs) -> None:
    chosen = ensemble.members([3, 1])
    expected = ensemble.predict(raw).log_risk[:, [3, 1]]
    np.testing.assert_allclose(chosen.predict(raw).log_risk, expected, atol=1e-6)
    assert len(chosen) == 2
    assert chosen.n_parameters == ensemble.n_parameters


def test_the_parameter_count_is_that_of_one_module(ensemble: Ensemble) -> None:
    assert ensemble.n_parameters == sum(p.numel() for p in ensemble.member(0).parameters())


def test_gradients_reach_raw_features(ensemble: Ensemble, raw: RawInputs) -> None:
    inputs = to_tensors(raw, CPU)
    table = torch.nan_to_num(inputs.tables["p"]).requires_grad_()
    risk = ensemble.forward(inputs._replace(tables={**inputs.tables, "p": table})).risk
    risk.sum().backward()
    assert table.grad is not None
    present = torch.from_numpy(raw.presence[:, 0])
    assert table.grad[present].abs().sum(1).gt(0).all()
    assert not table.grad[~present].any()


# T16
def test_reordered_columns_give_the_same_scores() -> None:
    cohort = make_cohort(50, {"p": (3, 4), "c": (5, 2)})
    ensemble = trained(cohort)
    order = np.random.default_rng(0).permutation(7)
    columns = tuple(np.array(cohort.schema["p"].columns)[order])
    schema = FeatureSchema(
        (cohort.schema["c"], ModalitySpec("p", (GroupSpec("all", columns),)))  # order, groups
    )
    moved = replace(
        cohort,
        schema=schema,
        tables={"c": cohort.tables["c"], "p": cohort.tables["p"][:, order]},
        presence=cohort.presence[:, ::-1],
    )
    aligned = encode(align(moved, cohort.schema), cohort.schema)
    expected = ensemble.predict(encode(cohort, cohort.schema)).log_risk
    assert np.array_equal(ensemble.predict(aligned).log_risk, expected)


# T16
def test_a_missing_column_is_named() -> None:
    cohort = make_cohort(20, {"p": (3, 4), "c": (5, 2)})
    kept = [i for i in range(7) if i != 5]
    columns = tuple(cohort.schema["p"].columns[i] for i in kept)
    schema = FeatureSchema((ModalitySpec("p", (GroupSpec("all", columns),)), cohort.schema["c"]))
    short = replace(
        cohort, schema=schema, tables={**cohort.tables, "p": cohort.tables["p"][:, kept]}
    )
    with pytest.raises(SchemaError) as error:
        align(short, cohort.schema)
    assert error.value.column == "p_1_2"


def test_a_named_device_is_taken_as_it_is() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device().type in {"cpu", "cuda", "mps"}
