"""Fireworks' fine-tuning API, by its SDK."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.providers.echoes import echo_as_content
from tests.fakes.providers.standin import StandIn, spoken

_FIELDS = {
    "dataset", "evaluationDataset", "baseModel", "outputModel", "epochs", "learningRate", "loraRank", "batchSize",
    "maxContextLength", "earlyStop", "evalAutoCarveout", "displayName",
}  # fmt: skip
ACCOUNT = "team"
_ROOT = f"/v1/accounts/{ACCOUNT}"


@dataclass
class FireworksStandIn(StandIn):
    """``slow_datasets``: those that are filled are not ready at once. ``instant``: a job is trained once it is made."""

    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    answering: set[str] = field(default_factory=set)
    slow_datasets: bool = False
    instant: bool = False

    def routes(self) -> list[web.RouteDef]:
        jobs = f"{_ROOT}/supervisedFineTuningJobs"
        return [
            web.post(f"{_ROOT}/datasets", self._dataset),
            web.get(f"{_ROOT}/datasets/{{id}}", self._get_dataset),
            web.post(f"{_ROOT}/datasets/{{id}}:upload", self._upload),
            web.post(jobs, self._create),
            web.get(jobs, self._list),
            web.get(f"{jobs}/{{id}}", self._get),
            web.post(f"{jobs}/{{id}}:cancel", self._cancel),
            web.post("/v1/inference/chat/completions", self._chat),
        ]

    def refusal(self, status: int, code: Any, message: str) -> web.Response:
        return web.json_response({"code": status, "message": message, "details": []}, status=status)

    def only_job(self) -> dict[str, Any]:
        (found,) = self.jobs.values()
        return found

    async def _dataset(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["datasetId"] in self.datasets:
            return self.refusal(409, 6, "the dataset exists")
        if not str(body["dataset"].get("exampleCount", "")).isdigit() or "userUploaded" not in body["dataset"]:
            return self.refusal(400, 3, "exampleCount is a string of digits")
        self.datasets[body["datasetId"]] = {"name": body["datasetId"], "state": "UPLOADING"}
        return web.json_response(self.datasets[body["datasetId"]])

    async def _get_dataset(self, request: web.Request) -> web.Response:
        found = self.datasets.get(request.match_info["id"])
        return self.refusal(404, 5, "not found") if found is None else web.json_response(found)

    async def _upload(self, request: web.Request) -> web.Response:
        found = self.datasets.get(request.match_info["id"])
        form = await request.post()
        if found is None or not isinstance(form.get("file"), web.FileField):
            return self.refusal(404, 5, "not found")
        found["state"] = "VALIDATING" if self.slow_datasets else "READY"
        return web.json_response({})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        ready = self.datasets.get(str(body.get("dataset", "")).rpartition("/")[2], {}).get("state") == "READY"
        if set(body) - _FIELDS or not ready or body.get("loraRank", 1) > 32 or len(body.get("displayName", "")) > 60:
            return self.refusal(400, 3, f"invalid: {sorted(set(body) - _FIELDS)} {ready}")
        identifier = f"sftj-{len(self.jobs) + 1}"
        self.jobs[identifier] = {
            "name": f"accounts/{ACCOUNT}/supervisedFineTuningJobs/{identifier}", "state": "JOB_STATE_CREATING",
            "displayName": body["displayName"], "baseModel": body["baseModel"], "outputModel": body["outputModel"],
            "metricsFileSignedUrl": "https://example.org/?signature=secret",
        }  # fmt: skip
        if self.instant:
            cost = {"currencyCode": "USD", "units": "1", "nanos": 250000000}
            self.jobs[identifier].update(state="JOB_STATE_COMPLETED", jobProgress={"percent": 100}, estimatedCost=cost)
        return web.json_response(self.jobs[identifier])

    async def _list(self, request: web.Request) -> web.Response:
        size, first = int(request.query.get("pageSize", 50)), int(request.query.get("pageToken", 0))
        rows = list(self.jobs.values())
        token = str(first + size) if len(rows) > first + size else ""
        return web.json_response({"supervisedFineTuningJobs": rows[first : first + size], "nextPageToken": token})

    async def _get(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return self.refusal(404, 5, "not found") if job is None else web.json_response(job)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self.refusal(404, 5, "not found")
        if job["state"] in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
            return self.refusal(400, 9, "the job has ended")
        job["state"] = "JOB_STATE_CANCELLED"
        return web.json_response({})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["model"] not in self.answering:
            return self.refusal(404, 5, "no such deployment")
        if body.get("stream"):
            return await spoken(request, ["The ", "sparks ", "rise."])
        answer: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": "H"}}]}
        if body.get("echo"):
            echo_as_content(answer, body)
        return web.json_response(answer)
