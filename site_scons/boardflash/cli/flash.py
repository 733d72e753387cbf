"""`boardflash flash`: make the device hold the plan."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from boardflash.cli.connect import connect
from boardflash.cli.output import Teller, simulated_line, write_json
from boardflash.cli.plans import plan_of
from boardflash.cli.stamps import read_stamp, remove_stamps, why_not_trusted, write_stamps

if TYPE_CHECKING:
    from boardflash.link.jlink import Link
    from boardflash.plan.model import FlashPlan
    from boardflash.program.report import FlashReport
    from boardflash.program.run import FlashOptions


def run(arguments: argparse.Namespace) -> int:
    from boardflash.plan.describe import left_out_lines
    from boardflash.program.run import FlashOptions, flash

    plan = plan_of(arguments)
    options = FlashOptions(
        regions=tuple(arguments.region) if arguments.region else None,
        verify_full=arguments.verify == "full",
        force=arguments.force,
        reset_run=not arguments.no_run,
    )
    with Teller(json_target=arguments.json) as teller:
        teller.lines(left_out_lines(plan.left_out))
        with connect(arguments, plan.board) as link:
            if link.simulated:
                teller.note(simulated_line(plan.board.name, link.serial))
            report = None
            if arguments.trust == "stamp" and not arguments.force:
                report = _trusted(arguments, plan, link, options, teller)
            trusted = report is not None
            if report is None:
                remove_stamps(arguments.stamp)
                report = flash(plan, link, options, teller)
        if not trusted:
            write_stamps(arguments.stamp, report)
        teller.lines(report.lines())
        if report.simulated:
            teller.note(f"simulated board {report.board}: done")
    if arguments.json is not None:
        write_json(arguments.json, report.to_json())
    return int(report.exit_code)


def _trusted(
    arguments: argparse.Namespace, plan: FlashPlan, link: Link, options: FlashOptions, teller: Teller
) -> FlashReport | None:
    """With TRUST=stamp: a report of nothing done, if the stamps are of this plan and this very chip."""
    from boardflash.program.report import FlashReport, RegionReport
    from boardflash.program.run import identify_device

    names = options.regions or tuple(region.name for region in plan.regions)
    started = link.now()
    stamps = [read_stamp(path) for path in arguments.stamp]
    device = identify_device(plan, link, options)
    reason = why_not_trusted(stamps, plan.digest, names, device.unique_id, device.jedec_id)
    if reason:
        teller.note(f"not going by the stamp: {reason}")
        return None
    teller.note("going by the stamp of an earlier run; the flash itself was not looked at")
    regions = [
        RegionReport(region.name, image_bytes=region.byte_count, bytes_unchanged=region.byte_count)
        for region in plan.regions
        if region.name in names
    ]
    return FlashReport(
        verb="flash",
        board=plan.board.name,
        probe=link.serial,
        simulated=link.simulated,
        plan_digest=plan.digest,
        device=device,
        regions=regions,
        seconds=link.now() - started,
    )
