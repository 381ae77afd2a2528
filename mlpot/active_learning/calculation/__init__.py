"""One DFT calculation: from a task folder to a result file, in processes that may hang, crash or be killed.

Data flow: `task.json` -> `perform` (attempt after attempt, with a time limit) -> `attempt` (energy, forces, stress by
one of the `calculators`, in a process of its own, `processes`) -> `result.json`. `worker` and `slurm_job` are the
programs that call `perform`, on this machine and on a cluster.
"""
