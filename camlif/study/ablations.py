"""CA-MLIF with parts removed or replaced: every ablation as a choice of settings.

Constants only: Table 3 of An et al., AAAI 2025, comes first, then the further ablations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """Settings that differ from the default preset.

    Attributes
    ----------
    name, title : str
        In commands and files, and in figures.
    network, training : mapping of setting to value
        Of `camlif.config.NetworkConfig` and `camlif.config.TrainConfig`.
    """

    name: str
    title: str
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


TABLE_3 = (
    Ablation(name="no_ca", title="w/o CA", network={"cross_attention": "none"}),
    Ablation(name="no_alignment", title="w/o alignment constraint", network={"alpha": 0.0}),
    Ablation(name="no_second_fusion", title="w/o second fusion", network={"second_fusion": False}),
)

FURTHER = (
    Ablation(
        name="no_ca_branch",
        title="w/o CA and decoders",
        network={"cross_attention": "none", "ablate_ca": "drop_branch"},
    ),
    Ablation(
        name="original_fusion_only",
        title="fusion of original vectors only",
        network={"second_fusion": "original_only"},
    ),
    Ablation(name="no_mam", title="w/o MAM", network={"mam": False}),
    Ablation(name="lmf_concat", title="concatenation for LMF", network={"lmf": "concat"}),
    Ablation(name="lmf_tensor", title="full tensor for LMF", network={"lmf": "tensor"}),
    *(
        Ablation(name=f"rank_{rank}", title=f"LMF rank {rank}", network={"lmf_rank": rank})
        for rank in (1, 2, 8, 16)
    ),
    Ablation(name="owc_none", title="w/o OWC", network={"owc": "none"}),
    Ablation(name="owc_block", title="one OWC weight per block", network={"owc": "block"}),
    Ablation(name="no_clinical", title="w/o clinical inputs", network={"clinical": "none"}),
    Ablation(
        name="no_encoder_decoder",
        title="w/o encoders and decoders",
        network={"encoder_decoder": False},
    ),
    Ablation(name="encoder_layers_1", title="one encoder layer", network={"encoder_layers": 1}),
    Ablation(
        name="softmax_ca",
        title="softmax cross-attention",
        network={"cross_attention": "softmax", "ca_layers": 1},
    ),
    Ablation(name="ca_layers_1", title="one CA layer", network={"ca_layers": 1}),
    Ablation(
        name="ca_residual_self", title="CA residual of its own", network={"ca_residual": "self"}
    ),
    Ablation(name="ca_softmax_last", title="CA softmax over -1", network={"ca_softmax_dim": -1}),
    Ablation(name="two_fusions", title="two separate fusions", network={"share_fusion": False}),
    Ablation(
        name="alignment_both_ways",
        title="alignment moves the encoders, too",
        network={"sim_detach": False},
    ),
    Ablation(name="alpha_0.1", title="alignment weight 0.1", network={"alpha": 0.1}),
    Ablation(name="alpha_1", title="alignment weight 1", network={"alpha": 1.0}),
    Ablation(name="batch_64", title="batches of 64", training={"batch_size": 64}),
    Ablation(name="batch_full", title="full batch", training={"batch_size": 0}),
)
