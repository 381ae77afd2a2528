"""Uncertainty of a potential: calibrated spread of a committee, and distance of atoms from the training set.

Data flow: members of a committee -> `spread`; descriptors of atoms -> `distance`; both -> `calibration` (scale and
quantiles from held-out data) -> error bars in eV and eV/A -> `properties` for ASE. `collection` evaluates a model on a
data set, `quality` compares its error bars with its errors, `error_bars` adds distance and calibration to a
`ModelBundle`. A value that is not calibrated is called a spread, never an error. `mlpot.training` makes committees.
"""
