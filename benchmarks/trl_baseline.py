"""Plain TRL as its documentation shows it, run by ``benchmarks.training`` in an environment of its own.

Reads its settings as JSON from the command line; prints its figures as JSON in the last line.
"""

import json
import resource
import sys
import time
from typing import Any

from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

# The base's own template, with the marks by which TRL finds the assistant's turns.
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['role'] == 'assistant' %}{% generation %}"
    "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}"
    "{% endif %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def main(settings: dict[str, Any]) -> None:
    """Train and report."""
    tokenizer = AutoTokenizer.from_pretrained(settings["base"])
    tokenizer.chat_template = TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(settings["base"], dtype="bfloat16")
    data = load_dataset("json", data_files={"train": settings["training"], "test": settings["held"]})
    config = SFTConfig(
        output_dir="trl-out",
        per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=settings["batch_size"],
        num_train_epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        warmup_steps=round(settings["warm_up"]),
        lr_scheduler_type="linear",
        weight_decay=0.0,
        max_length=settings["max_tokens"],
        assistant_only_loss=True,
        bf16=False,
        fp16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        seed=settings["seed"],
    )
    lora = LoraConfig(
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=data["train"],
        eval_dataset=data["test"],
        processing_class=tokenizer,
        peft_config=lora,
    )
    before = trainer.evaluate()["eval_loss"]
    start = time.monotonic()
    trainer.train()
    loop = time.monotonic() - start
    after = trainer.evaluate()["eval_loss"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"before": before, "after": after, "loop": loop, "memory": memory}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
