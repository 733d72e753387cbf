"""`boardflash list-probes`: the J-Links that are attached."""

from __future__ import annotations

import argparse

from boardflash.cli.output import tell, write_json


def run(arguments: argparse.Namespace) -> int:
    from boardflash.link.probes import list_probes, software

    probes = list_probes()
    told = software()
    if arguments.json is not None:
        write_json(
            arguments.json,
            {
                "schema": 1,
                "software": told,
                "probes": [
                    {"serial": p.serial, "product": p.product, "connection": p.connection} for p in probes
                ],
            },
        )
        return 0
    for probe in probes:
        tell(f"{probe.serial}  {probe.product} ({probe.connection})")
    if not probes:
        tell("no J-Link is attached; --probe sim is a simulated board")
    tell(told)
    return 0
