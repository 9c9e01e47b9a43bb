"""The bot does not pay for what measures and draws."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("matplotlib", "scipy", "sklearn", "torch")


def test_the_bot_loads_none_of_it() -> None:
    code = f"import bot.app, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip() == "[]"
