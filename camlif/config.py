"""Frozen settings. Defaults are those of CA-MLIF (An et al., AAAI 2025) or a stated decision.

Values go in by name; a frozen record comes out that round-trips to JSON. Raises `ConfigError` with
the field and what it admits. Presets: ``default``, ``printed`` (the paper's equations literally),
``release`` (the published code) and ``robust``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from camlif.exceptions import ConfigError
from camlif.settings import Needs, Settings, check, require_names

PRESETS = ("default", "robust", "printed", "release")
PRODUCT_PRESET = "robust"
"""Trained unless another is asked for: the paper's own loses to linear models on small cohorts."""
Ties = Literal["breslow", "efron"]
"""How a Cox likelihood treats events at the same time."""
MAX_BILINEAR_WIDTH = 32  # a bilinear gate costs d * d * d_f parameters


def _is_linear(c: Any) -> bool:
    return bool(c.cross_attention == "linear")


_EFFECTS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("n_copies", lambda c: c.tokens == "copies", "tokens='copies'"),
    ("n_tokens", lambda c: c.tokens == "groups", "tokens='groups'"),
    ("heads encoder_layers", lambda c: c.encoder_decoder, "encoder_decoder=True"),
    ("ablate_ca", lambda c: c.cross_attention == "none", "cross_attention='none'"),
    (
        "ca_layers ca_heads",
        lambda c: c.cross_attention != "none",
        "cross_attention='linear' or 'softmax'",
    ),
    (
        "ca_activation ca_kv_norm ca_scale ca_softmax_dim ca_residual",
        _is_linear,
        "cross_attention='linear'",
    ),
    (
        "ca_tau",
        lambda c: _is_linear(c) and c.ca_scale == "mean",
        "cross_attention='linear' and ca_scale='mean'",
    ),
    (
        "ca_skip",
        lambda c: _is_linear(c) and c.ca_residual != "other_tokens",
        "cross_attention='linear' and ca_residual other than 'other_tokens'",
    ),
    ("mam_gate", lambda c: c.mam, "mam=True"),
    ("lmf_rank lmf_rank_weights", lambda c: c.lmf == "low_rank", "lmf='low_rank'"),
    ("share_fusion", lambda c: c.second_fusion is True, "second_fusion=True"),
    ("owc_hidden", lambda c: c.owc != "none", "owc other than 'none'"),
    ("owc_skip", lambda c: c.mlif == "paper", "mlif='paper'"),
    ("clinical_width", lambda c: c.clinical == "concat", "clinical='concat'"),
    ("skip_factors skip_crossed", lambda c: c.linear_skip, "linear_skip=True"),
    ("sim_detach", lambda c: c.alpha > 0 and c.has_decoders, "alpha above 0 and decoders"),
)
_NETWORK_NEEDS: Mapping[str, Needs] = MappingProxyType(
    {name: Needs(holds, words) for names, holds, words in _EFFECTS for name in names.split()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalConfig(Settings):
    """What every rival network's settings share; each rival adds its own in its file.

    Attributes
    ----------
    architecture : str
        Key in the registry of networks.
    head : {"matched", "native"}
        The Cox head that all methods of a study share, or the method's own head and loss.
    clinical : {"concat", "none"}
        A hidden layer of the clinical columns before the last linear layer, as in CA-MLIF.
    clinical_width : int
    """

    architecture: str
    head: Literal["matched", "native"] = "matched"
    clinical: Literal["concat", "none"] = "concat"
    clinical_width: int = 16

    def _check_ranges(self) -> None:
        check(self.clinical_width >= 1, "clinical_width must be at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(Settings):
    """The graph of CA-MLIF. Every ablation and every preset is a choice of these fields.

    Attributes
    ----------
    architecture : {"camlif", "unimodal"}
        The whole network, or the encoder of a single modality with a risk head (comparison).
    width : int
        Token width d.
    heads, ca_heads : int
        Attention heads of encoder and decoder, and of the cross-attention.
    embed : {"snn", "relu_mlp"}
        Group network; ``embed_hidden`` is its hidden width (None: ``width``).
    tokens : {"groups", "copies"}
        Groups become tokens; a modality with one group gets ``n_tokens`` learned views of it.
        ``"copies"`` repeats a single group ``n_copies`` times instead (predecessor, parity only).
    encoder_layers, encoder_decoder
        Self-attention layers of encoder and decoder; False replaces both by means over tokens.
    cross_attention : {"linear", "softmax", "none"}
        Eqs 3-4; token attention of the published code; or the ablation "w/o CA".
    ablate_ca : {"bypass", "drop_branch"}
        With ``cross_attention="none"``: keep decoders on the own tokens, or drop them.
    ca_scale, ca_kv_norm, ca_softmax_dim, ca_residual, ca_skip, ca_activation
        Resolutions of what eqs 3-4 leave open; see `LinearCrossAttention`.
    mam, mam_gate, mam_width
        Modality attention gate and its output width d_f.
    lmf, lmf_rank, lmf_width, lmf_post, lmf_rank_weights, share_fusion
        Low-rank fusion; ``share_fusion`` uses one module for both fusions.
    second_fusion : bool or "original_only"
        False keeps the fusion of the enhanced class tokens only (ablation of Table 3).
    owc, owc_hidden, owc_skip, mlif
        Optimal weight concatenation and eq 5, or the nested arrangement of the published code.
    clinical, clinical_width, head_hidden, risk_range
        Clinical branch and risk head. ``clinical`` has no effect without clinical columns.
    linear_skip, skip_factors, skip_crossed
        Add a log risk that is linear in all inputs and, with ``skip_factors`` above 0, in products
        of the ``skip_crossed`` leading of so many factors of two modalities (`LinearSkip`). It
        stays where the elastic-net Cox models of the training part put it; the network learns
        what they leave over.
    network_scale : float or None
        Multiply the network's own risk by a learned number that starts here.
    alpha, sim_detach, cox_ties, cox_reduction
        Eq 7: L_cox + alpha * L_sim.
    """

    preset: str = "default"
    architecture: Literal["camlif", "unimodal"] = "camlif"
    width: int = 64
    heads: int = 4
    embed: Literal["snn", "relu_mlp"] = "snn"
    embed_hidden: int | None = None
    embed_dropout: tuple[float, float] = (0.25, 0.0)
    tokens: Literal["groups", "copies"] = "groups"
    n_tokens: int = 4
    n_copies: int = 50
    group_embedding: bool = False
    encoder_decoder: bool = True
    encoder_layers: int = 2
    cross_attention: Literal["linear", "softmax", "none"] = "linear"
    ablate_ca: Literal["bypass", "drop_branch"] = "bypass"
    ca_layers: int = 2
    ca_heads: int = 4
    ca_activation: Literal["relu", "identity"] = "relu"
    ca_kv_norm: bool = True
    ca_scale: Literal["mean", "none", "rsqrt_dh", "rsqrt_n"] = "mean"
    ca_tau: float = 2.0
    ca_softmax_dim: Literal[-2, -1] = -2
    ca_residual: Literal["other", "self", "other_tokens"] = "other"
    ca_skip: bool = True
    dropout: float = 0.25
    mam: bool = True
    mam_gate: Literal["auto", "concat", "bilinear"] = "auto"
    mam_width: int = 32
    lmf: Literal["low_rank", "concat", "tensor"] = "low_rank"
    lmf_rank: int = 4
    lmf_width: int = 64
    lmf_rank_weights: bool = False
    lmf_post: Literal["layernorm", "linear_relu", "none"] = "layernorm"
    share_fusion: bool = True
    second_fusion: bool | Literal["original_only"] = True
    owc: Literal["vector", "block", "none"] = "vector"
    owc_hidden: int = 64
    owc_skip: Literal["tokens", "mam"] = "tokens"
    mlif: Literal["paper", "nested"] = "paper"
    clinical: Literal["concat", "additive", "none"] = "concat"
    clinical_width: int = 16
    head_hidden: int | None = None
    risk_range: Literal["unbounded", "sigmoid6", "tanh"] = "unbounded"
    linear_skip: bool = False
    skip_factors: int = 4
    skip_crossed: int = 2
    network_scale: float | None = None
    alpha: float = 0.5
    sim_detach: bool = True
    cox_ties: Ties = "breslow"
    cox_reduction: Literal["events", "batch", "sum"] = "events"

    NEEDS: ClassVar[Mapping[str, Needs]] = _NETWORK_NEEDS

    def _check_ranges(self) -> None:
        sizes = (
            "width heads ca_heads lmf_width mam_width encoder_layers ca_layers n_tokens n_copies "
            "lmf_rank owc_hidden clinical_width"
        )
        for name in sizes.split():
            check(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("embed_hidden", "head_hidden"):
            value = getattr(self, name)
            check(value is None or value >= 1, f"{name} must be None or at least 1.")
        check(self.width % self.heads == 0, f"width {self.width} is no multiple of heads.")
        check(self.width % self.ca_heads == 0, f"width {self.width} is no multiple of ca_heads.")
        check(0 <= self.dropout < 1, "dropout must lie in [0, 1).")
        check(all(0 <= p < 1 for p in self.embed_dropout), "embed_dropout must lie in [0, 1).")
        check(self.ca_tau > 0, "ca_tau must be above 0.")
        check(
            self.cross_attention != "softmax" or self.ca_layers == 1,
            "cross_attention='softmax' takes ca_layers=1 only.",
        )
        check(self.alpha >= 0, "alpha must not be negative.")
        check(
            0 <= self.skip_crossed <= self.skip_factors or not self.linear_skip,
            "skip_crossed must lie between 0 and skip_factors.",
        )

    def _is_own(self, each: Field[Any]) -> bool:
        """A preset's choices may lose their effect by a change, and a single encoder reads few."""
        whole = self.architecture == "camlif" and self.preset == "default"
        return whole and Settings._is_own(self, each)

    @property
    def hidden(self) -> int:
        """Hidden width of the group networks."""
        return self.embed_hidden or self.width

    @property
    def gate(self) -> Literal["concat", "bilinear"]:
        """Gate form of MAM after resolving "auto"."""
        if self.mam_gate != "auto":
            return self.mam_gate
        return "concat" if self.width > MAX_BILINEAR_WIDTH else "bilinear"

    @property
    def has_decoders(self) -> bool:
        """Whether P_hat, C_hat come from a branch of their own."""
        return not (self.cross_attention == "none" and self.ablate_ca == "drop_branch")

    @classmethod
    def from_preset(cls, preset: str, **changes: Any) -> NetworkConfig:
        """Return a preset with changes.

        ``default``: the paper with its gaps resolved. ``robust``: the same graph beside a linear
        skip, for cohorts of some hundred patients. ``printed``: eqs 3, 4 and 6 literally, d = 256.
        ``release``: what the authors published of their code, in which the fusion file is missing,
        with the arrangement of its predecessor PG-MLIF there.
        """
        wide: dict[str, Any] = {"width": 256, "embed_hidden": 512}
        settings: dict[str, dict[str, Any]] = {
            "default": {},
            "robust": {"linear_skip": True, "network_scale": 0.1},
            "printed": wide
            | {"ca_scale": "none", "ca_kv_norm": False, "ca_skip": False, "sim_detach": False},
            "release": wide
            | {
                "cross_attention": "softmax",
                "ca_layers": 1,
                "ca_heads": 1,
                "encoder_layers": 1,
                "mlif": "nested",
                "risk_range": "sigmoid6",
                "clinical": "none",
                "cox_reduction": "batch",
            },
        }
        if preset not in settings:
            raise ConfigError(f"Unknown preset {preset!r}. Choose one of {', '.join(PRESETS)}.")
        require_names(cls, changes)
        config = cls(**{"preset": preset, **settings[preset], **changes})
        config.require_effect(changes)
        return config


HORIZONS = (12, 36, 60)
"""Months at which survival is tabulated and the AUC of a study is taken."""
QUICK_SPLITS = 15
"""Fewer splits than the paper's are labelled a quick look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig(Settings):
    """One training run: repeated cross-validation whose fold models are the ensemble.

    Attributes
    ----------
    splits, split_scheme, test_fraction, seed
        ``covering``: random 5-fold partitions; ``monte_carlo``: independent draws (the paper).
    epochs, constant_epochs, learning_rate, optimiser, betas, momentum, batch_size, weight_decay
        Adam with ``betas``, or SGD with ``momentum``; the rate is constant for ``constant_epochs``
        (None: a third of ``epochs``), then falls linearly. ``batch_size=0`` takes the whole
        training part.
    clip_norm : float or None
        Largest global norm of a member's gradient.
    sampler : {"event_stratified", "random", "balanced"}
        How patients come into batches; see `camlif.training.sampler.draw_batches`.
    modality_dropout : float or None
        Chance that a present modality is hidden from a training patient in a batch (at least one
        stays). None: 0 for a cohort without gaps, else `GAP_DROPOUT`.
    max_missing, clip_quantile, select_top
        Preprocessing fitted on the training part: columns with a larger missing share are dropped,
        values clipped to the quantiles, and optionally the strongest ``select_top`` columns of each
        modality by univariate Cox score test kept.
    strata : {"tertiles", "median"}
    stored_precision : {"float16", "float32"}
        Weights are rounded to it right after training, so every reported number is that of the
        stored model.
    """

    splits: int = 15
    split_scheme: SplitScheme = "covering"
    test_fraction: float = 0.2
    seed: int = 0
    epochs: int = 30
    constant_epochs: int | None = None
    learning_rate: float = 1e-3
    optimiser: Literal["adam", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    batch_size: int = 16
    weight_decay: float = 4e-4
    clip_norm: float | None = 5.0
    sampler: Sampler = "event_stratified"
    modality_dropout: float | None = None
    max_missing: float = 0.5
    clip_quantile: float = 0.005
    select_top: int | None = None
    strata: Literal["tertiles", "median"] = "tertiles"
    stored_precision: Literal["float16", "float32"] = "float16"

    NEEDS: ClassVar[Mapping[str, Needs]] = MappingProxyType(
        {
            "betas": Needs(lambda c: c.optimiser == "adam", "optimiser='adam'"),
            "momentum": Needs(lambda c: c.optimiser == "sgd", "optimiser='sgd'"),
        }
    )

    def _check_ranges(self) -> None:
        check(self.splits >= 2, "At least 2 splits are needed.")
        check(0 < self.test_fraction < 0.5, "test_fraction must lie in (0, 0.5).")
        require_scheme(self.splits, self.split_scheme, self.test_fraction)
        check(self.seed >= 0, "seed must not be negative.")
        check(self.epochs >= 1, "At least 1 epoch is needed.")
        check(
            self.constant_epochs is None or self.constant_epochs >= 0,
            "constant_epochs must be None or at least 0.",
        )
        check(self.learning_rate > 0, "learning_rate must be above 0.")
        check(all(0 <= b < 1 for b in self.betas), "betas must lie in [0, 1).")
        check(0 <= self.momentum < 1, "momentum must lie in [0, 1).")
        check(self.batch_size == 0 or self.batch_size >= 4, "batch_size must be 0 or at least 4.")
        check(self.weight_decay >= 0, "weight_decay must not be negative.")
        check(self.clip_norm is None or self.clip_norm > 0, "clip_norm must be None or above 0.")
        check(
            self.modality_dropout is None or 0 <= self.modality_dropout < 1,
            "modality_dropout must lie in [0, 1).",
        )
        check(0 <= self.max_missing <= 1, "max_missing must lie in [0, 1].")
        check(0 <= self.clip_quantile < 0.5, "clip_quantile must lie in [0, 0.5).")
        check(
            self.select_top is None or self.select_top >= 1,
            "select_top must be None or at least 1.",
        )

    @property
    def n_constant(self) -> int:
        """Epochs before the learning rate falls: 10 of 30 by default."""
        return self.epochs // 3 if self.constant_epochs is None else self.constant_epochs

    def learning_rate_at(self, epoch: int) -> float:
        """Return the rate of an epoch counted from 0: constant, then linear to almost zero."""
        n_decay = self.epochs - self.n_constant
        return self.learning_rate * (1 - max(0, epoch + 1 - self.n_constant) / (n_decay + 1))


GAP_DROPOUT = 0.15
FOLDS = 5
"""Parts of a covering partition."""
SplitScheme = Literal["covering", "monte_carlo"]
Sampler = Literal["event_stratified", "random", "balanced"]


def require_scheme(n_splits: int, scheme: SplitScheme, test_fraction: float) -> None:
    """Raise ConfigError where splits of a scheme cannot be made as asked.

    Another scheme is never taken in silence: it changes who is tested how often.

    Parameters
    ----------
    n_splits : int
        Members of the ensemble, at least 2.
    scheme : {"covering", "monte_carlo"}
    test_fraction : float
        Share of the patients that each split tests, in (0, 1).
    """
    if scheme != "covering":
        return
    if n_splits % FOLDS:
        raise ConfigError(
            f"Covering splits come in partitions of {FOLDS}: {n_splits} cannot be made. Take "
            f"{-(-n_splits // FOLDS) * FOLDS}, or the scheme monte_carlo "
            "(--split-scheme monte-carlo)."
        )
    if test_fraction != 1 / FOLDS:
        raise ConfigError(
            f"Covering splits test {1 / FOLDS:g} of the patients each, not {test_fraction:g}. "
            "Take the scheme monte_carlo (--split-scheme monte-carlo)."
        )


def require_camlif(config: NetworkConfig | RivalConfig) -> NetworkConfig:
    """Return settings of CA-MLIF as they are.

    Raises
    ------
    ConfigError
        For a rival's: rivals are compared in studies, not bundled or taken apart.
    """
    if not isinstance(config, NetworkConfig):
        raise ConfigError(f"{config.architecture} is compared in studies only.")
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig(Settings):
    """Everything that determines a trained bundle, given the cohort."""

    network: NetworkConfig | RivalConfig = field(default_factory=NetworkConfig)
    training: TrainConfig = field(default_factory=TrainConfig)

    @classmethod
    def from_preset(
        cls, preset: str, *, network: Mapping[str, Any] | None = None, **training: Any
    ) -> RunConfig:
        """Return the network and the training of a preset, with changes.

        Parameters
        ----------
        preset : str
            One of `PRESETS`; see `NetworkConfig.from_preset` for the graphs. ``robust`` takes large
            batches and few epochs; ``printed`` and ``release`` hide no modality.
        network : mapping, optional
            Changed fields of the network's settings.
        **training
            Changed fields of the training settings.

        Raises
        ------
        ConfigError
            For an unknown preset or setting, a value that is not allowed, or one without effect.
        """
        settings: dict[str, dict[str, Any]] = {
            "robust": {"batch_size": 128, "epochs": 8},
            "printed": {"modality_dropout": 0.0},
            "release": {"modality_dropout": 0.0},
        }
        require_names(TrainConfig, training)
        trained = TrainConfig(**{**settings.get(preset, {}), **training})
        trained.require_effect(training)
        return cls(network=NetworkConfig.from_preset(preset, **(network or {})), training=trained)

    @property
    def camlif(self) -> NetworkConfig:
        """The network's settings, of a run that trains CA-MLIF.

        Raises
        ------
        ConfigError
            If the run trains a rival.
        """
        return require_camlif(self.network)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunConfig:
        """Build from plain values; a stored run is one of CA-MLIF."""
        return cls(
            network=NetworkConfig.from_json(data["network"]),
            training=TrainConfig.from_json(data["training"]),
        )

    def with_training(self, **changes: Any) -> RunConfig:
        """Return a copy with changed training settings."""
        return replace(self, training=replace(self.training, **changes))
