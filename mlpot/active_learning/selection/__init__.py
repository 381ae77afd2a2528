"""Selection: which frames are worth a DFT calculation."""
