"""Attribution over the ensemble against closed forms, Captum and the scores it explains."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, permutations
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import quad_vec
from torch import Tensor, nn

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL
from camlif.exceptions import CamlifError, ConfigError, EstimationError
from camlif.explain import (
    COLUMNS,
    METHODS,
    FeatureAttribution,
    PlayerContributions,
    agreement,
    context_entropy,
    explain_features,
    explain_modalities,
    explained,
    integration,
    owc_weights,
)
from camlif.explain.background import find_background, players_of
from camlif.explain.diagnostics import normalised_entropy
from camlif.explain.explained import Batch, by_column, prepare
from camlif.explain.integration import MAX_GAP, STEPS, integrated_gradients
from camlif.explain.methods import Masks, fixed_seed, make_masks
from camlif.explain.modalities import exact_shapley
from camlif.explain.rescale import DeepLiftRules
from camlif.explain.results import GAP_FLOOR
from camlif.model.bundle import Bundle
from camlif.model.fit import train
from tests.builders.bundles import tiny_bundle
from tests.builders.cohorts import make_cohort
from tests.builders.validated import ranked, scored_without, without_parts

OPTIONS: dict[str, Any] = {
    "clinical": True,
    "bags": {"patch": 3},
    "gaps": {"ct": 0.3},
    "missing_values": 0.1,
}
GRADIENT_FREE = [key for key, method in METHODS.items() if "group" in method.levels]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return make_cohort(80, seed=1, **OPTIONS)


@pytest.fixture(scope="module")
def bundle(cohort: Cohort) -> Bundle:
    """Five small members that also take patients without CT."""
    trained = train(
        cohort,
        RunConfig(
            network=NetworkConfig(width=16, mam_gate="concat", mam_width=8, lmf_width=8),
            training=TrainConfig(splits=5, epochs=4, learning_rate=5e-3),
        ),
    )
    trained = ranked(trained)
    return replace(trained, reference=scored_without(trained.reference, "ct"))


@pytest.fixture(scope="module")
def new(cohort: Cohort) -> Cohort:
    """Six patients that no member saw, the third without CT."""
    patients = make_cohort(60, seed=2, **OPTIONS)
    ct = patients.presence[:, 1]
    everything, no_ct = np.flatnonzero(ct), np.flatnonzero(~ct)
    return patients.take([*everything[:2], no_ct[0], *everything[2:5]])


ROWS = np.arange(6)


# Level 1: modalities


def test_exact_shapley_is_the_mean_over_all_orders() -> None:
    game = np.random.default_rng(0).standard_normal((3, 2**4))
    expected = np.zeros((3, 4))
    for order in permutations(range(4)):
        coalition = 0
        for player in order:
            joined = coalition | 1 << player
            expected[:, player] += (game[:, joined] - game[:, coalition]) / 24
            coalition = joined
    np.testing.assert_allclose(exact_shapley(game), expected, atol=1e-12)


def test_glove_game_has_its_known_values() -> None:
    # One left glove (player 0) and two right ones: a pair is worth 1.
    worth = np.array([[float(c & 1 and c & 6 != 0) for c in range(8)]])
    np.testing.assert_allclose(exact_shapley(worth), [[2 / 3, 1 / 6, 1 / 6]])


def test_modalities_sum_to_the_score_minus_the_base_value(bundle: Bundle, new: Cohort) -> None:
    found = explain_modalities(bundle, new, ROWS)
    assert found.players == ("pathology", "ct", "patch", "clinical")
    np.testing.assert_allclose(found.log_risk, bundle.score(new).log_risk, atol=1e-5)
    difference = found.log_risk - found.base_value
    np.testing.assert_allclose(found.values.sum(axis=1), difference, atol=1e-12)
    assert (np.abs(difference) > 1e-3).all()


def test_modalities_equal_captum_with_one_mask_each(bundle: Bundle, new: Cohort) -> None:
    from captum.attr import ShapleyValues

    found = explain_modalities(bundle, new, ROWS)
    (batch,) = prepare(bundle, new, ROWS).batches
    masks = tuple(torch.full((1,) * x.ndim, i) for i, x in enumerate(batch.values))
    captum = ShapleyValues(batch.risk).attribute(
        batch.values,
        baselines=batch.baseline,
        additional_forward_args=batch.fixed,
        feature_mask=tuple(
            m.expand(1, *x.shape[1:]) for m, x in zip(masks, batch.values, strict=True)
        ),
    )
    expected = np.stack([x.flatten(1)[:, 0].numpy() for x in captum], axis=1)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_shares_sum_to_one(bundle: Bundle, new: Cohort) -> None:
    shares = explain_modalities(bundle, new, ROWS).shares
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares >= 0).all()


def test_absent_modality_contributes_exactly_zero(bundle: Bundle, new: Cohort) -> None:
    modalities = explain_modalities(bundle, new, ROWS)
    assert modalities.values[2, 1] == 0
    assert (modalities.values[[0, 1, 3, 4, 5], 1] != 0).all()


def test_baseline_rows_equal_to_the_patient_leave_nothing_to_explain(
    bundle: Bundle, new: Cohort
) -> None:
    found = explain_modalities(bundle, new, [0], baseline=[0])
    # The bag's instances are compared with their mean, so only the tables are at the baseline.
    np.testing.assert_allclose(found.values[0, [0, 1, 3]], 0, atol=1e-6)
    assert found.baseline == "mean of 1 patient"


# Members


def test_training_patients_are_explained_by_members_that_did_not_see_them(
    bundle: Bundle, cohort: Cohort
) -> None:
    row = int(np.flatnonzero(cohort.presence.all(axis=1))[0])
    seen = np.flatnonzero(bundle.recognise(bundle.prepare(cohort.take([row]))).seen[0])
    assert len(seen) == 4
    damaged = {k: p.clone() for k, p in bundle.ensemble.parameters.items()}
    for p in damaged.values():
        p[seen] *= 3
    other = replace(bundle, ensemble=replace(bundle.ensemble, parameters=damaged))
    before, after = (explain_modalities(b, cohort, [row]) for b in (bundle, other))
    np.testing.assert_array_equal(before.values, after.values)
    assert before.log_risk[0] == pytest.approx(bundle.score(cohort).log_risk[row], abs=1e-5)
    before, after = (explain_features(b, cohort, [row], steps=8) for b in (bundle, other))
    np.testing.assert_array_equal(before.values, after.values)


def test_patients_that_are_not_scored_have_a_reason_and_no_values(
    bundle: Bundle, new: Cohort
) -> None:
    strict = replace(bundle, reference=without_parts(bundle.reference))
    found = explain_features(strict, new, ROWS, method="deeplift")
    assert "ct missing" in (found.reasons[2] or "")
    assert np.isnan(found.values[2]).all()
    assert np.isfinite(np.delete(found.values, 2, axis=0)).all()
    assert "P" + new.patient_ids[2][1:] not in set(found.to_frame(new.patient_ids)["patient_id"])
    with pytest.raises(EstimationError, match="ct missing"):
        explain_modalities(strict, new, [2])


@pytest.mark.slow
def test_contributions_do_not_depend_on_how_many_threads_find_them(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, new: Cohort
) -> None:
    monkeypatch.setattr(explained, "MEMBER_ROWS", 5)  # a patient at a time
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(explained, "free_threads", lambda _, n=threads: n)
        features = explain_features(bundle, new, ROWS)
        found.append((explain_modalities(bundle, new, ROWS).values, features.values))
    for one, several in zip(*found, strict=True):
        np.testing.assert_array_equal(one, several)


def test_a_patient_has_the_same_contributions_alone_and_in_company(
    bundle: Bundle, new: Cohort
) -> None:
    together = explain_features(bundle, new, ROWS[::-1])
    alone = explain_features(bundle, new, [3])
    np.testing.assert_allclose(alone.values[0], together.values[2], atol=1e-5)


# Level 2: features


@pytest.mark.parametrize("method", ["ig", "deeplift", "shapley_sampling", "kernel_shap"])
def test_contributions_add_up(bundle: Bundle, new: Cohort, method: str) -> None:
    found = explain_features(bundle, new, ROWS, method=method)
    np.testing.assert_allclose(found.log_risk, bundle.score(new).log_risk, atol=1e-5)
    total, wanted = found.values.sum(axis=1), found.log_risk - found.base_value
    allowed = MAX_GAP * GAP_FLOOR  # where the difference itself is smaller than the floor
    np.testing.assert_allclose(total, wanted, atol=allowed, rtol=MAX_GAP)
    assert (found.completeness_gap < MAX_GAP).all()


def test_gradient_shap_adds_up_on_average(bundle: Bundle, new: Cohort) -> None:
    reference = [0, 1, 3]
    found = explain_features(bundle, new, [4, 5], method="gradient_shap", baseline=reference)
    missed = found.values.sum(axis=1) - (found.log_risk - found.base_value)
    assert np.abs(missed).max() < 0.15
    # Base value: mean risk with every reference patient's values, and the patient's own gaps.
    (batch,) = prepare(bundle, new, [4, 5], baseline=reference).batches
    one = batch.take(slice(0, 1))
    points = one.background_points()
    risks = [
        float(
            batch.risk(
                *(x[i : i + 1].expand_as(y) for x, y in zip(points, one.values, strict=True)),
                *one.fixed,
            )
        )
        for i in range(3)
    ]
    assert found.base_value[0] == pytest.approx(np.mean(risks), abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_missing_values_and_absent_modalities_contribute_zero(
    bundle: Bundle, new: Cohort, method: str
) -> None:
    baseline = [0, 1] if method == "gradient_shap" else "median"
    found = explain_features(bundle, new, ROWS, method=method, baseline=baseline)
    assert (found["ct"].values[2] == 0).all()
    if found.level == "feature":
        values, raw = found["pathology"].values, new.tables["pathology"]
        assert np.isnan(raw).any()
        assert (values[np.isnan(raw)] == 0).all()
        np.testing.assert_array_equal(found["pathology"].raw, raw.astype(float))
    for player in found.players:
        assert np.abs(found[player].values).max() > 0, player


@pytest.mark.parametrize("method", ["gradient_shap", "shapley_sampling", "kernel_shap"])
def test_sampling_follows_the_seed_and_leaves_global_generators_alone(
    bundle: Bundle, new: Cohort, method: str
) -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    first = explain_features(bundle, new, [0], method=method, seed=1)
    drawn = torch.rand(1).item(), np.random.rand()
    second = explain_features(bundle, new, [0], method=method, seed=1)
    third = explain_features(bundle, new, [0], method=method, seed=2)
    torch.manual_seed(5)
    np.random.seed(5)
    assert drawn == (torch.rand(1).item(), np.random.rand())
    np.testing.assert_array_equal(first.values, second.values)
    assert (first.values != third.values).any()


def test_more_points_are_taken_until_contributions_add_up(bundle: Bundle, new: Cohort) -> None:
    found = explain_features(bundle, new, ROWS, steps=2)
    assert found.steps > 3
    assert (found.completeness_gap <= 0.02).all()


def test_sampled_shapley_values_of_groups_sum_to_those_of_the_regression(
    bundle: Bundle, new: Cohort
) -> None:
    sampled, regressed = (
        explain_features(bundle, new, [0], method=m) for m in ("shapley_sampling", "kernel_shap")
    )
    assert sampled.columns == regressed.columns
    np.testing.assert_allclose(sampled.values, regressed.values, atol=0.1)


class Linear:
    """A risk with known contributions; stands in for the ensemble's."""

    ensemble = (None,)

    def __init__(self, weights: tuple[Tensor, ...]) -> None:
        self.weights = weights

    def __call__(self, *tensors: Tensor) -> Tensor:
        parts = zip(tensors, self.weights, strict=False)
        return torch.stack([(x * w).flatten(1).sum(1) for x, w in parts]).sum(0)


def linear_batch() -> tuple[Batch, list[np.ndarray]]:
    """Two patients, a table of four columns and a bag of two instances of three columns."""
    generator = torch.Generator().manual_seed(0)
    weights = tuple(torch.randn(shape, generator=generator) for shape in ((4,), (3,)))
    values = tuple(torch.randn(shape, generator=generator) for shape in ((2, 4), (2, 2, 3)))
    mean = tuple(torch.randn((1, n), generator=generator) for n in (4, 3))
    batch = Batch(
        positions=np.arange(2),
        risk=Linear(weights),  # type: ignore[arg-type]  # the same calls
        values=values,
        mean=mean,
        background=mean,
        missing=tuple(torch.zeros_like(x, dtype=torch.bool) for x in values),
        inert=tuple(torch.zeros_like(x, dtype=torch.bool) for x in values),
        context=(torch.ones(2, 2, dtype=torch.bool),),
    )
    moved = [(x - b) * w for x, b, w in zip(values, batch.baseline, weights, strict=True)]
    return batch, [moved[0].numpy(), moved[1].sum(1).numpy()]


def test_intervals_equal_captum(
    bundle: Bundle, new: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    from captum.attr import IntegratedGradients

    monkeypatch.setattr(integration, "MAX_STEPS", 6)  # no interval is cut
    (batch,) = prepare(bundle, new, ROWS).batches
    found, points = integrated_gradients(batch, steps=5)
    assert points == 6
    expected = [np.zeros_like(x) for x in found]
    shares = [0.0, *np.geomspace(integration.FIRST, 1, 5).tolist()]
    for low, high in pairwise(shares):
        start, end = (
            tuple(b + share * (x - b) for b, x in zip(batch.baseline, batch.values, strict=True))
            for share in (low, high)
        )
        attributed = IntegratedGradients(batch.risk).attribute(
            end,
            baselines=start,
            additional_forward_args=batch.fixed,
            n_steps=2,
            method="riemann_trapezoid",
        )
        # Captum weighs two points with 1/4 each, so that its rule comes to half of the integral.
        for total, values in zip(expected, by_column(attributed), strict=True):
            total += 2 * values
    for values, captums in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, captums, atol=1e-5)


def test_integrated_gradients_of_a_linear_risk_are_exact() -> None:
    batch, expected = linear_batch()
    found, points = integrated_gradients(batch, steps=3)
    assert points == 4
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def test_integrated_gradients_find_a_sharp_turn_near_the_baseline() -> None:
    """As of a layer normalisation: within a thousandth of the way all but a little has happened."""
    batch, _ = linear_batch()
    table = batch.values[0] - batch.baseline[0]
    one = replace(
        batch, mean=(torch.zeros(1, 4), torch.zeros(1, 3)), values=(table, batch.values[1])
    )
    found, points = integrated_gradients(replace(one, risk=Sharp()))  # type: ignore[arg-type]

    def gradient(share: float, x: np.ndarray) -> np.ndarray:
        radius = np.sqrt((share * x) @ (share * x) + Sharp.EPSILON)
        one_hot = np.eye(4)[0]
        return x * (one_hot / radius - share * x[0] * share * x / radius**3)

    assert points > STEPS + 1
    for values, x in zip(found[0], table.numpy().astype(float), strict=True):
        expected, _ = quad_vec(gradient, 0, 1, args=(x,), points=[1e-4, 1e-3, 1e-2])
        np.testing.assert_allclose(values, expected, atol=0.04 * np.abs(expected).max())
    np.testing.assert_array_equal(found[1], 0)


def test_integrated_gradients_end_at_a_jump_that_no_gradient_shows() -> None:
    batch, _ = linear_batch()
    first = batch.take(slice(1))
    halfway = float(first.values[0][0, 0] + first.mean[0][0, 0]) / 2
    found, points = integrated_gradients(
        replace(first, risk=Jump(halfway))  # type: ignore[arg-type]
    )
    assert STEPS + 1 < points < 100
    for values in found:
        np.testing.assert_array_equal(values, 0)


class Jump:
    """On which side of a threshold the first number of the table is."""

    ensemble = (None,)

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def __call__(self, table: Tensor, bag: Tensor, *_: Tensor) -> Tensor:
        return torch.sign(table[:, 0] - self.threshold) + 0 * bag.sum(dim=(1, 2))


class Sharp:
    """The first of four numbers after they are scaled to a length of almost 1."""

    ensemble = (None,)
    EPSILON = 1e-6

    def __call__(self, table: Tensor, bag: Tensor, *_: Tensor) -> Tensor:
        return table[:, 0] / (table.square().sum(1) + self.EPSILON).sqrt() + 0 * bag.sum((1, 2))


@pytest.mark.parametrize("method", ["gradient_shap", "feature_ablation"])
def test_features_of_a_linear_risk_are_exact(method: str) -> None:
    batch, expected = linear_batch()
    masks = make_masks((("a", "a", "b", "b"), ("bag",) * 3), batch, "feature")
    found = METHODS[method].run(batch, masks)
    for x, y in zip(found, expected, strict=True):
        total = x if x.ndim == 2 else x.sum(1)
        np.testing.assert_allclose(total, y, atol=1e-5)


@pytest.mark.parametrize("method", GRADIENT_FREE)
def test_groups_of_a_linear_risk_are_exact(method: str) -> None:
    batch, (table, bag) = linear_batch()
    masks = make_masks((("a", "a", "b", "b"), ("bag",) * 3), batch, "group")
    with fixed_seed(0, torch.device("cpu")):
        first, second = METHODS[method].run(batch, masks)
    np.testing.assert_allclose(first, table.reshape(2, 2, 2).sum(2), atol=1e-4)
    np.testing.assert_allclose(second, bag.sum(1, keepdims=True), atol=1e-4)


def test_masks_number_all_inputs_without_overlap() -> None:
    batch, _ = linear_batch()
    masks = make_masks((("a", "a", "b", "b"), ("bag",) * 3), batch, "group")
    assert [m.flatten().tolist() for m in masks.tensors] == [[0, 0, 1, 1], [2, 2, 2]]
    assert [tuple(m.shape) for m in masks.tensors] == [(1, 4), (1, 1, 3)]


@pytest.mark.parametrize(
    ("ids", "message"), [(([0, 1], [1, 2]), "share an id"), (([0, 1], [3, 4]), "without gaps")]
)
def test_masks_that_captum_would_misread_are_refused(
    ids: tuple[list[int], list[int]], message: str
) -> None:
    tensors = tuple(torch.tensor([i]) for i in ids)
    with pytest.raises(ConfigError, match=message):
        Masks(tensors, tensors)


def test_one_mask_per_input_is_required() -> None:
    batch, _ = linear_batch()
    with pytest.raises(ConfigError, match="1 mask for 2 inputs"):
        make_masks((("a", "a", "b", "b"),), batch, "group")


@pytest.mark.parametrize(
    "options",
    [
        {"rows": []},
        {"rows": [0], "method": "lime"},
        {"rows": [0], "level": "group"},
        {"rows": [0], "baseline": "zero"},
        {"rows": [0], "baseline": []},
        {"rows": [0], "steps": 0},
    ],
)
def test_impossible_requests_are_refused(
    bundle: Bundle, new: Cohort, options: dict[str, Any]
) -> None:
    with pytest.raises(CamlifError):
        explain_features(bundle, new, options.pop("rows"), **options)


# DeepLift's rules


class Wrapped(nn.Module):
    """A function of a batch of patients and baselines under the rules."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        with DeepLiftRules():
            return self.function(x)


def deeplift_of(module: nn.Module, x: Tensor, baseline: Tensor) -> Tensor:
    from captum.attr import DeepLift

    with pytest.warns(UserWarning, match="hooks"):
        found: Tensor = DeepLift(module).attribute(x.clone().requires_grad_(), baseline)
    return found.detach()


def test_rules_equal_captum_where_activations_are_modules() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 4), nn.ELU()]
    network = nn.Sequential(*layers, nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Flatten(0))
    x, baseline = torch.randn(2, 6, 5)
    ours = deeplift_of(Wrapped(lambda z: network(z)), x, baseline)
    # Captum reads the hooks of modules, which the wrapper's plain functions do not have.
    plain = nn.Sequential(*network)
    np.testing.assert_allclose(ours, deeplift_of(plain, x, baseline), atol=1e-5)


BILINEAR = nn.Bilinear(4, 4, 3)
NORM = nn.LayerNorm(4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x.softmax(-1) * x).sum(-1),
        lambda x: (NORM(x) * torch.sigmoid(x)).sum(-1) + F.layer_norm(x, (4,))[:, 0],
        lambda x: BILINEAR(x, torch.tanh(x)).sum(-1),
        lambda x: (x.unsqueeze(-1) @ F.relu(x).unsqueeze(-2)).flatten(1).sum(-1),
        lambda x: (F.elu(x[:, :2]) * x[:, 2:]).sum(-1),
    ],
    ids=["softmax", "layer_norm", "bilinear", "matmul", "elu"],
)
def test_rules_keep_the_value_and_add_up(function: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        x, baseline = torch.randn(2, 6, 4)
        wanted = function(x) - function(baseline)
        kept = Wrapped(function)(torch.cat([x, baseline]))
    np.testing.assert_allclose(
        kept, torch.cat([function(x), function(baseline)]).detach(), atol=1e-5
    )
    found = deeplift_of(Wrapped(function), x, baseline)
    np.testing.assert_allclose(found.sum(-1), wanted, atol=1e-5)


def test_a_product_is_shared_as_by_shapley() -> None:
    x, baseline = torch.tensor([[2.0, 5.0]]), torch.tensor([[1.0, -1.0]])
    found = deeplift_of(Wrapped(lambda z: z[:, 0:1].mul(z[:, 1:2]).squeeze(-1)), x, baseline)
    game = np.array([[-1.0, -2.0, 5.0, 10.0]])  # coalitions {}, {0}, {1}, {0, 1}
    np.testing.assert_allclose(found, exact_shapley(game))


# Views of a result


def made(
    values: list[list[float]],
    *,
    groups: tuple[str, ...] = ("g", "g", "h"),
    reasons: tuple[str | None, ...] | None = None,
) -> FeatureAttribution:
    """A result of one table (columns a, b, c) with base value 1."""
    array = np.array(values)
    columns = tuple("abcdefgh"[: array.shape[1]])
    return FeatureAttribution(
        method="ig",
        baseline="median",
        level="feature",
        steps=64,
        players=("ct",),
        contributions=(
            PlayerContributions(columns=columns, groups=groups, values=array, raw=10 * array),
        ),
        base_value=np.ones(len(array)),
        log_risk=1 + array.sum(axis=1),
        reasons=reasons or (None,) * len(array),
        seconds=0.0,
        seed=0,
    )


def test_top_lists_the_largest_and_sums_the_rest() -> None:
    top = made([[0.1, -0.4, 0.2]]).top(0, 1)
    (largest,) = top
    assert (largest.player, largest.group, largest.column) == ("ct", "g", "b")
    assert (largest.value, largest.raw) == (-0.4, -4.0)
    assert top.n_rest == 2
    assert top.base_value + largest.value + top.rest == pytest.approx(top.log_risk)


def test_groups_are_sums_of_their_columns() -> None:
    grouped = made([[0.1, -0.4, 0.2], [1.0, 1.0, 0.0]]).by_group()
    assert grouped.columns == (("ct", "g", "g"), ("ct", "h", "h"))
    np.testing.assert_allclose(grouped.values, [[-0.3, 0.2], [2.0, 0.0]])
    assert grouped.level == "group"


def test_a_gap_is_a_share_of_the_explained_difference() -> None:
    result = made([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    missed = replace(result, log_risk=result.log_risk + np.array([1.0, 0.01]))
    np.testing.assert_allclose(missed.completeness_gap, [1 / 5, 0.01 / 0.1])


def test_clinical_columns_are_merged_with_their_levels_and_indicators(
    bundle: Bundle, new: Cohort
) -> None:
    clinical = new.clinical.copy()
    clinical.iloc[1, clinical.columns.get_loc("age")] = np.nan
    clinical["sex"] = clinical["sex"].astype(object)
    clinical.iloc[2, clinical.columns.get_loc("sex")] = np.nan
    found = explain_features(bundle, replace(new, clinical=clinical), ROWS, method="deeplift")
    assert found["clinical"].columns == (
        "age",
        "age missing",
        "sex=female",
        "sex=male",
        "sex missing",
    )
    merged = found.by_clinical_column(bundle.schema)
    assert merged["clinical"].columns == ("age", "sex")
    values = found["clinical"].values
    expected = np.stack([values[:, :2].sum(1), values[:, 2:].sum(1)], axis=1)
    np.testing.assert_allclose(merged["clinical"].values, expected)
    assert merged["clinical"].raw[0].tolist() == [clinical["age"].iloc[0], clinical["sex"].iloc[0]]
    assert merged["clinical"].raw[1, 0] is None
    assert merged["clinical"].raw[2, 1] is None
    assert values[1, 0] == 0
    np.testing.assert_array_equal(merged["ct"].values, found["ct"].values)


def test_tables_are_long_with_one_row_per_contribution(bundle: Bundle, new: Cohort) -> None:
    modalities = explain_modalities(bundle, new, ROWS)
    features = explain_features(bundle, new, ROWS, method="deeplift")
    groups = features.by_group()
    frames = [x.to_frame(new.patient_ids) for x in (modalities, features, groups)]
    for frame in frames:
        assert tuple(frame.columns) == COLUMNS
        total = frame.groupby("patient_id", sort=False)["contribution"].sum()
        np.testing.assert_allclose(total, modalities.log_risk - modalities.base_value, atol=1e-4)
    assert [set(f["level"]) for f in frames] == [{"modality"}, {"feature"}, {"group"}]
    row = frames[1].query("feature == 'ct_1_0'").iloc[3]
    assert row["patient_id"] == new.patient_ids[3]
    assert (row["modality"], row["group"]) == ("ct", "group1")
    assert row["value"] == pytest.approx(new.tables["ct"][3, 5])
    assert pd.concat(frames)["method"].unique().tolist() == ["shapley", "deeplift"]


# shap 0.51 builds its colour maps with methods that matplotlib 3.11 announces to deprecate.
@pytest.mark.filterwarnings("ignore:The set_.* function will be:PendingDeprecationWarning")
def test_shap_explanation_holds_the_scored_patients(bundle: Bundle, new: Cohort) -> None:
    found = replace(
        explain_features(bundle, new, ROWS, method="deeplift"),
        reasons=(None, "not scored", None, None, None, None),
    )
    shap_values = found.to_shap()
    width = sum(len(c.columns) for c in found.contributions)
    assert shap_values.values.shape == shap_values.data.shape == (5, width)
    assert shap_values.base_values.shape == (5,)
    assert list(shap_values.feature_names) == [c for _, _, c in found.columns]
    np.testing.assert_array_equal(shap_values[1].values, found.values[2])


def test_agreement_is_the_rank_correlation_of_the_larger_contributions() -> None:
    a = made([[0.1, 0.2, 0.3, 0.4, 0.0]], groups=("g",) * 5)
    b = made([[-0.2, 0.1, 0.3, -0.4, 0.0]], groups=("g",) * 5)
    assert agreement(a, a) == pytest.approx(1.0)
    # Ranks (2, 3, 4, 5, 1) and (3, 2, 4, 5, 1): 1 - 6 * 2 / (5 * 24).
    assert agreement(a, b) == pytest.approx(0.9)
    # The top three of either: columns b, c, d and a, c, d, ranked (1 to 4) and (2, 1, 3, 4).
    assert agreement(a, b, k=3) == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_agreement_refuses_other_patients_and_equal_contributions() -> None:
    a = made([[0.1, 0.2, 0.3]])
    with pytest.raises(ConfigError):
        agreement(a, made([[0.1, 0.2, 0.3]], reasons=("not scored",)))
    with pytest.raises(EstimationError):
        agreement(a, made([[0.2, -0.2, 0.2]]))


# Diagnostics and imports


def test_block_weights_have_a_name_each(bundle: Bundle, new: Cohort) -> None:
    weights = owc_weights(bundle, new, ROWS)
    assert weights.blocks == ("fusion", "enhanced fusion", "pathology", "ct", "patch")
    assert weights.values.shape == (6, 5)
    assert ((weights.values > 0) & (weights.values < 1)).all()


def test_context_entropy_is_one_for_uniform_and_zero_for_certain_contexts() -> None:
    uniform, certain = torch.full((2, 3, 4, 4), 0.25), torch.eye(4).expand(2, 3, 4, 4)
    np.testing.assert_allclose(normalised_entropy(uniform, -2), 1, rtol=1e-6)
    np.testing.assert_allclose(normalised_entropy(certain, -2), 0, atol=1e-7)


def test_context_entropy_has_a_value_per_modality_and_head(bundle: Bundle, new: Cohort) -> None:
    entropy = context_entropy(bundle, new, ROWS)
    assert entropy.values.shape == (6, 3, 4)
    assert ((entropy.values > 0) & (entropy.values <= 1 + 1e-6)).all()


def test_diagnostics_refuse_a_network_without_the_layer(bundle: Bundle, new: Cohort) -> None:
    config = replace(bundle.ensemble.config, owc="none", cross_attention="none")
    stub: Any = SimpleNamespace(ensemble=SimpleNamespace(config=config))
    with pytest.raises(ConfigError):
        owc_weights(stub, new, ROWS)
    with pytest.raises(ConfigError):
        context_entropy(stub, new, ROWS)


def test_importing_attribution_loads_neither_captum_nor_shap() -> None:
    code = "import sys, camlif.explain; print({'captum', 'shap'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("baseline", ["mean", "cohort_median"])
def test_named_baselines_add_up_and_have_the_risk_of_their_values(
    bundle: Bundle, new: Cohort, baseline: Literal["mean", "cohort_median"]
) -> None:
    (batch,) = prepare(bundle, new, [4], baseline=baseline).batches
    found = explain_modalities(bundle, new, [4], baseline=baseline)
    np.testing.assert_allclose(found.base_value + found.values.sum(1), found.log_risk, atol=1e-5)
    np.testing.assert_allclose(found.base_value, batch.base_value(), atol=1e-5)
    other = explain_modalities(bundle, new, [4])
    assert not np.allclose(found.base_value, other.base_value)


def test_cohort_median_is_that_of_the_observed_values_and_mean_that_of_training(
    bundle: Bundle, new: Cohort
) -> None:
    median = find_background(bundle, new, "cohort_median", missing=(), seed=0)
    mean = find_background(bundle, new, "mean", missing=(), seed=0)
    raw = bundle.prepare(new)
    for j, player in enumerate(players_of(bundle.ensemble)):
        if player == CLINICAL or raw.tables[player].ndim > 2:
            continue
        np.testing.assert_allclose(
            median.mean[j][0], np.nanmedian(raw.tables[player], axis=0), rtol=1e-5
        )
        stored = bundle.ensemble.columns[player]["mean"].numpy()
        np.testing.assert_allclose(mean.mean[j][0], stored.mean(axis=0), rtol=1e-5)
    flags = median.mean[-1][0][1:]
    assert set(flags.tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("baseline", ["median", "cohort_median", (0, 1, 2)])
def test_a_broken_cell_is_explained_as_the_end_of_the_training_range(baseline: Any) -> None:
    bundle, cohort = tiny_bundle(), make_cohort(5, seed=9, clinical=True)
    table = cohort.tables["ct"].copy()
    table[0, 2] = 1e38
    broken = replace(cohort, tables={**cohort.tables, "ct": table})
    found = explain_features(bundle, broken, [0], baseline=baseline)
    assert found.completeness_gap[0] <= MAX_GAP
    assert np.abs(found.values[0]).max() < 10  # log risk
    ends = cohort.tables["ct"].copy()
    ends[0, 2] = 1e4
    at_end = replace(cohort, tables={**cohort.tables, "ct": ends})
    expected = explain_features(bundle, at_end, [0], baseline=baseline)
    np.testing.assert_allclose(found.values, expected.values)
    modality = found.players.index("ct")
    assert found.contributions[modality].raw[0, 2] == np.float32(1e38)  # shown as it was given
