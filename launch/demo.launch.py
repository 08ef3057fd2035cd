"""hri.launch.py with a simulated person for a minute, whose wrist IMU and colour camera are unplugged for a while."""

from typing import List  # noqa: UP035 - launch_ros knows List[str], not list[str]

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

SECONDS = 60.0
FAULTS = "[imu_wrist:13.2-27, rgb:37.2-51]"


def generate_launch_description():
    namespace = LaunchConfiguration("namespace")
    faults = ParameterValue(LaunchConfiguration("faults"), value_type=List[str])  # noqa: UP006
    hri = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([FindPackageShare("mumu_ros"), "launch", "hri.launch.py"])),
        launch_arguments={
            "namespace": namespace,
            "model": LaunchConfiguration("model"),
            "device": LaunchConfiguration("device"),
        }.items(),
    )
    simulator = Node(
        package="mumu_ros",
        executable="simulator",
        name="simulator",
        namespace=namespace,
        parameters=[{"seconds": SECONDS, "faults": faults}],
        output="screen",
    )
    watch = Node(
        package="mumu_ros",
        executable="watch",
        name="watch",
        namespace=namespace,
        parameters=[{"seconds": SECONDS, "faults": faults}],
        output="screen",
        on_exit=Shutdown(reason="the demo is over"),
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("model", default_value="sim", description="Model folder, or name of a shipped one."),
            DeclareLaunchArgument(
                "namespace", default_value="", description="Namespace of the nodes and their topics."
            ),
            DeclareLaunchArgument("device", default_value="auto", description="Where the model runs: auto, cpu, cuda."),
            DeclareLaunchArgument(
                "faults", default_value=FAULTS, description="What fails when, such as '[imu_wrist:stuck:12-30]'."
            ),
            hri,
            simulator,
            watch,
        ]
    )
