"""One attempt's work, from the manifest to the adapter."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from finetune.providers.local import adapter, bases, checkpoint, convert, examples, training
from finetune.providers.local.chat import ChatTokenizer
from finetune.providers.local.folder import JobFolder
from finetune.providers.local.model import TunedModel, fastest_dtype
from finetune.providers.local.pulse import Pulse, thinned

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Work:
    """Loads, trains, saves. ``failed`` makes the exception for a reason that people can do something about."""

    def __init__(
        self,
        folder: JobFolder,
        attempt: int,
        manifest: Mapping[str, Any],
        pulse: Pulse,
        log: Callable[[str], None],
        failed: Callable[..., Exception],
    ) -> None:
        self._folder = folder
        self._attempt = attempt
        self._manifest = manifest
        self._pulse = pulse
        self._log = log
        self._failed = failed
        self._began = time.monotonic()
        self._progress = training.Progress()
        self._resumed_at: int | None = None

    def outcome(self) -> dict[str, Any]:
        """The result, or an empty mapping when stopped."""
        manifest, values = self._manifest, self._manifest["hyperparameters"]
        base = convert.prepare(bases.locate(manifest["base"]), Path(manifest["data_dir"]))
        chat = ChatTokenizer.load(base.folder)
        rows = examples.encode(Path(manifest["training"]["path"]), chat, values["max_tokens"])
        held = manifest["validation"]
        held_rows = examples.encode(Path(held["path"]), chat, values["max_tokens"]) if held else None
        self._log(
            f"{len(rows.examples)} rows, {rows.tokens} tokens an epoch; {rows.cut} rows cut at {values['max_tokens']} "
            f"tokens; {rows.empty} rows left out because nothing to learn was left of them"
        )
        if not rows.examples:
            raise self._failed("nothing_to_learn", max_tokens=values["max_tokens"])
        if self._pulse.stopping():
            return {}
        saved = checkpoint.newest(self._folder.path)
        dtype = DTYPES[saved["dtype"]] if saved else fastest_dtype()
        torch.set_num_threads(len(_cores()))
        model = TunedModel(
            base.folder,
            rank=values["rank"],
            alpha=values["alpha"],
            dropout=values["dropout"],
            seed=manifest["seed"],
            dtype=dtype,
        )
        name = str(dtype).removeprefix("torch.")
        self._log(f"base in {name}, {sum(p.numel() for p in model.parameters())} weights to train")
        if saved:
            self._log(f"goes on after step {saved['step']}")
        run = training.Run(
            self._folder.path,
            self._attempt,
            manifest["seed"],
            values["learning_rate"],
            values["epochs"],
            values["batch_size"],
            **manifest.get("tuning", {}),
        )
        before = saved["before"] if saved else self._evaluated(model, held_rows, run, "before")
        self._pulse.update(phase="training", before=before)
        try:
            training.train(
                model,
                rows.examples,
                run,
                progress=self._progress,
                extra={"dtype": name, "before": before},
                stopping=self._pulse.stopping,
                told=self._tell,
            )
        except training.Stopped:
            self._log(f"stopped after step {self._progress.step}, checkpoint saved")
            return {}
        except training.Diverged as error:
            raise self._failed("diverged", learning_rate=values["learning_rate"]) from error
        after = self._evaluated(model, held_rows, run, "after")
        self._pulse.update(phase="saving")
        paths = self._saved(model, base.folder)
        progress = self._progress
        return {
            "outcome": "succeeded",
            **paths,
            "trained_tokens": progress.trained_tokens,
            "steps": progress.steps,
            "losses": thinned(progress.losses),
            "validation_loss": None if before is None or after is None else [before, after],
            "seconds": time.monotonic() - self._began,
            "training_seconds": progress.seconds,
            "tokens_per_second": progress.trained_tokens / max(progress.seconds, 1e-9),
            "cut_rows": rows.cut,
            "empty_rows": rows.empty,
            "dtype": name,
        }

    def _evaluated(
        self, model: TunedModel, held: examples.Encoded | None, run: training.Run, when: str
    ) -> float | None:
        if held is None or not held.examples:
            return None
        self._pulse.update(phase="evaluating")
        loss = training.evaluate(model, held.examples, run.budget)
        self._log(f"held-out loss {when}: {loss:.4f}")
        return loss

    def _tell(self) -> None:
        progress = self._progress
        if self._resumed_at is None:
            self._resumed_at = progress.step
        speed = progress.fresh_tokens / progress.fresh_seconds if progress.fresh_seconds else None
        pace = progress.fresh_seconds / max(progress.step - self._resumed_at, 1) if speed else None
        self._pulse.update(
            step=progress.step,
            steps=progress.steps,
            loss=progress.losses[-1][1] if progress.losses else None,
            losses=thinned(progress.losses),
            trained_tokens=progress.trained_tokens,
            tokens_per_second=speed,
            seconds_left=None if pace is None else pace * (progress.steps - progress.step),
        )
        if progress.losses:
            self._log(f"step {progress.step}/{progress.steps} loss {progress.losses[-1][1]:.4f}")

    def _saved(self, model: TunedModel, base: Path) -> dict[str, str]:
        target = self._folder.path / f"adapter-{self._attempt}"
        model.save(target)
        config = json.loads((base / "config.json").read_text("utf-8"))
        adapter.to_gguf(target, config, target / "adapter.gguf")
        self._log(f"adapter saved in {target.name}")
        return {"adapter": target.name, "gguf": f"{target.name}/adapter.gguf"}


def _cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
