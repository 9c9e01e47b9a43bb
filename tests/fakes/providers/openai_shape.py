"""OpenAI's fine-tuning shape, and how Nebius, Zhipu, Azure and Crusoe differ from it.

It refuses what is documented to be refused: unknown fields, a wrong purpose, files that are not there, too few rows.
"""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.providers.standin import StandIn, spoken

_HYPER = {
    "nebius": {
        "batch_size", "learning_rate", "learning_rate_multiplier", "n_epochs", "warmup_ratio", "weight_decay",
        "packing", "max_grad_norm", "context_length", "lora", "lora_r", "lora_alpha", "lora_dropout",
    },
}  # fmt: skip
_USUAL = {"n_epochs", "batch_size", "learning_rate_multiplier"}
_FIELDS = {
    "model", "training_file", "validation_file", "suffix", "seed", "metadata", "method", "hyperparameters",
    "integrations",
}  # fmt: skip
_MORE = {"azure": {"trainingType"}, "zhipu": {"request_id"}}
_LESS = {"zhipu": {"metadata", "method", "seed"}}


@dataclass
class OpenAIStandIn(StandIn):
    """``kind``: whose differences. ``hides``: jobs that were made are listed late, as so many listings later."""

    kind: str = "openai"
    prefix: str = "/v1"
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    hides: int = 0
    lists_models: bool = True
    filters: bool = True
    answering: set[str] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        jobs = f"{self.prefix}/fine_tuning/jobs"
        return [
            web.post(f"{self.prefix}/files", self._upload),
            web.get(f"{self.prefix}/files", self._files),
            web.post(jobs, self._create),
            web.get(jobs, self._list),
            web.get(f"{jobs}/{{id}}", self._get),
            web.post(f"{jobs}/{{id}}/cancel", self._cancel),
            web.get(f"{jobs}/{{id}}/events", self._events),
            web.get(f"{jobs}/{{id}}/checkpoints", self._checkpoints),
            web.post(f"{self.prefix}/chat/completions", self._chat),
            web.post("/v0/models", self._deploy),
            web.get("/v0/models", self._deployed),
            web.get("/v0/models/{name:.+}", self._model),
        ]

    def refusal(self, status: int, code: Any, message: str) -> web.Response:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        return web.json_response({"error": error}, status=status)

    # What happens to jobs there.

    def only_job(self) -> dict[str, Any]:
        (found,) = self.jobs.values()
        return found

    def run(self, step: int = 3, steps: int = 9) -> None:
        """All jobs run and are at this step."""
        for job in self.jobs.values():
            job["status"] = "running"
            if self.kind == "nebius":
                job.update(trained_steps=step, total_steps=steps)
            data = {"step": step, "train_loss": 2.0 - step / 10}
            if self.kind == "zhipu":
                data = {"current_steps": step, "total_steps": steps, "loss": 2.0 - step / 10}
            self._tell(job["id"], f"Step {step}", "metrics", data)

    def finish(self) -> None:
        """All jobs succeed."""
        for job in self.jobs.values():
            tuned = f"ft:{job['model']}:us:{job['suffix']}:abc123"
            job.update(status="succeeded", fine_tuned_model=tuned, trained_tokens=3000, finished_at=int(time.time()))
            self._tell(job["id"], "Training completed successfully", "message", None)
            self.answering.add(tuned)

    def fail(self) -> None:
        """All jobs fail."""
        for job in self.jobs.values():
            job.update(status="failed", error={"code": "invalid_file", "message": "row 3 is bad", "param": None})

    def post(
        self, job_id: str, secret: str, kind: str = "succeeded", at: float | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """A signed post about a job: its body and headers."""
        event = {
            "id": "evt_1", "object": "event", "created_at": 1, "type": f"fine_tuning.job.{kind}",
            "data": {"id": job_id},
        }  # fmt: skip
        body = json.dumps(event).encode()
        stamp = str(int(time.time() if at is None else at))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, b"wh_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(digest).decode()
        return body, {"webhook-id": "wh_1", "webhook-timestamp": stamp, "webhook-signature": signature}

    def _tell(self, job_id: str, message: str, kind: str, data: Any) -> None:
        events = self.events.setdefault(job_id, [])
        events.append(
            {"object": "fine_tuning.job.event", "id": f"ftevent-{len(events)}", "created_at": 1000 + len(events),
             "level": "info", "message": message, "type": kind, "data": data}
        )  # fmt: skip

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form.get("file")
        if form.get("purpose") != "fine-tune":
            return self.refusal(400, "invalid_purpose", "purpose must be fine-tune")
        if not isinstance(file, web.FileField) or not file.filename.endswith(".jsonl"):
            return self.refusal(400, "invalid_file", "a .jsonl file is required")
        data = file.file.read()
        row: dict[str, Any] = {
            "id": f"file-{len(self.files) + 1}", "object": "file", "bytes": len(data), "created_at": 1,
            "filename": file.filename, "purpose": "fine-tune",
            "status": None if self.kind == "nebius" else "processed",
        }  # fmt: skip
        self.files[row["id"]] = {**row, "rows": data.count(b"\n")}
        return web.json_response(row)

    async def _files(self, request: web.Request) -> web.Response:
        rows = [{name: value for name, value in row.items() if name != "rows"} for row in self.files.values()]
        return web.json_response({"object": "list", "data": rows, "has_more": False})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        problem = self._wrong(body)
        if problem:
            return self.refusal(400, "invalid_request", problem)
        number = len(self.jobs) + 1
        job = {
            "id": f"ftjob-{number}", "object": "fine_tuning.job", "created_at": 1, "error": None,
            "fine_tuned_model": None, "finished_at": None, "model": body["model"], "organization_id": "org",
            "result_files": [], "seed": body.get("seed", 0), "status": "validating_files", "trained_tokens": None,
            "training_file": body["training_file"], "validation_file": body.get("validation_file"),
            "hyperparameters": body.get("hyperparameters") or body.get("method", {}).get("supervised", {}).get(
                "hyperparameters", {}),
            "suffix": body.get("suffix"), "metadata": body.get("metadata"), "request_id": body.get("request_id"),
            "hidden": self.hides,
        }  # fmt: skip
        self.jobs[job["id"]] = job
        self._tell(job["id"], "Job is submitted", "message", None)
        if self.instant:
            self.finish()
        return web.json_response(_shown(job))

    def _wrong(self, body: dict[str, Any]) -> str:
        fields = (_FIELDS | _MORE.get(self.kind, set())) - _LESS.get(self.kind, set())
        if set(body) - fields:
            return f"Unrecognized request argument supplied: {sorted(set(body) - fields)}"
        hyper = body.get("hyperparameters") or body.get("method", {}).get("supervised", {}).get("hyperparameters", {})
        allowed = _HYPER.get(self.kind, _USUAL)
        if set(hyper) - allowed:
            return f"Unrecognized hyperparameter: {sorted(set(hyper) - allowed)}"
        if "method" in body and body["method"].get("type") != "supervised":
            return "method.type is required"
        if len(body.get("suffix") or "") > 64:
            return "suffix is too long"
        for name in ("training_file", "validation_file"):
            if body.get(name) is not None and body[name] not in self.files:
                return f"No such file: {body[name]}"
        if self.kind == "openai" and self.files[body["training_file"]]["rows"] < 10:
            return "Training file has fewer than 10 examples"
        if self.kind == "azure" and body.get("trainingType") != "globalStandard":
            return "trainingType is required for this model"
        return ""

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query.get("metadata[tuneteller]")
        found = []
        for job in self.jobs.values():
            if job["hidden"] > 0:
                job["hidden"] -= 1
                continue
            kept = (job["metadata"] or {}).get("tuneteller")
            if not self.filters or wanted is None or kept == wanted:
                found.append(_shown(job))
        found.reverse()
        after, limit = request.query.get("after"), int(request.query.get("limit", 20))
        if after is not None:
            ids = [job["id"] for job in found]
            found = found[ids.index(after) + 1 :]
        return web.json_response({"object": "list", "data": found[:limit], "has_more": len(found) > limit})

    async def _get(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return self._nothing() if job is None else web.json_response(_shown(job))

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self._nothing()
        if job["status"] in ("succeeded", "failed", "cancelled"):
            return self.refusal(400, "job_ended", "Job has already completed")
        job["status"] = "cancelled"
        return web.json_response(_shown(job))

    async def _events(self, request: web.Request) -> web.Response:
        rows = list(reversed(self.events.get(request.match_info["id"], [])))
        return web.json_response({"object": "list", "data": rows, "has_more": False})

    async def _checkpoints(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self._nothing()
        rows = [
            {
                "id": f"ftckpt_{step}", "object": "fine_tuning.job.checkpoint", "created_at": 1, "step_number": step,
                "fine_tuning_job_id": job["id"],
                "fine_tuned_model_checkpoint": f"ft:{job['model']}:us:{job['suffix']}:abc123:ckpt-step-{step}",
                "metrics": {"step": step, "train_loss": 1.0, "valid_loss": 1.2, "full_valid_loss": 1.1},
            }
            for step in (9, 3)
        ]  # fmt: skip
        return web.json_response(
            {"object": "list", "data": rows if job["status"] == "succeeded" else [], "has_more": False}
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["model"] not in self.answering:
            return self.refusal(404, "model_not_found", f"The model {body['model']} does not exist")
        if body.get("stream"):
            return await spoken(request, ["The ", "coins ", "fall."])
        choice = {"index": 0, "message": {"role": "assistant", "content": "H"}, "finish_reason": "length"}
        return web.json_response({"id": "1", "object": "chat.completion", "created": 1, "choices": [choice]})

    async def _deploy(self, request: web.Request) -> web.Response:
        body = await request.json()
        unknown = set(body) - {"name", "base_model", "source", "description"}
        job, _, checkpoint = str(body.get("source", "")).partition(":")
        if unknown or job not in self.jobs or not checkpoint:
            return self.refusal(422, "invalid_request", f"source {body.get('source')} unknown fields {sorted(unknown)}")
        name = f"{body['base_model']}-LoRa:{body['name']}-{len(self.models) + 1:04d}"
        self.models[name] = {**body, "name": name, "status": "active" if self.instant else "validating"}
        self.answering.add(name)
        return web.json_response(self.models[name])

    async def _deployed(self, request: web.Request) -> web.Response:
        if not self.lists_models:
            return self.refusal(405, "method_not_allowed", "no")
        return web.json_response({"data": list(self.models.values())})

    async def _model(self, request: web.Request) -> web.Response:
        found = self.models.get(request.match_info["name"])
        return self._nothing() if found is None else web.json_response(found)

    def _nothing(self) -> web.Response:
        return self.refusal(404, "not_found", "No such thing")


def _shown(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "hidden"}
