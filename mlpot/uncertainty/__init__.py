"""How sure a potential is: spread of a committee, calibrated into error bars; distance of atoms from the training set.

Data flow: members of a committee -> `spread`; descriptors of atoms -> `distance`; both -> `calibration` (scale and
quantiles from held-out data) -> error bars in eV and eV/A -> `properties` for ASE. `collection` runs a model over a
data set, `quality` says how good its error bars are, `command` is behind `mlpot calibrate`. What was not calibrated is
called a spread, never an error. Committees are made by `mlpot.training`.
"""
