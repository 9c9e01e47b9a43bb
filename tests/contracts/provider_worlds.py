"""Each remote provider with the stand-in that it talks to, under one set of names."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from finetune.providers.dashscope import DashScopeProvider
from finetune.providers.fireworks import FireworksProvider
from finetune.providers.openai_compatible import OpenAICompatibleProvider
from finetune.providers.provider import FineTune
from finetune.providers.siliconflow import SiliconFlowProvider
from finetune.providers.together import TogetherProvider
from tests.fakes.providers.dashscope import DashScopeStandIn
from tests.fakes.providers.fireworks import ACCOUNT, FireworksStandIn
from tests.fakes.providers.openai_shape import OpenAIStandIn
from tests.fakes.providers.siliconflow import SiliconFlowStandIn
from tests.fakes.providers.standin import KEY, StandIn, served
from tests.fakes.providers.together import TogetherStandIn
from tests.finetune.providers.conftest import Ticking


class VendorWorld(ABC):
    """The outside: a stand-in, and what can be made to happen there. ``tells``: a new word can be told."""

    tells = True
    base: str
    vendor: StandIn

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Ticking()

    @asynccontextmanager
    async def served(self) -> AsyncIterator["VendorWorld"]:
        async with served(self.vendor, self.prefix):
            yield self

    prefix = ""
    # What the path has in it at which a job is made.
    jobs_path = "tun"

    @abstractmethod
    def provider(self, key: str = KEY) -> Any:
        """A provider as a process makes it."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many jobs there are at the vendor."""

    @abstractmethod
    def word(self, word: str) -> None:
        """The vendor tells this of its job."""

    @abstractmethod
    def finish(self) -> None:
        """It is trained."""

    @abstractmethod
    def fail(self) -> None:
        """It failed."""

    @abstractmethod
    def vanish(self) -> None:
        """It is gone."""

    def agreed(self, provider: Any, handle: str, job: FineTune) -> str:
        """What people tell so that a trained model answers."""
        return handle

    @abstractmethod
    def deployed(self) -> None:
        """What is deployed there answers from now on."""

    def later(self) -> None:
        """Long enough for anything to be asked again."""
        self.clock.now += 3700


class OpenAIWorld(VendorWorld):
    def __init__(self, folder: Path, kind: str, base: str) -> None:
        super().__init__(folder)
        self.kind = kind
        self.base = base
        self.vendor: OpenAIStandIn = OpenAIStandIn(kind=kind)

    prefix = "/v1/"

    def provider(self, key: str = KEY) -> OpenAICompatibleProvider:
        return OpenAICompatibleProvider(
            self.kind,
            key,
            self.folder / "notes",
            base_url=self.vendor.base_url,
            clock=self.clock,
            wall_clock=self.clock,
            timeout=0.5,
        )

    @property
    def count(self) -> int:
        return len(self.vendor.jobs)

    def word(self, word: str) -> None:
        self.vendor.only_job()["status"] = word

    def finish(self) -> None:
        self.vendor.finish()

    def fail(self) -> None:
        self.vendor.fail()

    def vanish(self) -> None:
        self.vendor.jobs.clear()

    def agreed(self, provider: Any, handle: str, job: FineTune) -> str:
        if provider.serves_by_hand:
            self.vendor.answering.add("deployed-here")
            return str(provider.bind(handle, "deployed-here"))
        return str(provider.agree(handle)) if provider.terms(job.base) else handle

    def deployed(self) -> None:
        for model in self.vendor.models.values():
            model["status"] = "active"


class DashScopeWorld(VendorWorld):
    base = "qwen3-14b"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.vendor: DashScopeStandIn = DashScopeStandIn()

    def provider(self, key: str = KEY) -> DashScopeProvider:
        return DashScopeProvider(
            key,
            self.folder / "notes",
            base_url=self.vendor.base_url,
            clock=self.clock,
            wall_clock=self.clock,
            timeout=0.5,
        )

    @property
    def count(self) -> int:
        return len(self.vendor.jobs)

    def word(self, word: str) -> None:
        self.vendor.only_job()["status"] = {"running": "RUNNING", "queued": "PENDING"}.get(word, word)

    def finish(self) -> None:
        self.vendor.finish()

    def fail(self) -> None:
        self.vendor.only_job().update(status="FAILED", code="DataError", message="row 3 is bad")

    def vanish(self) -> None:
        self.vendor.jobs.clear()

    def agreed(self, provider: Any, handle: str, job: FineTune) -> str:
        return str(provider.agree(handle))

    def deployed(self) -> None:
        for found in self.vendor.deployments.values():
            found["status"] = "RUNNING"


class SiliconFlowWorld(VendorWorld):
    """Nothing is created there: its jobs are what people tell."""

    base = "Qwen/Qwen2.5-7B-Instruct"
    prefix = "/v1"
    tells = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.vendor: SiliconFlowStandIn = SiliconFlowStandIn()
        self._model = ""

    def provider(self, key: str = KEY) -> SiliconFlowProvider:
        import aiohttp

        found = SiliconFlowProvider(key, base_url=self.vendor.base_url, clock=self.clock)
        found._wire._timeout = aiohttp.ClientTimeout(total=0.5)
        return found

    @property
    def count(self) -> int:
        return 1

    def word(self, word: str) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """The console shows an id from now on."""

    def fail(self) -> None:
        raise NotImplementedError

    def vanish(self) -> None:
        raise NotImplementedError

    def agreed(self, provider: Any, handle: str, job: FineTune) -> str:
        task = provider.hand_over(job, handle).task_name
        self._model = f"ft:LoRA/{job.base}:cm1abcdefg:{task}:npwivjtfynnfhuzijmzb"
        return str(provider.bind(provider.started(handle), self._model))

    def deployed(self) -> None:
        self.vendor.models.add(self._model)


class ConsoleWorld(VendorWorld):
    """Those whose models a person deploys in the console. ``words``: theirs of running and queued."""

    prefix = "/v1"
    base = "Qwen/Qwen2.5-7B-Instruct"
    words: Mapping[str, str]
    vendor: TogetherStandIn | FireworksStandIn

    @property
    def count(self) -> int:
        return len(self.vendor.jobs)

    def vanish(self) -> None:
        self.vendor.jobs.clear()

    def agreed(self, provider: Any, handle: str, job: FineTune) -> str:
        return str(provider.bind(handle, "team/deployed-here"))

    def deployed(self) -> None:
        self.vendor.answering.add("team/deployed-here")


class TogetherWorld(ConsoleWorld):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.vendor: TogetherStandIn = TogetherStandIn()

    def provider(self, key: str = KEY) -> TogetherProvider:
        return TogetherProvider(
            key,
            self.folder / "notes",
            base_url=self.vendor.base_url,
            clock=self.clock,
            wall_clock=self.clock,
            timeout=0.5,
        )

    def word(self, word: str) -> None:
        self.vendor.only_job()["status"] = {"queued": "pending"}.get(word, word)

    def finish(self) -> None:
        self.vendor.only_job().update(status="completed", token_count=3000, total_price=1.25)

    def fail(self) -> None:
        self.vendor.only_job().update(status="user_error", events=[{"message": "row 3 is bad"}])


class FireworksWorld(ConsoleWorld):
    jobs_path = "Jobs"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.vendor: FireworksStandIn = FireworksStandIn()

    def provider(self, key: str = KEY) -> FireworksProvider:
        found = FireworksProvider(
            key,
            self.folder / "notes",
            ACCOUNT,
            base_url=self.vendor.base_url,
            clock=self.clock,
            wall_clock=self.clock,
            timeout=0.5,
        )
        found.chat._timeout = aiohttp.ClientTimeout(total=0.5)
        return found

    def word(self, word: str) -> None:
        states = {"queued": "JOB_STATE_PENDING", "running": "JOB_STATE_RUNNING"}
        self.vendor.only_job()["state"] = states.get(word, word)

    def finish(self) -> None:
        cost = {"currencyCode": "USD", "units": "1", "nanos": 250000000}
        self.vendor.only_job().update(state="JOB_STATE_COMPLETED", jobProgress={"percent": 100}, estimatedCost=cost)

    def fail(self) -> None:
        self.vendor.only_job().update(state="JOB_STATE_FAILED", status={"code": 3, "message": "row 3 is bad"})


def worlds(folder: Path) -> dict[str, VendorWorld]:
    """All of them, fresh."""
    openai_bases = {
        "nebius": "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "crusoe": "meta-llama/Llama-3.1-8B-Instruct",
        "azure": "Ministral-3B",
        "zhipu": "glm-4-9b",
        "openai": "gpt-4o-mini",
    }
    found: dict[str, VendorWorld] = {name: OpenAIWorld(folder, name, base) for name, base in openai_bases.items()}
    found["dashscope"] = DashScopeWorld(folder)
    found["together"] = TogetherWorld(folder)
    found["fireworks"] = FireworksWorld(folder)
    found["siliconflow"] = SiliconFlowWorld(folder)
    return found
