"""Linear and softmax cross-attention against loops, bounds, permutations and operation counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from camlif.config import NetworkConfig
from camlif.networks.cross_attention import (
    ContextProjection,
    LinearCrossAttention,
    SoftmaxCrossAttention,
)
from camlif.networks.layers import split_heads
from tests.networks.batches import small_config

A, B = "a", "b"
N_TOKENS = {A: 3, B: 4}
WIDTH, HEADS = 8, 2
Array = NDArray[np.float64]


def linear_layer(**changes: object) -> LinearCrossAttention:
    torch.manual_seed(4)
    layer = LinearCrossAttention((A, B), small_config(ca_heads=HEADS, **changes)).double()
    with torch.no_grad():
        for p in layer.parameters():
            if p.ndim == 1:
                p.add_(0.3 * torch.randn_like(p))
    return layer


def draw_tokens(n: int = 3) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    g = torch.Generator().manual_seed(5)
    tokens = {
        m: torch.randn(n, k, WIDTH, generator=g, dtype=torch.float64) for m, k in N_TOKENS.items()
    }
    masks = {m: torch.ones(n, k, dtype=torch.bool) for m, k in N_TOKENS.items()}
    masks[A][1, 2] = False
    masks[B][2, :2] = False
    return tokens, masks


def affine(x: Array, weight: Tensor, bias: Tensor | None) -> Array:
    weight = weight.detach()
    result = np.zeros(len(weight))
    for j in range(len(weight)):
        result[j] = sum(float(weight[j, i]) * x[i] for i in range(len(x)))
        if bias is not None:
            result[j] += float(bias.detach()[j])
    return result


def normalise(x: Array, eps: float = 1e-5) -> Array:
    return (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + eps)


def naive_halves(p: ContextProjection, tokens: Array) -> tuple[Array, Array]:
    """Residual and interaction halves of each token of one patient."""
    both = np.stack([affine(t, p.split.weight, p.split.bias) for t in tokens])
    both = np.maximum(both, 0)
    return both[:, :WIDTH], both[:, WIDTH:]


def naive_context(
    p: ContextProjection, interaction: Array, mask: Array, config: NetworkConfig
) -> Array:
    """Softmaxed context of one patient, (h, c, c), entry by entry."""
    c = WIDTH // HEADS
    n_valid = max(mask.sum(), 1)
    contexts = np.zeros((HEADS, c, c))
    for h in range(HEADS):
        gram = np.zeros((c, c))
        for token, valid in zip(interaction, mask, strict=True):
            if not valid:
                continue
            kv = affine(token, p.key_value.weight, None)
            k = kv[h * c : (h + 1) * c]
            v = kv[WIDTH + h * c : WIDTH + (h + 1) * c]
            if config.ca_kv_norm:
                k, v = normalise(k), normalise(v)
            for i in range(c):
                for j in range(c):
                    gram[i, j] += k[i] * v[j]
        scale = {
            "none": 1.0,
            "rsqrt_dh": 1 / math.sqrt(c),
            "rsqrt_n": 1 / math.sqrt(n_valid),
            "mean": math.exp(float(p.log_tau.detach()[h])) / n_valid
            if config.ca_scale == "mean"
            else 0.0,
        }[config.ca_scale]
        e = np.exp(scale * gram)
        for i in range(c):
            for j in range(c):
                summed = e[:, j] if config.ca_softmax_dim == -2 else e[i, :]
                contexts[h, i, j] = e[i, j] / summed.sum()
    return contexts


def naive_update(interaction: Array, context: Array) -> Array:
    c = WIDTH // HEADS
    update = np.zeros_like(interaction)
    for n in range(len(interaction)):
        for h in range(HEADS):
            for j in range(c):
                update[n, h * c + j] = sum(
                    interaction[n, h * c + i] * context[h, i, j] for i in range(c)
                )
    return update


def naive_layer(
    layer: LinearCrossAttention, tokens: dict[str, Array], masks: dict[str, Array]
) -> dict[str, Array]:
    """Both modalities of one patient."""
    config = layer.config
    projections = {m: layer.projections[m] for m in tokens}
    halves = {m: naive_halves(projections[m], tokens[m]) for m in tokens}
    contexts = {m: naive_context(projections[m], halves[m][1], masks[m], config) for m in tokens}
    result = {}
    for m, other in ((A, B), (B, A)):
        p = projections[m]
        update = naive_update(halves[m][1], contexts[other])
        own_residual, other_residual = halves[m][0], halves[other][0]
        if config.ca_residual == "other_tokens":
            rows = np.concatenate([update, other_residual])
            skips = np.zeros_like(rows)
        else:
            mean = other_residual[masks[other]].mean(0)
            partner = (
                own_residual if config.ca_residual == "self" else np.tile(mean, (len(update), 1))
            )
            rows = np.concatenate([update, partner], axis=1)
            skips = tokens[m] if config.ca_skip else np.zeros_like(tokens[m])
        weight, bias = p.norm.weight.detach().numpy(), p.norm.bias.detach().numpy()
        result[m] = np.stack(
            [
                normalise(skip + affine(row, p.out.weight, p.out.bias)) * weight + bias
                for row, skip in zip(rows, skips, strict=True)
            ]
        )
    return result


# T4
@pytest.mark.parametrize("residual", ["other", "self", "other_tokens"])
@pytest.mark.parametrize("scale", ["mean", "none", "rsqrt_dh", "rsqrt_n"])
@pytest.mark.parametrize("dim", [-2, -1])
def test_linear_cross_attention_equals_a_loop(dim: int, scale: str, residual: str) -> None:
    no_skip = {} if residual == "other_tokens" else {"ca_skip": False}  # it has none anyway
    for changes in ({}, {"ca_kv_norm": False, **no_skip}):
        layer = linear_layer(ca_softmax_dim=dim, ca_scale=scale, ca_residual=residual, **changes)
        tokens, masks = draw_tokens()
        with torch.no_grad():
            result, valid, _ = layer(tokens, masks)
        for i in range(3):
            expected = naive_layer(
                layer,
                {m: t[i].numpy() for m, t in tokens.items()},
                {m: t[i].numpy() for m, t in masks.items()},
            )
            for m in (A, B):
                assert valid[m].shape == result[m].shape[:2]
                np.testing.assert_allclose(result[m][i].numpy(), expected[m], atol=1e-10, rtol=0)


# T5
def test_updates_are_convex_combinations_of_the_query_channels() -> None:
    layer = linear_layer(ca_scale="none", ca_kv_norm=False)
    tokens, masks = draw_tokens()
    p, q = layer.projections[A], layer.projections[B]
    context = p.context(p.project(tokens[A])[1], masks[A])
    query = split_heads(q.project(tokens[B])[1], HEADS)
    update = query @ context
    torch.testing.assert_close(context.sum(-2), torch.ones_like(context.sum(-2)))
    slack = 1e-12
    assert (update >= query.amin(-1, keepdim=True) - slack).all()
    assert (update <= query.amax(-1, keepdim=True) + slack).all()
    assert (context.std(-2) > 1e-3).any()  # not the uniform one, for which this would be trivial


# T5
def test_the_other_softmax_axis_normalises_rows() -> None:
    layer = linear_layer(ca_softmax_dim=-1)
    tokens, masks = draw_tokens()
    p = layer.projections[A]
    context = p.context(p.project(tokens[A])[1], masks[A])
    torch.testing.assert_close(context.sum(-1), torch.ones_like(context.sum(-1)))
    assert not torch.allclose(context.sum(-2), torch.ones_like(context.sum(-2)))


# T6
@pytest.mark.parametrize("residual", ["other", "self"])
def test_permuting_tokens_permutes_only_their_own_outputs(residual: str) -> None:
    layer = linear_layer(ca_residual=residual)
    tokens, masks = draw_tokens()
    order = torch.tensor([2, 0, 1])
    moved = {A: tokens[A][:, order], B: tokens[B]}
    moved_masks = {A: masks[A][:, order], B: masks[B]}
    before, _, contexts = layer(tokens, masks)
    after, _, moved_contexts = layer(moved, moved_masks)
    exact = {"atol": 1e-12, "rtol": 0}
    torch.testing.assert_close(moved_contexts[A], contexts[A], **exact)
    torch.testing.assert_close(after[A], before[A][:, order], **exact)
    torch.testing.assert_close(after[B], before[B], **exact)


def test_duplicated_tokens_leave_the_mean_scaled_context_unchanged() -> None:
    layer = linear_layer()
    tokens, masks = draw_tokens()
    p = layer.projections[A]
    interaction = p.project(tokens[A])[1]
    twice = p.context(interaction.repeat(1, 2, 1), masks[A].repeat(1, 2))
    torch.testing.assert_close(twice, p.context(interaction, masks[A]), atol=1e-12, rtol=0)


class _Shapes(TorchDispatchMode):
    """Records the shapes of all tensors that operations return."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, Tensor):
                self.seen.add(tuple(tensor.shape))
        return result


def run(kind: str, n_a: int, n_b: int) -> tuple[int, set[tuple[int, ...]]]:
    """Operations and tensor shapes of one cross-attention layer."""
    config = small_config(width=16, ca_layers=1, cross_attention=kind)
    counter, shapes = FlopCounterMode(display=False), _Shapes()
    with torch.device("meta"):
        layer = (LinearCrossAttention if kind == "linear" else SoftmaxCrossAttention)(
            (A, B), config
        )
        tokens = {A: torch.empty(1, n_a, 16), B: torch.empty(1, n_b, 16)}
        masks = {m: torch.ones(t.shape[:2], dtype=torch.bool) for m, t in tokens.items()}
        with counter, shapes:
            layer(tokens, masks)
    return counter.get_total_flops(), shapes.seen


# T8
def test_linear_cross_attention_forms_no_token_by_token_matrix() -> None:
    def forms_one(kind: str) -> bool:
        return any(shape[-2:] in ((257, 131), (131, 257)) for shape in run(kind, 257, 131)[1])

    assert not forms_one("linear")
    assert forms_one("softmax")


# T8
def test_operations_grow_linearly_in_tokens_and_quadratically_with_softmax() -> None:
    linear = run("linear", 4096, 4096)[0] / run("linear", 2048, 2048)[0]
    softmax = run("softmax", 4096, 4096)[0] / run("softmax", 2048, 2048)[0]
    assert 1.9 <= linear <= 2.1
    assert softmax > 3.5


def test_softmax_cross_attention_equals_a_loop_and_ignores_masked_keys() -> None:
    torch.manual_seed(6)
    config = small_config(cross_attention="softmax", ca_layers=1, ca_heads=2)
    layer = SoftmaxCrossAttention((A, B), config).double()
    tokens, masks = draw_tokens()
    masks[B][0] = False  # no valid key at all
    with torch.no_grad():
        result = layer(tokens, masks)[0][A].numpy()
    c = WIDTH // 2
    for i in range(3):
        for n in range(N_TOKENS[A]):
            q = affine(tokens[A][i, n].numpy(), layer.queries[A].weight, None)
            attended = np.zeros(WIDTH)
            for h in range(2):
                part = slice(h * c, (h + 1) * c)
                weights, values = [], []
                for token, valid in zip(tokens[B][i], masks[B][i], strict=True):
                    kv = affine(token.numpy(), layer.keys_values[B].weight, None)
                    weights.append(float(valid) * math.exp(q[part] @ kv[part] / math.sqrt(c)))
                    values.append(kv[WIDTH:][part])
                if sum(weights):
                    attended[part] = np.array(weights) @ np.array(values) / sum(weights)
            expected = affine(attended, layer.outs[A].weight, layer.outs[A].bias)
            np.testing.assert_allclose(result[i, n], expected, atol=1e-10, rtol=0)
