"""Every setting: from the environment, else from ``.env``. Read once, frozen, never printed with its secrets."""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from storage.database import database_url

_OURS = ("TUNETELLER_", "TELEGRAM_", "DISCORD_")
# Keys may stand in files instead, whose paths are in the same names with this ending.
IN_FILE = "_FILE"
_LARGEST_SECRET = 4096
_ADDRESS = r"^(https?://[^/\s]+(/\S*)?)?$"
_WEBHOOK_PORTS = (443, 80, 88, 8443)


class SettingsError(Exception):
    """One or more settings cannot be used: a list of (name, translation key, fields)."""

    def __init__(self, problems: list[tuple[str, str, dict[str, object]]]) -> None:
        super().__init__(", ".join(name for name, _, _ in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """What a training provider is asked with. Never printed: its text has no key."""

    key: str = field(repr=False)
    base_url: str = ""
    account: str = ""
    webhook_secret: str = field(default="", repr=False)
    upload: bool = False


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
    webhook_hosts: str = Field(
        "", pattern=r"^\s*([\w.-]+(:\d+)?\s*(,\s*[\w.-]+(:\d+)?\s*)*)?$", alias="TUNETELLER_WEBHOOK_HOSTS"
    )
    local_jobs: int = Field(1, ge=1, le=16, alias="TUNETELLER_LOCAL_JOBS")
    lease_seconds: float = Field(15.0, ge=1, le=300, alias="TUNETELLER_LEASE_SECONDS")
    show_thoughts: bool = Field(False, alias="TUNETELLER_SHOW_THOUGHTS")
    # Held-out questions that a tuned model is tried on by itself after its training; 0: none.
    evaluation_questions: int = Field(20, ge=0, le=200, alias="TUNETELLER_EVALUATION_QUESTIONS")
    two_people: bool = Field(False, alias="TUNETELLER_TWO_PEOPLE")
    judge_url: str | None = Field(None, pattern=r"^https?://[^/\s]+", alias="TUNETELLER_JUDGE_URL")
    judge_model: str = Field("", alias="TUNETELLER_JUDGE_MODEL")
    judge_key: SecretStr | None = Field(None, alias="TUNETELLER_JUDGE_KEY")
    judge_price: float | None = Field(None, ge=0, alias="TUNETELLER_JUDGE_PRICE")
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
    hooks_listen: str = Field("", pattern=r"^(([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5})?$", alias="TUNETELLER_HOOKS_LISTEN")
    siliconflow_key: SecretStr | None = Field(None, alias="SILICONFLOW_API_KEY")
    siliconflow_url: str = Field("", pattern=_ADDRESS, alias="SILICONFLOW_BASE_URL")
    siliconflow_upload: bool = Field(False, alias="SILICONFLOW_EXPERIMENTAL_UPLOAD")
    nebius_key: SecretStr | None = Field(None, alias="NEBIUS_API_KEY")
    nebius_url: str = Field("", pattern=_ADDRESS, alias="NEBIUS_BASE_URL")
    dashscope_key: SecretStr | None = Field(None, alias="DASHSCOPE_API_KEY")
    dashscope_url: str = Field("", pattern=_ADDRESS, alias="DASHSCOPE_BASE_URL")
    crusoe_key: SecretStr | None = Field(None, alias="CRUSOE_API_KEY")
    crusoe_url: str = Field("", pattern=_ADDRESS, alias="CRUSOE_BASE_URL")
    azure_key: SecretStr | None = Field(None, alias="AZURE_OPENAI_API_KEY")
    azure_url: str = Field("", pattern=_ADDRESS, alias="AZURE_OPENAI_BASE_URL")
    zhipu_key: SecretStr | None = Field(None, alias="ZHIPU_API_KEY")
    zhipu_url: str = Field("", pattern=_ADDRESS, alias="ZHIPU_BASE_URL")
    openai_key: SecretStr | None = Field(None, alias="OPENAI_API_KEY")
    openai_url: str = Field("", pattern=_ADDRESS, alias="OPENAI_BASE_URL")
    openai_webhook_secret: SecretStr | None = Field(None, alias="OPENAI_WEBHOOK_SECRET")
    together_key: SecretStr | None = Field(None, alias="TOGETHER_API_KEY")
    together_url: str = Field("", pattern=_ADDRESS, alias="TOGETHER_BASE_URL")
    fireworks_key: SecretStr | None = Field(None, alias="FIREWORKS_API_KEY")
    fireworks_url: str = Field("", pattern=_ADDRESS, alias="FIREWORKS_BASE_URL")
    fireworks_account: str = Field("", pattern=r"^[A-Za-z0-9_-]*$", alias="FIREWORKS_ACCOUNT_ID")
    discord_token: SecretStr | None = Field(None, alias="DISCORD_BOT_TOKEN")
    discord_api_base: str | None = Field(None, pattern=r"^https?://[^/\s]+", alias="DISCORD_API_BASE")
    discord_roles: str = Field(
        "",
        pattern=r"^\s*(\d{15,20}\s*=\s*(user|trainer|lead|admin)\s*(,\s*\d{15,20}\s*=\s*(user|trainer|lead|admin)\s*)*)?$",
        alias="DISCORD_ROLES",
    )

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

    @field_validator("discord_token")
    @classmethod
    def _discord_token_shape(cls, value: SecretStr | None) -> SecretStr | None:
        # Three parts of base64: the id, when it was made, a signature.
        if value is not None and not re.fullmatch(r"[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}", value.get_secret_value()):
            raise ValueError("<id>.<time>.<secret>")
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

    @field_validator("telegram_webhook_listen", "hooks_listen")
    @classmethod
    def _port_exists(cls, value: str) -> str:
        if value and not 0 <= int(value.rpartition(":")[2]) <= 65535:
            raise ValueError("0-65535")
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _secret_shape(cls, value: SecretStr | None) -> SecretStr | None:
        # Telegram takes a single letter, which anybody would guess.
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", value.get_secret_value()):
            raise ValueError("16 to 256 of A-Z a-z 0-9 _ -")
        return value

    @field_validator("telegram_drafts", "siliconflow_upload", "two_people", mode="before")
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

    def access(self, provider: str) -> ProviderAccess | None:
        """What a training provider is asked with; None for one that is not set up."""
        key: SecretStr | None = getattr(self, f"{provider}_key", None)
        address = str(getattr(self, f"{provider}_url", ""))
        account = str(getattr(self, f"{provider}_account", ""))
        if key is None or (provider == "azure" and not address) or (provider == "fireworks" and not account):
            return None
        secret: SecretStr | None = getattr(self, f"{provider}_webhook_secret", None)
        return ProviderAccess(
            key.get_secret_value(),
            address,
            account,
            secret.get_secret_value() if secret else "",
            bool(getattr(self, f"{provider}_upload", False)),
        )

    @property
    def telegram_listen(self) -> tuple[str, int]:
        """Host and port that Telegram's posts are taken on."""
        host, _, port = self.telegram_webhook_listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def server_roles(self) -> dict[str, str]:
        """Ids of Discord servers' roles, each with the role of ours that it stands for."""
        pairs = (pair.partition("=") for pair in self.discord_roles.split(",") if pair.strip())
        return {number.strip(): word.strip() for number, _, word in pairs}

    @property
    def links_from(self) -> tuple[str, ...]:
        """The hosts that files may be fetched from by a link."""
        return tuple(host.strip() for host in self.link_hosts.split(",") if host.strip())

    @property
    def secrets(self) -> list[str]:
        """The values of all secrets that are set, to be kept out of the log."""
        found = [getattr(self, name) for name in type(self).model_fields]
        return [value.get_secret_value() for value in found if isinstance(value, SecretStr)]

    @property
    def webhooks_to(self) -> tuple[str, ...]:
        """The hosts that notices may be posted to although they lie in a private network."""
        return tuple(host.strip().lower() for host in self.webhook_hosts.split(",") if host.strip())

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
    "TUNETELLER_WEBHOOK_HOSTS": "ci.example.lan, 10.0.0.7:8080",
    "TUNETELLER_LOCAL_JOBS": "1-16",
    "TUNETELLER_LEASE_SECONDS": "1-300",
    "TUNETELLER_SHOW_THOUGHTS": "true | false",
    "TUNETELLER_EVALUATION_QUESTIONS": "0-200",
    "TUNETELLER_TWO_PEOPLE": "on | off",
    "TUNETELLER_JUDGE_URL": "http://… | https://…",
    "TUNETELLER_JUDGE_MODEL": "gpt-5.1 | Qwen/Qwen3-32B | …",
    "TUNETELLER_JUDGE_KEY": "sk-…",
    "TUNETELLER_JUDGE_PRICE": "0.5",
    "DATABASE_URL": "sqlite:///… | postgresql://…",
    "TELEGRAM_BOT_TOKEN": "123456789:AA…",
    "TELEGRAM_API_BASE": "http://… | https://…",
    "TELEGRAM_WEBHOOK_URL": "https://…[:443|80|88|8443]/… (with TELEGRAM_API_BASE: http://… | https://…)",
    "TELEGRAM_WEBHOOK_LISTEN": "127.0.0.1:8766",
    "TELEGRAM_WEBHOOK_SECRET": "A-Z a-z 0-9 _ -, 16-256",
    "TELEGRAM_DRAFTS": "on | off",
    "TUNETELLER_HOOKS_LISTEN": "127.0.0.1:8767",
    "SILICONFLOW_API_KEY": "sk-…",
    "SILICONFLOW_BASE_URL": "https://…",
    "SILICONFLOW_EXPERIMENTAL_UPLOAD": "on | off",
    "NEBIUS_API_KEY": "…",
    "NEBIUS_BASE_URL": "https://…",
    "DASHSCOPE_API_KEY": "sk-…",
    "DASHSCOPE_BASE_URL": "https://…",
    "CRUSOE_API_KEY": "…",
    "CRUSOE_BASE_URL": "https://…",
    "AZURE_OPENAI_API_KEY": "…",
    "AZURE_OPENAI_BASE_URL": "https://<resource>.services.ai.azure.com/api/projects/<project>/openai/v1/",
    "ZHIPU_API_KEY": "…",
    "ZHIPU_BASE_URL": "https://…",
    "OPENAI_API_KEY": "sk-…",
    "OPENAI_BASE_URL": "https://…",
    "OPENAI_WEBHOOK_SECRET": "whsec_…",
    "TOGETHER_API_KEY": "…",
    "TOGETHER_BASE_URL": "https://…",
    "FIREWORKS_API_KEY": "fw_…",
    "FIREWORKS_BASE_URL": "https://…",
    "FIREWORKS_ACCOUNT_ID": "A-Z a-z 0-9 _ -",
    "DISCORD_BOT_TOKEN": "MTA….Gx….…",
    "DISCORD_API_BASE": "http://…/api/v10 | https://…/api/v10",
    "DISCORD_ROLES": "123456789012345678=trainer, …",
}

SECRETS = frozenset(
    str(field.alias) for field in Settings.model_fields.values() if field.annotation == SecretStr | None
)


def _in_file(name: str, path: Path, problems: list[tuple[str, str, dict[str, object]]]) -> str:
    """A secret that stands in a file; what is wrong with the file is a problem, what is in it is never told."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_SECRET).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "UTF-8"
        problems.append((name + IN_FILE, "setting_file", {"file": str(path), "reason": reason or "?"}))
        return ""


def read(environment: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """The settings. Raises :class:`SettingsError` with every unknown or malformed one at once."""
    env = os.environ if environment is None else environment
    file = Path(".env") if env_file is None else env_file
    from_file = {name: value or "" for name, value in dotenv_values(file).items()} if file.is_file() else {}
    problems: list[tuple[str, str, dict[str, object]]] = []
    known = set(ALLOWED)
    suspects = [name for name in env if name.startswith(_OURS)] + list(from_file)
    for name in dict.fromkeys(suspects):
        if name.removesuffix(IN_FILE) in SECRETS:
            continue
        if name not in known and not (name in from_file and name.startswith("HF_")):
            near = difflib.get_close_matches(name, known, 1, 0.6)
            key = "setting_unknown_near" if near else "setting_unknown"
            problems.append((name, key, {"near": near[0] if near else "", "known": ", ".join(ALLOWED)}))
    values = {name: env.get(name, from_file.get(name, "")).strip() for name in known}
    for name in SECRETS:
        path = env.get(name + IN_FILE, from_file.get(name + IN_FILE, "")).strip()
        if path and not values[name]:
            values[name] = _in_file(name, Path(path), problems)
    try:
        settings = Settings(**{name: value for name, value in values.items() if value})  # type: ignore[arg-type]
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0])
            problems.append((name, "setting_malformed", {"allowed": ALLOWED.get(name, "?")}))
    if problems:
        raise SettingsError(problems)
    return settings
