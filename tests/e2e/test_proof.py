"""The whole chain on real weights and the sample dataset: train, evaluate, picture, promote, chat, roll back."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.bot_process import OWNER_CODE, BotProcess
from tests.fakes.telegram import Shown, TelegramStandIn

pytestmark = pytest.mark.local
EXAMPLES = Path(__file__).parents[2] / "examples" / "fortune_telling.jsonl"
VERDICTS = ("passed its gates", "did not pass all gates")


@pytest.mark.timeout(3600)
async def test_from_the_sample_dataset_to_a_rollback(tmp_path: Path) -> None:
    async with TelegramStandIn() as telegram:
        environment = {"TELEGRAM_BOT_TOKEN": telegram.token, "TELEGRAM_API_BASE": telegram.api_base}
        bot = BotProcess(tmp_path, {**environment, "TUNETELLER_EVALUATION_QUESTIONS": "20"})
        await bot.start()
        try:
            await walk(telegram, bot, tmp_path / "data")
        finally:
            await bot.kill()
            print(bot.output)  # noqa: T201 - pytest shows it when the test fails


async def walk(telegram: TelegramStandIn, bot: BotProcess, data: Path) -> None:
    ming = telegram.person(1001, "Ming", "en")

    def messages() -> list[Shown]:
        return telegram.messages(ming)

    def has(words: str) -> bool:
        return any(words in shown.text for shown in messages())

    def with_button(label: str) -> list[Shown]:
        return [shown for shown in messages() if label in shown.labels]

    await ming.says(f"/start {OWNER_CODE}")
    await telegram.wait_for(lambda: has("I am Tuneteller"), 60)
    await ming.sends_file("teller.jsonl", EXAMPLES.read_bytes())
    await telegram.wait_for(lambda: has("is ready as /ds_1"), 60)
    await ming.says("/train --epochs 1 --val 12.5%")
    await telegram.wait_for(lambda: with_button("Start"), 60)
    await ming.presses(with_button("Start")[-1], "Start")
    await telegram.wait_for(lambda: has("is done, it is v1"), 1500)

    # Power goes in the middle of the questions; the next bot asks only the rest.
    answers = data / "evaluations" / "v1" / "answers.jsonl"
    await bot.says("asks what the base says", 60)
    await telegram.wait_for(lambda: answers.is_file() and answers.stat().st_size > 0, 300)
    await bot.kill()
    await bot.start()
    await telegram.wait_for(lambda: any(has(words) for words in VERDICTS), 1500)
    assert sum(any(words in shown.text for words in VERDICTS) for shown in messages()) == 1
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    assert len({(row["part"], row["contestant"], row["question"]) for row in rows}) == len(rows)
    assert {row["contestant"] for row in rows} == {"base", "prompted", "tuned"}
    assert sum(row["part"] == "held_out" for row in rows) == 60

    # The prompt was that of the training; the picture is there.
    assert not has("The prompt at serving is not the prompt of the training")
    pictures = [path for path in (data / "files").rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x89PNG"]
    with Image.open(BytesIO(pictures[0].read_bytes())) as picture:
        assert picture.size == (1080, 1350)

    # 135M parameters forget what they knew: a lead says why they want it all the same.
    await ming.says("/promote v1 because it speaks as we do")
    await telegram.wait_for(lambda: has("everybody talks to teller (v1)"), 60)
    await ming.says("Should I move house?")
    await telegram.wait_for(lambda: with_button("Answer again"), 180)
    await ming.says("/rollback")
    await telegram.wait_for(lambda: has("everybody talks to the untuned base"), 60)
