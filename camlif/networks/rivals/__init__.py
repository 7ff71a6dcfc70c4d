"""Published rival networks, one file each, and the layers that they share."""
