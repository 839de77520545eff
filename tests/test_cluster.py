"""What machines of a cluster are asked, what each task gets of them, and what is said of a machine that lacks something."""

from __future__ import annotations

from pathlib import Path

import pytest

from semiseg.cluster import Node, Share, View, connect, make_share, refuse_other_view, refuse_strangers, room, view
from semiseg.errors import SettingsError

SMALL, LARGE, GPUS = Node("1", "small", 4, 0), Node("2", "large", 64, 0), Node("3", "gpus", 32, 4)


def test_without_gpus_a_task_gets_a_machine_or_its_part_of_one() -> None:
    assert make_share([SMALL, SMALL], "auto") == Share(cpus=4, gpus=0)
    assert make_share([SMALL, SMALL], "cpu", tasks=4) == Share(cpus=2, gpus=0)
    assert make_share([SMALL], "cpu", tasks=100) == Share(cpus=1, gpus=0)
    assert room([SMALL, LARGE], make_share([SMALL, LARGE], "cpu")) == 17  # 1 on the small machine, 64 / 4 on the large one
    assert room([SMALL, LARGE], Share(4, 0), most=3) == 3


def test_with_gpus_a_task_gets_one_and_its_part_of_the_cores() -> None:
    share = make_share([SMALL, GPUS], "auto", tasks=2)
    assert share == Share(cpus=8, gpus=1)
    assert room([SMALL, GPUS], share) == 4
    assert make_share([SMALL, GPUS], "cpu") == Share(cpus=4, gpus=0)
    with pytest.raises(SettingsError, match="no machine of the Ray cluster lends a GPU"):
        make_share([SMALL], "cuda")
    with pytest.raises(SettingsError, match="lends no CPU"):
        make_share([], "cpu")


def test_a_machine_that_does_not_see_a_folder_is_named_with_it(tmp_path: Path) -> None:
    out, data = tmp_path / "out", tmp_path / "data"
    for folder in (out, data):
        folder.mkdir()
    (data / "a.nii.gz").write_bytes(b"scan")
    probe = out / ".probe"
    probe.touch()
    paths = [str(probe), str(data)]
    ours = view(paths)
    refuse_other_view("here", ours, view(paths), probe)
    probe.unlink()
    with pytest.raises(SettingsError, match=rf"^{out}: node7 does not see what this machine writes there. Choose a folder on"):
        refuse_other_view("node7", ours, view(paths), probe)
    probe.touch()
    (data / "b.nii.gz").touch()
    with pytest.raises(SettingsError, match=rf"^{data}: node7 sees something else there"):
        refuse_other_view("node7", ours, view(paths), probe)
    for file in data.iterdir():
        file.unlink()
    data.rmdir()
    with pytest.raises(SettingsError, match=rf"^{data}: node7 does not see it"):
        refuse_other_view("node7", ours, view(paths), probe)
    with pytest.raises(SettingsError, match=rf"^{out}: node7 cannot write there"):
        refuse_other_view("node7", ours, View(ours.semiseg, ours.paths, writes=False), probe)
    with pytest.raises(SettingsError, match=r"node7: has semiseg 0.0.1, and this machine"):
        refuse_other_view("node7", ours, View("0.0.1", ours.paths), probe)
    assert not view([str(tmp_path / "no folder" / "probe")]).writes


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_an_address_where_no_cluster_is_is_refused_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(SettingsError, match=f"--ray {address}: no Ray cluster answers there"):
        connect(address)


def test_machines_of_a_real_cluster_are_asked_and_nothing_is_left_behind(tmp_path: Path, cluster: list[Node]) -> None:
    assert [node.cpus for node in connect("auto")] == [2]
    refuse_strangers(cluster, Share(2, 0), tmp_path / "new", [tmp_path])
    assert list((tmp_path / "new").iterdir()) == []
    nowhere = [Node("a" * 56, "node7", 2, 0)]
    with pytest.raises(SettingsError, match="node7: does not answer"):
        refuse_strangers(nowhere, Share(2, 0), tmp_path / "new", [])
