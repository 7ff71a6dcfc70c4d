"""Attention and encoder against PyTorch's; pooling and tokenisers against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from camlif.exceptions import SchemaError
from camlif.networks.rivals.rival import check_modalities
from camlif.networks.rivals.token_layers import (
    Attention,
    EncoderLayer,
    GatedAttentionPool,
    GroupTokenizer,
    TokenConfig,
    TokenReader,
)
from tests.builders.cohorts import make_schema
from tests.networks.batches import draw_inputs

D, HEADS = 16, 4


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def draw_tokens(n: int = 5, k: int = 6) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, k, D, dtype=torch.float64)
    mask = torch.rand(n, k) < 0.6
    mask[:, 0] = True  # PyTorch's modules give NaN where no key is valid
    return x, mask


def moved(module: nn.Module) -> nn.Module:
    """Move every parameter away from its start, in float64."""
    with torch.no_grad():
        for p in module.double().parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module


@pytest.mark.parametrize("heads", [1, HEADS])
def test_attention_equals_that_of_pytorch(heads: int) -> None:
    theirs = moved(nn.MultiheadAttention(D, heads, batch_first=True))
    ours = Attention(D, heads).double()
    ours.load_state_dict(theirs.state_dict())
    memory, mask = draw_tokens()
    query = torch.randn(5, 3, D, dtype=torch.float64)
    expected, weights = theirs(
        query, memory, memory, key_padding_mask=~mask, average_attn_weights=False
    )
    got, got_weights = ours(query, memory, mask)
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(got_weights, weights, atol=1e-12, rtol=0)


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_layer_equals_that_of_pytorch(norm_first: bool) -> None:
    theirs = moved(
        nn.TransformerEncoderLayer(
            D, HEADS, 2 * D, dropout=0.0, batch_first=True, norm_first=norm_first
        )
    ).train()  # the slow path, which both modes agree with
    ours = EncoderLayer(D, HEADS, 2 * D, 0.0, norm_first=norm_first).double()
    ours.load_state_dict(theirs.state_dict())
    x, mask = draw_tokens()
    expected = theirs(x, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(x, mask)[mask], expected[mask], atol=1e-12, rtol=0)


def test_attention_starts_like_that_of_pytorch() -> None:
    torch.manual_seed(3)
    theirs = nn.MultiheadAttention(64, 8)
    ours = Attention(64, 8)
    for name, p in theirs.named_parameters():
        own = ours.get_parameter(name).detach()
        assert float(own.std()) == pytest.approx(float(p.detach().std()), rel=0.05), name


def test_attention_without_a_valid_key_returns_its_bias() -> None:
    attention = moved(Attention(D, HEADS))
    x, mask = draw_tokens()
    out, weights = attention(x, x, torch.zeros_like(mask))
    assert not weights.any()
    torch.testing.assert_close(out, attention.out_proj.bias.expand_as(out))


def test_gated_pooling_equals_its_definition() -> None:
    pool = moved(GatedAttentionPool(D, 0.0))
    x, mask = draw_tokens()
    pooled, weights = pool(x, mask)
    for i in range(len(x)):
        tokens = x[i][mask[i]]
        score = torch.tanh(pool.content(tokens)) * torch.sigmoid(pool.gate(tokens))
        share = (score @ pool.score.weight[0] + pool.score.bias).softmax(0)
        torch.testing.assert_close(weights[i][mask[i]], share, atol=1e-12, rtol=0)
        torch.testing.assert_close(pooled[i], share @ tokens, atol=1e-12, rtol=0)
    assert not weights[~mask].any()


def test_each_group_makes_its_own_token() -> None:
    tokenizer = GroupTokenizer([3, 4, 2], D, 0.0).double()
    x = torch.randn(5, 9, dtype=torch.float64)
    tokens = tokenizer(x)
    assert tokens.shape == (5, 3, D)
    changed = x.clone()
    changed[:, 3:7] += 1
    differs = (tokenizer(changed) != tokens).any(-1)
    assert differs[:, 1].all()
    assert not differs[:, [0, 2]].any()


def test_values_of_an_absent_modality_are_not_read() -> None:
    schema = make_schema({"pathology": (3, 4)}, bags={"regions": 5})
    reader = TokenReader(schema, TokenConfig(architecture="mcat", dropout=0.0)).double()
    inputs = draw_inputs(schema, 4)
    inputs.presence[1:] = False
    tokens, masks = reader(inputs)
    for name in schema.names:
        assert masks[name][0].all()
        assert not masks[name][1:].any()
        assert torch.equal(tokens[name][1], tokens[name][2])


def test_names_that_make_one_parameter_name_are_refused() -> None:
    with pytest.raises(SchemaError, match="too much alike"):
        check_modalities(make_schema({"a.b": (2,), "a_b": (2,)}), "MCAT")
