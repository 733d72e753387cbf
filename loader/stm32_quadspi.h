/* Registers and bits of STM32's QUADSPI (RM0385 chapter 14), and what its two drivers share. */
#ifndef BOARDFLASH_STM32_QUADSPI_H
#define BOARDFLASH_STM32_QUADSPI_H

#include "board_data.h"

#define QUADSPI_CR    (QSPI_REGISTERS + 0x00u)
#define QUADSPI_DCR   (QSPI_REGISTERS + 0x04u)
#define QUADSPI_SR    (QSPI_REGISTERS + 0x08u)
#define QUADSPI_FCR   (QSPI_REGISTERS + 0x0Cu)
#define QUADSPI_DLR   (QSPI_REGISTERS + 0x10u)
#define QUADSPI_CCR   (QSPI_REGISTERS + 0x14u)
#define QUADSPI_AR    (QSPI_REGISTERS + 0x18u)
#define QUADSPI_ABR   (QSPI_REGISTERS + 0x1Cu)
#define QUADSPI_DR    (QSPI_REGISTERS + 0x20u)
#define QUADSPI_PSMKR (QSPI_REGISTERS + 0x24u)
#define QUADSPI_PSMAR (QSPI_REGISTERS + 0x28u)
#define QUADSPI_PIR   (QSPI_REGISTERS + 0x2Cu)

#define QUADSPI_CR_EN              (1u << 0)
#define QUADSPI_CR_ABORT           (1u << 1)
#define QUADSPI_CR_SSHIFT          (1u << 4)
#define QUADSPI_CR_FSEL            (1u << 7)
#define QUADSPI_CR_FTHRES_SHIFT    8u
#define QUADSPI_CR_SMIE            (1u << 19)
#define QUADSPI_CR_APMS            (1u << 22)
#define QUADSPI_CR_PRESCALER_SHIFT 24u

#define QUADSPI_DCR_CSHT_SHIFT  8u
#define QUADSPI_DCR_FSIZE_SHIFT 16u

#define QUADSPI_SR_TEF  (1u << 0)
#define QUADSPI_SR_TCF  (1u << 1)
#define QUADSPI_SR_FTF  (1u << 2)
#define QUADSPI_SR_SMF  (1u << 3)
#define QUADSPI_SR_BUSY (1u << 5)

#define QUADSPI_FCR_CTEF (1u << 0)
#define QUADSPI_FCR_CTCF (1u << 1)
#define QUADSPI_FCR_CSMF (1u << 3)
#define QUADSPI_FCR_ALL  (QUADSPI_FCR_CTEF | QUADSPI_FCR_CTCF | QUADSPI_FCR_CSMF)

#define QUADSPI_CCR_FMODE_WRITE  (0u << 26)
#define QUADSPI_CCR_FMODE_READ   (1u << 26)
#define QUADSPI_CCR_FMODE_POLL   (2u << 26)
#define QUADSPI_CCR_FMODE_MAP    (3u << 26)

/* Ends whatever goes on, and takes AR in anew. Needs EN = 1. */
void quadspi_abort(void);

#endif
