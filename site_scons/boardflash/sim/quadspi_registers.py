"""Register offsets and bits of QUADSPI, by the names of RM0385 (offsets from the SVD, bits from CMSIS)."""

from __future__ import annotations

REGISTERS, WINDOW = 0xA000_1000, 0x9000_0000
CR, DCR, SR, FCR, DLR, CCR, AR, ABR, DR, PSMKR, PSMAR, PIR, LPTR = range(0, 0x34, 4)

EN, ABORT, TCEN, FSEL, DFM, APMS, PMM = 1, 1 << 1, 1 << 3, 1 << 7, 1 << 6, 1 << 22, 1 << 23
CR_WRITABLE = 0xFFDF_0FDD  # bit 4 of FTHRES cannot be set: 1 to 16 bytes (stm32-quadspi.md section 2)
CR_LOCKED = 0xFF00_0000 | PMM | APMS | FSEL | DFM | 1 << 4 | TCEN  # only while BUSY = 0
TEF, TCF, FTF, SMF, TOF, BUSY = 1, 2, 4, 8, 16, 32
WRITE, READ, POLL, MAPPED = range(4)

WRITABLE = {
    DCR: 0x001F_0701,
    DLR: 0xFFFF_FFFF,
    CCR: 0xDFFF_FFFF,
    AR: 0xFFFF_FFFF,
    ABR: 0xFFFF_FFFF,
    PSMKR: 0xFFFF_FFFF,
    PSMAR: 0xFFFF_FFFF,
    PIR: 0xFFFF,
    LPTR: 0xFFFF,
}
