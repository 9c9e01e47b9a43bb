"""Documents that repeat what the code says are kept in step with it."""

from pathlib import Path

from bot.locales import translator
from bot.settings import ALLOWED, Settings

ROOT = Path(__file__).parents[2]


def test_the_example_of_settings_names_each_with_its_line() -> None:
    t = translator("en")
    expected = "\n".join(f"# {t(f'setting.{name}')}\n# {name}=\n" for name in ALLOWED)
    assert (ROOT / ".env.example").read_text("utf-8") == expected


def test_every_setting_is_named_once() -> None:
    assert {field.alias for field in Settings.model_fields.values()} == set(ALLOWED)


def test_the_readme_begins_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text("utf-8")[:2500]
    assert "make run" in head
    assert "make test" in head


def test_pictures_and_links_of_the_readme_exist() -> None:
    import re

    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text("utf-8")
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
            assert (ROOT / target).exists(), target
