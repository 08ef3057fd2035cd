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

"""Taxonomies and configurations: round trips, and every impossible value quoted."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.model.checkpoint import load_checkpoint
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.text import UNKNOWN


def test_taxonomy_lists_activities_in_order(taxonomy: Taxonomy) -> None:
    assert taxonomy.group_names == ("gesture", "gait")
    assert taxonomy.activities == ("wave", "point", "walk", "run", "stand")
    assert taxonomy.group_of("run") == "gait"
    assert taxonomy.activity_index("walk") == 2
    np.testing.assert_array_equal(taxonomy.group_indices, [0, 0, 1, 1, 1])


def test_taxonomy_survives_a_yaml_file(taxonomy: Taxonomy, tmp_path: Path) -> None:
    taxonomy.write(tmp_path / "t.yaml")
    assert Taxonomy.read(tmp_path / "t.yaml") == taxonomy


@pytest.mark.parametrize("name", ["1e3", "2E1", "no", "1_000", "0o7", ".5", "2026-01-02", "~", "1:30"])
def test_a_name_may_look_like_anything_else_in_yaml(tmp_path: Path, name: str) -> None:
    taxonomy = Taxonomy(name, {name: (name, "wave")})
    taxonomy.write(tmp_path / "t.yaml")
    assert Taxonomy.read(tmp_path / "t.yaml") == taxonomy


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({}, r"groups is \{\}"),
        ({"a": []}, r"group 'a' has activities \[\]"),
        ({"a": "walk"}, r"group 'a' has activities 'walk'"),
        ({"a": ["x", "y"], "b": ["x"]}, r"\['x'\] occur more than once"),
        ({"a": ["x", " "]}, "' ' is not a name"),
        ({"a": ["x", 3]}, "3 is not a name"),
        (
            {"a": ["x", UNKNOWN]},
            "taxonomy 't': 'unknown' is reserved for decisions of too little confidence; call it other",
        ),
        ({UNKNOWN: ["x"]}, "taxonomy 't': 'unknown' is reserved"),
    ],
)
def test_impossible_taxonomies(groups: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Taxonomy("t", groups)


def test_unknown_activity_and_unreadable_files_are_named(taxonomy: Taxonomy, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no activity 'fly' .*wave, point"):
        taxonomy.group_of("fly")
    with pytest.raises(ValueError, match=r"gone\.yaml"):
        Taxonomy.read(tmp_path / "gone.yaml")
    (tmp_path / "bad.yaml").write_text("groups: [1, 2")
    with pytest.raises(ValueError, match=r"bad\.yaml"):
        Taxonomy.read(tmp_path / "bad.yaml")


def test_config_survives_json(config: ModelConfig, rich_config: ModelConfig) -> None:
    for model in (config, dataclasses.replace(rich_config, fusion="hamlet", merge="sum")):
        assert ModelConfig.from_dict(json.loads(json.dumps(model.to_dict()))) == model


def test_a_config_from_before_a_field_existed_still_loads(config: ModelConfig) -> None:
    """As the paper's network, which was all there was."""
    old = config.to_dict()
    for field in ("fusion", "merge", "bidirectional", "layer_norm"):
        del old[field]
    for modality in old["modalities"]:
        for field in ("centered", "body", "joints", "focal"):
            del modality[field]
    assert ModelConfig.from_dict(old) == config
    assert config.fusion == "mumu"


def test_the_shipped_model_loads() -> None:
    assert load_checkpoint(Path(__file__).parents[2] / "models" / "sim").config.name == "sim"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "modality: '' is not a name"),
        ("kind", "lidar", "kind is 'lidar'; expected one of rgb, depth, vector"),
        ("encoder", "cooccurrence", "encoder is 'cooccurrence'; rgb is encoded by small_cnn or resnet50"),
        ("shape", (64, 64), r"shape is \(64, 64\); expected \(height, width, 3\)"),
        ("shape", (64, 64, 1), r"shape is \(64, 64, 1\)"),
        ("shape", (64, 8, 3), "at least 32 pixels"),
        ("shape", (64, 6.5, 3), r"6\.5; expected an integer|is 6\.5"),
        ("rate_hz", 0, "rate_hz is 0; expected a number > 0"),
        ("rate_hz", float("nan"), "rate_hz is nan"),
        ("rate_hz", "ten", "rate_hz is 'ten'"),
        ("stride", 0, "stride is 0; expected an integer ≥ 1"),
        ("mean", (1.0, 2.0), r"mean is \(1\.0, 2\.0\); expected 1 or 3 numbers"),
        ("std", (1.0, 0.0, 1.0), r"std is 0\.0; expected a number > 0"),
        ("range_m", (2.0, 1.0), r"farthest is 1\.0; expected a number > 2"),
        ("centered", 1, "centered is 1; expected true or false"),
        ("encoder", "pose_cnn", "encoder is 'pose_cnn'; rgb is encoded by small_cnn or resnet50"),
        ("body", (0, 1, 2, 3), r"body is \(0, 1, 2, 3\); that is for cooccurrence1d and pose_cnn, not small_cnn"),
        ("joints", 20, "joints is 20; that is for encoder pose_cnn, not small_cnn"),
        ("worn", 0, "worn is 0; expected true or false"),
        ("worn", False, r"worn is False; that is for vectors of shape \(2, 3\), leave it out"),
    ],
)
def test_impossible_modalities(field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Modality(**{**vars(Modality("rgb", "rgb", (64, 64, 3), 10, "small_cnn")), field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("body", (0, 1, 2), r"body is \(0, 1, 2\); expected four different joints from 0 to 19"),
        ("body", (0, 1, 2, 20), r"body is \(0, 1, 2, 20\)"),
        ("body", (0, 1, -1, 3), r"body is \(0, 1, -1, 3\)"),
        ("body", (0, 1, 2, 2), r"body is \(0, 1, 2, 2\)"),
        ("body", (0, True, 2, 3), r"body is \(0, True, 2, 3\)"),
        ("body", (0, 1, 2.0, 3), r"body is \(0, 1, 2\.0, 3\)"),
        ("body", 7, "body is 7; expected four joints, or none"),
        ("body", None, "body is None"),
        ("shape", (20, 2), r"body is \(0, 1, 2, 3\); only joints in three dimensions have one"),
        (
            "encoder",
            "cooccurrence",
            r"body is \(0, 1, 2, 3\); that is for cooccurrence1d and pose_cnn, not cooccurrence",
        ),
        ("encoder", "small_cnn", "encoder is 'small_cnn'; vector is encoded by cooccurrence or cooccurrence1d"),
    ],
)
def test_impossible_bodies(field: str, value: Any, message: str) -> None:
    skeleton = Modality("skeleton", "vector", (20, 3), 15, "cooccurrence1d", body=(0, 1, 2, 3))
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(skeleton, **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("joints", 0, "joints is 0; expected an integer ≥ 1"),
        ("joints", 3, r"body is \(0, 1, 2, 3\); expected four different joints from 0 to 2"),
        ("focal", 0, "focal is 0; expected a number > 0"),
        ("std", (2.0,), r"std \(2\.0,\); a body is scaled to itself, leave them out"),
    ],
)
def test_impossible_poses(field: str, value: Any, message: str) -> None:
    depth = Modality("depth", "depth", (96, 128, 1), 10, "pose_cnn", joints=20, body=(0, 1, 2, 3))
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(depth, **{field: value})


def test_isolated_segments_are_not_centered() -> None:
    with pytest.raises(ConfigError, match="centered is True; that is for cooccurrence1d and pose_cnn"):
        Modality("imu", "vector", (2, 3), 30, "cooccurrence", centered=True)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("modalities", (), "needs at least one"),
        ("window_s", -1, "window_s is -1"),
        ("window_s", 0.15, r"modality 'depth': window_s 0\.15 at rate_hz 3 has 0 steps, fewer than stride 1"),
        ("feature_size", 0, "feature_size is 0"),
        ("dropout", 1.0, r"dropout is 1\.0"),
        ("deep_supervision", 1, "deep_supervision is 1"),
        ("bidirectional", "yes", "bidirectional is 'yes'; expected true or false"),
        ("layer_norm", 0, "layer_norm is 0; expected true or false"),
        (
            "fusion",
            "mulan",
            "fusion is 'mulan'; expected one of mumu, trusted_mumu, non_attention",
        ),
        ("merge", ["sum"], r"merge is \['sum'\]; expected one of concat, sum"),
    ],
)
def test_impossible_models(config: ModelConfig, field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config, **{field: value})


def test_trusted_mumu_needs_deep_supervision(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match=r"fusion trusted_mumu .*set deep_supervision: true"):
        dataclasses.replace(config, fusion="trusted_mumu", deep_supervision=False)


def test_a_bidirectional_lstm_halves_the_feature(config: ModelConfig) -> None:
    assert dataclasses.replace(config, feature_size=15).feature_size == 15
    with pytest.raises(ConfigError, match=r"feature_size is 15; .*expected an even one"):
        dataclasses.replace(config, feature_size=15, bidirectional=True)


def test_modality_names_are_unique(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match=r"\['rgb'\] occur more than once"):
        dataclasses.replace(config, modalities=(config.modalities[0], config.modalities[0]))


@pytest.mark.parametrize("name", ["", "=1+1", "a\0b", "a\nb", "\ud800", "x" * 1000, 3, None, ["wave"]])
def test_names_that_break_tables_and_messages_are_refused_everywhere(config: ModelConfig, name: Any) -> None:
    data = config.to_dict()
    groups = data["taxonomy"]["groups"]
    for wrong in (
        {**data, "name": name},
        {**data, "modalities": [{**data["modalities"][0], "name": name}]},
        {**data, "taxonomy": {"name": name, "groups": groups}},
        {**data, "taxonomy": {"name": "t", "groups": {**groups, "other": [name]}}},
        *([{**data, "taxonomy": {"name": "t", "groups": {name: ["jump"]}}}] if not isinstance(name, list) else []),
    ):
        with pytest.raises(ConfigError, match="is not a name"):
            ModelConfig.from_dict(wrong)


HUGE = [10**29, 10**400, 1e300, -1, -(10**29), float("nan"), float("inf")]
PARTS = ["feature_size", "window_s", "modalities.0.rate_hz", "modalities.0.stride", "modalities.0.shape.0"]
SMALLER = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*HUGE, "", "rgb", "\0", {}, []])
ANYTHING = st.recursive(
    SMALLER, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


def at(data: Any, path: str, value: Any) -> Any:
    """A copy of nested lists and dictionaries with another value at a path."""
    first, _, rest = path.partition(".")
    key = int(first) if isinstance(data, list) else first
    copy = data.copy()
    copy[key] = at(data[key], rest, value) if rest else value
    return copy


def paths(data: Any, prefix: str = "") -> list[str]:
    """The paths of everything that is in nested lists and dictionaries."""
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    return [path for key in keys for path in (f"{prefix}{key}", *paths(data[key], f"{prefix}{key}."))]


@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize("value", HUGE)
def test_numbers_without_measure_are_refused_before_anything_is_made_of_them(
    config: ModelConfig, path: str, value: Any
) -> None:
    with pytest.raises(ConfigError, match=path.split(".")[-1 if path[-1] != "0" else -2]):
        ModelConfig.from_dict(at(config.to_dict(), path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("modalities", "abc"),
        ("modalities", 3),
        ("modalities", {"rgb": 1}),
        ("modalities.0.kind", [0, 0]),
        ("modalities.0.layout", []),
        ("modalities.2.shape", [4096, 4096]),
        ("taxonomy.groups", {"a": ["b"] * 5000}),
        ("taxonomy.groups", {"a": [["b"]]}),
    ],
)
def test_values_of_another_kind_are_refused(config: ModelConfig, path: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        ModelConfig.from_dict(at(config.to_dict(), path, value))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_anywhere_is_a_configuration_or_a_sentence(
    rich_config: ModelConfig, data: st.DataObject
) -> None:
    content = rich_config.to_dict()
    changed = at(content, data.draw(st.sampled_from(paths(content))), data.draw(ANYTHING))
    try:
        model = ModelConfig.from_dict(changed)
    except ConfigError:
        return
    assert sum(model.steps(m.name) * math.prod(m.shape) for m in model.modalities) <= 2**28
    assert sum(model.steps(m.name) for m in model.modalities) * model.members <= 2**22


def _vectors(count: int, shape: tuple[int, int]) -> tuple[Modality, ...]:
    return tuple(Modality(f"m{i}", "vector", shape, 1000, "cooccurrence1d") for i in range(count))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"modalities": _vectors(40, (4, 1)), "window_s": 2000.0}, r"has 320000000 values, of modality 'm0' 8000000;"),
        ({"modalities": _vectors(2, (2, 1)), "window_s": 3000.0}, r"has 6000000 steps in all members, .*'m0' 3000000"),
        ({"modalities": _vectors(1, (2, 1)), "window_s": 300.0, "members": 16}, r"has 4800000 steps in all members"),
        (
            {"taxonomy": Taxonomy("wide", {f"g{i}": (f"a{i}",) for i in range(4000)})},
            r"taxonomy 'wide' has 4000 activities in 4000 groups, for 1 members; .* use fewer groups",
        ),
    ],
)
def test_what_a_network_holds_besides_its_weights_has_limits(
    config: ModelConfig, changed: dict[str, Any], message: str
) -> None:
    """Else a folder of a few kilobytes would take gigabytes."""
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config, **changed)


def test_unknown_missing_and_foreign_keys(config: ModelConfig) -> None:
    data = config.to_dict()
    with pytest.raises(ConfigError, match="no key 'window'; did you mean window_s"):
        ModelConfig.from_dict({**data, "window": 2})
    with pytest.raises(ConfigError, match="format 99; this version reads 1"):
        ModelConfig.from_dict({**data, "format": 99})
    modality = {**data["modalities"][0], "rate": 3}
    with pytest.raises(ConfigError, match="modality 0: no key 'rate'; did you mean rate_hz"):
        ModelConfig.from_dict({**data, "modalities": [modality]})
    del data["taxonomy"]
    with pytest.raises(ConfigError, match="missing taxonomy"):
        ModelConfig.from_dict(data)
