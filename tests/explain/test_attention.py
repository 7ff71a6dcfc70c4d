"""Effective weights of linear cross-attention against derivatives, and block weights by member."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from camlif.config import NetworkConfig
from camlif.data.schema import BagSpec, GroupSpec, ModalitySpec
from camlif.exceptions import ConfigError
from camlif.explain import attention_weights, context_entropy, owc_weights
from camlif.explain.attention import effective_weights, token_names
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort

H, K, L, C = 2, 3, 4, 5


def drawn(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return (
        torch.randn(H, K, C, generator=g, dtype=torch.float64),
        torch.randn(H, L, C, generator=g, dtype=torch.float64),
        torch.randn(H, L, C, generator=g, dtype=torch.float64),
    )


@pytest.mark.parametrize("dim", [-2, -1])
def test_effective_weights_are_derivatives_by_the_strength_of_each_token(dim: int) -> None:
    query, key, value = drawn()

    def update(strength: Tensor) -> Tensor:
        total = torch.einsum("l,hlc,hld->hcd", strength, key, value)
        return query @ total.softmax(dim)  # (h, k, c)

    jacobian = torch.autograd.functional.jacobian(update, torch.ones(L, dtype=torch.float64))
    size = jacobian.permute(1, 3, 0, 2).flatten(-2).norm(dim=-1)
    context = (key.transpose(-2, -1) @ value).softmax(dim)
    found = effective_weights(query, key, value, context, dim=dim)
    torch.testing.assert_close(found, size / size.sum(-1, keepdim=True))
    torch.testing.assert_close(found.sum(-1), torch.ones(K, dtype=torch.float64))


def test_a_token_that_does_not_count_has_no_weight_and_equal_tokens_have_equal_ones() -> None:
    query, key, value = drawn(1)
    key[:, 1], value[:, 1] = 0, 0
    key[:, 3], value[:, 3] = key[:, 2], value[:, 2]
    context = (key.transpose(-2, -1) @ value).softmax(-2)
    found = effective_weights(query, key, value, context, dim=-2)
    assert (found[:, 1] == 0).all()
    torch.testing.assert_close(found[:, 2], found[:, 3])
    assert (found[:, 0] > 0).all()


def test_without_any_kernel_there_are_no_weights() -> None:
    query, key, value = drawn()
    context = torch.full((H, C, C), 1 / C, dtype=torch.float64)
    assert (effective_weights(query, 0 * key, value, context, dim=-2) == 0).all()


def test_a_patient_has_weights_in_both_directions() -> None:
    bundle, new = tiny_bundle(), new_patients()
    row = int(np.flatnonzero(new.presence.all(axis=1))[0])
    found = attention_weights(bundle, new, row)
    assert [(w.modality, w.other) for w in found] == [("pathology", "ct"), ("ct", "pathology")]
    entropy = context_entropy(bundle, new, [row]).values[0].mean(axis=1)
    for weights, expected in zip(found, entropy[::-1], strict=True):
        assert weights.readers == weights.read == ("group0", "group1")
        np.testing.assert_allclose(weights.values.sum(axis=1), 1)
        assert (weights.member_sd > 0).all()
        assert weights.n_members == bundle.n_members
        assert weights.entropy == pytest.approx(expected)


def test_a_training_patient_has_the_weights_of_members_that_did_not_see_it() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    row = int(np.flatnonzero(cohort.presence.all(axis=1))[0])
    used = np.flatnonzero(bundle.score(cohort).members_used[row])
    others = [i for i in range(bundle.n_members) if i not in used]
    damaged = {k: p.clone() for k, p in bundle.ensemble.parameters.items()}
    for p in damaged.values():
        p[others] *= 3
    other = replace(bundle, ensemble=replace(bundle.ensemble, parameters=damaged))
    for before, after in zip(
        attention_weights(bundle, cohort, row), attention_weights(other, cohort, row), strict=True
    ):
        np.testing.assert_array_equal(before.values, after.values)
        assert before.n_members == len(used)


def test_a_group_without_values_neither_reads_nor_is_read() -> None:
    bundle, new = tiny_bundle(), new_patients()
    row = int(np.flatnonzero(new.presence.all(axis=1))[0])
    table = new.tables["ct"].copy()
    table[row, : bundle.schema["ct"].groups[0].n_features] = np.nan
    emptied = replace(new, tables={**new.tables, "ct": table})
    first, second = attention_weights(bundle, emptied, row)
    assert first.read == second.readers == ("group1",)
    np.testing.assert_allclose(first.values, 1)
    assert second.values.shape == (1, 2)


def test_tokens_are_named_by_what_they_stand_for() -> None:
    flat = ModalitySpec("x", (GroupSpec("all", ("a", "b")),))
    bag = replace(flat, bag=BagSpec(2))
    grouped = ModalitySpec("x", (GroupSpec("first", ("a",)), GroupSpec("second", ("b",))))
    config = NetworkConfig()
    assert token_names(flat, config, 2) == ("all, view 1", "all, view 2")
    assert token_names(bag, config, 3) == ("item 1", "item 2", "item 3")
    assert token_names(grouped, config, 2) == ("first", "second")


def test_networks_without_linear_attention_are_refused() -> None:
    bundle = tiny_bundle()
    config = replace(bundle.ensemble.config, cross_attention="none")  # type: ignore[type-var]
    other = replace(bundle, ensemble=replace(bundle.ensemble, config=config))
    with pytest.raises(ConfigError, match="linear cross-attention"):
        attention_weights(other, new_patients(), 0)


def test_block_weights_come_with_their_spread_over_members() -> None:
    bundle, new = tiny_bundle(), new_patients()
    row = int(np.flatnonzero(new.presence.all(axis=1))[0])
    found = owc_weights(bundle, new, [row])
    singles = []
    for member in range(bundle.n_members):
        ensemble = bundle.ensemble.members([member])
        one = replace(
            bundle,
            ensemble=ensemble,
            reference=replace(bundle.reference, seen=bundle.reference.seen[:, [member]]),
        )
        alone = owc_weights(one, new, [row])
        assert np.isnan(alone.member_sd).all()
        assert alone.n_members.tolist() == [1]
        singles.append(alone.values[0])
    np.testing.assert_allclose(found.values[0], np.mean(singles, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.member_sd[0], np.std(singles, axis=0, ddof=1), atol=1e-6)
