"""The arguments of each command one by one, for platforms that ask for them so. The numbers are the parameters' own."""

from collections.abc import Mapping

from bot.chat.content import Option, OptionKind
from bot.locales import LANGUAGES, translator
from bot.services.audit import LAST
from finetune.images import REPEATS
from finetune.parameters import Range, preset_names, ranges

_ROLES = ("user", "trainer", "lead", "admin")
_RIGHTS = ("read", "train", "edit")


def options() -> Mapping[str, tuple[Option, ...]]:
    """By the command's name. A command that takes nothing has none."""
    dataset = _option("dataset", completes="datasets")
    job = _option("job", completes="jobs")
    this_job = _option("job", completes="jobs", required=True)
    model = _option("model", completes="models")
    this_model = _option("model", completes="models", required=True)
    yes = _option("yes", OptionKind.SWITCH, "--yes")
    return {
        "start": (_option("code"),),
        "help": (_option("command", completes="commands"),),
        "lang": (_option("language", choices=LANGUAGES),),
        "ask": (_option("question", required=True),),
        "fetch": (_option("url", required=True),),
        "datasets": (_option("dataset", form="/ds_{}", completes="datasets"),),
        "mend": (_option("dataset", completes="datasets", required=True), _option("what")),
        "share": (
            _option("dataset", completes="datasets", required=True),
            _option("with", required=True),
            _option("right", choices=_RIGHTS),
        ),
        "train": (dataset, *_flags(), yes),
        "jobs": (_option("job", form="/job_{}", completes="jobs"),),
        "log": (job,),
        "cancel": (job,),
        "rerun": (job, yes),
        "resume": (job,),
        "use": (this_model,),
        "try": (_option("model", completes="voices"),),
        "report": (model,),
        "compare": (model,),
        "export": (model,),
        "promote": (
            this_model,
            _option("alias", form="@{}", completes="aliases"),
            _option("canary", OptionKind.WHOLE, "--canary {}%", least=1, most=99),
            _option("reason"),
        ),
        "rollback": (_option("alias", form="@{}", completes="aliases"),),
        "curve": (job,),
        "handover": (this_job,),
        "started": (this_job,),
        "bind": (this_job, _option("id", required=True)),
        "cost": (job, _option("amount")),
        "budget": (_option("budget"),),
        "audit": (_option("page", OptionKind.WHOLE, least=1, most=LAST),),
        "approve": (_option("approval", OptionKind.WHOLE),),
        "draw": (_option("prompt", required=True),),
        "persona": (_option("persona"),),
        "contribute": (_option("switch", choices=("on", "off")),),
        "review": (_option("decision"),),
        "settings": (
            _option("notify", form="notify {}", choices=("here", "chat")),
            _option("quiet", form="quiet {}"),
            _option("webhook", form="webhook {}"),
        ),
        "invite": (_option("role", choices=_ROLES),),
        "grant": (_option("person", OptionKind.WHOLE, required=True), _option("role", choices=_ROLES, required=True)),
        "revoke": (_option("person", OptionKind.WHOLE, required=True),),
        "link": (_option("code"),),
    }


def _flags() -> list[Option]:
    hyperparameters = [_ranged(parameter) for parameter in ranges().values()]
    return [
        _option("preset", form="--preset {}", choices=tuple(dict.fromkeys(preset_names().values()))),
        _option("provider", form="--provider {}", completes="providers"),
        _option("base", form="--base {}", completes="bases"),
        *hyperparameters,
        _option("val", OptionKind.PERCENT, "--val {}%", least=0, most=50),
        _option("name", form="--name {}"),
        _option("seed", OptionKind.WHOLE, "--seed {}", least=0),
        _option("trigger", form="--trigger {}"),
        _option("repeats", OptionKind.WHOLE, "--repeats {}", least=REPEATS.low, most=REPEATS.high),
        _option("dry-run", OptionKind.SWITCH, "--dry-run"),
    ]


def _ranged(parameter: Range) -> Option:
    kind = OptionKind.WHOLE if parameter.whole else OptionKind.NUMBER
    # A platform's own bounds include their ends; what must be above the lower one is judged where it is read.
    least = parameter.low + 1 if parameter.whole and parameter.above_low else parameter.low
    return _option(
        parameter.name.replace("_", "-"),
        kind,
        f"--{parameter.flags[0]} {{}}",
        least=least,
        most=parameter.high,
    )


_NAMES = {"batch-size": "batch"}


def _option(
    name: str,
    kind: OptionKind = OptionKind.TEXT,
    form: str = "{}",
    *,
    choices: tuple[str, ...] = (),
    completes: str = "",
    least: float | None = None,
    most: float | None = None,
    required: bool = False,
) -> Option:
    name = _NAMES.get(name, name)
    speakers = {language: translator(language) for language in LANGUAGES}
    names = {language: t(f"option.{name}.name") for language, t in speakers.items()}
    descriptions = {language: t(f"option.{name}") for language, t in speakers.items()}
    return Option(name, kind, form, choices, completes, least, most, required, names, descriptions)
