"""Taxonomies and configurations: round trips, and every impossible value quoted."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mumu_ros.model.config import ConfigError, Modality, ModelConfig
from mumu_ros.model.taxonomy import Taxonomy


def test_taxonomy_lists_activities_in_order(taxonomy: Taxonomy) -> None:
    assert taxonomy.group_names == ("gesture", "gait")
    assert taxonomy.activities == ("wave", "point", "walk", "run", "stand")
    assert taxonomy.group_of("run") == "gait"
    assert taxonomy.activity_index("walk") == 2
    np.testing.assert_array_equal(taxonomy.group_indices, [0, 0, 1, 1, 1])


def test_taxonomy_survives_a_yaml_file(taxonomy: Taxonomy, tmp_path: Path) -> None:
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


def test_config_survives_json(config: ModelConfig) -> None:
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "modality name is ''"),
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
    ],
)
def test_impossible_modalities(field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Modality(**{**vars(Modality("rgb", "rgb", (64, 64, 3), 10, "small_cnn")), field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("modalities", (), "needs at least one"),
        ("window_s", -1, "window_s is -1"),
        ("window_s", 0.15, r"modality 'depth': window_s 0\.15 at rate_hz 3 has 0 steps, fewer than stride 1"),
        ("feature_size", 0, "feature_size is 0"),
        ("dropout", 1.0, r"dropout is 1\.0"),
        ("deep_supervision", 1, "deep_supervision is 1"),
    ],
)
def test_impossible_models(config: ModelConfig, field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config, **{field: value})


def test_modality_names_are_unique(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match=r"\['rgb'\] occur more than once"):
        dataclasses.replace(config, modalities=(config.modalities[0], config.modalities[0]))


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


def test_configuration_and_preprocessing_do_not_import_torch() -> None:
    """sensor_sync runs beside the cameras, where torch may be missing."""
    modules = ["taxonomy", "config", "preprocessing", "checkpoint"]
    code = "import sys\n" + "\n".join(f"import mumu_ros.model.{m}" for m in modules)
    subprocess.run([sys.executable, "-c", code + "\nassert 'torch' not in sys.modules"], check=True)
