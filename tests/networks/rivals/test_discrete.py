"""Discrete-time likelihood, interval edges and the head that has them."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from camlif.exceptions import (
    ConfigError,
    DataError,
    EstimationError,
    NoEventsError,
    NotFittedError,
)
from camlif.losses import discrete_time_nll
from camlif.networks.interface import FusionOutput, Outcome
from camlif.networks.rivals.discrete import (
    LOGITS,
    DiscreteConfig,
    SurvivalHead,
    fit_edges,
    survival_of,
)

T = 4


def make_head(*, fitted: bool = True, **changes: object) -> SurvivalHead:
    settings = {"architecture": "mcat", "head": "native", **changes}
    head = SurvivalHead(5, 0, DiscreteConfig(**settings))  # type: ignore[arg-type]
    if fitted:
        head.fit(np.ones(4, dtype=bool), np.array([2.0, 4.0, 6.0, 8.0]))
    return head.double()


def random_rows(n: int = 12, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, T, generator=g, dtype=torch.float64)
    return logits, torch.randint(0, T, (n,), generator=g), torch.rand(n, generator=g) < 0.5


@pytest.mark.parametrize("event", [True, False])
@pytest.mark.parametrize("interval", range(T))
def test_loss_of_even_hazards_is_a_multiple_of_ln_2(interval: int, event: bool) -> None:
    loss = discrete_time_nll(torch.zeros(1, T), torch.tensor([interval]), torch.tensor([event]))
    assert float(loss) == pytest.approx((interval + 1) * math.log(2), abs=1e-6)


def test_loss_equals_the_product_of_hazards() -> None:
    logits, interval, event = random_rows()
    hazard = torch.sigmoid(logits).numpy()
    terms = []
    for h, y, died in zip(hazard, interval.tolist(), event.tolist(), strict=True):
        survived = np.prod(1 - h[:y])
        terms.append(-np.log(survived * (h[y] if died else 1 - h[y])))
    loss = discrete_time_nll(logits, interval, event)
    assert float(loss) == pytest.approx(np.mean(terms), abs=1e-12)


def test_event_weight_blends_in_the_terms_of_events() -> None:
    logits, interval, event = random_rows()
    each = torch.stack(
        [discrete_time_nll(*(t[i : i + 1] for t in (logits, interval, event))) for i in range(12)]
    )
    expected = 0.7 * each.mean() + 0.3 * (each * event).mean()
    loss = discrete_time_nll(logits, interval, event, event_weight=0.3)
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=0)


def test_padding_rows_do_not_count() -> None:
    logits, interval, event = random_rows()
    padded = (
        torch.cat([logits, torch.full((3, T), 50.0, dtype=torch.float64)]),
        torch.cat([interval, torch.full((3,), -1)]),
        torch.cat([event, torch.zeros(3, dtype=torch.bool)]),
    )
    torch.testing.assert_close(
        discrete_time_nll(*padded), discrete_time_nll(logits, interval, event), atol=1e-12, rtol=0
    )


def test_a_batch_of_padding_gives_a_connected_zero() -> None:
    logits = torch.randn(2, T, requires_grad=True)
    loss = discrete_time_nll(logits, torch.full((2,), -1), torch.zeros(2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_leading_dimensions_are_independent_problems() -> None:
    rows = [random_rows(seed=seed) for seed in range(3)]
    stacked = discrete_time_nll(*(torch.stack(parts) for parts in zip(*rows, strict=True)))
    single = torch.stack([discrete_time_nll(*row) for row in rows])
    torch.testing.assert_close(stacked, single, atol=1e-12, rtol=0)


def test_loss_passes_gradcheck() -> None:
    logits, interval, event = random_rows()
    assert gradcheck(lambda x: discrete_time_nll(x, interval, event), logits.requires_grad_())


def test_saturated_hazards_stay_finite_and_keep_their_gradient() -> None:
    logits = torch.full((1, T), -1e3, requires_grad=True)
    loss = discrete_time_nll(logits, torch.tensor([3]), torch.tensor([True]))
    loss.backward()
    assert loss.item() == pytest.approx(1e3)
    assert float(logits.grad[0, 3]) == pytest.approx(-1.0)


def test_loss_refuses_shapes_that_do_not_fit() -> None:
    logits, interval, event = random_rows()
    with pytest.raises(DataError, match="one row per patient"):
        discrete_time_nll(logits, interval[:-1], event)


def test_survival_falls_within_zero_and_one() -> None:
    survival = survival_of(random_rows()[0])
    assert ((survival > 0) & (survival < 1)).all()
    assert (survival.diff(dim=-1) <= 0).all()


def test_risk_of_even_hazards_has_its_worked_value() -> None:
    head = make_head()
    with torch.no_grad():
        head.out.weight.zero_()
        head.out.bias.zero_()
    x = torch.randn(3, 5, dtype=torch.float64)
    risk, _ = head(x, x[:, :0])
    torch.testing.assert_close(risk, torch.full_like(risk, -0.9375), atol=1e-12, rtol=0)


def test_risk_rises_with_every_logit_and_stays_within_its_range() -> None:
    head = make_head()
    x = torch.randn(6, 5, dtype=torch.float64)
    risk, aux = head(x, x[:, :0])
    assert ((risk >= -T) & (risk <= 0)).all()
    (slope,) = torch.autograd.grad(risk.sum(), aux[LOGITS])
    assert (slope > 0).all()


def test_edges_are_quartiles_of_the_event_times_alone() -> None:
    event = np.array([True] * 5 + [False] * 3)
    duration = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 100.0, 0.1, 50.0])
    assert fit_edges(event, duration, T).tolist() == [0.0, 2.0, 3.0, 4.0, math.inf]


def test_a_duration_at_an_edge_belongs_to_the_later_interval() -> None:
    head = make_head()  # quartiles 3.5, 5.0, 6.5
    durations = np.array([0.0, 3.4, 3.5, 5.0, 6.49, 6.5, 1e4])
    assert head.assign(durations).tolist() == [0, 0, 1, 2, 2, 3, 3]


def test_an_edge_without_exact_binary_form_is_still_its_own_time() -> None:
    head = make_head(fitted=False)
    duration = np.array([0.1, 0.1 + 0.2, 0.7, 1.1, 2.3])
    head.fit(np.ones(5, dtype=bool), duration)
    assert head.assign(duration).tolist() == [0, 1, 2, 3, 3]


def test_tied_event_times_merge_edges_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        edges = fit_edges(np.ones(6, dtype=bool), np.array([2.0, 2, 2, 2, 7, 7]), T)
    assert edges.tolist() == [0.0, 2.0, 5.75, math.inf, math.inf]
    assert "3 of 4" in caplog.text


def test_intervals_that_are_not_used_add_nothing_to_the_risk() -> None:
    head = make_head(fitted=False)
    head.fit(np.ones(6, dtype=bool), np.array([2.0, 2, 2, 2, 7, 7]))
    x = torch.randn(3, 5, dtype=torch.float64)
    risk, aux = head(x, x[:, :0])
    expected = -survival_of(aux[LOGITS])[:, :3].sum(-1)
    torch.testing.assert_close(risk, expected, atol=1e-12, rtol=0)
    assert head.assign(np.array([1.0, 2.0, 6.0, 1e6])).tolist() == [0, 1, 2, 2]


def test_fitted_edges_travel_with_the_state() -> None:
    other = make_head(fitted=False)
    other.load_state_dict(make_head().state_dict())
    durations = np.linspace(0, 10, 23)
    assert other.assign(durations).tolist() == make_head().assign(durations).tolist()


def test_edges_need_events_at_a_positive_time() -> None:
    with pytest.raises(NoEventsError):
        fit_edges(np.zeros(3, dtype=bool), np.array([1.0, 2.0, 3.0]), T)
    with pytest.raises(EstimationError, match="time 0"):
        fit_edges(np.array([True, False]), np.array([0.0, 3.0]), T)


def test_intervals_before_fitting_are_refused() -> None:
    with pytest.raises(NotFittedError):
        make_head(fitted=False).assign(np.array([1.0]))


def test_a_matched_head_has_a_cox_risk_and_no_intervals() -> None:
    head = make_head(head="matched", fitted=False)
    head.fit(np.zeros(3, dtype=bool), np.ones(3))  # no event needed
    assert head.assign(np.ones(3)) is None
    assert head.out.out_features == 1
    assert not dict(head.named_buffers())
    risk, aux = head(torch.randn(7, 5, dtype=torch.float64), torch.zeros(7, 0))
    assert risk.shape == (7,)
    assert not aux


def test_a_discrete_loss_without_intervals_is_refused() -> None:
    ones = torch.ones(3)
    output = FusionOutput(ones, {}, {LOGITS: torch.zeros(3, T)})
    with pytest.raises(ConfigError, match="interval"):
        make_head().loss(output, Outcome(ones > 0, ones, torch.ones(3, 2) > 0))


@pytest.mark.parametrize(
    "changes",
    [{"n_intervals": 1}, {"event_weight": 1.0}, {"dropout": 1.0}, {"size": "huge"}],
)
def test_impossible_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        DiscreteConfig(architecture="mcat", **changes)  # type: ignore[arg-type]
