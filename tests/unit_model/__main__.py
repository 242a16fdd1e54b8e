"""Speaks JSON lines: `generate COUNT SEED` writes cases with the model's answers, `answer` reads cases from stdin."""

from __future__ import annotations

import json
import sys

from generate import Generator
from model import Switch


def main(arguments: list[str]) -> None:
    """Runs one of the two verbs."""
    if arguments[0] == "generate":
        count, seed = int(arguments[1]), int(arguments[2])
        for number in range(count):
            case = Generator(seed + number).case()
            print(json.dumps({"seed": seed + number, "case": case, "answer": Switch(case).run()}))
    elif arguments[0] == "answer":
        for line in sys.stdin:
            print(json.dumps(Switch(json.loads(line)).run()), flush=True)
    else:
        sys.exit(f"unknown verb {arguments[0]!r}")


main(sys.argv[1:])
