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

"""From arrays to an activity, cell by cell: a window at once, then a stream.

Run it with `python examples/recognize_arrays.py`.
"""

# %% Three lines: a model by its name, arrays with stamps, a decision.
from mumu_ros.recognition import Decision, Recognizer
from mumu_ros.simulation import Simulator

recognizer = Recognizer.from_pretrained("sim", device="cpu")
print(recognizer.checkpoint)

# %% Your data go here: for each modality, stamps in nanoseconds and one array for each stamp.
samples = list(Simulator(activities=["wave"], seconds=3.0, seed=1, subject=2).samples())
recording = {
    name: (
        [sample.stamp_ns for sample in samples if sample.stream == name],
        [sample.data for sample in samples if sample.stream == name],
    )
    for name in recognizer.checkpoint.config.names
}
decision = recognizer.classify(recording)
print(decision)

# %% A modality that is missing is masked, and the others decide.
without_cameras = recognizer.classify({name: recording[name] for name in ("imu_wrist", "imu_belt")})
print(without_cameras)

# %% A stream: push samples as they come, ask whenever you like.
next_ns = samples[0].stamp_ns + 2_000_000_000
for sample in samples:
    recognizer.push(sample.stream, sample.stamp_ns, sample.data)
    if sample.stamp_ns >= next_ns:
        answer = recognizer.recognize(sample.stamp_ns)
        next_ns += 500_000_000
        print(answer if isinstance(answer, Decision) else answer.reason)
