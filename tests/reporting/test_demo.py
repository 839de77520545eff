from __future__ import annotations

import json
from pathlib import Path

import pytest

from semiseg.errors import RunFolderError
from semiseg.reporting import demo


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans and networks as small as they come: seconds instead of minutes."""
    scans = {"cases": 4, "labeled": 2, "test": 2}
    made = {dimensions: demo.setup(16, dimensions, scans, patch=32, steps=2) for dimensions in (2, 3)}
    monkeypatch.setattr(demo, "SETUPS", made)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_demo_trains_both_methods_alike_and_leaves_all_that_it_names(tmp_path: Path, dimensions: int) -> None:
    result = demo.run_demo(tmp_path / "demo", seed=3, dimensions=dimensions, progress=False)
    written = json.loads((tmp_path / "demo" / "scores.json").read_text(encoding="utf-8"))
    assert written == {key: value for key, value in result.items() if key not in ("table", "report", "picture")}
    assert list(result["dice"]) == ["Supervised-only", "CML"]
    assert result["difference"] == result["dice"]["CML"] - result["dice"]["Supervised-only"]
    assert (result["steps"], result["seed"], result["test_scans"]) == (2, 3, 2)
    assert Path(result["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path(result["picture"]).read_bytes().startswith(b"\x89PNG")
    split = [json.loads((tmp_path / "demo" / method / "split.json").read_text(encoding="utf-8")) for method in demo.METHOD_NAMES]
    assert split[0] == split[1]
    assert len(split[0]["labeled"]) == 2
    assert len(split[0]["unlabeled"]) == 2


def test_a_folder_that_is_in_use_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(RunFolderError, match=r"exists already\. Choose another folder"):
        demo.run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
