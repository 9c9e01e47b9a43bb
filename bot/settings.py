"""Every setting: from the environment, else from ``.env``. Read once, frozen, never printed with its secrets."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from storage.database import database_url

_OURS = ("TUNETELLER_", "TELEGRAM_")
_WEBHOOK_PORTS = (443, 80, 88, 8443)


class SettingsError(Exception):
    """One or more settings cannot be used: a list of (name, translation key, fields)."""

    def __init__(self, problems: list[tuple[str, str, dict[str, object]]]) -> None:
        super().__init__(", ".join(name for name, _, _ in problems))
        self.problems = problems


class Settings(BaseModel):
    """The settings. The alias of a field is the name of its variable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(Path("data"), alias="TUNETELLER_DATA_DIR")
    web_host: str = Field("127.0.0.1", alias="TUNETELLER_WEB_HOST")
    web_port: int = Field(8765, ge=0, le=65535, alias="TUNETELLER_WEB_PORT")
    owner_code: SecretStr | None = Field(None, alias="TUNETELLER_OWNER_CODE")
    log_level: str = Field("INFO", pattern=r"(?i)^(debug|info|warning|error)$", alias="TUNETELLER_LOG_LEVEL")
    max_upload_mb: int = Field(512, ge=1, le=4096, alias="TUNETELLER_MAX_UPLOAD_MB")
    link_hosts: str = Field(
        "", pattern=r"^\s*([\w.-]+(:\d+)?\s*(,\s*[\w.-]+(:\d+)?\s*)*)?$", alias="TUNETELLER_LINK_HOSTS"
    )
    show_thoughts: bool = Field(False, alias="TUNETELLER_SHOW_THOUGHTS")
    database: SecretStr | None = Field(None, alias="DATABASE_URL")
    telegram_token: SecretStr | None = Field(None, alias="TELEGRAM_BOT_TOKEN")
    telegram_api_base: str | None = Field(None, pattern=r"^https?://[^/\s]+", alias="TELEGRAM_API_BASE")
    # After the server's address: what may be given depends on it.
    telegram_webhook_url: str | None = Field(None, pattern=r"^https?://[^/\s]+(/\S*)?$", alias="TELEGRAM_WEBHOOK_URL")
    telegram_webhook_listen: str = Field(
        "127.0.0.1:8766", pattern=r"^([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}$", alias="TELEGRAM_WEBHOOK_LISTEN"
    )
    telegram_webhook_secret: SecretStr | None = Field(None, alias="TELEGRAM_WEBHOOK_SECRET")
    telegram_drafts: bool = Field(False, alias="TELEGRAM_DRAFTS")

    @field_validator("owner_code")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 8:
            raise ValueError("at least 8 characters")
        return value

    @field_validator("telegram_token")
    @classmethod
    def _token_shape(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            number, _, secret = value.get_secret_value().partition(":")
            if not number.isdigit() or len(secret) < 20:
                raise ValueError("<digits>:<secret>")
        return value

    @field_validator("telegram_webhook_url")
    @classmethod
    def _telegram_can_post_there(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A Bot API server of one's own posts to any address, Telegram's to few.
        if value is not None and info.data.get("telegram_api_base") is None:
            parts = urlsplit(value)
            if parts.scheme != "https" or (parts.port or 443) not in _WEBHOOK_PORTS:
                raise ValueError("https, port 443, 80, 88 or 8443")
        return value

    @field_validator("telegram_webhook_listen")
    @classmethod
    def _port_exists(cls, value: str) -> str:
        if not 0 <= int(value.rpartition(":")[2]) <= 65535:
            raise ValueError("0-65535")
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _secret_shape(cls, value: SecretStr | None) -> SecretStr | None:
        # Telegram takes a single letter, which anybody would guess.
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", value.get_secret_value()):
            raise ValueError("16 to 256 of A-Z a-z 0-9 _ -")
        return value

    @field_validator("telegram_drafts", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        switches = {"on": True, "off": False}
        if isinstance(value, str):
            if value.lower() not in switches:
                raise ValueError("on | off")
            return switches[value.lower()]
        return value

    @field_validator("database")
    @classmethod
    def _database_known(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                database_url(value.get_secret_value())
            except Exception as error:
                raise ValueError("sqlite:///… / postgresql://…") from error
        return value

    @property
    def telegram_listen(self) -> tuple[str, int]:
        """Host and port that Telegram's posts are taken on."""
        host, _, port = self.telegram_webhook_listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def links_from(self) -> tuple[str, ...]:
        """The hosts that files may be fetched from by a link."""
        return tuple(host.strip() for host in self.link_hosts.split(",") if host.strip())

    @property
    def database_url(self) -> str:
        """Where the database is: SQLite in the data folder unless set."""
        if self.database is not None:
            return self.database.get_secret_value()
        return f"sqlite:///{self.data_dir.absolute() / 'tuneteller.db'}"


# What may be given for each setting, shown when it is refused and in `.env.example`.
ALLOWED: Mapping[str, str] = {
    "TUNETELLER_DATA_DIR": "folder",
    "TUNETELLER_WEB_HOST": "host",
    "TUNETELLER_WEB_PORT": "0-65535",
    "TUNETELLER_OWNER_CODE": "8+",
    "TUNETELLER_LOG_LEVEL": "debug | info | warning | error",
    "TUNETELLER_MAX_UPLOAD_MB": "1-4096",
    "TUNETELLER_LINK_HOSTS": "huggingface.co, example.org:8443",
    "TUNETELLER_SHOW_THOUGHTS": "true | false",
    "DATABASE_URL": "sqlite:///… | postgresql://…",
    "TELEGRAM_BOT_TOKEN": "123456789:AA…",
    "TELEGRAM_API_BASE": "http://… | https://…",
    "TELEGRAM_WEBHOOK_URL": "https://…[:443|80|88|8443]/… (with TELEGRAM_API_BASE: http://… | https://…)",
    "TELEGRAM_WEBHOOK_LISTEN": "127.0.0.1:8766",
    "TELEGRAM_WEBHOOK_SECRET": "A-Z a-z 0-9 _ -, 16-256",
    "TELEGRAM_DRAFTS": "on | off",
}


def read(environment: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """The settings. Raises :class:`SettingsError` with every unknown or malformed one at once."""
    env = os.environ if environment is None else environment
    file = Path(".env") if env_file is None else env_file
    from_file = {name: value or "" for name, value in dotenv_values(file).items()} if file.is_file() else {}
    problems: list[tuple[str, str, dict[str, object]]] = []
    known = set(ALLOWED)
    suspects = [name for name in env if name.startswith(_OURS)] + list(from_file)
    for name in dict.fromkeys(suspects):
        if name not in known and not (name in from_file and name.startswith("HF_")):
            near = difflib.get_close_matches(name, known, 1, 0.6)
            key = "setting_unknown_near" if near else "setting_unknown"
            problems.append((name, key, {"near": near[0] if near else "", "known": ", ".join(ALLOWED)}))
    values = {name: env.get(name, from_file.get(name, "")).strip() for name in known}
    try:
        settings = Settings(**{name: value for name, value in values.items() if value})  # type: ignore[arg-type]
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0])
            problems.append((name, "setting_malformed", {"allowed": ALLOWED.get(name, "?")}))
    if problems:
        raise SettingsError(problems)
    return settings
