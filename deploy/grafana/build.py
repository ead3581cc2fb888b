#!/usr/bin/env python3
"""Writes the dashboards beside it; `--check` only says which are not as it would write them."""

import json
import pathlib
import sys

from boards import dependencies, ingress, publisher, refunds_and_parked, sale_night, workers

ALL = [sale_night, ingress, workers, publisher, refunds_and_parked, dependencies]


def main():
    folder = pathlib.Path(__file__).parent
    stale = []
    for module in ALL:
        board = module.build()
        text = json.dumps(board, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        file = folder / (board["uid"].removeprefix("grantline-") + ".json")
        if "--check" in sys.argv[1:]:
            if not file.exists() or file.read_text() != text:
                stale.append(file.name)
        else:
            file.write_text(text)
    if stale:
        sys.exit(f"not as build.py writes them: {', '.join(stale)}; run deploy/grafana/build.py")


main()
