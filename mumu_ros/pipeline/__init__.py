"""What the nodes do, without ROS: their parameters, and from messages to frames. Nodes and bag evaluation share it."""
