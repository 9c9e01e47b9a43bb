"""The arguments of ``/train``: flags in every form that people type, and the one canonical line."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from bot.chat.errors import UserError
from bot.commands.typing import Word, normalise, number, words
from finetune.images import REPEATS, TRIGGER_FLAGS
from finetune.images import Parameters as ImageParameters
from finetune.parameters import preset_names, ranges

# Flags that are no hyperparameter, with every name that people use for them. The first is the canonical one.
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "preset": ("preset", "预设", "方案"),
    "provider": ("provider", "平台", "供应商"),
    "base": ("base", "model", "base-model", "底模", "基座", "模型"),
    "val": ("val", "validation", "val-split", "验证", "验证集", "留出"),
    "name": ("name", "名称", "名字", "任务名称"),
    "seed": ("seed", "种子", "随机种子"),
    "dry-run": ("dry-run", "dryrun", "试算", "预演"),
    "yes": ("yes", "y", "确认", "直接开始"),
    "trigger": TRIGGER_FLAGS,
    "repeats": REPEATS.flags,
}
_SWITCHES = frozenset({"dry-run", "yes"})
# What would be read as more than one plain word.
_TO_QUOTE = re.compile(r"[^\w.%+/@-]|^-")
_MOST_HELD_OUT = 0.5
_DATASET = re.compile(r"^(?:#|ds_?|/ds_)?(\d{1,12})$", re.IGNORECASE)
_EPOCHS = re.compile(r"^\d+轮$")


@dataclass(slots=True)
class TrainArguments:
    """What a line asks for; None and absent mean "not said". ``values``: hyperparameters by field name.

    ``trigger`` and ``repeats`` are in range, and for image datasets only.
    """

    dataset: int | None = None
    preset: str | None = None
    provider: str | None = None
    base: str | None = None
    values: dict[str, float] = field(default_factory=dict)
    validation_share: float | None = None
    name: str | None = None
    seed: int | None = None
    trigger: str | None = None
    repeats: int | None = None
    dry_run: bool = False
    yes: bool = False
    repeated: list[str] = field(default_factory=list)

    @property
    def image_flag(self) -> str | None:
        """A flag that was given and is for image datasets only."""
        return "--trigger" if self.trigger is not None else "--repeats" if self.repeats is not None else None


@cache
def flag_names() -> Mapping[str, str]:
    """Every spelling of a flag (lower case) to its canonical name."""
    found = {spelling: name for name, spellings in _OTHERS.items() for spelling in spellings}
    for parameter in ranges().values():
        found.update(dict.fromkeys(parameter.flags, parameter.flags[0]))
    return found


@cache
def _fields() -> Mapping[str, str]:
    return {parameter.flags[0]: name for name, parameter in ranges().items()}


def parse(text: str) -> TrainArguments:
    """Read the arguments of ``/train``. Raises ``UserError`` that names what is wrong; nothing is guessed."""
    found = TrainArguments()
    given: set[str] = set()
    line = words(normalise(text))
    position = 0
    while position < len(line):
        word = line[position]
        position += 1
        name, value = _split(word)
        if name is None:
            _bare(found, word.text, given)
            continue
        flag = _known(name)
        if flag in _SWITCHES:
            _switch(found, flag, value)
        else:
            if value is None:
                if position >= len(line) or (line[position].text.startswith("--") and not line[position].quoted):
                    raise UserError("flag_value_missing", flag=f"--{flag}")
                value = line[position].text
                position += 1
            _set(found, flag, value)
        _note_repeat(found, flag, given)
    return found


def _note_repeat(found: TrainArguments, flag: str, given: set[str]) -> None:
    if flag in given and f"--{flag}" not in found.repeated:
        found.repeated.append(f"--{flag}")
    given.add(flag)


def _split(word: Word) -> tuple[str | None, str | None]:
    """(flag, value) of ``--k``, ``--k=v``, ``k=v`` or ``k:v``; (None, None) for a bare word."""
    text = word.text
    dashed = text.startswith("--")
    body = text.removeprefix("--")
    match = re.match(r"^([^=:]+)[=:](.*)$", body, re.DOTALL)
    if match is not None and not (word.quoted and not dashed and match.group(1).lower() not in flag_names()):
        return match.group(1), match.group(2)
    return (body, None) if dashed and body else (None, None)


def _known(name: str) -> str:
    spelling = name.strip().lower().replace("_", "-")
    names = flag_names()
    if spelling in names:
        return names[spelling]
    near = difflib.get_close_matches(spelling, names, 1, 0.5)
    if near:
        raise UserError("flag_unknown_near", flag=name, near=f"--{names[near[0]]}")
    raise UserError("flag_unknown", flag=name, known=" ".join(f"--{flag}" for flag in dict.fromkeys(names.values())))


def _switch(found: TrainArguments, flag: str, value: str | None) -> None:
    if value is not None and value.lower() not in ("", "1", "true", "yes", "on", "是"):
        raise UserError("flag_takes_no_value", flag=f"--{flag}", value=value[:40])
    if flag == "yes":
        found.yes = True
    else:
        found.dry_run = True


def _bare(found: TrainArguments, text: str, given: set[str]) -> None:
    preset = preset_names().get(text.lower())
    dataset = _DATASET.match(text)
    if preset is not None:
        found.preset = preset
        _note_repeat(found, "preset", given)
    elif _EPOCHS.match(text):
        _set(found, "epochs", text)
        _note_repeat(found, "epochs", given)
    elif dataset is not None:
        if found.dataset is not None and found.dataset != int(dataset.group(1)):
            raise UserError("dataset_twice", first=found.dataset, second=int(dataset.group(1)))
        found.dataset = int(dataset.group(1))
    else:
        candidates = [*preset_names(), *flag_names()]
        near = difflib.get_close_matches(text.lower(), candidates, 1, 0.6)
        if near:
            hint = near[0] if near[0] in preset_names() else f"--{flag_names()[near[0]]}"
            raise UserError("word_unknown_near", word=text[:40], near=hint)
        raise UserError("word_unknown", word=text[:40])


def _set(found: TrainArguments, flag: str, value: str) -> None:
    if flag == "preset":
        preset = preset_names().get(value.lower())
        if preset is None:
            near = difflib.get_close_matches(value.lower(), preset_names(), 1, 0.4)
            raise UserError("preset_unknown", value=value[:40], known=", ".join(near or preset_names()))
        found.preset = preset
    elif flag == "provider":
        found.provider = value.lower()
    elif flag == "base":
        found.base = value
    elif flag == "name":
        found.name = value
    elif flag == "trigger":
        found.trigger = ImageParameters.checked(trigger=value).trigger
    elif flag == "val":
        found.validation_share = _share(value)
    elif flag == "seed":
        found.seed = int(_whole(flag, value))
    else:
        parsed = number(value)
        if parsed is None:
            raise UserError("flag_not_a_number", flag=f"--{flag}", value=value[:40])
        if flag == "repeats":
            found.repeats = ImageParameters.checked(repeats=parsed).repeats
            return
        field_name = _fields()[flag]
        found.values[field_name] = ranges()[field_name].check(parsed)


def _whole(flag: str, value: str) -> float:
    parsed = number(value)
    if parsed is None or parsed != int(parsed) or not 0 <= parsed < 2**31:
        raise UserError("flag_not_whole", flag=f"--{flag}", value=value[:40])
    return parsed


def _share(value: str) -> float:
    parsed = number(value)
    if parsed is not None and parsed > 1 and "%" not in value:
        parsed /= 100
    if parsed is None or not 0 <= parsed <= _MOST_HELD_OUT:
        raise UserError("flag_val_range", value=value[:40])
    return parsed


def canonical(dataset: int, preset: str, values: Mapping[str, float], others: Sequence[tuple[str, str]] = ()) -> str:
    """The line that asks for exactly this run again."""
    parts = [f"/train {dataset}", f"--preset {preset}"]
    for name, parameter in ranges().items():
        if name in values:
            parts.append(f"--{parameter.flags[0]} {values[name]:g}")
    for flag, value in others:
        parts.append(f"--{flag} {_quoted(value)}")
    return " ".join(parts)


def _quoted(value: str) -> str:
    if not _TO_QUOTE.search(value):
        return value
    mark = "'" if '"' in value else '"'
    return f"{mark}{value}{mark}"
