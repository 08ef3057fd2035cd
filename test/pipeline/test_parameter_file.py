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

"""The nodes' parameter files, without ROS: the same values, the same checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mumu_ros.pipeline.configuration import InferenceConfig, SensorSyncConfig, read_sensor_sync
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_tables import INFERENCE, SENSOR_SYNC
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.share import share_path


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def sync(path: Path | None) -> SensorSyncConfig:
    return SensorSyncConfig.read(ParameterFile(path).read("sensor_sync", SENSOR_SYNC))


def test_the_shipped_file_is_read() -> None:
    path = share_path("config", "utd_mhad.yaml")
    config = sync(path)
    assert [stream.name for stream in config.streams] == ["depth", "imu", "skeleton"]
    assert (config.rate_hz, config.timeout_s) == (15.0, 0.5)
    assert config.streams[0].size == (96, 128)
    assert config.streams[2].shape == (20, 3)
    inference = InferenceConfig.read(ParameterFile(path).read("inference", INFERENCE))
    assert (inference.unknown_threshold, inference.rate_hz) == (None, 5.0)


@pytest.mark.parametrize("own", ["", "model: utd-mhad-dsp, "])
def test_what_a_stream_leaves_open_is_of_its_modality(own: str, tmp_path: Path) -> None:
    """Sizes and shapes are written in the model only; the file's own values come first."""
    path = written(
        tmp_path / "p.yaml",
        f"""
        sensor_sync:
          ros__parameters:
            {{{own}streams: [depth, skeleton, imu, arm], depth: {{topic: a, width: 64}}, arm: {{topic: d}},
             skeleton: {{topic: b, type: geometry_msgs/msg/PoseArray}}, imu: {{topic: c, type: sensor_msgs/msg/Imu}}}}
        inference: {{ros__parameters: {{model: {"people" if own else "utd-mhad-dsp"}}}}}
        """,
    )
    streams = {stream.name: stream for stream in read_sensor_sync(path).streams}
    assert (streams["depth"].kind, streams["depth"].size) == ("depth", (96, 64))
    assert (streams["skeleton"].kind, streams["skeleton"].shape) == ("vector", (20, 3))
    assert streams["imu"].shape == (2, 3)
    assert (streams["arm"].kind, streams["arm"].size) == ("rgb", (224, 224)), "the model has none"
    assert {s.name: s.kind for s in read_sensor_sync(path, "sim").streams}["imu"] == "vector", "by its type"


def test_without_a_file_there_are_the_defaults() -> None:
    inference = InferenceConfig.read(ParameterFile(None).read("inference", INFERENCE))
    assert inference.model == share_path("models", "people")
    assert inference.unknown_threshold is None
    with pytest.raises(ParameterError, match=r"rgb\.topic is empty"):
        sync(None)


def test_sections_fit_by_name_and_wildcard_and_the_last_one_wins(tmp_path: Path) -> None:
    path = written(
        tmp_path / "p.yaml",
        """
        /**: {ros__parameters: {rate_hz: 3, imu: {topic: /a}}}
        /robot/inference: {ros__parameters: {rate_hz: 9}}
        /robot/sensor_sync:
          ros__parameters: {streams: [imu], imu.type: sensor_msgs/msg/Imu, imu: {kind: vector, topic: /b}}
        """,
    )
    config = sync(path)
    assert config.rate_hz == 3.0
    assert config.streams[0].topic == "/b"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[", "is no YAML"),
        ("1", "is no parameter file"),
        ("inference: {ros__parameters: {}}", "has no section for sensor_sync; it has inference"),
        (
            "sensor_sync: {ros__parameters: {streams: [a], a.topic: t, rate_hz: fast}}",
            "rate_hz is 'fast'; expected a number",
        ),
        (
            "sensor_sync: {ros__parameters: {streams: [a], a: {topic: t, crop: [0, 0, 320, 0]}}}",
            r"a.crop is \[0, 0, 320, 0\]; expected x, y, width, height: .*, height from 1 on unless width is 0",
        ),
        ("sensor_sync: {ros__parameters: {streams: [a, a]}}", r"streams is \['a', 'a'\]"),
        ("/**/sensor_sync: {ros__parameters: {timout_s: 1}}", "no parameter 'timout_s'; did you mean timeout_s"),
        ("sensor_sync: {ros__parameters: {rgb: {widht: 64}}}", "no parameter 'rgb.widht'; did you mean rgb.width"),
    ],
)
def test_files_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path / "p.yaml", text)
    with pytest.raises(ParameterError, match=complaint):
        sync(path)


@pytest.mark.parametrize(
    ("text", "crop"), [("[8, 0, 320, 240]", (8, 0, 320, 240)), ("[0, 0, 0, 0]", None), ("[0, 0, 0, 240]", None)]
)
def test_a_crop_without_width_is_the_whole_image(
    tmp_path: Path, text: str, crop: tuple[int, int, int, int] | None
) -> None:
    path = written(
        tmp_path / "p.yaml", f"sensor_sync: {{ros__parameters: {{streams: [a], a: {{topic: t, crop: {text}}}}}}}"
    )
    assert sync(path).streams[0].crop == crop


def test_a_section_for_all_nodes_may_have_what_another_node_reads(tmp_path: Path) -> None:
    path = written(
        tmp_path / "p.yaml",
        """
        /**: {ros__parameters: {robot_name: anna, use_sim_time: true}}
        sensor_sync: {ros__parameters: {streams: [a], a: {topic: t}, unused: {topic: u}, use_sim_time: false}}
        """,
    )
    assert [stream.name for stream in sync(path).streams] == ["a"]


BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &a [x]\nb: *c", "line 2: found undefined alias"),
        (BOMB, "line 6: more than 100000 values"),
        ("[" * 500 + "]" * 500, "nested deeper than 32 levels"),
        ("a: 1" + "0" * 10_000, "line 1: a number of 10001 characters"),
        ("a: b: c", "line 1: mapping values are not allowed"),
    ],
)
def test_yaml_without_measure_is_refused_by_file_and_line(tmp_path: Path, text: str, reason: str) -> None:
    path = written(tmp_path / "params.yaml", text)
    for read in (lambda: ParameterFile(path).read("sensor_sync", SENSOR_SYNC), lambda: ParameterFile(path).nodes()):
        with pytest.raises(ParameterError, match=reason) as error:
            read()
        assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("section", "namespaces"),
    [
        ("inference", {""}),
        ("/inference", {""}),
        ("/robot1/inference", {"robot1"}),
        ("robot1/inference", {"robot1"}),
        ("robot1: {inference", {"robot1"}),
        ("/robot2/inference", set()),
        ("/**/inference", {"", "robot1", "/fleet/robot1"}),
        ("/**: {inference", {"", "robot1", "/fleet/robot1"}),
        ("/*/inference", {"robot1"}),
        ("/**/robot1/inference", {"robot1", "/fleet/robot1"}),
        ("/**", {"", "robot1", "/fleet/robot1"}),
        ("/*", {""}),
        ("/*/*", {"robot1"}),
        ("/robot1/*", {"robot1"}),
        ("/robot1/**", {"robot1"}),
        ("/robot", set()),
    ],
)
def test_sections_apply_in_a_namespace_as_rcl_has_it(section: str, namespaces: set[str], tmp_path: Path) -> None:
    """Each was tried with a node of rclpy 7.1.6."""
    path = written(tmp_path / "p.yaml", f"{section}: {{ros__parameters: {{rate_hz: 5.0}}}}{'}' * section.count('{')}")
    found = set()
    for namespace in ("", "robot1", "/fleet/robot1"):
        is_own = "inference" in ParameterFile(path, namespace).nodes()
        assert ParameterFile(path, namespace).own("inference") == ({"rate_hz": 5.0} if is_own else {})
        try:
            ParameterFile(path, namespace).read("inference", INFERENCE)
            found.add(namespace)
        except ParameterError:
            assert not is_own
    assert found == namespaces


def test_a_file_of_several_robots_needs_a_namespace(tmp_path: Path) -> None:
    text = "".join(
        f"/{name}/inference: {{ros__parameters: {{rate_hz: {hz}}}}}\n" for name, hz in (("a", 5.0), ("b", 6.0))
    )
    path = written(tmp_path / "p.yaml", text)
    assert ParameterFile(path, "b").read("inference", INFERENCE).read("rate_hz") == 6.0
    with pytest.raises(ParameterError, match="has sections for inference in /a and /b; give a file"):
        ParameterFile(path).read("inference", INFERENCE)


@pytest.mark.parametrize(
    ("names", "namespaces"),
    [
        (("/a/**/inference", "/b/**/inference"), ["/a", "/b"]),
        (("/a/**", "/b/**"), ["/a", "/b"]),
        (("/a/*", "/a/inference", "/b/inference"), ["/a", "/b"]),
        (("/inference", "/a/**"), ["/", "/a"]),
        (("/**/inference", "/a/**", "/a/inference"), ["/a"]),
        (("/a/**", "/a/b/inference"), ["/a/b"]),
        (("/a/**", "/ab/inference"), ["/a", "/ab"]),
        (("/**", "/**/inference", "/b/**/people"), ["/"]),
    ],
)
def test_wildcards_do_not_hide_that_a_file_is_of_several_robots(
    names: tuple[str, ...], namespaces: list[str], tmp_path: Path
) -> None:
    text = "".join(f"{name}: {{ros__parameters: {{rate_hz: {i + 1}.0}}}}\n" for i, name in enumerate(names))
    file = ParameterFile(written(tmp_path / "p.yaml", text))
    assert file.namespaces(["inference"]) == namespaces
    if len(namespaces) == 1:
        assert file.read("inference", INFERENCE)
    else:
        with pytest.raises(ParameterError, match=f"sections for inference in {' and '.join(namespaces)}; give a file"):
            file.read("inference", INFERENCE)
        assert ParameterFile(file.path, namespaces[1]).read("inference", INFERENCE).read("rate_hz") > 1.0
