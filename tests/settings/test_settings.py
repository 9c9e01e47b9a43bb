"""Settings are refused by name, never half-taken, never printed."""

from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, read

NOWHERE = Path("/nonexistent/.env")


def test_with_none_it_runs() -> None:
    found = read({}, NOWHERE)
    assert found.web_host == "127.0.0.1"
    assert found.database_url.startswith("sqlite:///")
    assert found.telegram_token is None


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("TUNETELLER_WEB_PORT=1234\nTUNETELLER_LOG_LEVEL=debug\n")
    found = read({"TUNETELLER_WEB_PORT": "4321"}, file)
    assert (found.web_port, found.log_level) == (4321, "debug")


@pytest.mark.parametrize(
    ("environment", "name", "key"),
    [
        ({"TUNETELLER_WEB_PROT": "1"}, "TUNETELLER_WEB_PROT", "setting_unknown_near"),
        ({"TUNETELLER_ZZZZZZZZZZZZZZZZZZZZ": "1"}, "TUNETELLER_ZZZZZZZZZZZZZZZZZZZZ", "setting_unknown"),
        ({"TUNETELLER_WEB_PORT": "99999"}, "TUNETELLER_WEB_PORT", "setting_malformed"),
        ({"TUNETELLER_WEB_PORT": "http"}, "TUNETELLER_WEB_PORT", "setting_malformed"),
        ({"TUNETELLER_LOG_LEVEL": "loud"}, "TUNETELLER_LOG_LEVEL", "setting_malformed"),
        ({"TUNETELLER_OWNER_CODE": "short"}, "TUNETELLER_OWNER_CODE", "setting_malformed"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL", "setting_malformed"),
        ({"TELEGRAM_BOT_TOKEN": "abc"}, "TELEGRAM_BOT_TOKEN", "setting_malformed"),
        ({"TELEGRAM_API_BASE": "ftp://x"}, "TELEGRAM_API_BASE", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_URL": "http://example.org/hook"}, "TELEGRAM_WEBHOOK_URL", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_URL": "https://example.org:9000/"}, "TELEGRAM_WEBHOOK_URL", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_URL": "https://example.org:x/"}, "TELEGRAM_WEBHOOK_URL", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_URL": "example.org"}, "TELEGRAM_WEBHOOK_URL", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_LISTEN": "8766"}, "TELEGRAM_WEBHOOK_LISTEN", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_LISTEN": "127.0.0.1:70000"}, "TELEGRAM_WEBHOOK_LISTEN", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_SECRET": "has blanks in its words"}, "TELEGRAM_WEBHOOK_SECRET", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_SECRET": "x" * 15}, "TELEGRAM_WEBHOOK_SECRET", "setting_malformed"),
        ({"TELEGRAM_WEBHOOK_SECRET": "x" * 257}, "TELEGRAM_WEBHOOK_SECRET", "setting_malformed"),
        ({"TELEGRAM_DRAFTS": "maybe"}, "TELEGRAM_DRAFTS", "setting_malformed"),
    ],
)
def test_what_cannot_be_used_is_named(environment: dict[str, str], name: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(environment, NOWHERE)
    assert [(problem[0], problem[1]) for problem in caught.value.problems] == [(name, key)]


def test_telegram_by_webhook() -> None:
    usual = read({"TELEGRAM_WEBHOOK_URL": "https://example.org:8443/hook"}, NOWHERE)
    assert usual.telegram_listen == ("127.0.0.1", 8766)
    assert not usual.telegram_drafts
    own = {
        "TELEGRAM_API_BASE": "http://127.0.0.1:8081",
        "TELEGRAM_WEBHOOK_URL": "http://127.0.0.1:9000/hook",
        "TELEGRAM_WEBHOOK_LISTEN": "[::1]:9000",
        "TELEGRAM_WEBHOOK_SECRET": "Se-cr_et1-of-16x",
        "TELEGRAM_DRAFTS": "On",
    }
    found = read(own, NOWHERE)
    assert found.telegram_listen == ("::1", 9000)
    assert found.telegram_drafts
    assert "Se-cr_et1-of-16x" not in repr(found)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("WHATEVER=1\n")
    with pytest.raises(SettingsError) as caught:
        read({"TUNETELLER_WEB_PORT": "x"}, file)
    assert {problem[0] for problem in caught.value.problems} == {"WHATEVER", "TUNETELLER_WEB_PORT"}


def test_other_programs_variables_are_not_ours() -> None:
    read({"PATH": "/bin", "HOME": "/root", "PORT": "80"}, NOWHERE)


def test_secrets_are_not_printed() -> None:
    secret = "123456789:AAxxxxxxxxxxxxxxxxxxxxxxxxxx"
    found = read({"TELEGRAM_BOT_TOKEN": secret, "DATABASE_URL": "postgresql://u:pw@h/d"}, NOWHERE)
    assert secret not in repr(found)
    assert "pw" not in str(found)


def test_they_do_not_change() -> None:
    found = read({}, NOWHERE)
    with pytest.raises(Exception, match="frozen"):
        found.web_port = 1


def test_a_setting_that_is_refused_is_not_repeated_with_its_value() -> None:
    with pytest.raises(SettingsError) as caught:
        read({"TELEGRAM_BOT_TOKEN": "my-secret-token"}, NOWHERE)
    assert "my-secret-token" not in str(caught.value) + repr(caught.value.problems)


def test_settings_are_a_model() -> None:
    assert Settings(TUNETELLER_WEB_PORT=0).web_port == 0  # type: ignore[call-arg]


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-from-a-file\n")
    found = read({"SILICONFLOW_API_KEY_FILE": str(file)}, NOWHERE)
    access = found.access("siliconflow")
    assert access is not None
    assert access.key == "sk-from-a-file"
    assert "sk-from-a-file" not in repr(access) + repr(found)
    # What is given itself wins.
    both = read({"SILICONFLOW_API_KEY_FILE": str(file), "SILICONFLOW_API_KEY": "sk-itself"}, NOWHERE)
    assert both.access("siliconflow") is not None
    assert getattr(both.access("siliconflow"), "key", "") == "sk-itself"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read({"NEBIUS_API_KEY_FILE": str(tmp_path / "nothing")}, NOWHERE)
    ((name, key, fields),) = caught.value.problems
    assert (name, key) == ("NEBIUS_API_KEY_FILE", "setting_file")
    assert "nothing" in str(fields["file"])


@pytest.mark.parametrize(
    ("environment", "provider", "there"),
    [
        ({"NEBIUS_API_KEY": "k"}, "nebius", True),
        ({"AZURE_OPENAI_API_KEY": "k"}, "azure", False),
        ({"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_BASE_URL": "https://r.example.org/openai/v1/"}, "azure", True),
        ({"FIREWORKS_API_KEY": "k"}, "fireworks", False),
        ({"FIREWORKS_API_KEY": "k", "FIREWORKS_ACCOUNT_ID": "team"}, "fireworks", True),
        ({}, "together", False),
    ],
)
def test_a_provider_is_there_when_it_can_be_asked(environment: dict[str, str], provider: str, there: bool) -> None:
    assert (read(environment, NOWHERE).access(provider) is not None) is there
