"""Networks: what they are described by, the V-Net and the two U-Nets of the field, and CML's pair."""

from __future__ import annotations

from semiseg.networks.description import Description
from semiseg.networks.encoder_decoder import Decoder, Encoder, Network
from semiseg.networks.instance_unet import InstanceUNet
from semiseg.networks.layers import Up
from semiseg.networks.two_views import TwoViews
from semiseg.networks.unet import UNet
from semiseg.networks.vnet import VNet

__all__ = ["NETWORKS", "Decoder", "Description", "Encoder", "InstanceUNet", "Network", "TwoViews", "UNet", "Up", "VNet"]

NETWORKS: dict[str, type[VNet | UNet | InstanceUNet]] = {"vnet": VNet, "unet": UNet, "instance-unet": InstanceUNet}
"""By the names that settings have for them."""
