"""Penalised Cox models against lifelines, scikit-survival and the optimality conditions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from camlif.config import Ties
from camlif.exceptions import ConfigError, DataError, NoEventsError
from camlif.linear.elastic_net import elastic_net_path, elastic_net_steps
from camlif.linear.penalised import MIN_PENALIZER, linear_cox, non_negative_cox
from camlif.losses import cox_partial_likelihood
from camlif.statistics.likelihood import CoxData


class Sample(NamedTuple):
    x: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]


def draw(n: int = 160, p: int = 12, *, seed: int = 0, tied: bool = False) -> Sample:
    """Correlated standardised columns, two of which carry the hazard.

    Their sample SD is 1, because lifelines divides by it before it penalises.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) + 0.7 * rng.standard_normal((n, 1))
    x = (x - x.mean(0)) / x.std(0, ddof=1)
    duration = rng.exponential(20 * np.exp(-(x[:, 0] - 0.7 * x[:, 1])))
    return Sample(x, rng.random(n) < 0.6, np.ceil(duration / 3) if tied else duration)


def draw_entry(duration: NDArray[np.float64]) -> NDArray[np.float64]:
    """Late entries of two patients in three, before the end of follow-up; many are tied."""
    rng = np.random.default_rng(7)
    late = rng.random(len(duration)) < 2 / 3
    entry = np.minimum(rng.integers(1, 20, len(duration)), duration - 1)
    return np.where(late, np.maximum(entry, 0.0), 0.0)


@pytest.mark.parametrize("penalizer", [0.003, 0.1, 3.0])
@pytest.mark.parametrize("tied", [False, True])
def test_linear_cox_equals_lifelines_at_the_same_penalizer(penalizer: float, tied: bool) -> None:
    from lifelines import CoxPHFitter

    x, event, duration = draw(tied=tied)
    table = pd.DataFrame(x).assign(duration=duration, event=event)
    fitter = CoxPHFitter(penalizer=penalizer, l1_ratio=0.0)
    fitter.fit(table, "duration", "event", fit_options={"precision": 1e-10})
    own = linear_cox(x, event, duration, penalizer=penalizer, ties="efron")
    np.testing.assert_allclose(own, fitter.params_.to_numpy(), atol=1e-5)


def test_coefficients_below_zero_become_zero_and_the_others_those_without_these_columns() -> None:
    x, event, duration = draw(tied=True)
    found = non_negative_cox(x, event, duration)
    kept = found > 0
    assert 0 < kept.sum() < len(kept)
    alone = linear_cox(x[:, kept], event, duration, penalizer=MIN_PENALIZER, ties="efron")
    np.testing.assert_allclose(found[kept], alone, atol=1e-5)
    data = CoxData.sort(x, event, duration, ties="efron")
    _, gradient = data.value_and_gradient(data.x @ found)
    assert gradient[~kept].min() > 0  # a step to above zero would cost


@pytest.mark.parametrize("tied", [False, True])
def test_linear_cox_with_late_entry_equals_lifelines(tied: bool) -> None:
    from lifelines import CoxPHFitter

    x, event, duration = draw(tied=tied)
    entry = draw_entry(duration)
    table = pd.DataFrame(x).assign(
        duration=duration, event=event, entry=np.where(entry > 0, entry, -1.0)
    )
    fitter = CoxPHFitter(penalizer=0.05, l1_ratio=0.0)
    fitter.fit(table, "duration", "event", entry_col="entry", fit_options={"precision": 1e-10})
    own = linear_cox(x, event, duration, penalizer=0.05, ties="efron", entry=entry)
    np.testing.assert_allclose(own, fitter.params_.to_numpy(), atol=1e-5)
    ignored = linear_cox(x, event, duration, penalizer=0.05, ties="efron")
    assert np.abs(own - ignored).max() > 1e-3


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_linear_cox_equals_scikit_survival_at_n_times_the_penalizer(ties: Ties) -> None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    x, event, duration = draw(tied=True)
    reference = CoxPHSurvivalAnalysis(alpha=0.05 * len(x), ties=ties, tol=1e-12)
    reference.fit(x, Surv.from_arrays(event, duration))
    own = linear_cox(x, event, duration, penalizer=0.05, ties=ties)
    np.testing.assert_allclose(own, reference.coef_, atol=1e-5)


@pytest.mark.parametrize("l1_ratio", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("tied", [False, True])
def test_elastic_net_path_equals_coxnet(l1_ratio: float, tied: bool) -> None:
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    x, event, duration = draw(tied=tied)
    reference = CoxnetSurvivalAnalysis(
        l1_ratio=l1_ratio, alpha_min_ratio=0.01, n_alphas=20, tol=1e-12, max_iter=1_000_000
    ).fit(x, Surv.from_arrays(event, duration))
    path = elastic_net_path(x, event, duration, l1_ratio=l1_ratio, n_alphas=20)
    np.testing.assert_allclose(path.alphas, reference.alphas_, rtol=1e-10)
    np.testing.assert_allclose(path.coefficients, reference.coef_.T, atol=1e-4)


@pytest.mark.parametrize("n", [60, 400])
def test_every_fit_of_a_path_meets_the_optimality_conditions(n: int) -> None:
    x, event, duration = draw(n, 150, seed=1, tied=True)
    path = elastic_net_path(x, event, duration, n_alphas=12)
    data = CoxData.sort(x, event, duration, ties="breslow")
    for alpha, beta in zip(path.alphas, path.coefficients, strict=True):
        slope = data.gradient(data.x @ beta) + alpha / 2 * beta
        inside = beta == 0
        assert (np.abs(slope[inside]) <= alpha / 2 + 1e-7).all()
        np.testing.assert_allclose(slope[~inside], -alpha / 2 * np.sign(beta[~inside]), atol=1e-7)


def test_the_strongest_penalty_of_the_path_is_the_least_that_removes_everything() -> None:
    x, event, duration = draw()
    path = elastic_net_path(x, event, duration, n_alphas=2, alpha_min_ratio=0.999)
    assert not path.coefficients[0].any()
    assert np.count_nonzero(path.coefficients[1]) == 1


def test_a_path_without_l2_part_survives_copied_columns() -> None:
    x, event, duration = draw(80, 5)
    single = elastic_net_path(x, event, duration, l1_ratio=1.0, n_alphas=8)
    doubled = elastic_net_path(np.hstack([x, x]), event, duration, l1_ratio=1.0, n_alphas=8)
    together = doubled.coefficients[:, :5] + doubled.coefficients[:, 5:]
    np.testing.assert_allclose(together, single.coefficients, atol=1e-5)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("size", [1.0, 15.0])
@pytest.mark.parametrize("late", [False, True])
def test_likelihood_and_gradient_are_those_of_the_loss_of_networks(
    ties: Ties, size: float, late: bool
) -> None:
    x, event, duration = draw(60, 4, tied=True)
    x = size * x
    entry = draw_entry(duration) if late else None
    data = CoxData.sort(x, event, duration, ties=ties, entry=entry)
    beta = torch.tensor([2.0, -1.0, 0.2, 0.5], dtype=torch.float64, requires_grad=True)
    log_risk = torch.from_numpy(x) @ beta
    loss = cox_partial_likelihood(
        log_risk,
        torch.from_numpy(event),
        torch.from_numpy(duration),
        entry=None if entry is None else torch.from_numpy(entry),
        ties=ties,
        reduction="batch",
    )
    (gradient,) = torch.autograd.grad(loss, beta)
    at = data.x @ beta.detach().numpy()
    assert data.value(at) == pytest.approx(loss.item(), abs=1e-12)
    np.testing.assert_allclose(data.gradient(at), gradient.numpy(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("late", [False, True])
def test_hessian_and_gradient_are_the_derivatives_of_the_value(ties: Ties, late: bool) -> None:
    x, event, duration = draw(40, 3, tied=True)
    entry = draw_entry(duration) if late else None
    data = CoxData.sort(x, event, duration, ties=ties, entry=entry)
    beta, width = np.array([0.4, -0.3, 0.2]), 1e-5
    steps = width * np.eye(3)
    values = [data.value(data.x @ (beta + s)) - data.value(data.x @ (beta - s)) for s in steps]
    slopes = [
        data.gradient(data.x @ (beta + s)) - data.gradient(data.x @ (beta - s)) for s in steps
    ]
    at = data.x @ beta
    np.testing.assert_allclose(data.gradient(at), np.array(values) / (2 * width), atol=1e-8)
    np.testing.assert_allclose(data.hessian(at), np.array(slopes) / (2 * width), atol=1e-8)


def test_settings_without_a_meaning_are_refused() -> None:
    sample = draw(40, 3)
    with pytest.raises(ConfigError, match="penalizer"):
        linear_cox(*sample, penalizer=0.0)
    with pytest.raises(ConfigError, match="ties"):
        linear_cox(*sample, penalizer=1.0, ties="exact")  # type: ignore[arg-type]
    for share in (0.0, 1.5):
        with pytest.raises(ConfigError, match="l1_ratio"):
            elastic_net_path(*sample, l1_ratio=share)
        with pytest.raises(ConfigError, match="l1_ratio"):
            list(elastic_net_steps(*sample, l1_ratio=share, alphas=[0.1]))
    with pytest.raises(ConfigError, match="alphas"):
        elastic_net_path(*sample, alphas=[0.1, 0.2])


def test_data_without_a_fit_are_refused() -> None:
    x, event, duration = draw(40, 3)
    with pytest.raises(NoEventsError):
        linear_cox(x, np.zeros(40), duration, penalizer=1.0)
    with pytest.raises(DataError, match="one row per patient"):
        elastic_net_path(x[:-1], event, duration)
    x[3, 1] = np.nan
    with pytest.raises(DataError, match="missing or infinite"):
        elastic_net_path(x, event, duration)
