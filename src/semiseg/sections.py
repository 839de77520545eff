"""The sections of a run file: every setting with its default, its bounds and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from semiseg.data.labels import ClassNumber


class Section(BaseModel):
    """Base of the run file's sections: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """Which scans, and which of them are labelled."""

    folder: Path | None = Field(None, description="the data folder; none for arrays in memory")
    labeled: int | None = Field(None, ge=1, description="labelled scans (patients) to use; other labels are never opened. Default: all")
    draw: int = Field(0, ge=0, description="which draw of labelled scans: 0 is the first N, others are random")
    fold: str | None = Field(
        None, pattern=r"^[1-9]\d*/[1-9]\d*$", description="K/N: part K of N is for testing and the rest for training, whole patients"
    )
    classes: tuple[str, ...] = Field((), description="names of the foreground classes, in the order of their values from 1; found if empty")
    channels: int | None = Field(None, ge=1, description="modalities of a scan; found if not given")
    label_map: dict[int, ClassNumber] = Field(
        default_factory=dict, description="value in the label files -> class, {255: 1, 3: 0, 9: ignore}; other values stay"
    )


class Network(Section):
    """The network that a method assembles its parts from."""

    kind: Literal["vnet", "unet", "instance-unet"] | None = Field(
        None, description="default: vnet in 3D, unet in 2D; instance-unet: the U-Net with instance normalization published on BraTS"
    )
    width: int = Field(16, ge=4, description="channels of the first level; published 16")
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="chance to be dropped in training: of a channel of the vnet (published 0.5) or an element of the instance-unet (0.3), "
        "at the bottleneck and before the head, 0 if not given; of an element at the unet's deepest level, 0.5 as published if not given",
    )


class Training(Section):
    """Steps, batches and the optimiser."""

    steps: int = Field(2000, ge=1, description="steps of all stages together")
    patch: tuple[int, ...] = Field((), description="voxels of a patch; chosen from the scans if empty")
    labeled_batch: int = Field(4, ge=1, description="labelled patches a step")
    unlabeled_batch: int = Field(4, ge=0, description="unlabelled patches a step")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="published: sgd (momentum 0.9)")
    learning_rate: float = Field(1e-3, gt=0, description="published: 0.01 with sgd")
    weight_decay: float = Field(1e-4, ge=0, description="published: 1e-4")
    schedule: Literal["polynomial", "staircase", "constant"] = Field(
        "polynomial", description="of the learning rate; published: LA staircase, ACDC constant"
    )
    warmup: int = Field(0, ge=0, description="first steps of the run in which the learning rate grows from 0; published: none")
    schedule_restarts: bool = Field(False, description="each stage counts its schedule from its own first step (published: yes)")
    class_prior: bool = Field(
        True, description="the networks' last biases begin at the classes' shares of the labelled voxels, not near 0 (published: no)"
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field("auto", description="auto: bf16 where the device is the faster for it")


class Inference(Section):
    """How a whole scan is predicted."""

    stride: tuple[int, ...] = Field((), description="voxels between windows; half a patch if empty (published: LA 18, 18, 4)")
    batch: int = Field(4, ge=1, description="windows at a time")
    flips: bool = Field(False, description="also predict each patch mirrored along its axes, and average: 4 times the work in 2D, 8 in 3D")
    memory: float = Field(
        1.0, gt=0, description="GiB for the probabilities that are summed up at a time; a scan that needs more is predicted in columns"
    )
    largest_component: bool = Field(False, description="keep each class's largest component of the result (published: LA yes, ACDC no)")


class Selection(Section):
    """Whether the best of several looks is kept beside the last step's weights (see docs/design.md, Protocols)."""

    validation_cases: int = Field(
        0, ge=0, description="sealed: labelled scans (patients) taken out of the budget to choose by; 0: there is only the last step"
    )
    every: int = Field(200, ge=0, description="steps of a stage between two looks (published: 200); 0: no look, the last step is all")
    first: int = Field(0, ge=0, description="no look before this step of a stage, but for its last (published: MC-Net 800, SS-Net 2,000)")
    next_stage_from_best: bool = Field(
        False, description="a stage starts from the best weights of the one before, as in the released CML and BCP, not from its last"
    )
