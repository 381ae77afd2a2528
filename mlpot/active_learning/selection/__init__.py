"""Selection: which frames are labelled.

`uncertainty_model` predicts force intervals and features of a frame, `sanity` finds unphysical frames, `cutout` cuts
large ones, `greedy` chooses a batch. Data flow: trajectories of an iteration in the store -> `batch` -> new jobs.
"""
