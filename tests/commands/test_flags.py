"""What phones send after ``/train``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.errors import UserError
from bot.commands.flags import TrainArguments, canonical, parse
from bot.commands.typing import number
from finetune.errors import FineTuneError
from finetune.parameters import presets, ranges


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("", {}),
        ("3", {"dataset": 3}),
        ("#3 quality", {"dataset": 3, "preset": "quality"}),
        ("ds_7 效果优先", {"dataset": 7, "preset": "quality"}),
        ("标准", {"preset": "standard"}),
        ("轻量", {"preset": "light"}),
        ("--preset=light", {"preset": "light"}),
        ("—preset quality", {"preset": "quality"}),
        ("–preset quality", {"preset": "quality"}),
        ("－－preset quality", {"preset": "quality"}),
        ("-preset quality", {"preset": "quality"}),
        ("preset：轻量快速", {"preset": "light"}),
        ("轮数=5，学习率：1×10^-4 批次=16", {"values": {"epochs": 5, "learning_rate": 1e-4, "batch_size": 16}}),
        ("--lr 1×10⁻⁴", {"values": {"learning_rate": 1e-4}}),
        ("--lr .0001", {"values": {"learning_rate": 1e-4}}),
        ("lr：1e—4", {"values": {"learning_rate": 1e-4}}),
        ("--max-tokens 4,096", {"values": {"max_tokens": 4096}}),
        ("epochs = 5", {"values": {"epochs": 5}}),
        ("5轮", {"values": {"epochs": 5}}),
        ("--epochs 5轮", {"values": {"epochs": 5}}),
        ("底模=7B", {"base": "7B"}),
        ("--base Qwen/Qwen2.5-7B-Instruct", {"base": "Qwen/Qwen2.5-7B-Instruct"}),
        ("--val 10%", {"validation_share": 0.1}),
        ("--val 10", {"validation_share": 0.1}),
        ("--val 0", {"validation_share": 0.0}),
        ("--name “my  teller”", {"name": "my teller"}),
        ("--name 「算命 大师」", {"name": "算命 大师"}),
        ("--seed 7 --dry-run --yes", {"seed": 7, "dry_run": True, "yes": True}),
        ("--epochs\u00a05\u200b", {"values": {"epochs": 5}}),
        ("--epochs 5 --epochs 6", {"values": {"epochs": 6}, "repeated": ["--epochs"]}),
        ("quality --preset light", {"preset": "light", "repeated": ["--preset"]}),
    ],
)
def test_what_is_meant(line: str, wanted: dict[str, object]) -> None:
    assert parse(line) == TrainArguments(**wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "key", "field", "shown"),
    [
        ("--epocs 5", "flag_unknown_near", "near", "--epochs"),
        ("--zzqqxxww 5", "flag_unknown", "flag", "zzqqxxww"),
        ("qualty", "word_unknown_near", "near", "quality"),
        ("zzqqxxww", "word_unknown", "word", "zzqqxxww"),
        ("--lr", "flag_value_missing", "flag", "--lr"),
        ("--lr --epochs 5", "flag_value_missing", "flag", "--lr"),
        ("--lr fast", "flag_not_a_number", "value", "fast"),
        ('--name "abc', "quote_open", "position", 8),
        ("--val 80%", "flag_val_range", "value", "80%"),
        ("--seed 1.5", "flag_not_whole", "value", "1.5"),
        ("--yes=no", "flag_takes_no_value", "flag", "--yes"),
        ("--trigger", "flag_value_missing", "flag", "--trigger"),
        ("--repeats many", "flag_not_a_number", "value", "many"),
        ("3 4", "dataset_twice", "second", 4),
        ("--preset best", "preset_unknown", "value", "best"),
    ],
)
def test_what_is_wrong_is_named(line: str, key: str, field: str, shown: object) -> None:
    with pytest.raises(UserError) as caught:
        parse(line)
    assert caught.value.key == key
    assert caught.value.fields[field] == shown


@pytest.mark.parametrize("name", list(ranges()))
def test_the_ends_of_each_range(name: str) -> None:
    limits = ranges()[name]
    flag = limits.flags[0]
    assert parse(f"--{flag} {limits.high:g}").values[name] == limits.high
    outside = [limits.high * 1.5 + 1, limits.low - 1]
    if limits.above_low:
        outside.append(limits.low)
    else:
        assert parse(f"--{flag} {limits.low:g}").values[name] == limits.low
    for value in outside:
        with pytest.raises(FineTuneError) as caught:
            parse(f"--{flag} {value:g}")
        assert caught.value.code == "parameter_range"
        assert caught.value.fields["range"] == limits.describe()


@pytest.mark.parametrize("line", ["--trigger 'my cat' --repeats 10", "--触发词 'my cat' 重复次数=10"])
def test_what_only_image_datasets_have(line: str) -> None:
    found = parse(line)
    assert (found.trigger, found.repeats, found.image_flag) == ("my cat", 10, "--trigger")
    assert parse("--repeats 10").image_flag == "--repeats"
    assert parse("--epochs 3").image_flag is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--repeats 101", "parameter_range"),
        ("--repeats 1.5", "parameter_whole"),
        (f"--trigger {'x' * 65}", "trigger_word"),
    ],
)
def test_their_ranges(line: str, code: str) -> None:
    with pytest.raises(FineTuneError) as caught:
        parse(line)
    assert caught.value.code == code


def test_whole_numbers_stay_whole() -> None:
    with pytest.raises(FineTuneError) as caught:
        parse("--epochs 2.5")
    assert caught.value.code == "parameter_whole"


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "", "-", "10^999", "0x10", "1_000", "九"])
def test_what_is_no_number(text: str) -> None:
    assert number(text) is None


@given(st.text(max_size=80))
def test_nothing_typed_breaks_it(line: str) -> None:
    try:
        parse(line)
    except (UserError, FineTuneError):
        return


@pytest.mark.parametrize("name", ["a,b", "a;b", "its = 3", "-x", 'say "hi"', "它、好", "it's"])
def test_the_canonical_line_names_it_the_same(name: str) -> None:
    line = canonical(3, "standard", {}, [("name", name)]).removeprefix("/train ")
    assert parse(line).name == name


@given(st.sampled_from(sorted(presets())), st.integers(1, 10), st.integers(1, 32), st.floats(1e-6, 0.1))
def test_the_canonical_line_asks_for_the_same_again(preset: str, epochs: int, batch: int, rate: float) -> None:
    rate = float(f"{rate:g}")
    values = {"epochs": epochs, "batch_size": batch, "learning_rate": rate}
    line = canonical(3, preset, values, [("name", "my teller")]).removeprefix("/train ")
    assert parse(line) == TrainArguments(3, preset, values=dict(values), name="my teller")
