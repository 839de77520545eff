"""`python -m semiseg`: the command line."""

from __future__ import annotations

from semiseg.cli import app

app()
