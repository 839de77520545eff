"""Folders of scans as people and other tools lay them out, each recognised by its files."""

from __future__ import annotations

from semiseg.data.layouts import brats, decathlon, nnunet, packed, plain

LAYOUTS = (nnunet, decathlon, brats, packed, plain)
"""In the order in which they are asked."""
