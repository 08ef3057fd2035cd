"""`mumu recognize`: the activities of each person in a video, a folder of pictures, a bag, or before a camera."""
