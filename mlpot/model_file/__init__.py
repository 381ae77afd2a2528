"""Model files: manifest, scripted module and plain tensors in one file; bundles in memory; potentials that ship."""
