"""MAM, LMF and OWC against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from camlif.config import NetworkConfig
from camlif.exceptions import SchemaError
from camlif.networks.fusion import (
    InteractionFusion,
    LowRankFusion,
    ModalityGate,
    OptimalWeightConcat,
    TensorFusion,
)
from tests.networks.batches import n_parameters, small_config

D, F, R, H = 8, 5, 3, 6


def low_rank(
    rank: int, *, names: tuple[str, ...] = ("a", "b"), weights: bool = False
) -> LowRankFusion:
    torch.manual_seed(7)
    fusion = LowRankFusion(names, F, rank, H, rank_weights=weights).double()
    with torch.no_grad():
        fusion.bias.normal_()
        if fusion.rank_weights is not None:
            fusion.rank_weights.normal_()
    return fusion


def draw(n: int = 4, names: tuple[str, ...] = ("a", "b"), width: int = F) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(8)
    return {m: torch.randn(n, width, generator=g, dtype=torch.float64) for m in names}


# T10
@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_fusion_is_the_full_tensor_contraction(
    rank: int, weights: bool, names: tuple[str, ...]
) -> None:
    fusion = low_rank(rank, names=names, weights=weights)
    x = draw(names=names)
    result = fusion(x).detach().numpy()
    factors = [fusion.factors[m].detach().numpy() for m in names]
    omega = fusion.rank_weights.detach().numpy() if weights else np.ones(rank)
    for row in range(4):
        extended = [np.append(x[m][row].numpy(), 1.0) for m in names]
        for k in range(H):
            expected = float(fusion.bias.detach()[k])
            for index in itertools.product(range(F + 1), repeat=len(names)):
                w = sum(
                    omega[r] * np.prod([f[r, i, k] for f, i in zip(factors, index, strict=True)])
                    for r in range(rank)
                )
                expected += w * np.prod([e[i] for e, i in zip(extended, index, strict=True)])
            assert result[row, k] == pytest.approx(expected, abs=1e-10)


# T10
def test_rank_one_with_unit_factors_multiplies_sums() -> None:
    fusion = low_rank(1)
    with torch.no_grad():
        for factor in fusion.factors.values():
            factor.fill_(1.0)
    x = draw()
    product = (x["a"].sum(1) + 1) * (x["b"].sum(1) + 1)
    torch.testing.assert_close(fusion(x), product.unsqueeze(1) + fusion.bias, atol=1e-10, rtol=0)


# T10
def test_a_zero_partner_leaves_an_affine_function_that_is_not_constant() -> None:
    fusion = low_rank(3)
    a, b = torch.randn(2, 4, F, dtype=torch.float64)
    zero = torch.zeros(4, F, dtype=torch.float64)

    def f(vector: Tensor) -> Tensor:
        return fusion({"a": vector, "b": zero})

    torch.testing.assert_close(f(0.3 * a + 0.7 * b), 0.3 * f(a) + 0.7 * f(b), atol=1e-10, rtol=0)
    assert (f(a) - f(b)).abs().min() > 1e-4
    full = [fusion({"a": v, "b": v}) for v in (0.3 * a + 0.7 * b, a, b)]
    assert not torch.allclose(full[0], 0.3 * full[1] + 0.7 * full[2])  # with a partner it is not


# T11
@pytest.mark.parametrize(
    ("rank", "width", "n_out", "expected"), [(4, 32, 64, 16_960), (1, 5, 6, 78), (3, 5, 6, 222)]
)
def test_low_rank_fusion_has_the_stated_parameters(
    rank: int, width: int, n_out: int, expected: int
) -> None:
    fusion = LowRankFusion(("a", "b"), width, rank, n_out, rank_weights=False)
    assert n_parameters(fusion) == rank * n_out * 2 * (width + 1) + n_out == expected


def test_factors_start_with_the_fans_of_a_slice() -> None:
    torch.manual_seed(0)
    factor = LowRankFusion(("a", "b"), 99, 50, 100, rank_weights=False).factors["a"]
    assert float(factor.detach().std()) == pytest.approx((2 / 200) ** 0.5, rel=0.01)


def test_tensor_fusion_is_a_linear_map_of_the_outer_product() -> None:
    torch.manual_seed(0)
    fusion = TensorFusion(("a", "b"), F, H).double()
    x = draw()
    a, b = (torch.cat([v, torch.ones(4, 1, dtype=torch.float64)], dim=1) for v in x.values())
    outer = torch.einsum("ni,nj->nij", a, b).flatten(1)
    torch.testing.assert_close(fusion(x), fusion.linear(outer), atol=1e-12, rtol=0)


def test_tensor_fusion_of_four_modalities_is_refused() -> None:
    with pytest.raises(SchemaError, match="4 modalities"):
        TensorFusion(("a", "b", "c", "d"), F, H)


def gate(kind: str, **changes: object) -> ModalityGate:
    torch.manual_seed(9)
    return ModalityGate(small_config(mam_gate=kind, **changes)).double()


# T12
@pytest.mark.parametrize("kind", ["bilinear", "concat"])
def test_gated_vectors_follow_the_definition(kind: str) -> None:
    module = gate(kind)
    own, partner = draw(width=D).values()
    if kind == "bilinear":
        raw = torch.einsum("ni,kij,nj->nk", own, module.gate.weight, partner) + module.gate.bias
    else:
        raw = torch.cat([own, partner], dim=1) @ module.gate.weight.T + module.gate.bias
    z = 1 / (1 + torch.exp(-raw))
    hidden = (own @ module.value.weight.T + module.value.bias).clamp(min=0)
    expected = ((z * hidden) @ module.out.weight.T + module.out.bias).clamp(min=0)
    values = module.gate_values(own, partner)
    assert ((values > 0) & (values < 1)).all()
    torch.testing.assert_close(module(own, partner), expected, atol=1e-12, rtol=0)


# T12
def test_without_a_gate_the_vector_is_projected_only() -> None:
    module = gate("auto", mam=False)
    own, partner = draw(width=D).values()
    expected = (own @ module.out.weight.T + module.out.bias).clamp(min=0)
    torch.testing.assert_close(module(own, partner), expected, atol=1e-12, rtol=0)
    assert {k.split(".")[0] for k in module.state_dict()} == {"out"}


# T12
def test_gate_forms_cost_what_is_stated() -> None:
    shared = (D * F + F) + (F * F + F)
    assert n_parameters(gate("bilinear")) == shared + D * D * F + F
    assert n_parameters(gate("concat")) == shared + 2 * D * F + F
    assert NetworkConfig(width=32).gate == "bilinear"
    assert NetworkConfig(width=36).gate == "concat"


def owc(kind: str) -> tuple[OptimalWeightConcat, list[Tensor]]:
    torch.manual_seed(10)
    hidden = {"owc_hidden": 64} if kind == "none" else {}
    module = OptimalWeightConcat([H, H, D, D], small_config(owc=kind, **hidden)).double()
    if kind != "none":
        torch.nn.init.normal_(module.weight.weight)
    return module, [torch.randn(4, w, dtype=torch.float64) for w in (H, H, D, D)]


# T13
def test_owc_multiplies_every_coordinate_by_a_weight_between_zero_and_one() -> None:
    module, blocks = owc("vector")
    x, weights = module(blocks)
    ratio = x / torch.cat(blocks, dim=1)
    assert ((ratio > 0) & (ratio < 1)).all()
    means = torch.stack([part.mean(1) for part in ratio.split([H, H, D, D], dim=1)], dim=1)
    torch.testing.assert_close(weights, means, atol=1e-12, rtol=0)
    assert weights.shape == (4, 4)


# T13
def test_block_owc_scales_each_block_by_one_number() -> None:
    module, blocks = owc("block")
    x, weights = module(blocks)
    assert weights.shape == (4, 4)
    assert ((weights > 0) & (weights < 1)).all()
    expected = torch.cat([b * weights[:, i : i + 1] for i, b in enumerate(blocks)], dim=1)
    torch.testing.assert_close(x, expected, atol=1e-12, rtol=0)


# T13
def test_owc_can_be_switched_off() -> None:
    module, blocks = owc("none")
    x, weights = module(blocks)
    assert torch.equal(x, torch.cat(blocks, dim=1))
    assert torch.equal(weights, torch.ones(4, 4, dtype=torch.float64))
    assert n_parameters(module) == 0


# T13
def test_owc_starts_near_one_half() -> None:
    module = OptimalWeightConcat([64, 64, 64, 64], NetworkConfig())
    _, weights = module([torch.randn(8, 64) for _ in range(4)])
    assert ((weights - 0.5).abs() < 0.05).all()


def test_more_modalities_gate_against_the_mean_of_the_others() -> None:
    names = ("a", "b", "c")
    fusion = InteractionFusion(names, small_config()).double()
    x = draw(names=names, width=D)
    gated = fusion(x)[1]["b"]
    expected = fusion.gates["b"](x["b"], (x["a"] + x["c"]) / 2)
    torch.testing.assert_close(gated, expected, atol=1e-12, rtol=0)
