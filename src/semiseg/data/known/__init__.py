"""Public data sets in the folder layouts that the field's code reads, recognised by their files."""

from __future__ import annotations

from semiseg.data.known import acdc, brats2019, la

KNOWN = (la, acdc, brats2019)
