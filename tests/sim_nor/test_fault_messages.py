"""Each mistyped fault or twin is refused in one line, with what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardflash.errors import BoardflashError
from boardflash.sim.faults import TWIN, WIRE, with_faults
from boardflash.sim.nor.options import OPTION_NAMES
from boardflash.sim.twin import load_twin

BITS = "expected a list of bits, like [{ address = 0x1000, bit = 3, value = 0 }]"
PARTS = (
    "AT25QL128A, GD25Q128E, GENERIC-S2B1V1, GENERIC-S2B7, IS25LP128, MT25QL128ABA, MT25QL128ABA1, "
    "MT25QL256ABA, MT25QL256ABA1, MX25L12833F, MX25L51245G, N25Q128A13, N25Q256A13, SST26VF064B, "
    "W25Q128JV-IM, W25Q128JV-IQ, W25Q256JV-IM, W25Q256JV-IQ, W25Q64JW-IM"
)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("busy_ms", "x", "--fault busy_ms=x: expected a whole number of milliseconds"),
        ("busy_ms", "", "--fault busy_ms: expected a whole number of milliseconds"),
        ("busy_ms", "-1", "--fault busy_ms=-1: expected a whole number of milliseconds"),
        ("qpi", "yes", "--fault qpi=yes: expected true or false"),
        ("four_byte", "1", "--fault four_byte=1: expected true or false"),
        ("wiring.PZ9", "io0", '--fault wiring.PZ9=io0: no pin "PZ9"; there are PA0 to PK15'),
        ("wiring.PA16", "io0", '--fault wiring.PA16=io0: no pin "PA16"; there are PA0 to PK15'),
        (
            "wiring.PE2",
            "io4",
            '--fault wiring.PE2=io4: no line "io4"; a chip has clk, ncs, io0, io1, io2, io3',
        ),
        (
            "wiring.PE3",
            "",
            "--fault wiring.PE3: no wire at PE3; there are wires at PB2, PB6, PD11, PD12, PE2, PD13",
        ),
        (
            "registers",
            "{ sr9 = 1 }",
            "--fault registers={ sr9 = 1 }: W25Q128JV-IQ has no register sr9; it has sr1, sr2, sr3",
        ),
        (
            "registers",
            "{ sr1 = 256 }",
            "--fault registers={ sr1 = 256 }: sr1 of W25Q128JV-IQ takes 0 to 0xFF",
        ),
        (
            "registers",
            "sr1",
            "--fault registers=sr1: expected a table of the chip's registers, like { sr1 = 0x1C }",
        ),
        ("start", "x", '--fault start=x: "x" is none of blank, noise'),
        ("busy_stays", "often", '--fault busy_stays=often: "often" is none of never, reads, always'),
        ("erase_fails", "", "--fault erase_fails: expected a list of addresses, like [0x1000, 0x2000]"),
        (
            "erase_fails",
            "[-1]",
            "--fault erase_fails=[-1]: expected a list of addresses, like [0x1000, 0x2000]",
        ),
        (
            "erase_fails",
            "[0x1000000]",
            "--fault erase_fails=[0x1000000]: 0x1000000 is beyond the 0x1000000 bytes of W25Q128JV-IQ",
        ),
        ("stuck", "0x10", f"--fault stuck=0x10: {BITS}"),
        ("stuck", "[0x10]", f"--fault stuck=[0x10]: {BITS}"),
        ("stuck", "[{ adress = 1 }]", f"--fault stuck=[{{ adress = 1 }}]: {BITS}"),
        (
            "stuck",
            "[{ address = 1, bit = 8, value = 0 }]",
            f"--fault stuck=[{{ address = 1, bit = 8, value = 0 }}]: {BITS}; a bit is 0 to 7",
        ),
        (
            "stuck",
            "[{ address = 1, bit = 7, value = 2 }]",
            f"--fault stuck=[{{ address = 1, bit = 7, value = 2 }}]: {BITS}; a value is 0 or 1",
        ),
        (
            "stuck",
            "[{ address = 0x1000000, bit = 7, value = 1 }]",
            "--fault stuck=[{ address = 0x1000000, bit = 7, value = 1 }]: "
            "0x1000000 is beyond the 0x1000000 bytes of W25Q128JV-IQ",
        ),
        ("erase_time_factor", "slow", "--fault erase_time_factor=slow: expected a number above 0"),
        ("erase_time_factor", "0", "--fault erase_time_factor=0: expected a number above 0"),
        ("erase_time_factor", "inf", "--fault erase_time_factor=inf: expected a number above 0"),
        (
            "jedec_id",
            "EF 4",
            '--fault jedec_id=EF 4: expected 3 to 20 bytes in hexadecimal, like "EF 40 18"',
        ),
        (
            "jedec_id",
            "EF 40",
            '--fault jedec_id=EF 40: expected 3 to 20 bytes in hexadecimal, like "EF 40 18"',
        ),
        (
            "unique_id",
            "me",
            '--fault unique_id=me: expected 1 to 16 bytes in hexadecimal, like "D1 66 0C 71"',
        ),
        ("extra_dummies", "x", "--fault extra_dummies=x: expected a whole number of clocks, -31 to 31"),
        (
            "unknown_opcodes",
            "0x32",
            "--fault unknown_opcodes=0x32: expected a list of opcodes, like [0x32, 0x38]",
        ),
        (
            "wraps_at",
            "0x900000",
            "--fault wraps_at=0x900000: expected a size in bytes, a power of two from 0x10000 on",
        ),
        (
            "wraps_at",
            "0x1000000",
            "--fault wraps_at=0x1000000: expected less than the 0x1000000 bytes of W25Q128JV-IQ",
        ),
        (
            "quad_enable",
            "false",
            "--fault quad_enable=false: quad enable of W25Q128JV-IQ is fixed at 1; "
            "quad_enable_stuck makes a faulty chip",
        ),
        ("chip", "W25Q80DV", f'--fault chip=W25Q80DV: no simulated chip "W25Q80DV"; there are {PARTS}'),
        ("flash_kib", "2048", "--fault flash_kib=2048: expected a whole number of KiB, 64 to 1024"),
        ("hse_hz", "fast", "--fault hse_hz=fast: expected a frequency in Hz, 4000000 to 26000000"),
        ("revision", "Z", "--fault revision=Z: expected a number of 16 bits, like 0x1001"),
        ("supply_mv", "3.3", "--fault supply_mv=3.3: expected a whole number of millivolts, 1700 to 3600"),
        (
            "option_bytes.rdp",
            "1",
            '--fault option_bytes.rdp=1: no option register "rdp"; there are optcr, optcr1',
        ),
        ("option_bytes.optcr", "x", "--fault option_bytes.optcr=x: expected a value of 32 bits"),
    ],
)
def test_a_mistyped_fault_is_refused_with_what_there_is(name: str, value: str, message: str) -> None:
    with pytest.raises(BoardflashError) as caught:
        with_faults(load_twin("stm32f746g-disco-c03"), {name: value})
    assert str(caught.value) == message


def test_an_unknown_fault_is_answered_with_all_that_there_are() -> None:
    with pytest.raises(BoardflashError) as caught:
        with_faults(load_twin("stm32f746g-disco-c03"), {"gremlins": ""})
    known = [*WIRE, "calls", *OPTION_NAMES, *TWIN, "option_bytes.NAME", "wiring.NAME"]
    assert str(caught.value) == f"--fault gremlins: no such fault; there are {', '.join(known)}"
    assert {"quad_enable_stuck", "start", "unplug_at_call"} <= set(known)


def test_quad_enable_of_a_chip_without_it_is_refused() -> None:
    for fault, value in (("quad_enable", "false"), ("quad_enable_stuck", "true")):
        with pytest.raises(BoardflashError) as caught:
            with_faults(load_twin("stm32f746g-disco"), {fault: value})
        assert str(caught.value) == (
            f"--fault {fault}={value}: N25Q128A13 has no quad enable bit, four lines always work"
        )
    with_faults(load_twin("stm32f746g-disco"), {"quad_enable": "true"})


def test_a_register_is_looked_for_in_the_chip_that_the_faults_fit() -> None:
    twin = load_twin("stm32f746g-disco-c03")
    faults = {"registers": "{ nvcr = 0xFFF7 }", "chip": "N25Q128A13"}
    assert with_faults(twin, faults).twin.chip_options == {"registers": {"nvcr": 0xFFF7}}


def test_an_id_is_no_number_whatever_it_looks_like() -> None:
    """1E4018 is a number of 4018 digits to TOML, and 204018 one of six."""
    for text in ("1E4018", "204018", '"EF 40 18"', "EF 40 18"):
        with_faults(load_twin("stm32f746g-disco-c03"), {"jedec_id": text})


@pytest.mark.parametrize("mcu", ["ATMEGA328P", "STM32F103C8", "STM32F769NI", "STM32H743VI", ""])
def test_a_twin_whose_mcu_is_not_simulated_is_refused(tmp_path: Path, mcu: str) -> None:
    file = tmp_path / "other.toml"
    file.write_text(f'name = "x"\nmcu = "{mcu}"\nchip = "W25Q128JV-IQ"\n[wiring]\n', "utf-8")
    with pytest.raises(BoardflashError) as caught:
        load_twin(str(file))
    assert str(caught.value) == (
        f'x: mcu: "{mcu}" is not simulated; '
        "the simulated MCUs are STM32F745, STM32F746, STM32F750 and STM32F756"
    )


@pytest.mark.parametrize("mcu", ["STM32F745VG", "STM32F746NG", "STM32F750N8", "STM32F756ZG"])
def test_all_parts_of_the_die_are_simulated(tmp_path: Path, mcu: str) -> None:
    file = tmp_path / "other.toml"
    file.write_text(f'name = "x"\nmcu = "{mcu}"\nchip = "W25Q128JV-IQ"\n[wiring]\n', "utf-8")
    assert load_twin(str(file)).mcu == mcu


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('start = "x"', 'x: start: "x" is none of blank, noise'),
        ('[wiring]\nPZ9 = "io0"', 'FILE: [wiring] PZ9: no pin "PZ9"; there are PA0 to PK15'),
        (
            "[chip_options]\nregisters = { sr9 = 1 }",
            "x: [chip_options] registers: W25Q128JV-IQ has no register sr9; it has sr1, sr2, sr3",
        ),
        (
            "[chip_options]\nbusy_ms = true",
            "x: [chip_options] busy_ms: expected a whole number of milliseconds",
        ),
        (
            "[option_bytes]\nrdp = 1",
            'FILE: [option_bytes] rdp: no option register "rdp"; there are optcr, optcr1',
        ),
    ],
)
def test_a_mistyped_twin_is_refused_with_what_there_is(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "other.toml"
    wiring = "" if "[wiring]" in line else "\n[wiring]\n"
    file.write_text(f'name = "x"\nmcu = "STM32F746NG"\nchip = "W25Q128JV-IQ"\n{line}{wiring}', "utf-8")
    with pytest.raises(BoardflashError) as caught:
        load_twin(str(file))
    assert str(caught.value) == message.replace("FILE", str(file))
