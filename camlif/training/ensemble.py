"""The stacked ensemble: parameters and preprocessing of all members along a leading axis.

Raw inputs go in, log risks (n, e) and fusion vectors come out. Raises `ConfigError` for a device
that is not there. Shapes: e members, n patients. Scoring and attribution run over the stack, not
over a Python loop.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, vmap

from camlif.arrays import BoolArray
from camlif.data.preprocessing import (
    CLINICAL,
    RawInputs,
    StackedColumns,
    clinical_names,
    standardise,
)
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.networks.interface import FusionNetwork, FusionOutput, Inputs
from camlif.networks.registry import AnyNetworkConfig, build_architecture, build_network

CLIP_MARGIN = 0.01
"""Of a column's clipping range."""
CHUNK = 128
"""Patients scored at once: faster than 256 on 15 members, and in half the memory."""


def choose_device(wanted: str = "auto") -> torch.device:
    """Return CUDA, then MPS, then CPU; or the one asked for.

    Raises
    ------
    ConfigError
        If the device asked for is unknown or not there.
    """
    if wanted != "auto":
        return _require_device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _require_device(wanted: str) -> torch.device:
    known = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    device: torch.device | None
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in known:
        raise ConfigError(f"Unknown device {wanted!r}. Choose auto, cuda, mps or cpu.")
    n_devices = torch.cuda.device_count() if device.type == "cuda" else 1
    if not known[device.type] or (device.index or 0) >= n_devices:
        raise ConfigError(f"No device {wanted} on this machine. Choose auto to take what there is.")
    return device


def to_tensors(raw: RawInputs, device: torch.device) -> Inputs:
    """Move raw inputs to the device."""
    return Inputs(
        tables={m: torch.as_tensor(t, device=device) for m, t in raw.tables.items()},
        masks={m: torch.as_tensor(t, device=device) for m, t in raw.masks.items()},
        presence=torch.as_tensor(raw.presence, device=device),
        clinical=torch.as_tensor(raw.clinical, device=device),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Risks of n patients by e members.

    Attributes
    ----------
    log_risk : float64, shape (n, e)
        Centred on each member's training mean.
    embedding : float32, shape (n, e * h), or (n, 0) when not asked for
        Fusion vectors of all members side by side, scaled to be comparable.
    """

    log_risk: NDArray[np.float64]
    embedding: NDArray[np.float32]


@dataclass(frozen=True)
class Ensemble:
    """Members of one architecture, stacked.

    Attributes
    ----------
    schema : FeatureSchema
    config : NetworkConfig or a rival's settings
    parameters : dict of name to Tensor, shape (e, ...)
        With the networks' fitted buffers.
    columns : dict
        Fitted preprocessing by modality, arrays of shape (e, n_features).
    offset : Tensor, shape (e,)
        Mean raw risk of each member's training part; subtracted from its risks.
    networks : threading.local
        The architecture of each thread, shared with all ensembles that come from this one.
    """

    schema: FeatureSchema
    config: AnyNetworkConfig
    parameters: dict[str, Tensor]
    columns: StackedColumns
    offset: Tensor
    networks: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.offset)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.offset.device

    @property
    def n_parameters(self) -> int:
        """Trainable numbers of one member."""
        return sum(self.parameters[name][0].numel() for name in self.trainable)

    @cached_property
    def trainable(self) -> tuple[str, ...]:
        """Names of the parameters that learn; the others are fitted buffers."""
        return tuple(name for name, _ in self.network.named_parameters())

    @property
    def network(self) -> FusionNetwork:
        """The architecture without storage, in evaluation mode; one for each thread.

        Running it puts a member's parameters in place for a moment, so that two threads with one
        module between them would compute with each other's.
        """
        if not hasattr(self.networks, "network"):
            n_clinical = len(clinical_names(self.schema))
            self.networks.network = build_architecture(self.schema, n_clinical, self.config)
        network: FusionNetwork = self.networks.network
        return network

    def to(self, device: torch.device) -> Ensemble:
        """Return the ensemble on another device."""
        return replace(
            self,
            parameters={k: p.to(device) for k, p in self.parameters.items()},
            columns={m: {k: v.to(device) for k, v in c.items()} for m, c in self.columns.items()},
            offset=self.offset.to(device),
        )

    def members(self, rows: list[int]) -> Ensemble:
        """Return the ensemble of the given members."""
        return replace(
            self,
            parameters={k: p[rows] for k, p in self.parameters.items()},
            columns={m: {k: v[rows] for k, v in c.items()} for m, c in self.columns.items()},
            offset=self.offset[rows],
        )

    def member(self, row: int) -> FusionNetwork:
        """Return one member as an ordinary module in evaluation mode."""
        network = build_network(self.schema, len(clinical_names(self.schema)), self.config)
        network.load_state_dict({k: p[row] for k, p in self.parameters.items()})
        return network.to(self.device).eval()

    def clip(self, raw: RawInputs) -> RawInputs:
        """Return inputs without what no member reads: each value within the widest clipping range.

        No risk changes; a margin keeps gradients at the ends what they are beyond. What is
        computed from differences of values, as explanations are, would otherwise break on a cell
        of 1e38.
        """

        def within(name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
            columns = self.columns[name]
            low, high = columns["low"].amin(0).cpu().numpy(), columns["high"].amax(0).cpu().numpy()
            margin = CLIP_MARGIN * (high - low)
            return np.clip(x, low - margin, high + margin)

        return replace(
            raw,
            tables={name: within(name, table) for name, table in raw.tables.items()},
            clinical=within(CLINICAL, raw.clinical),
        )

    def standardise(self, raw: Inputs) -> Inputs:
        """Apply every member's preprocessing: tables (n, ...) -> (e, n, ...)."""
        e = len(self)
        return Inputs(
            tables={m: self._scaled(m, t) for m, t in raw.tables.items()},
            masks={m: t.expand(e, *t.shape) for m, t in raw.masks.items()},
            presence=raw.presence.expand(e, *raw.presence.shape),
            clinical=self._scaled(CLINICAL, raw.clinical),
        )

    def _scaled(self, name: str, x: Tensor) -> Tensor:
        between = (1,) * (x.ndim - 1)
        columns = {key: v.view(len(self), *between, -1) for key, v in self.columns[name].items()}
        return standardise(x, columns)

    def forward(self, raw: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Run all members on raw inputs; differentiable in ``raw.tables`` and ``raw.clinical``.

        Returns
        -------
        FusionOutput
            With a leading member axis: ``risk`` (e, n), centred by the offset.
        """
        output = run_stacked(
            self.network, self.parameters, self.standardise(raw), diagnostics=diagnostics
        )
        return output._replace(risk=output.risk - self.offset.unsqueeze(-1))

    def predict(self, raw: RawInputs, *, embed: bool = False, chunk: int = CHUNK) -> Prediction:
        """Score patients in chunks; a patient's risk does not depend on who shares the chunk.

        Parameters
        ----------
        raw : RawInputs
            n patients, not standardised.
        embed : bool
            Also return the fusion vectors.
        chunk : int
            Patients at a time, at least 1.

        Returns
        -------
        Prediction
            Log risks (n, e) of the e members, and the vectors.
        """
        n, e = len(raw), len(self)
        log_risk = np.empty((n, e))
        embeddings: list[NDArray[np.float32]] = []
        with torch.inference_mode():
            for start in range(0, n, chunk):
                rows = slice(start, min(start + chunk, n))
                output = self.forward(to_tensors(raw.take(rows), self.device))
                log_risk[rows] = output.risk.T.cpu().double().numpy()
                if embed:
                    fused = output.embeddings["fusion"]
                    embeddings.append(fused.transpose(0, 1).flatten(1).cpu().numpy())
        stacked = np.concatenate(embeddings) if embeddings else np.zeros((n, 0), "f4")
        return Prediction(log_risk=log_risk, embedding=stacked)


def heldout_mean(member_log_risk: NDArray[np.float64], test: BoolArray) -> NDArray[np.float64]:
    """Mean over the members that tested the patient, shape (n,); NaN where none did.

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    test : bool, shape (e, n)
    """
    count = test.sum(axis=0)
    total = np.where(test.T, member_log_risk, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def run_stacked(
    network: FusionNetwork,
    parameters: Mapping[str, Tensor],
    inputs: Inputs,
    *,
    diagnostics: bool = False,
) -> FusionOutput:
    """Run members in one go: parameters (e, ...), inputs (e, n, ...) -> outputs (e, n, ...).

    Parameters
    ----------
    network : FusionNetwork
        The architecture that members share.
    parameters : mapping of str to Tensor, each (e, ...)
    inputs : Inputs, each (e, n, ...)
        Standardised by each member.
    diagnostics : bool
        Also return attention weights and the like.
    """

    def run_one(member: dict[str, Tensor], batch: Inputs) -> FusionOutput:
        output: FusionOutput = functional_call(
            network, member, (batch,), {"diagnostics": diagnostics}
        )
        return output

    stacked: FusionOutput = vmap(run_one, randomness="different")(dict(parameters), inputs)
    return stacked
