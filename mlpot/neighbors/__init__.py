"""Neighbour lists: the only place that knows cells and periodic images."""
