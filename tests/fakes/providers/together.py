"""Together's fine-tuning API, by its OpenAPI document."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.providers.echoes import echo_as_prompt
from tests.fakes.providers.standin import StandIn, spoken

_FIELDS = {
    "training_file", "validation_file", "model", "n_epochs", "n_checkpoints", "n_evals", "batch_size", "learning_rate",
    "suffix", "training_type", "training_method",
}  # fmt: skip
_TYPE = {"type", "lora_r", "lora_alpha", "lora_dropout", "lora_trainable_modules"}


@dataclass
class TogetherStandIn(StandIn):
    """``invalid``: files are found to be of a wrong format. ``instant``: a job is trained as soon as it is made."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    answering: set[str] = field(default_factory=set)
    invalid: bool = False
    instant: bool = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/files/upload", self._upload),
            web.get("/v1/files", self._files),
            web.post("/v1/fine-tunes", self._create),
            web.get("/v1/fine-tunes", self._list),
            web.get("/v1/fine-tunes/{id}", self._get),
            web.post("/v1/fine-tunes/{id}/cancel", self._cancel),
            web.get("/v1/fine-tunes/{id}/events", self._events),
            web.get("/v1/fine-tunes/{id}/checkpoints", self._checkpoints),
            web.post("/v1/chat/completions", self._chat),
        ]

    def refusal(self, status: int, code: Any, message: str) -> web.Response:
        return web.json_response({"error": {"message": message, "type": "x", "code": code}}, status=status)

    def only_job(self) -> dict[str, Any]:
        (found,) = self.jobs.values()
        return found

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form.get("file")
        if (
            form.get("purpose") != "fine-tune"
            or form.get("file_type") != "jsonl"
            or not isinstance(file, web.FileField)
        ):
            return self.refusal(400, "invalid", "purpose, file_type, file_name and file are required")
        status = "INVALID_FORMAT" if self.invalid else "COMPLETED"
        row: dict[str, Any] = {
            "id": f"file-{len(self.files) + 1}", "filename": form.get("file_name"), "bytes": len(file.file.read()),
            "processing_status": status,
        }  # fmt: skip
        self.files[row["id"]] = row
        return web.json_response(row)

    async def _files(self, request: web.Request) -> web.Response:
        return web.json_response({"data": list(self.files.values())})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        kind = body.get("training_type", {})
        if (
            set(body) - _FIELDS
            or set(kind) - _TYPE
            or kind.get("type") != "Lora"
            or body["training_file"] not in self.files
        ):
            return self.refusal(400, "invalid", f"{sorted(set(body) - _FIELDS)} {kind}")
        identifier = f"ft-{len(self.jobs) + 1}"
        self.jobs[identifier] = {
            "id": identifier, "status": "pending", "model": body["model"], "suffix": body.get("suffix"),
            "model_output_name": f"us/{body['model'].rpartition('/')[2]}-{body.get('suffix')}-1a2b", "events": [],
            "token_count": 0, "total_price": 0, "queue_depth": 2,
        }  # fmt: skip
        if self.instant:
            self.jobs[identifier].update(status="completed", token_count=3000, total_price=1.25)
        return web.json_response(self.jobs[identifier])

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"data": list(self.jobs.values())})

    async def _get(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return self.refusal(404, "not_found", "no job") if job is None else web.json_response(job)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self.refusal(404, "not_found", "no job")
        if job["status"] in ("completed", "error", "user_error", "cancelled"):
            return self.refusal(400, "ended", "the job has ended")
        job["status"] = "cancelled"
        return web.json_response(job)

    async def _events(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"type": "JOB_START", "level": "info", "message": "Job started"}]})

    async def _checkpoints(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"step": 9, "checkpoint_type": "Final"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["model"] not in self.answering:
            return self.refusal(404, "model_not_available", "no such endpoint")
        if body.get("stream"):
            return await spoken(request, ["The ", "river ", "turns."])
        answer: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": "H"}}]}
        if body.get("echo"):
            echo_as_prompt(answer, body)
        return web.json_response(answer)
