"""SiliconFlow's API as its documents describe it: wrapped bodies, no jobs, models that come from the console."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.providers.standin import StandIn, spoken

# The smallest PNG.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645"
    "400000000049454e44ae426082"
)
PURPOSES = {"batch", "fine-tune"}
_CHAT_FIELDS = {
    "model", "messages", "stream", "max_tokens", "temperature", "top_p", "stop", "stream_options", "n",
    "frequency_penalty", "seed", "enable_thinking",
}  # fmt: skip
_IMAGE_FIELDS = {"model", "prompt", "image_size", "batch_size", "num_inference_steps", "guidance_scale", "seed"}


@dataclass
class SiliconFlowStandIn(StandIn):
    """``models``: tuned ids that answer. ``files_open``: whether training files are taken. ``chat``: a status and body
    for every chat."""

    models: set[str] = field(default_factory=set)
    files_open: bool = True
    files: list[dict[str, Any]] = field(default_factory=list)
    chat: tuple[int, Any, str] | None = None
    listed: bool = False
    words: list[str] = field(default_factory=lambda: ["The ", "leaves ", "settle."])

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/models", self._models),
            web.get("/v1/user/info", self._user_info),
            web.post("/v1/chat/completions", self._chat),
            web.get("/v1/files", self._list),
            web.post("/v1/files", self._upload),
            web.post("/v1/images/generations", self._draw),
            web.get("/pictures/one.png", self._picture),
        ]

    def refusal(self, status: int, code: Any, message: str) -> web.Response:
        if status == 401:
            return web.json_response("Invalid token", status=401)
        code = {503: 50505, 429: 0, 504: 0}.get(status, code)
        return web.json_response({"code": code, "message": message, "data": None}, status=status)

    async def _models(self, request: web.Request) -> web.Response:
        ids = [
            "Qwen/Qwen2.5-7B-Instruct",
            "LoRA/Qwen/Qwen2.5-7B-Instruct",
            *(sorted(self.models) if self.listed else ()),
        ]
        return web.json_response({"object": "list", "data": [{"id": text, "object": "model"} for text in ids]})

    async def _user_info(self, request: web.Request) -> web.Response:
        return self.refusal(410, 20092, "This interface is no longer served")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        unknown = set(body) - _CHAT_FIELDS
        if unknown:
            return self.refusal(400, 20015, f"Unknown field {sorted(unknown)}")
        if body.get("max_tokens", 1) > 4096:
            return self.refusal(400, 20015, "max_tokens must be at most 4096")
        if self.chat is not None:
            return self.refusal(*self.chat)
        if body["model"] not in self.models and body["model"].startswith("ft:"):
            return self.refusal(400, 20012, "Model does not exist. Please check it carefully.")
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": "H"}, "finish_reason": "length"}
            usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
            return web.json_response({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage})
        return await spoken(request, self.words)

    async def _list(self, request: web.Request) -> web.Response:
        purpose = request.query.get("purpose")
        if purpose not in PURPOSES or (purpose == "fine-tune" and not self.files_open):
            return self.refusal(400, 20015, "purpose is required")
        rows = [row for row in self.files if row["purpose"] == purpose]
        return self._wrapped({"object": "list", "data": rows})

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        purpose, file = form.get("purpose"), form.get("file")
        if purpose not in PURPOSES or (purpose == "fine-tune" and not self.files_open):
            return self.refusal(400, 20015, "purpose must be batch")
        if not isinstance(file, web.FileField):
            return self.refusal(400, 20015, "file is required")
        row = {
            "id": f"file-{len(self.files) + 1:010d}",
            "object": "file",
            "bytes": len(file.file.read()),
            "createdAt": 1741685396,
            "filename": file.filename,
            "purpose": purpose,
        }
        self.files.append(row)
        return self._wrapped(row)

    async def _draw(self, request: web.Request) -> web.Response:
        body = await request.json()
        unknown = set(body) - _IMAGE_FIELDS
        if unknown:
            return self.refusal(400, 20015, f"Unknown field {sorted(unknown)}")
        if body["model"] not in self.models:
            return self.refusal(400, 20012, "Model does not exist. Please check it carefully.")
        url = f"{self.base_url.removesuffix('/v1')}/pictures/one.png"
        return web.json_response({"images": [{"url": url}], "timings": {"inference": 1.2}, "seed": 7})

    async def _picture(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            return web.Response(status=500, text="the key was shown to a host of pictures")
        return web.Response(body=PIXEL, content_type="image/png")

    def _wrapped(self, data: Any) -> web.Response:
        return web.json_response({"code": 20000, "message": "Ok", "status": True, "data": data})
