"""What the contests are between: networks, images, devices, and the programs of peers."""
