"""Neighbor lists of both engines, and minimum distances: the only package with cells and periodic images."""
