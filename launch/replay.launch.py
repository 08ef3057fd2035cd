"""A bag, the nodes that recognise what it shows, and a report in the end: hri.launch.py on recorded time."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def text(name):
    return ParameterValue(LaunchConfiguration(name), value_type=str)


def generate_launch_description():
    hri_file = PathJoinSubstitution([FindPackageShare("mumu_ros"), "launch", "hri.launch.py"])
    passed_on = ("params_file", "model", "device")
    hri = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(hri_file),
        launch_arguments={**{name: LaunchConfiguration(name) for name in passed_on}, "use_sim_time": "true"}.items(),
    )
    evaluation = Node(
        package="mumu_ros",
        executable="evaluation",
        name="evaluation",
        parameters=[
            {"model": text("model"), "labels": text("labels"), "out": text("out"), "use_sim_time": True},
        ],
        output="screen",
    )
    player = Node(
        package="mumu_ros",
        executable="player",
        name="player",
        parameters=[
            {
                "bag": text("bag"),
                "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                # Nothing is played before the model is loaded and the evaluation listens.
                "wait_for": ["multimodal_frame", "activity"],
            }
        ],
        output="screen",
        on_exit=Shutdown(reason="the bag is over"),
    )
    params_file = PathJoinSubstitution([FindPackageShare("mumu_ros"), "config", "hri.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Folder of the rosbag2 to play."),
            DeclareLaunchArgument("params_file", default_value=params_file, description="Parameters of the nodes."),
            DeclareLaunchArgument("model", default_value="sim", description="Model folder, or name of a shipped one."),
            DeclareLaunchArgument("device", default_value="auto", description="Where the model runs: auto, cpu, cuda."),
            DeclareLaunchArgument("labels", default_value="", description="Label file; empty: the bag's annotations."),
            DeclareLaunchArgument("out", default_value="evaluation", description="Folder for the report."),
            DeclareLaunchArgument("rate", default_value="1.0", description="Playback speed."),
            DeclareLaunchArgument("loop", default_value="false", description="Begin again at the end, until Ctrl-C."),
            hri,
            evaluation,
            player,
        ]
    )
