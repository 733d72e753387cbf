/* Opcodes that more than one vendor has (reference: datasheets of Winbond, Micron, Macronix; JESD216F). */
#ifndef BOARDFLASH_NOR_OPCODES_H
#define BOARDFLASH_NOR_OPCODES_H

#define NOR_WRITE_STATUS1      0x01u
#define NOR_READ               0x03u
#define NOR_WRITE_DISABLE      0x04u
#define NOR_READ_STATUS1       0x05u
#define NOR_WRITE_ENABLE       0x06u
#define NOR_WRITE_STATUS3      0x11u /* Winbond, GigaDevice */
#define NOR_READ_STATUS3       0x15u /* Winbond, GigaDevice; configuration register on Macronix */
#define NOR_READ_STATUS2       0x35u
#define NOR_VOLATILE_ENABLE    0x50u /* Winbond, GigaDevice: the next status write is volatile */
#define NOR_CLEAR_FLAG_STATUS  0x50u /* Micron */
#define NOR_READ_SFDP          0x5Au
#define NOR_RESET_ENABLE       0x66u
#define NOR_READ_FLAG_STATUS   0x70u /* Micron */
#define NOR_WRITE_VOLATILE     0x81u /* Micron: volatile configuration register */
#define NOR_READ_VOLATILE      0x85u
#define NOR_RESET              0x99u
#define NOR_READ_ID            0x9Fu
#define NOR_RELEASE_POWER_DOWN 0xABu
#define NOR_ENTER_4BYTE        0xB7u
#define NOR_EXIT_4BYTE         0xE9u
#define NOR_EXIT_QPI_F5        0xF5u /* Macronix, Micron, ISSI */
#define NOR_ONES               0xFFu /* leaves QPI (Winbond, Puya, SST26) and continuous read */

#define NOR_SR1_WIP            (1u << 0)
#define NOR_SR1_WEL            (1u << 1)

/* Micron flag status register */
#define NOR_FSR_READY          (1u << 7)
#define NOR_FSR_ERASE_ERROR    (1u << 5)
#define NOR_FSR_PROGRAM_ERROR  (1u << 4)
#define NOR_FSR_PROTECTION     (1u << 1)
#define NOR_FSR_ERRORS         (NOR_FSR_ERASE_ERROR | NOR_FSR_PROGRAM_ERROR | NOR_FSR_PROTECTION)

/* Micron volatile configuration register */
#define NOR_VCR_DUMMY_SHIFT    4u
#define NOR_VCR_DUMMY_MASK     0xF0u
#define NOR_VCR_XIP_OFF        (1u << 3)
#define NOR_VCR_WRAP_NONE      0x03u

#define NOR_FLOATING           0xFFu /* nobody answers: pulled up */

#endif
