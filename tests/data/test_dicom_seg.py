"""DICOM-SEG: what is written lies on its series in highdicom's reading, and segmentations of others are laid on the scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_kit import save, slice_dataset, write_foreign, write_series

from semiseg.case import Array, Geometry, OnScan
from semiseg.data.formats import label_source, read_header, read_image, read_label, read_label_header, write_label
from semiseg.data.formats.placing import placed
from semiseg.errors import DataError

TO_RAS = np.diag([-1, -1, 1, 1])
VOXELS = np.random.default_rng(1).integers(0, 200, (5, 6, 7)).astype(np.int16)


def read_with_highdicom(path: Path, shape: tuple[int, ...], affine: Array) -> Array:
    """The segments as one label map on the grid of a scan, every voxel put where highdicom says that it lies."""
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    index = np.indices(volume.array.shape).reshape(3, -1)
    places = TO_RAS @ volume.affine @ np.vstack([index, np.ones(index.shape[1])])  # (4, voxels) mm
    found = (np.linalg.inv(affine) @ places)[:3]
    assert np.abs(found - np.rint(found)).max() < 1e-2
    result = np.full(shape, 99, volume.array.dtype)
    result[tuple(np.rint(found).astype(int))] = volume.array.ravel()
    return result


def test_a_mask_on_every_real_series_comes_back_and_lies_on_it(dicom_folder: Path, tmp_path: Path) -> None:
    for series in (path for part in ("series", "hippocampus") for path in (dicom_folder / part).iterdir()):
        image, geometry = read_image(series)
        labels = np.digitize(image, np.quantile(image, [0.8, 0.95]))
        labels[labels == 2] = 3  # class 2 is empty
        path = tmp_path / f"{series.name}.dcm"
        write_label(path, labels, geometry, series, ["low", "none", "high"])
        read, where = read_label(path)
        assert np.array_equal(read, labels), series
        assert np.array_equal(where.affine, geometry.affine), series
        assert np.array_equal(read_with_highdicom(path, labels.shape, geometry.affine), labels), series
        segmentation = pydicom.dcmread(path)
        assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == ["low", "none", "high"]
        assert (segmentation.Modality, segmentation.SegmentationType) == ("SEG", "BINARY")
        sources = [pydicom.dcmread(file, stop_before_pixels=True) for file in series.iterdir()]
        assert segmentation.StudyInstanceUID == sources[0].StudyInstanceUID
        assert segmentation.get("PatientID", "") == sources[0].get("PatientID", "")
        assert segmentation.SeriesInstanceUID != sources[0].SeriesInstanceUID
        if "FrameOfReferenceUID" in sources[0]:
            assert segmentation.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
        (reference,) = segmentation.ReferencedSeriesSequence
        assert reference.SeriesInstanceUID == sources[0].SeriesInstanceUID
        referenced = {item.ReferencedSOPInstanceUID for item in reference.ReferencedInstanceSequence}
        assert referenced == {source.SOPInstanceUID for source in sources}


def test_classes_without_a_name_and_long_names(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", VOXELS)
    labels = (VOXELS.T > 150) * 3
    write_label(tmp_path / "mask.dcm", labels, read_header(tmp_path / "scan")[1], tmp_path / "scan", ["a" * 80])
    names = [segment.SegmentLabel for segment in pydicom.dcmread(tmp_path / "mask.dcm").SegmentSequence]
    assert names == ["a" * 64, "class_2", "class_3"]


def test_letters_of_a_patients_name_survive(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", VOXELS, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    write_label(tmp_path / "mask.dcm", VOXELS.T > 100, read_header(tmp_path / "scan")[1], tmp_path / "scan", ["one"])
    assert pydicom.dcmread(tmp_path / "mask.dcm").PatientName == "Müller^Jörg"


def test_a_mask_that_lies_elsewhere_or_has_no_series_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", VOXELS)
    labels, geometry = np.ones((7, 6, 5), np.uint8), read_header(tmp_path / "scan")[1]
    for wrong, where in ((labels[:, :, :4], geometry), (labels, Geometry())):
        with pytest.raises(DataError, match=r"does not lie on .*scan \(7, 6, 5\)"):
            write_label(tmp_path / "mask.dcm", wrong, where, tmp_path / "scan", ["one"])
    with pytest.raises(DataError, match="belongs to a DICOM series"):
        write_label(tmp_path / "mask.dcm", labels, geometry)
    x_ray = slice_dataset(VOXELS[0], np.zeros(3), ImagePositionPatient=None, ImageOrientationPatient=None)
    save(x_ray, tmp_path / "x-ray.dcm")
    with pytest.raises(DataError, match="does not say where it lies"):
        write_label(tmp_path / "mask.dcm", labels[:, :, 0], read_header(tmp_path / "x-ray.dcm")[1], tmp_path / "x-ray.dcm", ["one"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan", "x-ray.dcm"]  # nothing half-written


@pytest.mark.parametrize("slices", [(3,), (1, 2), (1, 4), (0, 2, 3)])
def test_slices_that_a_program_left_out_are_background(tmp_path: Path, slices: tuple[int, ...]) -> None:
    images = write_series(tmp_path / "scan", VOXELS)
    masks = np.zeros((*VOXELS.shape, 2), np.uint8)
    for k in slices:
        masks[k, k % 3 : 4, 1:3, 0] = masks[k, 2:5, 4:6, 1] = 1
    path = write_foreign(tmp_path / "seg.dcm", images, masks)
    labels = (masks[..., 0] + 2 * masks[..., 1]).T
    on_scan = label_source(path, tmp_path / "scan")
    assert on_scan == OnScan(path, tmp_path / "scan")
    read, where = read_label(on_scan)
    shape, geometry = read_header(tmp_path / "scan")
    assert np.array_equal(read, labels)
    assert np.array_equal(where.affine, geometry.affine)
    assert read_label_header(on_scan)[0] == shape
    alone = labels[:, :, min(slices) : max(slices) + 1]
    assert np.array_equal(read_label(path)[0], alone if len(slices) > 1 else alone[:, :, 0])  # a slice by itself is 2D
    assert read_label_header(path)[0] == read_label(path)[0].shape


def test_a_segmentation_alone_in_its_folder_is_that_folder(tmp_path: Path) -> None:
    images = write_series(tmp_path / "scan", VOXELS)
    (tmp_path / "label").mkdir()
    write_foreign(tmp_path / "label" / "1-1.dcm", images, np.ones((*VOXELS.shape, 1), np.uint8))
    assert read_label(tmp_path / "label")[0].tolist() == np.ones((7, 6, 5)).tolist()
    write_foreign(tmp_path / "label" / "1-2.dcm", images, np.ones((*VOXELS.shape, 1), np.uint8))
    with pytest.raises(DataError, match="holds 2 segmentations"):
        read_label(tmp_path / "label")
    with pytest.raises(DataError, match="is a segmentation and no scan"):
        read_header(tmp_path / "label" / "1-1.dcm")
    with pytest.raises(DataError, match="is no segmentation"):
        read_label(tmp_path / "scan" / "000.dcm")


def test_overlapping_and_fractional_segments_are_refused(tmp_path: Path) -> None:
    images = write_series(tmp_path / "scan", VOXELS)
    overlapping = np.ones((*VOXELS.shape, 2), np.uint8)
    with pytest.raises(DataError, match="segments overlap"):
        read_label(write_foreign(tmp_path / "seg.dcm", images, overlapping))
    half = np.full((*VOXELS.shape, 1), 0.5)
    kind = {"segmentation_type": "FRACTIONAL", "fractional_type": "PROBABILITY"}
    with pytest.raises(DataError, match="holds fractions of voxels"):
        read_label(write_foreign(tmp_path / "seg.dcm", images, half, **kind))


def test_a_label_map_segmentation_is_read(tmp_path: Path) -> None:
    images = write_series(tmp_path / "scan", VOXELS)
    labels = (VOXELS % 3).astype(np.uint8)
    segments = np.stack([labels == k for k in (1, 2)], -1).astype(np.uint8)
    path = write_foreign(tmp_path / "seg.dcm", images, segments, segmentation_type="LABELMAP")
    assert np.array_equal(read_label(OnScan(path, tmp_path / "scan"))[0], labels.T)


def on_grid(labels: Array, geometry: Geometry, grid: Geometry) -> list[Any]:
    found = placed(labels, geometry, (2, 3, 4), grid)
    assert found is not None
    return list(found.tolist())


def test_a_label_is_placed_by_where_it_lies() -> None:
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    grid = Geometry(np.diag([0.5, 0.75, 2.0, 1.0]))
    assert on_grid(labels, grid, grid) == labels.tolist()
    flipped = grid.affine @ np.array([[0, 0, 1, 0], [0, -1, 0, 2], [1, 0, 0, 0], [0, 0, 0, 1.0]])  # axes 0 and 2 change, 1 runs back
    assert on_grid(labels.transpose(2, 1, 0)[:, ::-1], Geometry(flipped), grid) == labels.tolist()
    moved = grid.affine.copy()
    moved[:3, 3] += (0.5, 0, -2)  # one voxel up on axis 0, one down on axis 2
    inside = np.zeros((2, 3, 4), np.uint8)
    inside[0, 1, 2] = 1
    expected = np.zeros((2, 3, 4), np.uint8)
    expected[1, 1, 1] = 1
    assert on_grid(inside, Geometry(moved), grid) == expected.tolist()
    assert placed(labels, Geometry(moved), (2, 3, 4), grid) is None  # labels would be lost
    for off in (np.diag([0.5, 0.75, 1.0, 1.0]), grid.affine + np.eye(4)[:, [3, 0, 1, 2]] * 0.3):
        assert placed(labels, Geometry(off), (2, 3, 4), grid) is None
