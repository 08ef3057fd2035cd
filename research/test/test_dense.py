# Copyright 2026 mumu_ros contributors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Dense perception: the synthetic pictures, the readers, the network, what labels teach, and the commands."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mumu_ros.model.config import ConfigError
from studies.bench import Bench
from studies.cli import main
from studies.dense import section, training
from studies.dense.compare import compare
from studies.dense.metrics import class_scores, depth_scores
from studies.dense.model import DenseConfig, DenseModel
from studies.dense.pictures import CLASSES, IGNORED, draw, split
from studies.dense.readers import read_cityscapes, read_nyu
from studies.dense.study import BOTH, GROUPS, train_group
from studies.dense.training import Recipe, Tensors, fill_in, fit, predict, stack
from studies.dense.use import draw_video, load_student, save_student

SIZE = (32, 40)
PEOPLE = range(4, len(CLASSES))


@pytest.fixture(scope="module")
def pictures() -> list:
    return split("train", SIZE, 16)


@pytest.fixture(scope="module")
def data(pictures) -> Tensors:
    return stack(pictures)


# Pictures


def test_pictures_are_the_same_every_time_and_none_is_in_both_parts(pictures):
    for index in (0, 7):
        again = draw(index, SIZE)
        for part in ("colour", "depth", "classes"):
            np.testing.assert_array_equal(getattr(again, part), getattr(pictures[index], part))
    assert not np.array_equal(split("test", SIZE, 1)[0].colour, pictures[0].colour)


def test_a_picture_has_a_class_and_a_distance_for_each_pixel(pictures):
    for picture in pictures:
        assert picture.colour.shape == (*SIZE, 3)
        assert 0.3 < picture.depth.min() < picture.depth.max() < 30
        floor = picture.classes == 0
        assert floor[-1].mean() > 0.5, "the floor is below"
        rows = [picture.depth[row][floor[row]].mean() for row in np.flatnonzero(floor.sum(axis=1) > 20)]
        assert np.all(np.diff(rows) < 0), "and nearer the lower it is seen"
    occur = set(np.concatenate([np.unique(picture.classes) for picture in pictures]))
    assert occur == set(range(len(CLASSES)))


# Readers, on files in the datasets' formats


@pytest.fixture
def nyu(tmp_path) -> Path:
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "nyu.mat", "w") as file:
        file["images"] = rng.integers(0, 256, (2, 3, 5, 4), np.uint8)  # (N, 3, W, H)
        file["depths"] = rng.uniform(1, 9, (2, 5, 4)).astype(np.float32)
        file["labels"] = np.array([[[0, 1, 2, 3]] * 5, [[4, 4, 4, 4]] * 5], np.uint16)
    return tmp_path / "nyu.mat"


def test_nyu_has_the_axes_of_matlab_and_its_label_0_is_none(nyu):
    import h5py

    first, second = read_nyu(nyu)
    with h5py.File(nyu) as file:
        assert first.colour[3, 1].tolist() == file["images"][0, :, 1, 3].tolist()
        assert first.depth[3, 1] == file["depths"][0, 1, 3]
    assert first.classes[:, 0].tolist() == [IGNORED, 0, 1, 2]
    assert second.classes[0].tolist() == [3] * 5
    assert next(read_nyu(nyu, [5, 6, 5, 7])).classes[:, 0].tolist() == [IGNORED, 5, 6, 5]


def test_what_is_not_nyu_is_named(nyu):
    h5py = pytest.importorskip("h5py")
    with h5py.File(nyu, "a") as file:
        del file["depths"]
    with pytest.raises(ValueError, match=r"nyu\.mat' has no depths"):
        next(read_nyu(nyu))


@pytest.fixture
def cityscapes(tmp_path) -> Path:
    def write(kind: str, ending: str, image: np.ndarray) -> None:
        folder = tmp_path / kind / "val" / "ulm"
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / f"ulm_000000_000019_{ending}.png"), image)

    write("leftImg8bit", "leftImg8bit", np.full((4, 6, 3), (10, 20, 30), np.uint8))
    write("gtFine", "gtFine_labelIds", np.array([[7, 8, 24, 33, 0, 3]] * 4, np.uint8))
    write("disparity", "disparity", np.array([[0, 1 + 256 * 10, 1 + 256 * 20, 1, 1, 1]] * 4, np.uint16))
    (tmp_path / "camera/val/ulm").mkdir(parents=True)
    camera = {"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 2000.0}}
    (tmp_path / "camera/val/ulm/ulm_000000_000019_camera.json").write_text(json.dumps(camera))
    return tmp_path


def test_cityscapes_has_depth_from_disparity_and_the_classes_that_are_evaluated(cityscapes):
    (picture,) = read_cityscapes(cityscapes, "val")
    assert picture.colour[0, 0].tolist() == [30, 20, 10]
    assert picture.classes[0].tolist() == [0, 1, 11, 18, IGNORED, IGNORED]
    np.testing.assert_allclose(picture.depth[0], [0, 40, 20, 0, 0, 0])


def test_cityscapes_that_is_not_whole_is_named(cityscapes):
    (cityscapes / "disparity/val/ulm/ulm_000000_000019_disparity.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"disparity\.png' is missing"):
        list(read_cityscapes(cityscapes, "val"))
    with pytest.raises(FileNotFoundError, match="no picture"):
        list(read_cityscapes(cityscapes, "train"))


# The network


@pytest.mark.parametrize("encoder", ["small", "resnet50"])
def test_estimates_are_as_large_as_the_picture(encoder, data):
    if encoder == "resnet50":
        pytest.importorskip("transformers")
    model = DenseModel(DenseConfig(len(CLASSES), encoder=encoder)).eval()
    said = predict(model, data.take(2))
    assert said["classes"].shape == (2, len(CLASSES), *SIZE)
    assert said["depth"].shape == (2, *SIZE)
    assert (said["depth"] > 0).all()
    assert (sum(p.numel() for p in model.parameters()) > 23e6) == (encoder == "resnet50")


def test_a_teacher_sees_what_a_student_does_not(data):
    teacher, student = (DenseModel(DenseConfig(len(CLASSES), extra=extra)).eval() for extra in ("classes", ""))
    before = predict(teacher, data.take(2))["depth"]
    other = replace(data.take(2), classes=torch.zeros_like(data.classes[:2]))
    assert not torch.equal(predict(teacher, other)["depth"], before)
    assert torch.equal(predict(student, other)["depth"], predict(student, data.take(2))["depth"])
    with pytest.raises(ValueError, match="extra is missing; the network sees 'classes'"):
        teacher(data.colour[:2])


def test_tasks_exchange_features_at_every_scale(data):
    model = DenseModel(DenseConfig(len(CLASSES))).eval()
    for scale in model.scales:
        before = predict(model, data.take(1))["depth"]
        torch.nn.init.constant_(scale.message["classes_to_depth"].bias, 3.0)
        assert not torch.allclose(predict(model, data.take(1))["depth"], before)
    alone = DenseModel(DenseConfig(len(CLASSES), ("depth",)))
    assert not any("message" in name for name, _ in alone.named_parameters())


# Learning


def test_a_missing_label_teaches_nothing(data):
    model = DenseModel(DenseConfig(len(CLASSES)))
    output = model(data.colour[:2])
    hidden = data.take(2).hide("classes", 0).hide("depth", 0)
    assert training._loss(output, hidden.depth, hidden.classes).item() == 0
    half = data.take(2).hide("classes", 1)
    assert half.classes[1].eq(IGNORED).all()
    assert torch.equal(half.classes[0], data.classes[0])
    loss = training._loss(output, torch.zeros_like(half.depth), half.classes)
    (gradient,) = torch.autograd.grad(loss, output.final["classes"])
    assert gradient[0].any()
    assert not gradient[1].any()


def test_a_network_learns(data):
    eight = data.take(8)

    def loss(model: DenseModel) -> float:
        return training._loss(model.train()(eight.colour), eight.depth, eight.classes).item()

    config = DenseConfig(len(CLASSES))
    assert loss(fit(config, eight, Recipe(25))) < 0.7 * loss(DenseModel(config))


def test_a_teacher_fills_in_what_is_missing_if_it_is_confident(data, monkeypatch):
    hidden = data.take(3).hide("classes", 1).hide("depth", 2)
    likely = torch.full((3, len(CLASSES), *SIZE), 0.05 / 7)
    likely[:, 2] = 0.95
    likely[:, :, :4] = 1 / len(CLASSES)
    said = {"classes": likely, "depth": torch.full((3, *SIZE), 2.5)}
    monkeypatch.setattr(training, "predict", lambda *_: said)
    filled = fill_in(DenseModel(DenseConfig(len(CLASSES))), hidden, "classes").classes
    assert torch.equal(filled[0], data.classes[0])
    assert filled[1:, :4].eq(IGNORED).all()
    assert filled[1:, 4:].eq(2).all()
    metres = fill_in(DenseModel(DenseConfig(len(CLASSES))), hidden, "depth").depth
    assert torch.equal(metres[:2], data.depth[:2])
    assert metres[2].eq(2.5).all()


def test_scores_are_those_of_the_definitions():
    truth, decided = torch.tensor([[[0, 0, 1, IGNORED]]]), torch.tensor([[[0, 1, 1, 2]]])
    assert class_scores(decided, truth, 3) == pytest.approx({"miou": (1 / 2 + 1 / 2) / 2, "pixels": 2 / 3})
    found = depth_scores(torch.tensor([[2.0, 3.0, 9.0]]), torch.tensor([[1.0, 3.0, 0.0]]))
    expected = {"rmse": 0.5**0.5, "log_rmse": (np.log(2) ** 2 / 2) ** 0.5, "relative": 0.5}
    assert found == pytest.approx(expected)


def test_each_method_is_trained_on_the_labels_that_it_may_see(data, monkeypatch):
    seen = []

    def pretend(config: DenseConfig, labelled: Tensors, _recipe: Recipe) -> DenseModel:
        of_classes, of_depth = (labelled.classes != IGNORED).flatten(1), (labelled.depth > 0).flatten(1)
        seen.append((config.tasks, config.extra, int(of_classes.all(1).sum()), int(of_depth.all(1).sum())))
        return DenseModel(config).eval()

    monkeypatch.setattr("studies.dense.study.fit", pretend)
    monkeypatch.setattr(training, "CONFIDENT", 0.0)
    (moderate,) = (group for group in GROUPS if group.name == "moderate")
    names = [name for name, _, _ in train_group(moderate, data, data.take(2), Recipe(1))]
    assert names[-1] == "student of a teacher that sees the label, too (paper)"
    assert seen == [
        (("classes",), "", 8, 8),
        (("depth",), "", 16, 16),
        (BOTH, "", 8, 8),
        (BOTH, "", 8, 16),
        (BOTH, "", 16, 16),
        (BOTH, "depth", 8, 8),
        (BOTH, "", 16, 16),
    ]


def test_the_section_says_in_how_many_seeds_the_order_holds(tmp_path, data, monkeypatch):
    monkeypatch.setattr("studies.dense.study.fit", lambda config, *_: DenseModel(config).eval())
    monkeypatch.setattr("studies.dense.study._pictures", lambda *_: data.take(10))
    bench = Bench(tmp_path, tmp_path, (0, 1))
    (tmp_path / "dense").mkdir()
    section(bench)
    for seed in (0, 1):
        path = tmp_path / "dense" / f"seed_{seed}.json"
        found = json.loads(path.read_text())
        scores = found["moderate"]
        for place, name in enumerate(("both tasks, missing labels count nothing", "classes alone")):
            scores[name]["miou"] = 0.1 + place / 10
        scores["both tasks, pictures with both labels"]["miou"] = 0.3
        scores["student of a teacher that sees the label, too (paper)"]["miou"] = 0.4 - 0.2 * seed
        path.write_text(json.dumps(found))
    text = section(bench)
    assert "| student of a teacher that sees the label, too (paper) | 30.0 ± 14.1 |" in text
    assert "< both tasks < student, by mIoU | 1 of 2 |" in text
    assert "| 25.3 | 0.653 |" in text


# Commands


def test_the_student_looks_at_a_video(tmp_path, capsys):
    save_student(DenseModel(DenseConfig(len(CLASSES))), tmp_path / "model")
    assert isinstance(load_student(tmp_path / "model"), DenseModel)
    video = tmp_path / "in.mp4"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for shade in (40, 80, 120):
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    assert main(["dense", "video", str(tmp_path / "model"), str(video)]) == 0
    assert "3 pictures in" in capsys.readouterr().out
    is_there, drawn = cv2.VideoCapture(str(video.with_suffix(".dense.mp4"))).read()
    assert is_there
    assert drawn.shape == (120, 480, 3)
    assert main(["dense", "video", str(tmp_path / "none"), str(video)]) == 2
    assert "python research dense train" in capsys.readouterr().err
    student = load_student(tmp_path / "model")
    with pytest.raises(ConfigError, match="no picture that can be read"):
        draw_video(student, tmp_path / "none.mp4", tmp_path / "out.mp4")


def a_video(path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    writer.write(np.full((48, 64, 3), 40, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize("place", ["missing/x.mp4", "file/x.mp4", "x.unknown"])
def test_a_video_that_cannot_be_written_is_named(tmp_path, capsys, place):
    save_student(DenseModel(DenseConfig(len(CLASSES))), tmp_path / "model")
    (tmp_path / "file").write_text("")
    video, out = a_video(tmp_path / "in.mp4"), tmp_path / place
    before = sorted(tmp_path.iterdir())
    assert main(["dense", "video", str(tmp_path / "model"), str(video), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert f"cannot write a video to '{out}'" in said.err
    assert "pictures in" not in said.out
    assert sorted(tmp_path.iterdir()) == before


def test_a_video_that_was_there_stays_until_another_is_whole(tmp_path):
    video, out = a_video(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    out.write_bytes(b"before")
    student = DenseModel(DenseConfig(len(CLASSES))).eval()
    with pytest.raises(ConfigError, match="no picture that can be read"):
        draw_video(student, tmp_path / "none.mp4", out)
    assert out.read_bytes() == b"before"
    assert draw_video(student, video, out) == 1
    assert cv2.VideoCapture(str(out)).read()[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


STUDENT = asdict(DenseConfig(len(CLASSES)))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ([], "expected keys and values"),
        ({"architecture": "x"}, "no key 'architecture'"),
        ({}, "missing classes"),
        ({**STUDENT, "classes": "x"}, "classes is 'x'"),
        ({**STUDENT, "classes": 5}, "expected 8 classes"),
        ({**STUDENT, "tasks": None}, "tasks is None"),
        ({**STUDENT, "tasks": [["depth"]]}, r"tasks is \(\['depth'\],\)"),
        ({**STUDENT, "tasks": ["depth"]}, "expected 8 classes, tasks"),
        ({**STUDENT, "extra": "depth"}, "no extra"),
        ({**STUDENT, "encoder": "hrnet"}, "encoder is 'hrnet'"),
        ({**STUDENT, "width": 0}, "width is 0; expected an integer from 1 to 1024"),
        ({**STUDENT, "width": 8}, "size mismatch"),
        (STUDENT, None),
    ],
)
def test_a_student_of_another_program_is_refused(tmp_path, facts, message):
    save_student(DenseModel(DenseConfig(len(CLASSES))), tmp_path)
    (tmp_path / "student.json").write_text(json.dumps(facts))
    if message is None:
        load_student(tmp_path)
        return
    with pytest.raises(ConfigError, match=f"(?s)student in .* cannot be used: .*{message}.*make one with"):
        load_student(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_students_weights_that_are_damaged_or_gone_are_named(tmp_path, damage):
    save_student(DenseModel(DenseConfig(len(CLASSES))), tmp_path)
    weights = tmp_path / "student.safetensors"
    weights.unlink() if damage is None else weights.write_bytes(damage)
    with pytest.raises(ConfigError, match=r"student in .* cannot be used: .*make one with"):
        load_student(tmp_path)


@pytest.mark.parametrize(("action", "option"), [("compare", "rooms"), ("train", "steps")])
@pytest.mark.parametrize("count", ["0", "-1"])
def test_none_of_what_is_counted_is_refused(tmp_path, capsys, action, option, count):
    if action == "compare":
        save_student(DenseModel(DenseConfig(len(CLASSES))), tmp_path / "model")
    assert main(["dense", action, str(tmp_path / "model"), f"--{option}", count]) == 2
    assert f"{option} is {count}; expected 1 or more" in capsys.readouterr().err


def test_whoever_is_never_found_has_a_dash(monkeypatch):
    monkeypatch.setattr("studies.dense.compare._instants", lambda *_: iter(()))
    text = compare(DenseModel(DenseConfig(len(CLASSES))).eval(), (30, 40), rooms=1)
    assert "nan" not in text
    assert "| both | – | 0 |" in text
    assert "| depth camera | 0.0 | – | 0 |" in text


def test_a_student_is_compared_with_what_the_front_end_has(monkeypatch):
    monkeypatch.setattr("studies.dense.compare._SECONDS", 0.5)
    sees_floor_only = DenseModel(DenseConfig(len(CLASSES), BOTH)).eval()
    torch.nn.init.zeros_(sees_floor_only.aggregate["classes"][-1].weight)
    torch.nn.init.eye_(sees_floor_only.aggregate["classes"][-1].bias[None])  # 1 for the floor
    found, masks = compare(sees_floor_only, (30, 40), rooms=1).split("\n\n")
    error_m = {row.split("|")[1].strip(): row.split("|")[3] for row in found.splitlines()[2:]}
    assert float(error_m["depth camera"]) < 0.15
    overlap = {row.split("|")[1].strip(): float(row.split("|")[2]) for row in masks.splitlines()[2:]}
    assert overlap["depth camera: near the bones"] > 70
    assert overlap["classes of the student"] == overlap["both"] == 0
