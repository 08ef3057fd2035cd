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

"""BlazePose's two networks: from pixels to raw outputs, which detection.py and landmarks.py decode.

OpenVINO reads the weights as they are. It runs on the CPU, and on an Intel GPU where the device says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.install_hints import install
from mumu_ros.people.weights import DETECTOR, LANDMARKS, WeightsError
from mumu_ros.telemetry import disable_telemetry

__all__ = ["DETECTOR_SIZE", "LANDMARK_SIZE", "PoseNetworks"]

DETECTOR_SIZE = 224
"""Side of the square picture that the detector sees, pixels."""
LANDMARK_SIZE = 256
"""Side of the square picture of one person that the landmark network sees, pixels."""
_LANDMARK_OUTPUTS = ("Identity", "Identity_1", "Identity_4")
"""Landmarks, score, world landmarks. The segmentation and the heat maps are cut off: a third of the time."""


class PoseNetworks:
    """Both networks, compiled.

    Raises:
        WeightsError: OpenVINO is missing, or cannot read the weights.
    """

    def __init__(self, weights: Path, threads: int = 1) -> None:
        disable_telemetry()
        try:
            import openvino
        except ImportError as error:
            raise WeightsError(f"the pose network runs on OpenVINO: {install('people')} ({error})") from error
        core = openvino.Core()
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # else bf16 on processors that have it, which sees people in noise
            "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same core
        }
        try:
            detector = core.read_model(weights / DETECTOR.name)
            landmarks = core.read_model(weights / LANDMARKS.name)
        except RuntimeError as error:
            raise WeightsError(f"OpenVINO {openvino.__version__} cannot read {str(weights)!r}: {error}") from error
        for result in list(landmarks.get_results()):
            if result.input_value(0).get_any_name() not in _LANDMARK_OUTPUTS:
                landmarks.remove_result(result)
        self._detector = core.compile_model(detector, "CPU", options).create_infer_request()
        self._landmarks = core.compile_model(landmarks, "CPU", options).create_infer_request()
        # New memory of this size for every picture would take as long as all the arithmetic outside of the networks.
        self._whole = np.empty((1, DETECTOR_SIZE, DETECTOR_SIZE, 3), np.float32)
        self._person = np.empty((1, LANDMARK_SIZE, LANDMARK_SIZE, 3), np.float32)

    def detect(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the detector on an RGB picture (224, 224, 3).

        Returns:
            What it says at each of its 2254 anchors: numbers (2254, 12), and the logit of a person (2254,).
        """
        np.divide(picture, np.float32(127.5), out=self._whole[0])
        self._whole -= 1
        found = _infer(self._detector, self._whole)
        return found["Identity"][0], found["Identity_1"][0, :, 0]

    def landmarks(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """Run the landmark network on an RGB picture (256, 256, 3) of one person, upright and in the middle.

        Returns:
            Landmarks (39, 5): x, y and z in pixels of the picture, and logits of visibility and presence; world
            landmarks (39, 3) in metres around the middle of the hips; the probability that this is a person.
        """
        np.divide(picture, np.float32(255), out=self._person[0])
        found = _infer(self._landmarks, self._person)
        world = found["Identity_4"].reshape(39, 3)
        return found["Identity"].reshape(39, 5), world, float(found["Identity_1"][0, 0])


def _infer(request: Any, pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    results = request.infer([pictures], share_inputs=True, share_outputs=True)
    return {port.get_any_name(): value.copy() for port, value in results.items()}
