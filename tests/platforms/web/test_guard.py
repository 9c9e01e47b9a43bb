"""Who is let in, from where, and what every response carries."""

import logging

import aiohttp
import pytest

from bot.platforms.web.attempts import Attempts
from tests.platforms.web.conftest import House, Visit

SIGN_IN = {"code": "owner-code", "name": "Ming"}


def sign_in_headers(address: str) -> dict[str, str]:
    return {"Origin": address, "X-Csrf-Token": "sign-in", "X-Language": "en"}


async def test_a_stranger_sees_the_sign_in_page_and_nothing_else(house: House, client: aiohttp.ClientSession) -> None:
    platform = await house.open()
    page = await client.get(platform.address)
    text = await page.text()
    assert page.status == 200
    assert 'id="code"' in text
    assert "timeline" not in text
    upload = await client.post(
        f"{platform.address}/upload", headers={"Origin": platform.address, "X-Csrf-Token": "guess"}, data=b"x"
    )
    assert upload.status == 403
    assert (await client.get(f"{platform.address}/files/{'0' * 64}/x?entry=1")).status == 404
    socket = await client.ws_connect(f"{platform.address}/ws", headers={"Origin": platform.address})
    message = await socket.receive(timeout=5)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == 4401


async def test_a_code_opens_a_session_in_a_strict_cookie(house: House, client: aiohttp.ClientSession) -> None:
    platform = await house.open()
    answer = await client.post(f"{platform.address}/sign-in", json=SIGN_IN, headers=sign_in_headers(platform.address))
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    page = await client.get(platform.address, headers={"Cookie": cookie.split(";")[0]})
    assert 'id="timeline"' in await page.text()
    again = await client.post(f"{platform.address}/sign-in", json=SIGN_IN, headers=sign_in_headers(platform.address))
    assert again.status == 403
    assert (await again.json())["error"]


async def test_behind_https_the_cookie_is_secure_and_the_name_is_known(
    house: House, client: aiohttp.ClientSession
) -> None:
    platform = await house.open(public_url="https://chat.example.org")
    headers = {**sign_in_headers("https://chat.example.org"), "Host": "chat.example.org"}
    answer = await client.post(f"{platform.address}/sign-in", json=SIGN_IN, headers=headers)
    assert answer.status == 200
    assert answer.headers["Set-Cookie"].startswith("__Host-tuneteller=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "wss://chat.example.org" in answer.headers["Content-Security-Policy"]
    plain = {**headers, "Origin": "http://chat.example.org"}
    assert (await client.post(f"{platform.address}/sign-in", json=SIGN_IN, headers=plain)).status == 403


@pytest.mark.parametrize(
    "form", [b"", b"[]", b"{}", b'{"code":1,"name":2}', b'{"code":" ","name":"x"}', b'{"code":"x","name":"\\u0000 "}']
)
async def test_a_broken_form_is_refused(house: House, client: aiohttp.ClientSession, form: bytes) -> None:
    platform = await house.open()
    headers = sign_in_headers(platform.address)
    answer = await client.post(f"{platform.address}/sign-in", data=form, headers=headers)
    assert answer.status == 400
    assert (await answer.json())["error"]


async def test_guessing_is_slowed_down(house: House, client: aiohttp.ClientSession) -> None:
    platform = await house.open()
    headers = sign_in_headers(platform.address)
    url = f"{platform.address}/sign-in"
    for _ in range(10):
        assert (await client.post(url, json={"code": "guess", "name": "x"}, headers=headers)).status == 403
    answer = await client.post(url, json=SIGN_IN, headers=headers)
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert house.door.codes, "the right code was not tried"


def test_attempts_are_counted_by_source_and_forgotten() -> None:
    now = 0.0
    attempts = Attempts(2, 60, lambda: now)
    assert [attempts.wait("a"), attempts.wait("a"), attempts.wait("b")] == [0, 0, 0]
    now = 20.0
    assert attempts.wait("a") == 40
    now = 60.0
    assert attempts.wait("a") == 0


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1:1",
        "127.0.0.1",
        "192.168.0.9:{port}",
        "x@127.0.0.1:{port}",
        "",
        "::",
    ],
)
async def test_a_foreign_host_name_gets_nothing(house: House, client: aiohttp.ClientSession, host: str) -> None:
    platform = await house.open()
    answer = await client.get(platform.address, headers={"Host": host.format(port=house.port)})
    assert answer.status == 421
    assert "timeline" not in await answer.text()
    assert (await client.get(f"{platform.address}/healthz", headers={"Host": "evil.example"})).status == 200


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "LOCALHOST:{port}"])
async def test_our_own_names_are_known(house: House, client: aiohttp.ClientSession, host: str) -> None:
    platform = await house.open()
    assert (await client.get(platform.address, headers={"Host": host.format(port=house.port)})).status == 200


async def test_posts_need_our_origin_and_the_sessions_token(house: House, visit: Visit) -> None:
    await house.open()
    page, other = await visit("ming"), await visit("hong")
    url = f"{page.address}/sign-out"

    async def post(**changed: str | None) -> int:
        headers = {name: value for name, value in {**page.headers, **changed}.items() if value is not None}
        return (await page.session.post(url, headers=headers)).status

    assert await post(Origin=None) == 403
    assert await post(Origin="http://evil.example") == 403
    assert await post(Origin="null") == 403
    assert await post(**{"X-Csrf-Token": None}) == 403
    assert await post(**{"X-Csrf-Token": "sign-in"}) == 403
    assert await post(**{"X-Csrf-Token": other.headers["X-Csrf-Token"]}) == 403
    assert len(house.door.sessions) == 2
    assert await post() == 200
    assert len(house.door.sessions) == 1


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
async def test_a_socket_needs_our_origin(house: House, visit: Visit, origin: str) -> None:
    await house.open()
    page = await visit()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await page.session.ws_connect(f"{page.address}/ws", headers={**page.headers, "Origin": origin})
    assert refused.value.status == 403


async def test_signing_out_ends_an_open_page(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    await page.until("history")
    await page.session.post(f"{page.address}/sign-out", headers=page.headers)
    await page.say("still there?")
    assert page.socket is not None
    assert (await page.socket.receive(timeout=5)).data == 4401
    assert house.log.entries == {}
    assert 'id="code"' in await (await page.session.get(page.address, headers=page.headers)).text()


async def test_every_response_carries_the_policy(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    for path in ("/", "/healthz", "/nowhere", "/static/x/y.js"):
        answer = await page.session.get(f"{page.address}{path}", headers=page.headers)
        policy = answer.headers["Content-Security-Policy"]
        for part in (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ):
            assert part in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_pages_have_nothing_inline_and_their_files_never_go_stale(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    text = await (await page.session.get(page.address, headers=page.headers)).text()
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick" not in text
    assert text.count("<script") == text.count("<script src") + text.count("<script type=")
    script = text.split('type="module" src="')[1].split('"')[0]
    answer = await page.session.get(f"{page.address}{script}")
    assert answer.status == 200
    assert answer.content_type == "text/javascript"
    assert "immutable" in answer.headers["Cache-Control"]
    former = script.replace(script.split("/")[2], "0" * 16)
    assert (await page.session.get(f"{page.address}{former}")).status == 404
    assert (await page.session.get(f"{page.address}{script.rsplit('/', 1)[0]}/chat.html")).status == 404


async def test_a_hostile_name_cannot_leave_the_pages_data(house: House, client: aiohttp.ClientSession) -> None:
    platform = await house.open()
    token = house.door.admit("x", name="</script><script>alert(1)</script>")
    headers = {"Cookie": f"tuneteller_{house.port}={token}"}
    text = await (await client.get(platform.address, headers=headers)).text()
    assert "alert(1)" in text
    assert "</script><script>" not in text


async def test_the_log_names_no_code_token_text_or_file(
    house: House, visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    platform = await house.open()
    page = await visit()
    await page.session.post(
        f"{page.address}/sign-in?code=secret-query", json=SIGN_IN, headers=sign_in_headers(platform.address)
    )
    await page.connect()
    await page.say("secret-message")
    await page.until("accepted")
    await page.upload(b"x", name="secret-file.jsonl")
    await page.session.get(f"{page.address}/files/{'0' * 64}/secret-name?entry=1", headers=page.headers)
    assert any("POST /upload 200" in record.getMessage() for record in caplog.records)
    assert "secret" not in caplog.text
    assert "owner-code" not in caplog.text
    assert page.token not in caplog.text


async def test_probes_tell_machines_how_it_is(house: House, client: aiohttp.ClientSession) -> None:
    platform = await house.open()
    alive = await client.get(f"{platform.address}/healthz")
    assert (alive.status, await alive.json()) == (200, {"ok": True})
    ready = await client.get(f"{platform.address}/readyz")
    assert (ready.status, await ready.json()) == (200, {"ok": True, "checks": {"database": True}})
    house.probes.checks = {"database": False, "disk": True}
    house.probes.living = False
    assert (await client.get(f"{platform.address}/healthz")).status == 503
    ready = await client.get(f"{platform.address}/readyz")
    assert (ready.status, await ready.json()) == (503, {"ok": False, "checks": {"database": False, "disk": True}})
