"""Committees: several models in one file, trained one by one or attached to a trained model."""
