"""What is counted in a run of a server."""

from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.runs import _tokens_per_piece


def test_tokens_a_piece_are_those_of_answers_that_tell_their_tokens():
    told = Answer(0, 9, pieces_ns=(1, 2), output_tokens=4)
    untold = Answer(0, 9, pieces_ns=(1, 2))
    assert _tokens_per_piece([told, untold]) == 2.0
    assert _tokens_per_piece([untold]) is None
