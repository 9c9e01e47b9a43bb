"""What a model says to itself is not what it answers."""

from hypothesis import given
from hypothesis import strategies as st

from bot.answering.model import Piece
from bot.answering.thinking import Thinking


def sorted_out(pieces: list[str]) -> tuple[str, str]:
    thinking, thought, said = Thinking(), "", ""
    for piece in pieces:
        more_thought, more_said = thinking.sort(Piece(piece))
        thought += more_thought
        said += more_said
    return thought, said + thinking.end()


@given(st.lists(st.integers(1, 9), max_size=20))
def test_it_does_not_matter_how_it_comes(sizes: list[int]) -> None:
    text = "\n<think>The moon < the sun. </thin</think>\n\nMove house <think>."
    pieces, rest = [], text
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    thought, said = sorted_out([*pieces, rest])
    assert thought == "The moon < the sun. </thin"
    assert said.strip() == "Move house <think>."


def test_an_answer_without_thoughts_is_all_said() -> None:
    assert sorted_out(["<b>", "old"]) == ("", "<b>old")
    assert sorted_out(["<thi"]) == ("", "<thi")


def test_thoughts_of_a_field_of_their_own_are_thoughts() -> None:
    assert Thinking().sort(Piece("said", thought="hm")) == ("hm", "said")
