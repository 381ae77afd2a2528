"""The command that measures the cost of elements."""

from elements import Case, Timed, TimedTraining


def test_evaluations_and_trainings_of_many_elements_are_timed(tmp_path):
    timed = Timed(Case("fast", 118, 85, shared=True), tmp_path)
    assert len(set(timed.atoms.numbers)) == 85
    timed.evaluate(0)
    assert timed.median() > 0.0
    assert timed.megabytes < 5.0  # with one copy of the weights
    training = TimedTraining("fast", 85)
    assert training.trainer.potential.config.species_embedding is not None
    training.step(0)
    assert training.speed() > 0.0
