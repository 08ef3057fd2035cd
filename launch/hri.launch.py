"""Sensors in, ActivityRecognition out: sensor_sync and inference, and on request a simulated person."""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

CONFIG = PathJoinSubstitution([FindPackageShare("mumu_ros"), "config"])


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(
            "params_file",
            default_value=PathJoinSubstitution([CONFIG, "hri.yaml"]),
            description="Parameters of the nodes: topics, rates, thresholds. Copy config/hri.yaml and name yours.",
        ),
        DeclareLaunchArgument(
            "model", default_value="sim", description="Model folder, or the name of a shipped model."
        ),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes and their topics."),
        DeclareLaunchArgument(
            "device", default_value="auto", description="Where the model runs: auto, cpu, cuda, cuda:0."
        ),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Take time from /clock (bag replay)."),
        DeclareLaunchArgument(
            "autostart",
            default_value="true",
            description="Configure and activate; false leaves that to a manager.",
        ),
        DeclareLaunchArgument(
            "simulate",
            default_value="false",
            description="Start a simulated person with sensors, to try it out.",
        ),
    ]
    # The profile gives shared memory room for camera images; one that is set already is kept.
    profile = PathJoinSubstitution([CONFIG, "fastdds.xml"])
    environment = [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=profile))
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    ]
    common = {
        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
        "autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool),
    }
    model = {
        "model": ParameterValue(LaunchConfiguration("model"), value_type=str),
        "device": ParameterValue(LaunchConfiguration("device"), value_type=str),
    }
    params_file = LaunchConfiguration("params_file")
    namespace = LaunchConfiguration("namespace")
    nodes = [
        Node(
            package="mumu_ros",
            executable="sensor_sync",
            name="sensor_sync",
            namespace=namespace,
            parameters=[params_file, common],
            output="screen",
        ),
        Node(
            package="mumu_ros",
            executable="inference",
            name="inference",
            namespace=namespace,
            parameters=[params_file, common, model],
            output="screen",
        ),
        Node(
            package="mumu_ros",
            executable="simulator",
            name="simulator",
            namespace=namespace,
            parameters=[params_file, common],
            output="screen",
            condition=IfCondition(LaunchConfiguration("simulate")),
        ),
    ]
    return LaunchDescription([*arguments, *environment, *nodes])
