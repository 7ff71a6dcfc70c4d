"""Cox and alignment losses against definitions, libraries and hand-worked values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from camlif import losses
from camlif.config import Ties
from camlif.exceptions import ConfigError, DataError
from camlif.losses import Reduction, alignment_loss, cox_partial_likelihood
from tests.builders.strategies import Patients, patients

TIES = ("breslow", "efron")


@pytest.fixture(autouse=True, scope="module", params=[losses.LONG, 1], ids=["short", "long"])
def long_from(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold every test both as short rows are computed and as long ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "LONG", request.param)
        yield


# Eight patients with a tie of three in time, two of them events.
DURATION = torch.tensor([5, 3, 3, 8, 2, 3, 9, 6], dtype=torch.float64)
EVENT = torch.tensor([1, 1, 1, 0, 0, 0, 1, 1], dtype=torch.bool)
LOG_RISK = torch.tensor([0.5, -0.2, 1.0, 0.3, 2.0, 0.0, -1.0, 0.1], dtype=torch.float64)


def loss_of(p: Patients, ties: Ties = "breslow", reduction: Reduction = "sum") -> float:
    tensors = (torch.as_tensor(values) for values in p)
    return float(cox_partial_likelihood(*tensors, ties=ties, reduction=reduction))


def by_definition(p: Patients, ties: str) -> float:
    """Sum over events of the definition, with the n x n matrix of risk sets."""
    in_risk_set = p.duration[None, :] >= p.duration[:, None]
    hazard = np.exp(p.risk)
    loss = 0.0
    for time in np.unique(p.duration[p.event]):
        dying = p.event & (p.duration == time)
        total = (in_risk_set[np.flatnonzero(dying)[0]] * hazard).sum()
        for s in range(dying.sum()):
            share = s / dying.sum() if ties == "efron" else 0.0
            loss += np.log(total - share * hazard[dying].sum())
        loss -= p.risk[dying].sum()
    return loss


@pytest.mark.parametrize(
    ("ties", "reduction", "expected"),
    [
        ("breslow", "sum", 5.531889969801457),
        ("breslow", "events", 1.106377993960291),
        ("breslow", "batch", 0.691486246225182),
        ("efron", "sum", 5.313345609183651),
        ("efron", "events", 1.062669121836730),
    ],
)
def test_cox_loss_has_its_worked_value(ties: Ties, reduction: Reduction, expected: float) -> None:
    loss = cox_partial_likelihood(LOG_RISK, EVENT, DURATION, ties=ties, reduction=reduction)
    assert float(loss) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("duration", "event", "log_risk", "ties", "expected"),
    [
        ([1, 2, 2, 3, 4], [1, 1, 1, 0, 1], [0.5, 0, 1, -1, 0.2], "breslow", 0.944478),
        ([1, 2, 2, 3, 4], [1, 1, 1, 0, 1], [0.5, 0, 1, -1, 0.2], "efron", 0.836674),
        ([1, 2, 2, 3], [1, 0, 1, 1], [0.3, -0.2, 1.5, 0.1], "breslow", 0.701856),
        ([1, 2, 2, 3], [1, 1, 0, 1], [0.3, 1.5, -0.2, 0.1], "breslow", 0.701856),
        ([1, 2, 2, 3], [1, 0, 1, 1], [0.3, -0.2, 1.5, 0.1], "efron", 0.701856),
        ([1, 1, 2, 3], [1, 1, 1, 0], [100, 0, 90, 1], "breslow", 33.33336),
        ([1, 2, 3, 4], [1, 1, 1, 1], [0, 0, 0, 0], "breslow", np.log(24) / 4),
    ],
)
def test_cox_loss_per_event_of_small_tables(
    duration: list[float], event: list[int], log_risk: list[float], ties: Ties, expected: float
) -> None:
    loss = cox_partial_likelihood(
        torch.tensor(log_risk, dtype=torch.float64),
        torch.tensor(event, dtype=torch.bool),
        torch.tensor(duration, dtype=torch.float64),
        ties=ties,
    )
    assert float(loss) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("ties", TIES)
@given(p=patients())
def test_cox_loss_equals_its_definition(p: Patients, ties: Ties) -> None:
    assert loss_of(p, ties) == pytest.approx(by_definition(p, ties), abs=1e-9)


@pytest.mark.parametrize("ties", TIES)
@given(p=patients(min_events=1))
def test_cox_loss_equals_scikit_survival(p: Patients, ties: Ties) -> None:
    from sksurv.linear_model.coxph import CoxPHOptimizer

    reference = CoxPHOptimizer(p.risk[:, None], p.event, p.duration, np.zeros(1), ties)
    expected = float(reference.nlog_likelihood(np.ones(1)))  # a mean over patients
    assert loss_of(p, ties, "batch") == pytest.approx(expected, abs=1e-9)


def test_efron_loss_equals_lifelines_at_its_own_estimate() -> None:
    import pandas as pd
    from lifelines import CoxPHFitter

    rng = np.random.default_rng(3)
    x = rng.normal(size=80)
    table = pd.DataFrame(
        {"x": x, "months": rng.integers(1, 9, size=80), "event": rng.random(80) < 0.6}
    )
    fitted = CoxPHFitter().fit(table, "months", "event")
    p = Patients(fitted.params_["x"] * x, table["event"].to_numpy(), table["months"].to_numpy())
    assert -loss_of(p, "efron") == pytest.approx(fitted.log_likelihood_, rel=1e-10)


@given(p=patients(min_size=2, min_events=1, last_month=500))
def test_breslow_loss_equals_torchsurv_without_ties(p: Patients) -> None:
    from torchsurv.loss.cox import neg_partial_log_likelihood

    assume(len(np.unique(p.duration)) == len(p.duration))
    expected = neg_partial_log_likelihood(
        *(torch.as_tensor(values) for values in p), ties_method="breslow", reduction="sum"
    )
    # torchsurv sums in float32.
    assert loss_of(p) == pytest.approx(float(expected), rel=2e-6, abs=2e-6)


# Delayed entry


def draw_entry(p: Patients, seed: int) -> np.ndarray:
    """Entries before the end of follow-up, many of them tied with another's time."""
    drawn = np.random.default_rng(seed).integers(-1, 6, len(p.duration))
    return np.minimum(drawn, p.duration - 1).astype(float)


@pytest.mark.parametrize("ties", TIES)
@given(p=patients(), seed=st.integers(0, 1000))
def test_cox_loss_with_entry_equals_its_definition(p: Patients, ties: Ties, seed: int) -> None:
    entry = draw_entry(p, seed)
    there = (entry[None, :] < p.duration[:, None]) | (entry[None, :] <= 0)
    there &= p.duration[None, :] >= p.duration[:, None]
    hazard, expected = np.exp(p.risk), 0.0
    for time in np.unique(p.duration[p.event]):
        dying = p.event & (p.duration == time)
        total = (there[np.flatnonzero(dying)[0]] * hazard).sum()
        for s in range(dying.sum()):
            share = s / dying.sum() if ties == "efron" else 0.0
            expected += np.log(total - share * hazard[dying].sum())
        expected -= p.risk[dying].sum()
    tensors = [torch.as_tensor(values) for values in p]
    loss = cox_partial_likelihood(
        *tensors, entry=torch.as_tensor(entry), ties=ties, reduction="sum"
    )
    assert float(loss) == pytest.approx(expected, abs=1e-9)


@given(p=patients(), ties=st.sampled_from(TIES), seed=st.integers(0, 1000))
def test_padding_and_pieces_change_no_loss_with_entry(p: Patients, ties: Ties, seed: int) -> None:
    """Padding has any entry; ``CELLS`` decides how many rows are looked at together."""
    tensors = [torch.as_tensor(values) for values in (*p, draw_entry(p, seed))]
    padding = (0.7, False, -torch.inf, 3.0)
    padded = [
        torch.cat([values, torch.full((2,), fill, dtype=values.dtype)])
        for values, fill in zip(tensors, padding, strict=True)
    ]
    expected = cox_partial_likelihood(*tensors[:3], entry=tensors[3], ties=ties)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "CELLS", 3 * len(padded[0]))
        risk = padded[0].requires_grad_()
        found = cox_partial_likelihood(risk, *padded[1:3], entry=padded[3], ties=ties)
        found.backward()
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)
    assert torch.isfinite(risk.grad).all()
    assert not risk.grad[-2:].any()


@pytest.mark.parametrize("ties", TIES)
def test_cox_loss_with_entry_passes_gradcheck(ties: Ties) -> None:
    entry = torch.tensor([0, 2, 0, 5, 1, 0, 3, 4], dtype=torch.float64)
    risk = LOG_RISK.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda r: cox_partial_likelihood(r, EVENT, DURATION, entry=entry, ties=ties), (risk,)
    )


def test_stacked_members_share_one_entry() -> None:
    entry = torch.tensor([0, 2, 0, 5, 1, 0, 3, 4], dtype=torch.float64)
    risks = torch.stack([LOG_RISK, -LOG_RISK, 2 * LOG_RISK])
    together = cox_partial_likelihood(risks, EVENT, DURATION, entry=entry)
    alone = [cox_partial_likelihood(r, EVENT, DURATION, entry=entry) for r in risks]
    torch.testing.assert_close(together, torch.stack(alone))


@pytest.mark.parametrize("ties", TIES)
@given(p=patients(), seed=st.integers(0, 1000))
def test_cox_loss_does_not_depend_on_row_order(p: Patients, ties: Ties, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(p.risk))
    shuffled = Patients(*(values[order] for values in p))
    assert loss_of(shuffled, ties) == pytest.approx(loss_of(p, ties), abs=1e-9)


@pytest.mark.parametrize("ties", TIES)
@given(p=patients(), shift=st.floats(-50, 50))
def test_cox_loss_ignores_a_constant(p: Patients, ties: Ties, shift: float) -> None:
    moved = p._replace(risk=p.risk + shift)
    assert loss_of(moved, ties) == pytest.approx(loss_of(p, ties), abs=1e-9)


@pytest.mark.parametrize("ties", TIES)
@given(p=patients())
def test_cox_loss_uses_only_the_order_of_durations(p: Patients, ties: Ties) -> None:
    assert loss_of(p._replace(duration=np.log(p.duration)), ties) == loss_of(p, ties)


@pytest.mark.parametrize("reduction", ["events", "sum"])
@given(p=patients(min_events=1))
def test_a_patient_who_leaves_before_the_first_event_changes_nothing(
    p: Patients, reduction: Reduction
) -> None:
    early = Patients(np.append(p.risk, 4.0), np.append(p.event, False), np.append(p.duration, 0.5))
    assert loss_of(early, "breslow", reduction) == pytest.approx(
        loss_of(p, "breslow", reduction), abs=1e-9
    )


@pytest.mark.parametrize("reduction", ["events", "batch", "sum"])
@pytest.mark.parametrize("ties", TIES)
@given(p=patients(), n_padding=st.integers(1, 4), position=st.integers(0, 25))
def test_padding_rows_change_nothing(
    p: Patients, ties: Ties, reduction: Reduction, n_padding: int, position: int
) -> None:
    at = min(position, len(p.risk))
    padded = Patients(
        np.insert(p.risk, at, np.full(n_padding, 7.0)),
        np.insert(p.event, at, np.zeros(n_padding, dtype=bool)),
        np.insert(p.duration, at, np.full(n_padding, -np.inf)),
    )
    assert loss_of(padded, ties, reduction) == pytest.approx(loss_of(p, ties, reduction), abs=1e-9)


@pytest.mark.parametrize("reduction", ["events", "batch", "sum"])
@pytest.mark.parametrize("ties", TIES)
def test_leading_dimensions_are_independent_risk_sets(ties: Ties, reduction: Reduction) -> None:
    generator = torch.Generator().manual_seed(5)
    log_risk = torch.randn(3, 4, 9, generator=generator, dtype=torch.float64)
    event = torch.rand(3, 4, 9, generator=generator) < 0.5
    event[1, 2] = False
    duration = torch.randint(1, 5, (3, 4, 9), generator=generator).double()
    stacked = cox_partial_likelihood(log_risk, event, duration, ties=ties, reduction=reduction)
    one_by_one = torch.stack(
        [
            cox_partial_likelihood(*rows, ties=ties, reduction=reduction)
            for rows in zip(
                log_risk.flatten(0, 1), event.flatten(0, 1), duration.flatten(0, 1), strict=True
            )
        ]
    ).view(3, 4)
    torch.testing.assert_close(stacked, one_by_one, rtol=0, atol=1e-12)


def test_one_outcome_serves_all_leading_dimensions_whatever_the_memory_layout() -> None:
    log_risk = torch.randn(8, 3, generator=torch.Generator().manual_seed(1)).T
    shared = cox_partial_likelihood(log_risk, EVENT, DURATION)
    torch.testing.assert_close(
        shared, torch.stack([cox_partial_likelihood(row, EVENT, DURATION) for row in log_risk])
    )


def test_efron_gradient_is_right_where_low_risks_leave_at_the_time_of_an_event() -> None:
    duration = torch.tensor([1.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    event = torch.tensor([True, False, True, False])
    log_risk = torch.tensor([-4.0, -5.0, -3.0, -6.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda risk: cox_partial_likelihood(risk, event, duration, ties="efron"), log_risk
    )


@pytest.mark.parametrize("ties", TIES)
def test_cox_loss_passes_gradcheck(ties: Ties) -> None:
    log_risk = torch.stack([LOG_RISK, LOG_RISK.flip(0)]).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: cox_partial_likelihood(x, EVENT, DURATION, ties=ties), log_risk
    )


@pytest.mark.parametrize("ties", TIES)
def test_gradient_sums_to_zero(ties: Ties) -> None:
    log_risk = LOG_RISK.clone().requires_grad_()
    cox_partial_likelihood(log_risk, EVENT, DURATION, ties=ties).backward()
    assert log_risk.grad is not None
    assert float(log_risk.grad.sum()) == pytest.approx(0.0, abs=1e-12)


def test_risks_of_a_thousand_are_exact_in_float32() -> None:
    log_risk = (1000 * LOG_RISK).float().requires_grad_()
    loss = cox_partial_likelihood(log_risk, EVENT, DURATION, reduction="sum")
    loss.backward()
    assert log_risk.grad is not None
    assert float(loss.detach()) == 1400.0
    assert bool(log_risk.grad.isfinite().all())
    assert float(log_risk.grad.sum()) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("ties", TIES)
@given(signs=st.lists(st.sampled_from([-1e3, 1e3]), min_size=8, max_size=8))
def test_extreme_risks_in_float32_follow_float64(signs: list[float], ties: Ties) -> None:
    found, expected = [], []
    for dtype, into in ((torch.float32, found), (torch.float64, expected)):
        log_risk = torch.tensor(signs, dtype=dtype).requires_grad_()
        loss = cox_partial_likelihood(log_risk, EVENT, DURATION, ties=ties)
        loss.backward()
        assert log_risk.grad is not None
        into += [loss.detach().double(), log_risk.grad.double()]
    torch.testing.assert_close(found[0], expected[0], rtol=1e-6, atol=1e-3)
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=1e-3)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("reduction", ["events", "batch", "sum"])
@pytest.mark.parametrize(
    ("event", "n"), [(False, 5), (False, 1), (True, 1)], ids=["none", "one, none", "one alone"]
)
def test_nothing_to_rank_is_a_true_zero_with_zero_gradient(
    ties: Ties, reduction: Reduction, event: bool, n: int
) -> None:
    log_risk = torch.full((n,), 3.0, requires_grad=True)
    loss = cox_partial_likelihood(
        log_risk, torch.full((n,), event), torch.arange(n).float(), ties=ties, reduction=reduction
    )
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert log_risk.grad is not None
    assert bool((log_risk.grad == 0).all())


def test_an_eventless_row_does_not_disturb_its_neighbours() -> None:
    log_risk = torch.stack([LOG_RISK, LOG_RISK]).requires_grad_()
    event = torch.stack([EVENT, torch.zeros_like(EVENT)])
    loss = cox_partial_likelihood(log_risk, event, DURATION)
    loss.sum().backward()
    assert log_risk.grad is not None
    assert float(loss[1].detach()) == 0.0
    assert bool((log_risk.grad[1] == 0).all())
    assert bool((log_risk.grad[0] != 0).any())


@pytest.mark.parametrize(
    "shapes", [((3,), (4,), (3,)), ((3,), (3,), (2,)), ((3, 1), (3,), (3,)), ((), (), ())]
)
def test_shapes_that_do_not_fit_raise_data_error(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(DataError, match="one value per patient"):
        cox_partial_likelihood(*(torch.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("setting", [{"ties": "exact"}, {"reduction": "mean"}])
def test_unknown_setting_raises_config_error(setting: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        cox_partial_likelihood(LOG_RISK, EVENT, DURATION, **setting)  # type: ignore[arg-type]


def pairs(seed: int, *shape: int) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    first = [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(2)]
    second = [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(2)]
    return first, second


def test_alignment_loss_is_the_sum_of_mean_absolute_differences() -> None:
    original, enhanced = pairs(0, 7, 5)
    expected = sum(
        torch.nn.functional.l1_loss(a, b) for a, b in zip(original, enhanced, strict=True)
    )
    torch.testing.assert_close(alignment_loss(original, enhanced), expected)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (16, 64)])
def test_alignment_loss_of_unit_differences_is_the_number_of_modalities(
    shape: tuple[int, int],
) -> None:
    original, _ = pairs(1, *shape)
    assert float(alignment_loss(original, [a + 1 for a in original])) == pytest.approx(2.0)
    assert float(alignment_loss(original, original)) == 0.0


def test_alignment_loss_counts_only_weighted_patients() -> None:
    original, enhanced = pairs(2, 6, 4)
    present = [torch.tensor([1, 0, 1, 1, 0, 1]).bool(), torch.tensor([0, 0, 0, 0, 0, 1]).bool()]
    enhanced[0][1] = torch.nan  # whatever stands in an absent row
    expected = sum(
        (a[w] - b[w]).abs().mean() for a, b, w in zip(original, enhanced, present, strict=True)
    )
    torch.testing.assert_close(alignment_loss(original, enhanced, weight=present), expected)


def test_a_modality_that_nobody_has_adds_zero_and_no_gradient() -> None:
    original, enhanced = pairs(3, 5, 4)
    enhanced = [b.requires_grad_() for b in enhanced]
    loss = alignment_loss(original, enhanced, weight=[torch.zeros(5), torch.ones(5)])
    loss.backward()
    assert enhanced[0].grad is not None
    assert bool((enhanced[0].grad == 0).all())
    torch.testing.assert_close(loss, (original[1] - enhanced[1]).abs().mean())


def test_alignment_loss_over_leading_dimensions_is_a_loop() -> None:
    original, enhanced = pairs(4, 3, 6, 4)
    weight = [torch.rand(3, 6) < 0.7 for _ in range(2)]
    looped = [
        alignment_loss(
            [a[i] for a in original], [b[i] for b in enhanced], weight=[w[i] for w in weight]
        )
        for i in range(3)
    ]
    torch.testing.assert_close(
        alignment_loss(original, enhanced, weight=weight), torch.stack(looped)
    )


@pytest.mark.parametrize("detach", [True, False])
def test_detach_decides_whether_the_original_is_pulled(detach: bool) -> None:
    original, enhanced = pairs(5, 6, 4)
    original = [a.requires_grad_() for a in original]
    enhanced = [b.requires_grad_() for b in enhanced]
    alignment_loss(original, enhanced, detach=detach).backward()
    assert all(b.grad is not None and bool((b.grad != 0).all()) for b in enhanced)
    assert all((a.grad is None) == detach for a in original)


@pytest.mark.parametrize(
    ("original", "enhanced", "weight"),
    [
        ([torch.zeros(3, 2)], [torch.zeros(3, 2)] * 2, None),
        ([torch.zeros(3, 2)], [torch.zeros(3, 1)], None),
        ([torch.zeros(3, 2)], [torch.zeros(3, 2)], [torch.ones(2)]),
        ([torch.zeros(3, 2)], [torch.zeros(3, 2)], [torch.ones(3)] * 2),
        ([], [], None),
        (torch.zeros(2, 3, 2), torch.zeros(2, 3, 2), None),
    ],
)
def test_class_vectors_that_do_not_pair_up_raise_data_error(
    original: list[Tensor], enhanced: list[Tensor], weight: list[Tensor] | None
) -> None:
    with pytest.raises(DataError):
        alignment_loss(original, enhanced, weight=weight)
