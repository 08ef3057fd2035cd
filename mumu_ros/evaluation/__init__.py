"""From recognitions and ground truth to numbers. Never imports rclpy."""
