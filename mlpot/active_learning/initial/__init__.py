"""Initial structures of a loop: `generate` makes variants of a crystal or molecule, `structures` those of a system."""
