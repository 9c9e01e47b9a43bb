"""The flood model keeps to Telegram's numbers. Time is passed in."""

import pytest

from tests.fakes.telegram import Flood, Rules, TelegramStandIn, Verdict
from tests.fakes.telegram.client import Client

CHAT, GROUP = 1, -100


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def flood(clock: Clock, **rules: float) -> Flood:
    return Flood(Rules(**rules), clock)  # type: ignore[arg-type]


def test_one_message_a_second_and_a_short_burst(clock: Clock) -> None:
    judge = flood(clock).judge
    assert [judge(CHAT)[0] for _ in range(2)] == [Verdict.OK, Verdict.OK]
    assert judge(CHAT) == (Verdict.EARNED, 1)
    assert judge(2) == (Verdict.OK, 0)
    clock.now += 1
    for _ in range(50):
        assert judge(CHAT) == (Verdict.OK, 0)
        clock.now += 1


def test_without_a_burst_a_second_is_a_second(clock: Clock) -> None:
    judge = flood(clock, burst=0).judge
    assert judge(CHAT)[0] is Verdict.OK
    clock.now += 0.99
    assert judge(CHAT) == (Verdict.EARNED, 1)
    clock.now += 1
    assert judge(CHAT)[0] is Verdict.OK


def test_a_rest_saves_no_more_than_the_burst(clock: Clock) -> None:
    judge = flood(clock, burst=2).judge
    clock.now += 1000
    assert [judge(CHAT)[0] for _ in range(4)] == [Verdict.OK] * 3 + [Verdict.EARNED]


def test_a_group_has_twenty_a_minute(clock: Clock) -> None:
    judge = flood(clock).judge
    for _ in range(20):
        assert judge(GROUP)[0] is Verdict.OK
        clock.now += 1.5
    # Thirty seconds later: the first of the twenty is a minute old only after thirty more.
    assert judge(GROUP) == (Verdict.EARNED, 30)
    assert judge(CHAT)[0] is Verdict.OK
    clock.now += 30
    assert judge(GROUP)[0] is Verdict.OK
    assert judge(GROUP)[0] is Verdict.EARNED


def test_a_group_at_the_pace_of_a_careful_bot_is_never_refused(clock: Clock) -> None:
    judge = flood(clock, burst=0).judge
    for _ in range(200):
        assert judge(GROUP)[0] is Verdict.OK
        clock.now += 3.1


def test_thirty_calls_in_any_second_over_all(clock: Clock) -> None:
    judge = flood(clock).judge
    for number in range(30):
        assert judge(number + 1)[0] is Verdict.OK
        clock.now += 0.01
    assert judge(99) == (Verdict.EARNED, 1)
    clock.now += 0.7
    assert judge(98)[0] is Verdict.OK


def test_who_comes_again_too_early_offends(clock: Clock) -> None:
    judge = flood(clock, burst=0).judge
    judge(CHAT)
    assert judge(CHAT) == (Verdict.EARNED, 1)
    clock.now += 0.5
    assert judge(CHAT) == (Verdict.OFFENCE, 1)
    assert judge(2)[0] is Verdict.OK
    clock.now += 0.5
    assert judge(CHAT)[0] is Verdict.OK


def test_a_wait_is_rounded_up_and_true(clock: Clock) -> None:
    judge = flood(clock, burst=0, chat_seconds=2.5).judge
    judge(CHAT)
    verdict, seconds = judge(CHAT)
    assert (verdict, seconds) == (Verdict.EARNED, 3)
    clock.now += seconds
    assert judge(CHAT)[0] is Verdict.OK


def test_a_storm_hits_its_share_and_is_the_same_every_time(clock: Clock) -> None:
    def hit(seed: int) -> list[tuple[Verdict, int]]:
        judge = flood(clock, storm=0.3, seed=seed).judge
        verdicts = []
        for number in range(2000):
            verdicts.append(judge(number + 1))
            clock.now += 1
        return verdicts

    verdicts = hit(7)
    share = sum(verdict is Verdict.STORM for verdict, _ in verdicts) / len(verdicts)
    assert 0.25 < share < 0.35
    assert {seconds for verdict, seconds in verdicts if verdict is Verdict.STORM} == {1, 2, 3, 4, 5}
    assert {verdict for verdict, _ in verdicts} == {Verdict.OK, Verdict.STORM}
    assert hit(7) == verdicts
    assert hit(8) != verdicts


def test_what_a_storm_refused_was_not_counted(clock: Clock) -> None:
    judge = flood(clock, burst=0, storm=1.0, storm_shortest=1, storm_longest=1).judge
    for _ in range(5):
        assert judge(CHAT) == (Verdict.STORM, 1)
        assert judge(CHAT)[0] is Verdict.OFFENCE
        clock.now += 1


async def test_the_server_refuses_and_keeps_a_timeline(tg: TelegramStandIn, api: Client, clock: Clock) -> None:
    tg.person(CHAT)
    tg.flood = Flood(Rules(burst=1), clock)
    first = await api.works("sendMessage", chat_id=CHAT, text="one 🏠")
    await api.works("editMessageText", chat_id=CHAT, message_id=first["message_id"], text="two")
    refused = await api("editMessageText", chat_id=CHAT, message_id=first["message_id"], text="three")
    assert (refused["error_code"], refused["parameters"]) == (429, {"retry_after": 1})
    assert refused["description"] == "Too Many Requests: retry after 1"
    assert [message.text for message in tg.messages(CHAT)] == ["two"]
    for _ in range(5):
        await api.works("sendChatAction", chat_id=CHAT, action="typing")
        await api.works("getUpdates")
    await api("sendMessage", chat_id=CHAT, text="four")
    calls = [call for call in tg.timeline if call.method not in ("sendChatAction", "getUpdates")]
    assert [call.verdict for call in calls] == [Verdict.OK, Verdict.OK, Verdict.EARNED, Verdict.OFFENCE]
    assert [call.message for call in calls[:2]] == [first["message_id"]] * 2
    assert [call.text for call in calls] == ["one 🏠", "two", "three", "four"]
    assert {call.chat for call in calls} == {CHAT}
    assert calls[2].retry_after == 1
    times = [(call.arrived, call.answered) for call in tg.timeline]
    assert all(answered is not None and arrived <= answered for arrived, answered in times)
    assert [arrived for arrived, _ in times] == sorted(arrived for arrived, _ in times)


async def test_a_refusal_for_another_reason_is_no_flood(tg: TelegramStandIn, api: Client) -> None:
    tg.flood = Flood(Rules())
    await api.refused("sendMessage", chat_id=5, text="nobody is there")
    await api.refused("sendRocket")
    assert [call.verdict for call in tg.timeline] == [Verdict.ERROR, Verdict.ERROR]
