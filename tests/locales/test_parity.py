"""Every sentence exists in both languages, says the same fields, and is used."""

import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from bot.locales import LANGUAGES, UnknownPhrase, catalogue, phrases, translator

ROOT = Path(__file__).parents[2]
CODE = "\n".join(
    path.read_text("utf-8")
    for folder in ("bot", "finetune", "storage")
    for pattern in ("*.py", "*.js", "*.html", "*.toml")
    for path in (ROOT / folder).rglob(pattern)
)


def messages(language: str) -> dict[str, Message]:
    return {
        (message.id if isinstance(message.id, str) else message.id[0]): message
        for message in catalogue(language)
        if message.id
    }


def texts(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys() -> None:
    assert set(messages("zh")) == set(messages("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty(language: str) -> None:
    empty = [key for key, message in messages(language).items() if not all(text.strip() for text in texts(message))]
    assert empty == []


def test_the_fields_agree() -> None:
    other = messages("en")
    for key, message in messages("zh").items():
        wanted = set().union(*(fields(text) for text in texts(other[key])))
        assert set().union(*(fields(text) for text in texts(message))) == wanted, key


def test_chinese_is_chinese() -> None:
    # Names, numbers and punctuation may be the same in both; a whole sentence may not.
    other = messages("en")
    for key, message in messages("zh").items():
        for text in texts(message):
            plain = re.sub(r"\{\w+\}", "", text)
            if len(re.findall(r"[A-Za-z]{3,}", plain)) >= 4:
                assert re.search(r"[\u4e00-\u9fff]", plain), key
        assert texts(message) != texts(other[key]) or not re.search(r"[a-z]{3,} [a-z]{3,}", texts(message)[0]), key


def test_every_sentence_is_used() -> None:
    """By its whole key, or by the part before the last point and a name made at run time."""
    unused = []
    for key in messages("en"):
        stem = key.rsplit(".", 1)[0]
        made = (f'f"{stem}.' in CODE) or (f"f'{stem}." in CODE) or (f'"{stem}." +' in CODE) or (f'"{stem}."' in CODE)
        if key not in CODE and not made and not re.search(rf"\b{re.escape(key.rsplit('.', 1)[-1])}\b", CODE):
            unused.append(key)
    assert unused == []


def test_every_key_in_the_code_has_a_sentence() -> None:
    known = set(messages("en"))
    used = set(re.findall(r"""\b(?:t|say|_t|self\._t|context\.t)\(\s*["']([a-z_]+(?:\.[A-Za-z_]+)+)["']""", CODE))
    used |= {f"error.{key}" for key in re.findall(r"""\bUserError\(\s*["']([a-z_]+)["']""", CODE)}
    used |= {
        f"error.{key}"
        for key in re.findall(
            r"""\b(?:FineTune|Dataset|Parameter|Provider)(?:Error|Unavailable)\(\s*["']([a-z_]+)["']""", CODE
        )
    }
    assert used - known == set()
    assert len(used) > 150


def test_an_unknown_key_is_our_mistake() -> None:
    with pytest.raises(UnknownPhrase):
        translator("en")("no.such.key")


def test_plurals_and_numbers() -> None:
    english, chinese = translator("en"), translator("zh")
    assert english("unit.bytes", n=1) == "1 byte"
    assert english("unit.bytes", n=12345) == "12,345 bytes"
    assert chinese("unit.bytes", n=1) == "1 字节"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_command_is_about_is_written_as_it_must_be_typed(language: str) -> None:
    say, told = translator(language), 0
    for key, message in messages(language).items():
        for text in texts(message):
            if re.search(r"/\w*[_ ]\{\w+\}", text):
                told += 1
                said = say(key, **dict.fromkeys(fields(text), 1234567))
                assert re.search(r"/\w*[_ ]1234567", said), said
                assert not re.search(r"/\w*_1,", said), said
    assert told > 10
    assert "1234567" in say("error.job_unknown", n=1234567)


def test_the_page_gets_the_same_phrases_in_both() -> None:
    found = phrases("web.")
    assert set(found["zh"]) == set(found["en"])
    assert found["zh"]
