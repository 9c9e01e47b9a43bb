"""``python -m tests.fakes.telegram --port 8081 --flood --storm 0.3``: prints its address as one line of JSON."""

import argparse
import asyncio
import json
import signal
import sys

import uvloop

from tests.fakes.telegram.control import ControlledStandIn
from tests.fakes.telegram.flood import Flood, Rules


def _arguments() -> argparse.Namespace:
    usual = Rules()
    parser = argparse.ArgumentParser(prog="tests.fakes.telegram", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--flood", action="store_true", help="flood control on")
    parser.add_argument("--burst", type=int, default=usual.burst, help="calls to a chat beyond one a second")
    parser.add_argument("--storm", type=float, default=usual.storm, help="share of calls answered 429 for no reason")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of the storm")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every call takes on its way")
    parser.add_argument("--local", action="store_true", help="large files, webhooks over http")
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    rules = Rules(burst=arguments.burst, storm=arguments.storm, seed=arguments.seed)
    flood = Flood(rules) if arguments.flood or arguments.storm else None
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = ControlledStandIn(flood=flood, port=arguments.port, local=arguments.local, latency=arguments.latency)
    async with server:
        place = {"api_base": server.api_base, "token": server.token, "control": f"{server.api_base}/control"}
        sys.stdout.write(f"{json.dumps(place)}\n")
        sys.stdout.flush()
        await ended.wait()


if __name__ == "__main__":
    uvloop.run(main(_arguments()))
