"""A row as the model reads it."""

from bot.cards.examples import marked, preview
from bot.chat.keypad import Keypad
from bot.locales import LANGUAGES, translator
from finetune.providers.provider import Piece

PIECES = (
    Piece("<user>Why?", 4, learned=False, cut=False),
    Piece("Because", 3, learned=True, cut=False),
    Piece(" it is so.", 5, learned=True, cut=True),
    Piece("<end>", 1, learned=False, cut=True),
)
MESSAGES = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because it is so."}]


def test_what_is_learned_and_what_is_cut_is_marked() -> None:
    assert marked(PIECES) == "<user>Why?⟦Because⟧✂ it is so.<end>"


def test_the_card_says_how_much() -> None:
    for language in LANGUAGES:
        card = preview(translator(language), Keypad(b"x"), 3, 1, 5, MESSAGES, PIECES)
        text = repr(card.blocks)
        assert "⟦Because⟧✂" in text
        assert "13" in text
        assert "6" in text
        assert len(card.buttons[0]) == 2


def test_without_a_template_the_messages_are_shown() -> None:
    card = preview(translator("en"), Keypad(b"x"), 3, 0, 1, MESSAGES, None)
    assert "Because it is so." in repr(card.blocks)
    assert card.buttons == ()
