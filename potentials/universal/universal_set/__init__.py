"""The training set of the universal potential: structures, labels by a teacher, shards and what is counted in them.

Data flow: ``seeds`` (crystals without held-out formulas) -> ``structures`` (what a shard consists of) -> ``kinds``
(which recipe a job follows) -> ``recipes`` (structures, some of which depend on labels of earlier ones) ->
``labelling`` (the teacher) -> ``shards``.
"""
