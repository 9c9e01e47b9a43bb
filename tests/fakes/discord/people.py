"""People on the stand-in: they write, send files, use commands, press, choose, fill forms in."""

from typing import TYPE_CHECKING, Any

from tests.fakes.discord.rules import LOADING
from tests.fakes.discord.state import Channel, Interaction, Json, Shown, snowflake

if TYPE_CHECKING:
    from tests.fakes.discord.world import World

_TYPES: dict[int, tuple[type, ...]] = {3: (str,), 4: (int,), 5: (bool,), 10: (int, float), 11: (str,)}


class Person:
    """Somebody with an account. Without a channel they write to the bot in private."""

    def __init__(self, world: "World", id: str, name: str, locale: str) -> None:  # noqa: A002 - Discord's word
        self.world = world
        self.id = id
        self.name = name
        self.locale = locale

    @property
    def user(self) -> Json:
        """As the API writes it."""
        return {
            "id": self.id, "username": self.name.lower(), "global_name": self.name, "discriminator": "0",
            "avatar": None, "bot": False,
        }  # fmt: skip

    async def says(self, text: str, channel: Channel | None = None, reply_to: Shown | None = None) -> Shown:
        """Write something."""
        return await self._post(text, {}, channel, reply_to)

    async def sends_file(self, name: str, data: bytes, channel: Channel | None = None, text: str = "") -> Shown:
        """Drop a file in."""
        return await self._post(text, {name: data}, channel, None)

    async def _post(self, text: str, files: dict[str, bytes], channel: Channel | None, reply_to: Shown | None) -> Shown:
        where = channel or self.world.private(self)
        shown = Shown(snowflake(), where.id, self.id, by_bot=False, body={"content": text}, files=files)
        shown.reply_to = reply_to.id if reply_to else None
        self.world.add(shown)
        await self.world.announce("MESSAGE_CREATE", shown)
        return shown

    async def changes(self, shown: Shown, text: str) -> None:
        """Edit what they wrote."""
        shown.body["content"] = text
        shown.edits += 1
        await self.world.announce("MESSAGE_UPDATE", shown)

    async def deletes(self, shown: Shown) -> None:
        """Take a message away."""
        shown.deleted = True
        body = {"id": shown.id, "channel_id": shown.channel}
        await self.world.gateway.dispatch("MESSAGE_DELETE", lambda session: body)
        await self.world.notify()

    async def uses(
        self, name: str, channel: Channel | None = None, file: tuple[str, bytes] | None = None, /, **options: Any
    ) -> Interaction:
        """Choose a slash command; what the client would not let through is an error of the test."""
        where = channel or self.world.private(self)
        command = self.world.commands[name]
        known = {option["name"]: option for option in command.get("options", [])}
        data: Json = {"id": command["id"], "name": name, "type": 1, "options": []}
        if file is not None:
            only = next(option for option in known.values() if option["type"] == 11)
            holder = Shown(snowflake(), where.id, self.id, by_bot=False, body={})
            attachment = self.world.attachment(holder, file[0], file[1])
            data["resolved"] = {"attachments": {attachment["id"]: attachment}}
            options[only["name"]] = attachment["id"]
        for option in known.values():
            assert not option.get("required") or option["name"] in options, f"{option['name']} is required"
        for key, value in options.items():
            option = known[key.replace("_", "-") if key not in known else key]
            assert isinstance(value, _TYPES[option["type"]]), (key, value)
            assert value >= option.get("min_value", value), (key, value)
            assert value <= option.get("max_value", value), (key, value)
            if option.get("choices"):
                assert value in [choice["value"] for choice in option["choices"]], (key, value)
            data["options"].append({"name": option["name"], "type": option["type"], "value": value})
        return await self.world.interact(self, 2, where, data)

    async def types(self, name: str, option: str, text: str, channel: Channel | None = None) -> list[Json]:
        """What the client offers while an option is being typed."""
        command = self.world.commands[name]
        found = next(each for each in command["options"] if each["name"] == option)
        assert found.get("autocomplete"), option
        given = {"name": option, "type": found["type"], "value": text, "focused": True}
        data: Json = {"id": command["id"], "name": name, "type": 1, "options": [given]}
        made = await self.world.interact(self, 4, channel or self.world.private(self), data)
        await self.world.wait_for(lambda: made.answer)
        assert made.answer is not None
        choices: list[Json] = made.answer["data"]["choices"]
        return choices

    async def presses(self, message: Shown, label: str) -> Interaction:
        """Press a button, or choose from a menu what says so."""
        for component in message.components:
            data: Json = {"component_type": component["type"], "custom_id": component["custom_id"]}
            if component["type"] == 2 and component["label"] == label:
                return await self._touch(message, data)
            for option in component.get("options", ()):
                if label in (option["label"], option["value"]):
                    return await self._touch(message, {**data, "values": [option["value"]]})
        raise AssertionError(f"{label} is not there: {message.labels}")

    async def _touch(self, message: Shown, data: Json) -> Interaction:
        assert not message.deleted
        assert message.to in ("", self.id)
        channel = self.world.channels[message.channel]
        made = await self.world.interact(self, 3, channel, data, message)
        made.messages.append(message.id)
        return made

    async def fills(self, form: Interaction, text: str) -> Interaction:
        """Send a form off that a press opened."""
        await self.world.wait_for(lambda: form.answer)
        assert form.answer is not None
        assert form.answer["type"] == 9, form.answer
        asked = form.answer["data"]
        label = asked["components"][0]
        given = {"type": 4, "custom_id": label["component"]["custom_id"], "value": text}
        data = {"custom_id": asked["custom_id"], "components": [{"type": 18, "component": given}]}
        message = self.world.shown[form.messages[0]]
        return await self.world.interact(self, 5, self.world.channels[form.channel], data, message)

    def told(self, interaction: Interaction) -> list[Shown]:
        """What only they see of an interaction."""
        hidden = [self.world.shown[each] for each in interaction.messages if each in self.world.shown]
        return [each for each in hidden if each.to == self.id and not each.deleted]

    def was_told(self, interaction: Interaction) -> str:
        """The same as text."""
        return "\n".join(each.text for each in self.told(interaction) if not each.body.get("flags", 0) & LOADING)
