"""The tutorial on adding a method, run as it stands on synthetic scans."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from semiseg.cli import app
from semiseg.data.phantom import phantom_case, write_phantom

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "new-method.md"


def test_the_tutorials_method_trains_and_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, use = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "mirror.py").write_text(method)
    write_phantom(tmp_path / "scans", cases=10, labeled=8, test=1, shape=(32, 32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    listed = CliRunner().invoke(app, ["methods", "mirror:Mirror"])
    assert listed.exit_code == 0
    assert "weight of the consistency" in listed.stdout

    assert '"steps": 2000' in use
    names: dict[str, Any] = {}
    exec(use.replace('"steps": 2000', '"steps": 2'), names)
    log = (tmp_path / "runs" / "mirror" / "log.csv").read_text(encoding="utf-8")
    assert "consistency" in log.splitlines()[0]
    assert names["model"].predict(phantom_case(99, (32, 32))[0]).labels.shape == (32, 32)
