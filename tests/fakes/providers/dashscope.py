"""DashScope's fine-tuning API: envelopes ``output`` and ``data``, jobs, logs, deployments by plan."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.providers.standin import StandIn, spoken

_FIELDS = {
    "model", "training_file_ids", "validation_file_ids", "training_type", "hyper_parameters", "job_name",
    "finetuned_output_suffix",
}  # fmt: skip
_HYPER = {
    "n_epochs", "batch_size", "max_length", "learning_rate", "lr_scheduler_type", "split", "lora_rank", "lora_alpha",
    "lora_dropout",
}  # fmt: skip
_NEEDED = {"n_epochs", "batch_size", "max_length"}
_TYPES = {"sft", "efficient_sft", "cpt", "dpo_full", "dpo_lora"}
_LORA_BASES = {"qwen3.6-27b", "qwen3.5-27b", "qwen3-32b", "qwen3-14b"}


@dataclass
class DashScopeStandIn(StandIn):
    """``cancelled``: how it spells it. ``fails_upload``: the next file is refused inside of a 200."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: list[str] = field(default_factory=lambda: ["training started", "{'loss': 1.5}"])
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: str = "CANCELED"
    fails_upload: bool = False
    hides: int = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/v1/files", self._upload),
            web.get("/api/v1/files", self._files),
            web.post("/api/v1/fine-tunes", self._create),
            web.get("/api/v1/fine-tunes", self._list),
            web.get("/api/v1/fine-tunes/{id}", self._get),
            web.post("/api/v1/fine-tunes/{id}/cancel", self._cancel),
            web.get("/api/v1/fine-tunes/{id}/logs", self._logs),
            web.post("/api/v1/deployments", self._deploy),
            web.get("/api/v1/deployments", self._deployed),
            web.post("/compatible-mode/v1/chat/completions", self._chat),
        ]

    def refusal(self, status: int, code: Any, message: str) -> web.Response:
        code = {401: "InvalidApiKey", 429: "Throttling", 404: "NotFound"}.get(status, code)
        return web.json_response({"request_id": "r", "code": str(code), "message": message}, status=status)

    def only_job(self) -> dict[str, Any]:
        (found,) = self.jobs.values()
        return found

    def finish(self) -> None:
        """All jobs succeed."""
        for job in self.jobs.values():
            tuned = f"{job['base_model']}-{job['suffix']}-ft-202611250101-1c7f"
            job.update(status="SUCCEEDED", finetuned_output=tuned, usage=3000, end_time="2026-11-25 01:01:01")

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form.get("files")
        if form.get("purpose") != "fine-tune" or not isinstance(file, web.FileField):
            return self.refusal(400, "InvalidParameter", "files and purpose=fine-tune are required")
        if self.fails_upload:
            self.fails_upload = False
            failed = {"name": file.filename, "code": "InvalidFile", "message": "line 3 is no JSON"}
            return self._data({"uploaded_files": [], "failed_uploads": [failed]})
        identifier = f"976bd01a-{len(self.files) + 1}"
        self.files[identifier] = {"file_id": identifier, "name": file.filename, "size": len(file.file.read())}
        return self._data({"uploaded_files": [self.files[identifier]], "failed_uploads": []})

    async def _files(self, request: web.Request) -> web.Response:
        return self._data(self._page(request, "files", list(self.files.values())))

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        hyper = body.get("hyper_parameters", {})
        wrong = set(body) - _FIELDS or set(hyper) - _HYPER or _NEEDED - set(hyper)
        missing = [name for name in body.get("training_file_ids", ["?"]) if name not in self.files]
        if wrong or missing or body.get("training_type") not in _TYPES:
            return self.refusal(400, "InvalidParameter", f"{sorted(wrong)} {missing} {body.get('training_type')}")
        if not isinstance(hyper.get("learning_rate", ""), str):
            return self.refusal(400, "InvalidParameter", "learning_rate must be a string")
        identifier = f"ft-202611250101-{len(self.jobs) + 1:04d}"
        self.jobs[identifier] = {
            "job_id": identifier, "job_name": body.get("job_name"), "status": "PENDING", "model": body["model"],
            "base_model": body["model"], "training_type": body["training_type"], "hyper_parameters": hyper,
            "training_file_ids": body["training_file_ids"], "create_time": "2026-11-25 01:01:00",
            "suffix": body.get("finetuned_output_suffix"), "hidden": self.hides,
        }  # fmt: skip
        if self.instant:
            self.finish()
        return self._output(self.jobs[identifier])

    async def _list(self, request: web.Request) -> web.Response:
        found = []
        for job in self.jobs.values():
            if job["hidden"] > 0:
                job["hidden"] -= 1
            else:
                found.append(job)
        return self._output(self._page(request, "jobs", found))

    async def _get(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return self.refusal(404, "", "job not found") if job is None else self._output(job)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self.refusal(404, "", "job not found")
        if job["status"] in ("SUCCEEDED", "FAILED", self.cancelled):
            return self.refusal(400, "UnsupportedOperation", "the job has ended")
        job["status"] = self.cancelled
        return self._output({"status": "success"})

    async def _logs(self, request: web.Request) -> web.Response:
        if not {"offset", "line"} <= set(request.query):
            return self.refusal(400, "InvalidParameter", "offset and line are required")
        return self._output({"total": len(self.logs), "logs": self.logs})

    async def _deploy(self, request: web.Request) -> web.Response:
        body = await request.json()
        trained = {job.get("finetuned_output"): job for job in self.jobs.values()}
        job = trained.get(body.get("model_name"))
        if set(body) - {"model_name", "capacity", "plan"} or job is None:
            return self.refusal(400, "InvalidParameter", f"model_name {body.get('model_name')}")
        if body.get("plan") != "lora" or job["training_type"] != "efficient_sft" or job["model"] not in _LORA_BASES:
            return self.refusal(400, "InvalidParameter", "this plan bills by the hour")
        name = f"{body['model_name']}-d{len(self.deployments) + 1}"
        self.deployments[name] = {"deployed_model": name, "model_name": body["model_name"], "status": "PENDING"}
        if self.instant:
            self.deployments[name]["status"] = "RUNNING"
        return self._output(self.deployments[name])

    async def _deployed(self, request: web.Request) -> web.Response:
        return self._output(self._page(request, "deployments", list(self.deployments.values())))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["model"] not in self.deployments:
            return self.refusal(404, "", "model not found")
        return await spoken(request, ["The ", "moon ", "knows."])

    def _page(self, request: web.Request, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        number, size = int(request.query.get("page_no", 1)), int(request.query.get("page_size", 10))
        part = rows[(number - 1) * size : number * size]
        return {name: part, "page_no": number, "page_size": size, "total": len(rows)}

    def _output(self, output: Any) -> web.Response:
        return web.json_response({"request_id": "r", "output": output})

    def _data(self, data: Any) -> web.Response:
        return web.json_response({"request_id": "r", "data": data})
