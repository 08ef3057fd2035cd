# docker build -t mumu_ros . && docker run --rm -it --net host --ipc host mumu_ros ros2 launch mumu_ros hri.launch.py camera:=realsense
# --net and --ipc host: cameras of this machine are found, and their images come by shared memory.
FROM ros:jazzy
SHELL ["/bin/bash", "-c"]
WORKDIR /ws
COPY . src/mumu_ros
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv \
    && rosdep update && rosdep install --from-paths src --ignore-src -y \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --system-site-packages venv && touch venv/COLCON_IGNORE \
    && . venv/bin/activate && pip install --no-cache-dir -r src/mumu_ros/requirements/beside-ros.txt
RUN . /opt/ros/jazzy/setup.bash && . venv/bin/activate && colcon build --packages-select mumu_ros \
    && printf '%s\n' '#!/bin/bash' '. /ws/venv/bin/activate' '. /ws/install/setup.bash' 'exec "$@"' > /entry.sh \
    && chmod +x /entry.sh && . install/setup.bash && (mumu weights || true)
ENTRYPOINT ["/entry.sh"]
CMD ["ros2", "launch", "mumu_ros", "hri.launch.py"]
