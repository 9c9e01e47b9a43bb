"""The trigger word and the repeats."""

import pytest

from finetune.errors import ParameterError
from finetune.images import Parameters, with_parameters
from tests.finetune.images.conftest import Judge
from tests.finetune.images.samples import good, picture


def test_ranges() -> None:
    assert Parameters.checked("  ttr  style ", 100) == Parameters("ttr style", 100)
    for repeats in (0, 101, 1.5, float("nan")):
        with pytest.raises(ParameterError):
            Parameters.checked("ttr", repeats)
    for trigger in ("x" * 65, "a\x00b"):
        with pytest.raises(ParameterError, match="trigger_word"):
            Parameters.checked(trigger)


def test_steps() -> None:
    assert Parameters(repeats=10).steps_per_epoch(15, 8) == 19


def test_a_trigger_word_that_stands_there_already(judged: Judge) -> None:
    files = {**good(), "x.jpg": picture(seed=40), "x.txt": b"TTR on a hill", "y.jpg": picture(seed=41)}
    report = judged(files | {"y.txt": b"a pattern of ttrs"})
    assert report.findings == ()
    with_trigger = with_parameters(report, Parameters("ttr"))
    assert [finding.file for finding in with_trigger.findings] == ["x.jpg"]
    assert with_trigger.by_code == {"trigger_present": 1}
    assert with_trigger.notes[-1].fields == {"trigger": "ttr", "n": 12}
    assert with_trigger.ok
    # Another word takes the place of the former one; none takes it away.
    other = with_parameters(with_trigger, Parameters("forest"))
    assert [finding.number for finding in other.findings] == list(range(1, 11))
    assert with_parameters(other, Parameters()) == report


def test_chinese_words_have_no_borders(judged: Judge) -> None:
    report = judged({**good(), "x.jpg": picture(seed=40), "x.txt": "一只龙猫在散步".encode()})
    assert with_parameters(report, Parameters("龙猫")).by_code["trigger_present"] == 1
