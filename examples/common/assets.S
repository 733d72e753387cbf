/* The generated asset file, byte by byte, at the start of the QSPI chip's window. */
    .syntax unified
    .section .qspi, "a", %progbits
    .balign 4
    .globl assets
    .type assets, %object
assets:
    .incbin "assets.bin"
    .size assets, . - assets
