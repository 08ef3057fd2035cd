"""The nodes' pipeline without ROS, shared with bag evaluation: parameters, and messages to frames."""
