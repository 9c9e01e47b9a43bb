"""The model server, a process of its own: ``python -P finetune/providers/local/server.py``.

Its settings come as one line of JSON on standard input (so that the key stands in no command line), its address goes
to standard output. It lives as long as its standard input is open: when whoever started it is gone, it goes too.
"""

import json
import os
import sys
from typing import Any


def main() -> None:
    """Serve until standard input ends."""
    import xllamacpp

    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    server = xllamacpp.Server(_parameters(xllamacpp, settings))
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    while sys.stdin.readline():
        pass
    # Its threads need not end in order: nothing is kept here.
    os._exit(0)


def _parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["model"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [settings["api_key"]]
    parameters.n_ctx = settings["context"] * 5 // 4
    parameters.n_parallel = settings["slots"]
    # One pool of memory for all conversations: it holds a full one beside some short ones, or many short ones.
    parameters.kv_unified = True
    parameters.n_batch = parameters.n_ubatch = settings["batch"]
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["prompt_threads"]
    # Prompts cached in memory are found again by their words alone, whichever adapter they were computed under.
    parameters.cache_ram_mib = 0
    parameters.cache_idle_slots = False
    parameters.slot_prompt_similarity = settings["similarity"]
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.verbosity = 1
    # Both cost a quarter of a second at the start: sizes are given above, and the first prompt warms as well.
    parameters.fit_params = False
    parameters.warmup = False
    adapters = []
    for path in settings["adapters"]:
        entry = xllamacpp.CommonAdapterLoraInfo()
        entry.path, entry.scale = path, 0.0
        adapters.append(entry)
    parameters.lora_adapters = adapters
    parameters.lora_init_without_apply = True
    return parameters


if __name__ == "__main__":
    main()
