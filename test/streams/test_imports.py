"""streams/ serves robots and training servers alike: it needs numpy and nothing else."""

from __future__ import annotations

import subprocess
import sys


def test_importing_streams_loads_neither_torch_nor_ros():
    code = (
        "import sys, mumu_ros.streams; print(sorted({'torch', 'rclpy', 'cv2', 'message_filters'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"
