"""Part numbers and pins: the table that we ship, against the vendor's data sheets."""

from __future__ import annotations

import pytest

from boardflash.description.parts import Row, find_part, read_parts, read_pins
from boardflash.errors import BoardflashError
from boardflash.resources import data_dir

TABLES = data_dir("boards") / "mcus"


def find(number: str) -> tuple[Row, ...]:
    return find_part(number, read_parts(TABLES), "here")


def test_the_table_has_all_parts_of_the_vendor_data() -> None:
    assert len({row.pattern for row in read_parts(TABLES)}) == 1152


@pytest.mark.parametrize(
    "number", ["STM32F746NG", "STM32F746NGH", "STM32F746NGH6", "stm32f746ngh7tr", "STM32F746NGHx"]
)
def test_a_number_may_have_its_package_and_temperature_or_not(number: str) -> None:
    (row,) = find(number)
    assert (row.pattern, row.number, row.flash_size) == ("STM32F746NGHx", "STM32F746NG", 1 << 20)


@pytest.mark.parametrize(
    ("number", "kib"), [("STM32F745IE", 512), ("STM32F745IG", 1024), ("STM32F745IGK6", 1024)]
)
def test_a_pattern_of_several_sizes_gives_each_its_own(number: str, kib: int) -> None:
    assert {row.flash_size for row in find(number)} == {kib * 1024}


def test_a_variant_letter_behind_the_temperature_is_another_part() -> None:
    assert {row.pattern for row in find("STM32H7A3LGH6Q")} == {"STM32H7A3L(G-I)HxQ"}
    assert all(not row.tail for row in find("STM32H7A3IIK6"))


def test_parts_that_agree_in_all_that_matters_are_one() -> None:
    assert {row.package for row in find("STM32F746ZG")} == {"LQFP144", "WLCSP143"}


def test_a_number_that_names_different_parts_lists_them() -> None:
    with pytest.raises(BoardflashError) as caught:
        find("STM32L496VG")
    assert str(caught.value) == (
        "here: several parts differ in pins or flash; say which: STM32L496VGTx, STM32L496VGTxP, "
        "STM32L496VGYx, STM32L496VGYxP"
    )


@pytest.mark.parametrize(
    ("part", "signal", "bank", "pins"),
    [
        ("STM32F746NG", "clk", 0, {"PB2": 9}),
        ("STM32F746NG", "ncs", 1, {"PB6": 10}),
        ("STM32F746NG", "io0", 1, {"PC9": 9, "PD11": 9, "PF8": 10}),
        ("STM32F746NG", "io3", 1, {"PA1": 9, "PD13": 9, "PF6": 9}),
        ("STM32F746NG", "ncs", 2, {"PC11": 9}),
        ("STM32F746VG", "io2", 1, {"PE2": 9}),
        ("STM32H743VI", "ncs", 1, {"PB6": 10, "PB10": 9}),
        ("STM32H750IB", "clk", 0, {"PB2": 9, "PF10": 9}),
    ],
)
def test_pins_of_a_part(part: str, signal: str, bank: int, pins: dict[str, int]) -> None:
    functions = read_pins(TABLES, find(part)[0].pinset)
    assert {f.pin: f.function for f in functions if (f.signal, f.bank) == (signal, bank)} == pins
