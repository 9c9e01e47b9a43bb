"""What an open page is shown: previews, catching up, history, and nothing of another room."""

from typing import cast
from uuid import uuid4

from bot.chat.content import (
    Answer,
    AnswerState,
    Card,
    Paragraph,
)
from bot.chat.places import MessageRef
from tests.platforms.web.conftest import Frame, House, Visit, entries, is_answer, place_of, shown


async def test_previews_are_shown_but_not_stored(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    await page.connect()
    await page.until("history")
    ref = await platform.send(place_of(page), Answer("", AnswerState.WAITING), key="a")
    [entry] = entries(await page.until("entries"))
    assert cast(Frame, entry["body"])["state"] == "waiting"
    stored = house.log.revision
    await platform.edit(ref, Answer("Once", AnswerState.STREAMING))
    await page.until("preview", lambda frame: cast(Frame, cast(Frame, frame["preview"])["body"])["text"] == "Once")
    late = await visit()
    await late.connect()
    [seen] = entries(await late.until("history"))
    assert cast(Frame, seen["body"])["text"] == "Once"
    assert house.log.revision == stored
    await platform.edit(ref, Answer("Once upon a time", AnswerState.DONE, "stopped"))
    [final] = entries(await page.until("entries"))
    assert cast(Frame, final["body"])["text"] == "Once upon a time"
    assert house.log.revision == stored + 1
    assert house.log.entries[1].body["state"] == "done"


async def test_many_previews_end_in_the_final_answer(house: House, visit: Visit) -> None:
    platform = await house.open()
    pages = [await visit() for _ in range(3)]
    for page in pages:
        await page.connect()
        await page.until("history")
    ref = await platform.send(place_of(pages[0]), Answer("", AnswerState.WAITING), key="a")
    for number in range(200):
        await platform.edit(ref, Answer("x" * number, AnswerState.STREAMING))
    await platform.edit(ref, Answer("the end", AnswerState.DONE))
    await platform.send(place_of(pages[0]), Card(title="after"), key="b")
    for page in pages:
        await page.until(
            "entries", lambda frame: any(cast(Frame, e["body"]).get("title") == "after" for e in entries(frame))
        )
        words = [frame for frame in page.frames if "preview" in frame or "entries" in frame]
        done = next(i for i, frame in enumerate(words) if "entries" in frame and is_answer("done")(frame))
        assert not any("preview" in frame for frame in words[done:]), "a preview after the final answer"


async def test_a_preview_reads_nothing_from_the_log(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    ref = await platform.send(place_of(page), Answer("", AnswerState.WAITING), key="a")
    before = house.log.reads
    for number in range(10):
        await platform.edit(ref, Answer("x" * number, AnswerState.STREAMING))
    assert house.log.reads == before


async def test_a_final_answer_is_never_overtaken_by_its_preview(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    await page.connect()
    await page.until("history")
    ref = await platform.send(place_of(page), Answer("", AnswerState.WAITING), key="a")
    await page.until("entries")
    house.log.gate.clear()
    platform._rooms.changed(page.visitor.room)
    await platform.edit(ref, Answer("almost", AnswerState.STREAMING))
    await platform.edit(ref, Answer("the end", AnswerState.DONE))
    house.log.gate.set()
    await page.until("entries", is_answer("done"))
    await page.send({"ping": 1})
    while "pong" not in page.frames[-1]:
        await page.until("pong")
    done = next(i for i, frame in enumerate(page.frames) if "entries" in frame and is_answer("done")(frame))
    assert not any("preview" in frame for frame in page.frames[done:])


async def test_an_answer_whose_maker_died_is_shown_as_lost(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    await platform.send(place_of(page), Answer("", AnswerState.WAITING), key="a")
    await house.close()
    platform = await house.open()
    await page.connect()
    [entry] = entries(await page.until("history"))
    assert cast(Frame, entry["body"])["state"] == "lost"
    await platform.edit(MessageRef(place_of(page), "1"), Answer("on it again", AnswerState.STREAMING))
    frame = await page.until("preview")
    assert cast(Frame, cast(Frame, frame["preview"])["body"])["text"] == "on it again"


async def test_a_page_that_was_away_gets_what_it_missed_in_order(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    place = place_of(page)
    await page.connect()
    await page.until("history")
    ref = await platform.send(place, Card(title="first"), key="0")
    seen = (await page.until("entries"))["revision"]
    assert page.socket is not None
    await page.socket.close()
    for number in range(450):
        await platform.send(place, Card(title=f"{number}"), key=f"k{number}")
    await platform.edit(ref, Card(title="first, changed"))
    await house.close()
    await house.open()
    page.frames.clear()
    await page.connect(cast(int, seen))
    await page.until("entries", lambda frame: frame["revision"] == house.log.revision)
    titles = [str(body["title"]) for body in shown(page.frames)]
    assert titles == [f"{number}" for number in range(450)] + ["first, changed"]


async def test_history_comes_in_pages(house: House, visit: Visit) -> None:
    platform = await house.open()
    page = await visit()
    for number in range(1, 121):
        await platform.send(place_of(page), Card(title=f"{number}"), key=f"k{number}")
    await page.connect()
    first = await page.until("history")
    assert [entry["id"] for entry in entries(first)] == list(range(71, 121))
    assert (first["more"], first["before"], first["revision"]) == (True, None, 120)
    await page.send({"before": 71})
    assert [entry["id"] for entry in entries(await page.until("history"))] == list(range(21, 71))
    await page.send({"before": 21})
    last = await page.until("history")
    assert [entry["id"] for entry in entries(last)] == list(range(1, 21))
    assert last["more"] is False


async def test_rooms_are_apart(house: House, visit: Visit) -> None:
    platform = await house.open()
    ming, hong = await visit("ming"), await visit("hong")
    await ming.connect()
    await hong.connect()
    await hong.until("history")
    await ming.until("history")
    ref = await platform.send(place_of(ming), Card(title="for Ming"), key="1")
    await platform.edit(ref, Card(title="for Ming", blocks=(Paragraph("only"),)))
    await platform.typing(place_of(ming))
    await platform.send(place_of(hong), Card(title="for Hong"), key="2")
    [body] = shown([await hong.until("entries")])
    assert body["title"] == "for Hong"
    await hong.send({"before": 100})
    assert [cast(Frame, entry["body"])["title"] for entry in entries(await hong.until("history"))] == ["for Hong"]
    await hong.send({"press": "t", "entry": int(ref.id), "id": str(uuid4())})
    assert (await hong.until("ack"))["text"]
    assert house.inbox.events == [], "a press on another's message is not delivered"
