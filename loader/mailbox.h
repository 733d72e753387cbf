/* The mailbox: how the host and the running loader talk through RAM, without halting the core.
 *
 * The host writes a command into the next slot of a region's ring; the slot's last word, its ticket, hands it over.
 * (One block write of the debug port goes upwards, so what stands before the ticket is there before it.) A command may
 * be handed over before its data: then it is taken when the word behind the data, its marker, has come. No marker is 0,
 * and no two of a session are the same: the loader clears the buffers when it starts, since an earlier run's data, markers
 * among them, may still lie there. The loader works through the
 * ring in order, writes each result into its slot and then its `completed` count. slot = count % MAILBOX_SLOTS, ticket =
 * count + 1. A failed command stops its ring: `error` is set, `completed` stays on the failed command, and nothing more
 * of that ring is taken until the host writes `acknowledge` = 1 (which drops all that was submitted: every ticket,
 * completed and error become 0).
 * Before it is ready the loader digests its own code, so that the host need not read it back.
 * Data lives in buffers that the host alone hands out, between `buffers_base` and `buffers_end`.
 *
 * site_scons/boardflash/loader/protocol.py states the same layout; a test compares them.
 */
#ifndef BOARDFLASH_MAILBOX_H
#define BOARDFLASH_MAILBOX_H

#include <stdint.h>

#define MAILBOX_MAGIC    0x4D4C4642u /* "BFLM" */
#define MAILBOX_VERSION  4u
#define MAILBOX_SLOTS    12u
#define MAILBOX_REGIONS  2u /* 0 internal, 1 qspi */

enum loader_state {
    LOADER_STARTING = 0,
    LOADER_READY = 1, /* clocks and pins are set up; rings are served */
    LOADER_FAULT = 2, /* a fault handler ran; see struct fault_record */
    LOADER_FAILED = 3 /* set-up failed; `state_detail` says where */
};

enum operation {
    OP_IDENTIFY = 1,    /* qspi: ladder out of any mode, reset, then struct identity at buffer;
                           internal: struct mcu_identity at buffer */
    OP_SFDP = 2,        /* qspi: `length` bytes of SFDP from `address` to buffer */
    OP_SELECT_CHIP = 3, /* qspi: `argument` = row of the chip table; sets clock, mode, address width, dummies and
                           quad enable; result.detail[0] = what of that had to be written, of enum set_up */
    OP_REGISTERS = 4,   /* struct status_registers at buffer */
    OP_DIGEST = 5,      /* BLAKE2s-128 of each piece of address..address+length, cut at multiples of
                           `argument` bytes (the granule); 16 bytes a piece at buffer; result.detail =
                           BLAKE2s-128 over that list */
    OP_BLANK_CHECK = 6, /* one byte a piece (pieces as for OP_DIGEST) at buffer: 1 = all FFh */
    OP_ERASE = 7,       /* the erase unit of `length` bytes at `address`; length = 0: whole chip */
    OP_PROGRAM = 8,     /* `length` bytes from buffer to `address`; pages of all FFh are left out */
    OP_READ = 9,        /* `length` bytes from `address` to buffer */
    OP_VERIFY = 10,     /* compare with buffer; on a difference STATUS_VERIFY with the first address */
    OP_CHIP_RESET = 11, /* qspi: back to power-up state (66h 99h), controller off */
    OP_COPY = 12,       /* OP_PROGRAM of `length` bytes that are at `argument` in the same region, by way of buffer */
    OP_PROGRAM_LZ4 = 13, /* OP_PROGRAM of the LZ4 block at buffer, which expands to `length` bytes at `argument` */
    OP_SAMPLE = 14,     /* the first word of each `argument` bytes of address..address+length, at buffer */
    OP_PROVE = 15,      /* qspi: at buffer `argument` addresses, a word each; SPOT_SIZE bytes at each are read on one
                           line and in the read mode in use; in place of the address comes enum spot, and above it
                           a hash of what one line reads */
    OP_UNPROTECT = 16   /* qspi: lift block protection, in volatile bits where the chip has them; result.detail[0] =
                           what had to be lifted, of enum set_up */
};

/* How the QSPI chip is read or programmed: bits 15:8 of the operation. */
#define WAY_SHIFT      8u
#define OPERATION_MASK 0xFFu

enum way {
    WAY_MODE = 0,     /* the chip's read and program commands, at its clock */
    WAY_ONE_LINE = 1, /* 03h and 02h (13h and 12h where four address bytes have opcodes of their own), slow */
    WAY_BOTH = 2,     /* OP_READ, OP_BLANK_CHECK: on one line, and compared with the mode's; STATUS_UNPROVED */
    WAY_THREE = 3     /* OP_READ: on one line with three address bytes: the chip's first 16 MiB */
};

#define SPOT_SIZE       64u /* bytes */
#define SPOT_HASH_SHIFT 2u

enum spot {
    SPOT_BLANK = 0,   /* all FFh or all 00h, both ways: proves nothing */
    SPOT_PROVED = 1,
    SPOT_DIFFERS = 2, /* the mode reads other bytes than one line */
    SPOT_WIDTH = 3    /* three and four address bytes read different bytes on one line */
};

enum set_up {
    SET_QUAD_ENABLE = 1,  /* in the chip's non-volatile register */
    SET_DUMMIES = 2,      /* volatile */
    SET_ADDRESS_MODE = 4,
    SET_PROTECTION = 8,   /* protection bits of status registers were cleared */
    SET_BLOCK_LOCKS = 16  /* the opcode that clears all block locks was sent */
};

enum status {
    STATUS_OK = 0,
    STATUS_BUSY = 1,          /* internal to the loader: not finished */
    STATUS_BAD_COMMAND = 2,   /* unknown operation, misaligned or out of range */
    STATUS_TIMEOUT = 3,       /* the datasheet's maximum has passed */
    STATUS_ERASE_FAILED = 4,  /* the chip's own error bit, or not blank */
    STATUS_PROGRAM_FAILED = 5,
    STATUS_PROTECTED = 6,     /* block or read-out protection stands in the way */
    STATUS_NO_CHIP = 7,       /* the ID reads all 0 or all FFh */
    STATUS_QUAD_ENABLE = 8,   /* the quad enable bit did not stick */
    STATUS_VERIFY = 9,
    STATUS_CONTROLLER = 10,   /* transfer error or stuck BUSY in the controller */
    STATUS_NOT_SELECTED = 11, /* a flash operation before OP_SELECT_CHIP */
    STATUS_WRITE_ENABLE = 12, /* WEL did not set */
    STATUS_UNPROVED = 13      /* the read mode in use reads other bytes than one line */
};

struct command {
    /* written by the loader */
    uint32_t status;
    uint32_t failed_address;
    uint32_t detail[4]; /* digest root; or on failure: SR1, SR2/FSR, controller SR, controller CR */
    /* written by the host */
    uint32_t operation;
    uint32_t address;
    uint32_t length;
    uint32_t buffer;
    uint32_t argument;
    uint32_t marker_at; /* where the marker comes, behind the data; 0: the data are there */
    uint32_t marker;
    uint32_t ticket; /* the last word: it makes the rest valid */
};

struct identity {
    uint8_t jedec[6];      /* 9Fh on one line, first six bytes */
    uint8_t first_try[6];  /* the same before the ladder: FFs or rubbish tell that the chip was in another mode */
    uint8_t status1;       /* 05h after the ladder */
    uint8_t was_busy;      /* an interrupted operation was waited for */
    uint8_t reserved[2];
};

struct mcu_identity {
    uint32_t device_id;
    uint32_t uid[3];
    uint32_t flash_kib;
    uint32_t option_bytes[2];   /* as the controller's option registers read */
    uint32_t read_protected;    /* 0 = level 0 */
    uint32_t write_protected;   /* bit n = erase unit n is write-protected */
};

struct status_registers {
    uint32_t status[4]; /* qspi: SR1, SR2 (or FSR), SR3, VCR; internal: SR, CR, option registers */
};

struct fault_record {
    uint32_t cause; /* exception number */
    uint32_t pc;
    uint32_t lr;
    uint32_t cfsr;
    uint32_t hfsr;
    uint32_t address; /* MMFAR or BFAR where valid */
};

/* Written by the loader, read by the host in one access: keep these nine words together. */
struct mailbox_head {
    uint32_t magic;
    uint32_t version;
    uint32_t state;
    uint32_t state_detail;
    uint32_t completed[MAILBOX_REGIONS];
    uint32_t error[MAILBOX_REGIONS]; /* enum status of the command that stopped the ring */
    uint32_t millivolts;             /* measured supply, 0 = not measured */
};

struct mailbox {
    struct mailbox_head head;
    uint32_t image_digest[4];              /* BLAKE2s-128 of the one piece that the code in RAM is; read with the head */
    uint32_t worked_us[MAILBOX_REGIONS];   /* the memory was being erased and programmed, */
    uint32_t starved_us[MAILBOX_REGIONS];  /* and stood still in between, for want of the next command */
    uint32_t proved_us[MAILBOX_REGIONS];   /* was read in two ways, to prove the one */
    uint32_t acknowledge[MAILBOX_REGIONS]; /* written by the host */
    uint32_t supply_mv;                    /* written by the host before the start: what the probe measured */
    struct fault_record fault;
    struct command slots[MAILBOX_REGIONS][MAILBOX_SLOTS];
};

#endif
