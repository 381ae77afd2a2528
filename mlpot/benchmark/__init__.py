"""`mlpot benchmark`: what a step of molecular dynamics costs, with mlpot and with others, on this machine.

Data flow: `command` (options) -> `systems` (structures), `models` (untrained potentials), `cases` (what is compared)
-> `rounds` (interleaved rounds) -> `process` (a process for each measurement, in which `worker` runs) -> `results`
(samples, JSON) -> `report`, `scaling` (table, plot). `operations` counts what a model has to compute.

Nothing is imported here: the processes that measure memory start from this package and have to be small.
"""
