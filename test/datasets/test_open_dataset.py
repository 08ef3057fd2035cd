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

"""Datasets by name; the simulator's people."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mumu_ros.animation import ACTIVITIES
from mumu_ros.datasets import DATASETS, open_dataset
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.share import share_path
from mumu_ros.simulation import GROUP_OF


def test_an_unknown_dataset_is_refused_with_the_known_ones():
    with pytest.raises(DatasetError, match="no dataset 'utd-mhad'; there are simulator, utd_mhad, mmact, folder"):
        open_dataset("utd-mhad", "")


def test_scipy_is_loaded_by_none_but_utd_mhad():
    code = (
        "import sys; from mumu_ros.datasets import open_dataset; "
        "open_dataset('simulator', '', subjects=[1]); sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"simulator"}))
def test_a_root_without_the_dataset_is_refused(name, tmp_path):
    with pytest.raises(DatasetError, match=str(tmp_path)):
        open_dataset(name, str(tmp_path))


def test_animated_people_are_in_no_folder_and_the_same_every_time(preprocessing):
    dataset = open_dataset("animated", "")
    assert len({clip.subject for clip in dataset.clips}) == 120
    assert {clip.activity for clip in dataset.clips} == set(ACTIVITIES)
    (wave,) = [clip for clip in open_dataset("animated", "", subjects=[7]).clips if clip.id == "wave_s7_t2"]
    clip, again = (dataset.read(wave, preprocessing(skeleton=(20, 3))) for _ in range(2))
    assert [segment.activity for segment in clip.segments] == ["wave"]
    assert np.array_equal(clip.streams["skeleton"].samples, again.streams["skeleton"].samples, equal_nan=True)
    assert np.diff(clip.streams["skeleton"].stamps_ns) == pytest.approx(1e9 / 30, abs=1)


def test_the_simulator_gives_a_clip_to_every_subject(preprocessing):
    dataset = open_dataset("simulator", "", subjects=[1001, 1000], seconds=4.0)
    assert [(clip.id, clip.subject) for clip in dataset.clips] == [("s1000", 1000), ("s1001", 1001)]
    clip = dataset.read(dataset.clips[1], preprocessing(imu_wrist=(2, 3), imu_ankle=(2, 3)))
    assert (clip.id, clip.subject) == ("s1001", 1001)
    assert set(clip.streams) == {"imu_wrist"} < set(dataset.streams)
    assert {segment.activity for segment in clip.segments} <= set(GROUP_OF)
    assert clip.segments[-1].end_ns - clip.segments[0].start_ns == pytest.approx(4e9, rel=0.01)


@pytest.mark.parametrize(("subjects", "text"), [(None, "give subjects"), ([], "no clip")])
def test_the_simulator_wants_to_know_the_subjects(subjects, text):
    with pytest.raises(DatasetError, match=text):
        open_dataset("simulator", "", subjects=subjects)


def test_a_dataset_of_another_package_has_clips(monkeypatch):
    nothing = SimpleNamespace(clips=())
    monkeypatch.setattr("mumu_ros.datasets.DATASETS", {"theirs": lambda *_: nothing})
    with pytest.raises(DatasetError, match="theirs has no clip of subjects 1, 2"):
        open_dataset("theirs", "", subjects=[2, 1])


def test_a_model_that_shares_no_stream_with_the_dataset_is_refused(preprocessing):
    dataset = open_dataset("simulator", "", subjects=[1])
    with pytest.raises(DatasetError, match=r"the simulator has .*imu_wrist.*; the model takes skeleton"):
        dataset.read(dataset.clips[0], preprocessing(skeleton=(20, 3)))


@pytest.mark.parametrize(("name", "sizes"), [("mmact", [16, 12, 9]), ("ucsd_mit", [4, 5])])
def test_taxonomies_have_the_papers_sizes(name, sizes):
    taxonomy = Taxonomy.read(share_path("config", "taxonomies", f"{name}.yaml"))
    assert [len(activities) for activities in taxonomy.groups.values()] == sizes
