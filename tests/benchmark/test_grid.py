"""A grid file becomes a list of trainings, and everything that is wrong with it is said before the first."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from semiseg.benchmark.check import checked
from semiseg.benchmark.grid import read_grids, shipped, unrolled
from semiseg.benchmark.training import Training
from semiseg.config import make_run
from semiseg.data.phantom import write_phantom
from semiseg.errors import SettingsError
from semiseg.run_folder import RunFolder

TINY = {"network": {"width": 4}, "training": {"steps": 2, "patch": [32, 16, 16], "labeled_batch": 2, "unlabeled_batch": 2}}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, cases=4, labeled=3, test=1, shape=(20, 20, 20))
    return folder


def written(folder: Path, *documents: object) -> Path:
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def trainings(path: Path) -> list[Training]:
    return unrolled(read_grids(path))


def test_whole_seeds_come_first_and_folders_say_where_in_the_grid(tmp_path: Path) -> None:
    grid = {
        "data": {"A": "a", "B": {"folder": "/b", "labeled": [3]}},
        "methods": ["supervised", "mc-net+"],
        "variants": {"cml": {"released": {"settings": {"variant": "released"}}}},
        "labeled": [4, 8],
        "seeds": [1, 2],
    }
    found = trainings(written(tmp_path, grid))
    assert [training.name for training in found[:9]] == [
        "A/supervised-4-d0-s1",
        "A/mc-net+-4-d0-s1",
        "A/cml-released-4-d0-s1",
        "A/supervised-8-d0-s1",
        "A/mc-net+-8-d0-s1",
        "A/cml-released-8-d0-s1",
        "B/supervised-3-d0-s1",
        "B/mc-net+-3-d0-s1",
        "B/cml-released-3-d0-s1",
    ]
    assert {training.seed for training in found[:9]} == {1}
    assert len(found) == 18
    assert found[0].folder == tmp_path / "a"  # from where the file lies
    assert found[6].folder == Path("/b")
    assert found[2].values()["settings"] == {"variant": "released"}


def test_folds_and_draws_and_a_method_of_ones_own(tmp_path: Path) -> None:
    grid = {"data": {"A": "a"}, "methods": ["my.module:Mine"], "draws": [0, 5], "folds": 2}
    names = [training.name for training in trainings(written(tmp_path, grid))]
    assert names == [f"A/Mine-all-d{draw}-s1337-f{fold}" for draw in (0, 5) for fold in (1, 2)]
    values = trainings(written(tmp_path, grid))[3].values()
    assert (values["data"], values["protocol"]) == ({"draw": 5, "fold": "2/2"}, "sealed")


def test_settings_of_a_method_a_data_set_and_a_variant_win_in_this_order(tmp_path: Path) -> None:
    settings = {"training": {"steps": 1, "warmup": 1}, "methods": {"cml": {"training": {"warmup": 2}}}}
    source = {"folder": "a", "settings": {"training": {"steps": 2}}}
    grid = {"data": {"A": source}, "settings": settings, "variants": {"cml": {"x": {"training": {"steps": 3}}}}, "methods": ["cml"]}
    plain, variant = (training.run().training for training in trainings(written(tmp_path, grid)))
    assert (plain.steps, plain.warmup, variant.steps) == (2, 2, 3)


def test_documents_are_run_one_after_another_and_nothing_twice(tmp_path: Path) -> None:
    first = {"data": {"A": "a"}, "methods": ["cml"], "labeled": [8]}
    second = {"data": {"A": "a"}, "methods": ["supervised", "cml"], "labeled": [8]}
    assert [training.label for training in trainings(written(tmp_path, first, second))] == ["cml", "supervised"]
    with pytest.raises(SettingsError, match="A/cml-8-d0-s1337: two documents of the grid give it different settings"):
        trainings(written(tmp_path, first, {**second, "protocol": "paper"}))


def test_folders_may_be_given_on_the_command_line(tmp_path: Path) -> None:
    two = written(tmp_path, {"data": {"A": None, "B": None}, "methods": ["cml"]})
    found = read_grids(two, {"A": Path("/a"), "B": Path("/b")})[0]
    assert [source.folder for source in found.data.values()] == [Path("/a"), Path("/b")]
    with pytest.raises(SettingsError, match="for which data set"):
        read_grids(two, {None: Path("/a")})
    with pytest.raises(SettingsError, match="no such data set: A, B"):
        read_grids(two, {"Z": Path("/a")})


def test_everything_that_is_wrong_is_one_error_before_the_first_training(tmp_path: Path, phantom: Path) -> None:
    grid = {
        "data": {"phantom": str(phantom), "gone": str(tmp_path / "gone"), "nowhere": None},
        "methods": ["supervised", "cmll"],
        "variants": {"cml": {"typo": {"settings": {"feature_wieght": 0}}}},
        "labeled": [2, 500],
        "settings": TINY,
    }
    with pytest.raises(SettingsError) as error:
        checked(trainings(written(tmp_path, grid)), tmp_path / "out")
    lines = str(error.value).splitlines()
    assert lines[0] == "The grid cannot be run; 5 to mend:"
    assert any("gone: no such folder" in line for line in lines)
    assert any(
        line.startswith("- nowhere: the grid does not say where it is. Give its folder with --data nowhere=FOLDER") for line in lines
    )
    assert any("no method is called 'cmll' (did you mean 'cml'" in line for line in lines)
    assert any(
        "settings.feature_wieght: unknown setting (did you mean 'feature_weight'?)" in line and "[cml-typo]" in line for line in lines
    )
    assert any("500 labelled cases were asked for; expected 1..3" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_a_grid_that_is_none_says_what_is_wrong_in_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_grids(written(tmp_path, {"data": {"A": {"foldr": "a"}}, "methos": ["cml"], "seeds": [-1]}))
    text = str(error.value)
    assert "3 of its settings cannot be used" in text
    assert "methos: unknown setting (did you mean 'methods'?)" in text
    assert "data.A.foldr: unknown setting (did you mean 'folder'?)" in text
    with pytest.raises(SettingsError, match=r"laptp: no such grid file \(did you mean 'laptop'\?\)"):
        read_grids("laptp")
    with pytest.raises(SettingsError, match="holds no training"):
        trainings(written(tmp_path, {"data": {"A": "a"}}))
    with pytest.raises(SettingsError, match="expected a grid"):
        read_grids(written(tmp_path, ["a", "list"]))


def test_no_labelled_test_case_no_unlabelled_scan_and_a_folder_of_another_run_are_refused(tmp_path: Path, phantom: Path) -> None:
    write_phantom(tmp_path / "blind", cases=2, labeled=2, test=0, shape=(20, 20, 20))
    grid = {"data": {"P": str(phantom), "blind": str(tmp_path / "blind")}, "methods": ["supervised"], "labeled": [2], "settings": TINY}
    other = {"method": "supervised", "data": {"labeled": 2}, "training": {"steps": 9}}
    RunFolder.create(tmp_path / "out" / "P" / "supervised-2-d0-s1337", make_run(TINY, other))
    with pytest.raises(SettingsError) as error:
        checked(trainings(written(tmp_path, grid)), tmp_path / "out")
    assert "blind: no test case has a label, so there is nothing to score" in str(error.value)
    assert "asked to change training.steps (9 -> 2)" in str(error.value)


def test_a_good_grid_passes(tmp_path: Path, phantom: Path) -> None:
    grid = {"data": {"P": str(phantom)}, "methods": ["supervised", "cml"], "labeled": [2], "settings": TINY}
    runs = checked(trainings(written(tmp_path, grid)), tmp_path / "out")
    assert [run.training.steps for run in runs.values()] == [2, 2]


@pytest.mark.parametrize("name", shipped())
def test_shipped_grids_are_whole(name: str) -> None:
    grids = read_grids(name)
    for training in unrolled(grids):
        run = training.run()
        assert run.protocol == grids[0].protocol
        assert run.build is not None
    assert shipped()[name]
