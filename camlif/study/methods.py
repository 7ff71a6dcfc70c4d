"""The catalogue: which variants a method's name stands for, and what each of them runs.

Names of methods and a schema go in; variants come out in the order of tables and figures. Raises
`ConfigError` for an unknown name. It reads the registries, so a new network or classical model
appears without a change here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from camlif.config import PRESETS, NetworkConfig, RivalConfig, RunConfig, TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.networks.registry import AnyNetworkConfig, NetworkEntry, network_entry, networks
from camlif.study.ablations import FURTHER, TABLE_3, Ablation
from camlif.study.records import SETS, Family, Head, StudySettings
from camlif.study.references import CLASSICAL

CAMLIF = "camlif"
REFERENCE = (CAMLIF, "default", "matched")
"""Method, variant and head that all others are compared with."""
PRODUCT_PRESETS = ("default", "robust")
"""Shown in every study of networks."""
SINGLE = ("unimodal", "unimodal_mlp")
GENERIC = ("concat", "tensor_fusion", "joint_attention")
TABLE_2 = ("gpdbn", "mcat", "pathomic_fusion", "motcat", "cmta", "pg_mlif")
"""Order of the paper; other rivals follow by name."""

PRESET_TITLES = {
    "default": "CA-MLIF",
    "robust": "CA-MLIF robust",
    "printed": "CA-MLIF as printed",
    "release": "CA-MLIF as released",
}
SINGLE_TITLES = {"unimodal": "encoder", "unimodal_mlp": "MLP"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRun:
    """Train a network.

    Attributes
    ----------
    network : NetworkConfig or a rival's settings
    training : TrainConfig
        Seed and splits are the study's.
    modality, group : str or None
        Read only this modality, or this feature group of it.
    with_clinical : bool
        Read the study's clinical inputs.
    """

    network: AnyNetworkConfig
    training: TrainConfig
    modality: str | None = None
    group: str | None = None
    with_clinical: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalRun:
    """Fit a classical model.

    Attributes
    ----------
    key : str
        In the registry of classical models.
    select_top : int or None
        As in `camlif.study.records.StudySettings`.
    """

    key: str
    select_top: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One row of a study: a method in one form.

    Attributes
    ----------
    method, variant, head
        Together they name the row.
    family : str
    title : str
    run : NetworkRun or ClassicalRun
    """

    method: str
    variant: str
    head: Head
    family: Family
    title: str
    run: NetworkRun | ClassicalRun

    @property
    def key(self) -> tuple[str, str, str]:
        """Method, variant and head."""
        return self.method, self.variant, self.head


def select_variants(settings: StudySettings, schema: FeatureSchema) -> tuple[Variant, ...]:
    """Return the variants that a study's methods stand for, in the order of the catalogue.

    A name is a set of `SETS`, a key of a registry (all variants of the method), a preset or
    ablation of CA-MLIF, or ``method:variant``.

    Raises
    ------
    ConfigError
        For a name that stands for nothing; all names are listed.
    """
    every = tuple(catalogue(settings, schema))
    chosen: set[tuple[str, str, str]] = set()
    for name in settings.methods:
        found = {variant.key for variant in every if _is_meant(name, variant)}
        if not found:
            raise ConfigError(f"Unknown method {name!r}. Choose among {', '.join(names(every))}.")
        chosen |= found
    return tuple(variant for variant in every if variant.key in chosen)


def names(variants: tuple[Variant, ...]) -> list[str]:
    """Names that a command takes: sets, methods, and the variants of CA-MLIF."""
    own = [v.variant for v in variants if v.method == CAMLIF]
    return list(dict.fromkeys((*SETS, *(v.method for v in variants), *own)))


def _is_meant(name: str, variant: Variant) -> bool:
    if name in SETS:
        return _in_set(name, variant)
    if name == CAMLIF:
        return variant.method == CAMLIF and variant.variant in PRODUCT_PRESETS
    if name in (variant.method, f"{variant.method}:{variant.variant}"):
        return True
    return variant.method == CAMLIF and name == variant.variant


def _in_set(name: str, variant: Variant) -> bool:
    """Whether a variant belongs to a set; the product's presets are in every set of networks."""
    is_preset = variant.method == CAMLIF and variant.variant in PRODUCT_PRESETS
    table_3 = variant.variant in {ablation.name for ablation in TABLE_3}
    in_paper = variant.family in ("rival", "single modality") or (
        variant.family == "ablation" and table_3
    )
    return {
        "paper": in_paper or is_preset,
        "ablations": variant.family == "ablation" or is_preset,
        "generic": variant.family == "generic" or is_preset,
        "classical": variant.family == "classical",
        "all": in_paper or is_preset or variant.family in ("generic", "classical"),
    }[name]


def catalogue(settings: StudySettings, schema: FeatureSchema) -> Iterator[Variant]:
    """Yield every variant there is for a cohort, in the order of tables and figures."""
    for preset in sorted(PRESETS, key=list(PRESET_TITLES).index):
        yield _preset(preset, settings)
    for ablation in (*TABLE_3, *FURTHER):
        yield _ablation(ablation, settings)
    for key in _rival_keys():
        yield from _rival(network_entry(key), settings)
    for key in SINGLE:
        if key in networks():
            yield from _single_modalities(network_entry(key), settings, schema)
    for key, classical in CLASSICAL.items():
        yield Variant(
            method=key,
            variant=key,
            head="own",
            family="classical",
            title=classical.title,
            run=ClassicalRun(key=key, select_top=settings.select_top),
        )


def _matched(settings: StudySettings, preset: str = "default") -> TrainConfig:
    """Training of a preset of CA-MLIF with what the study changes of it."""
    training = RunConfig.from_preset(preset).training
    if settings.select_top is not None:
        training = replace(training, select_top=settings.select_top)
    return _quick(training, settings.epochs)


def _quick(training: TrainConfig, epochs: int | None) -> TrainConfig:
    return training if epochs is None else replace(training, epochs=epochs, constant_epochs=None)


def _preset(preset: str, settings: StudySettings) -> Variant:
    return Variant(
        method=CAMLIF,
        variant=preset,
        head="matched",
        family="camlif",
        title=PRESET_TITLES[preset],
        run=NetworkRun(
            network=NetworkConfig.from_preset(preset), training=_matched(settings, preset)
        ),
    )


def _ablation(ablation: Ablation, settings: StudySettings) -> Variant:
    return Variant(
        method=CAMLIF,
        variant=ablation.name,
        head="matched",
        family="ablation",
        title=ablation.title,
        run=NetworkRun(
            network=NetworkConfig.from_preset("default", **ablation.network),
            training=replace(_matched(settings), **ablation.training),
        ),
    )


def _rival_keys() -> list[str]:
    """Rivals in the order of Table 2, other rivals by name, the generic forms."""
    others = set(networks()) - {CAMLIF, *SINGLE, *TABLE_2, *GENERIC}
    return [k for k in (*TABLE_2, *sorted(others), *GENERIC) if k in networks()]


def _rival(entry: NetworkEntry, settings: StudySettings) -> Iterator[Variant]:
    shared: dict[str, Any] = {
        "method": entry.key,
        "variant": entry.key,
        "family": "generic" if entry.key in GENERIC else "rival",
        "title": entry.title,
    }
    if settings.heads in ("matched", "both"):
        run = NetworkRun(network=_settings_of(entry, head="matched"), training=_matched(settings))
        yield Variant(**shared, head="matched", run=run)
    if settings.heads in ("native", "both"):
        native = replace(entry.native, select_top=settings.select_top)
        run = NetworkRun(
            network=_settings_of(entry, head="native"),
            training=_quick(native, settings.epochs),
            with_clinical=False,
        )
        yield Variant(**shared, head="native", run=run)


def _settings_of(entry: NetworkEntry, *, head: Head) -> AnyNetworkConfig:
    if issubclass(entry.config, RivalConfig):
        return entry.config(architecture=entry.key, head=head)  # type: ignore[arg-type]  # no "own"
    return entry.config(architecture=entry.key)  # type: ignore[arg-type]  # a registered key


def _single_modalities(
    entry: NetworkEntry, settings: StudySettings, schema: FeatureSchema
) -> Iterator[Variant]:
    family = SINGLE_TITLES[entry.key]
    for modality in schema.modalities:
        groups = [g.name for g in modality.groups] if len(modality.groups) > 1 else []
        for group in (None, *groups):
            name = modality.name if group is None else f"{modality.name}:{group}"
            yield Variant(
                method=entry.key,
                variant=name,
                head="matched",
                family="single modality",
                title=f"{name.replace(':', ', ')} ({family})",
                run=NetworkRun(
                    network=_settings_of(entry, head="matched"),
                    training=_matched(settings),
                    modality=modality.name,
                    group=group,
                ),
            )
