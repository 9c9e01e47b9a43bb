"""How this package starts its child processes: their environment and their command lines."""

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path

import finetune
from finetune.errors import ProviderError

# What a child may inherit. Tokens and passwords of the bot are not among it.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "TEMP",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
)
_HUB = ("HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE")


# Memory that a step gives back stays with the process, in large pages: otherwise the kernel clears hundreds of
# megabytes a step anew. For glibc; others ignore it.
_KEPT_MEMORY = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592"


class Waiting(Enum):
    """How threads of a child wait for one another; the values are GNU OpenMP's settings."""

    # They leave the cores to others at once.
    ASLEEP = ("OMP_WAIT_POLICY", "PASSIVE")
    # Some microseconds awake: a token has hundreds of short products, asleep between them it takes three times as long.
    BRIEFLY = ("GOMP_SPINCOUNT", "3000")
    # Some milliseconds: a training step has thousands, asleep it takes 1.6 times as long. Its priority is low.
    AWAKE = ("GLIBC_TUNABLES", _KEPT_MEMORY)


def environment(waiting: Waiting = Waiting.ASLEEP, *, online: bool = False) -> dict[str, str]:
    """The environment of a child: no secrets, and no network for the hub's library unless ``online``."""
    wanted = _INHERITED + _HUB
    found = {name: value for name, value in os.environ.items() if name in wanted or name.startswith("LC_")}
    root = str(Path(finetune.__file__).parent.parent)
    return {
        **found,
        "PYTHONPATH": root,
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "0" if online else "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **dict([waiting.value]),
    }


async def run(command: list[str], environment: Mapping[str, str]) -> None:
    """Run a short child to its end. Raises the :class:`ProviderError` that it reports on its standard output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
    )
    try:
        output, errors = await process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        # To the end of its pipes: a loop that ends before they are closed says so.
        await process.communicate()
        raise
    if process.returncode == 0:
        return
    if process.returncode == 3 and output:
        report = json.loads(output)
        raise ProviderError(report["code"], **report["fields"])
    last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
    raise ProviderError("local_process", exit_code=process.returncode, detail=" ".join(last)[:200])
