/* void blake2s_block(struct blake2s *state, const uint32_t *m, uint32_t length, bool last, uint32_t *next,
 *                    struct word_source *source);
 *
 * The compression function of BLAKE2s (RFC 7693 section 3.2). Half way and at the end, half a block each is fetched into
 * `next` (blake2s.h).
 *
 * In assembler for its size: compilers either unroll all ten rounds (4 KiB) or spill most of v. Here rows a, b and d of v
 * stay in registers and only row c lies on the stack; message, row c and variables are addressed from sp, so one register
 * is enough for all that passes through. Every rotation is put off to the next use of its operand, where the core rotates
 * as part of the addition or exclusive or: between two steps b still has to go 7 bits to the right, and d 8.
 */
	.syntax unified
	.cpu cortex-m7
	.thumb

	.equ OFFSET_C, 64 /* in the frame, behind the message */
	.equ OFFSET_END, 80
	.equ OFFSET_H, 84
	.equ FRAME, 88
	.equ PUSHED, 40
	.equ OFFSET_NEXT, FRAME + PUSHED /* fifth and sixth argument */
	.equ OFFSET_SOURCE, FRAME + PUSHED + 4
	.equ SAVED, 24 /* around the fetch in the middle */

	.equ H_COUNT, 32
	.equ HALF_WAY, 80 /* bytes of schedule */
	.equ HALF_BLOCK, 32

	.equ SOURCE_DATA, 0 /* struct word_source */
	.equ SOURCE_READY, 8
	.equ SOURCE_MASK, 12
	.equ SOURCE_FAILED, 16
	.equ READY_TRIES, 1 << 20

	.macro mix_message a
	ldrb.w r0, [r1], #1
	ldr.w r0, [sp, r0]
	add \a, \a, r0
	.endm

	.macro mix a, b, c, d
	mix_message \a
	add.w \a, \a, \b, ror #7
	eor.w \d, \a, \d, ror #8
	mix_message \a
	ldr r0, [sp, #(OFFSET_C + 4 * \c)]
	add.w r0, r0, \d, ror #16
	eor.w \b, r0, \b, ror #7
	add.w \a, \a, \b, ror #12
	eor.w \d, \a, \d, ror #16
	add.w r0, r0, \d, ror #8
	eor.w \b, r0, \b, ror #12
	str r0, [sp, #(OFFSET_C + 4 * \c)]
	.endm

	.macro fetch_two at, post:vararg
	ldr r3, [r2]\post
	ldr r12, [r2]\post
	strd r3, r12, [r0, #\at]
	.endm

	.section .text.blake2s_block, "ax", %progbits
	.balign 4
	.global blake2s_block
	.hidden blake2s_block
	.type blake2s_block, %function
	.thumb_func
blake2s_block:
	push {r3-r11, lr}
	sub sp, #FRAME
	str r0, [sp, #OFFSET_H]
	mov r12, sp
	ldm r1!, {r4-r11}
	stm r12!, {r4-r11}
	ldm r1!, {r4-r11}
	stm r12!, {r4-r11}
	adr r1, constants
	ldm r1!, {r4-r7}
	stm r12, {r4-r7}
	rsbs r4, r3, #0 /* the last block turns v[14] over */
	ldr r5, [r0, #H_COUNT]
	adds r5, r2
	str r5, [r0, #H_COUNT] /* messages stay below 4 GiB: the upper word is 0 */
	ldm.w r1, {r2, r3, r12, lr}
	adds r1, #16 /* the schedule */
	eor.w r2, r2, r5, ror #24
	eor.w r12, r12, r4
	ldm.w r0, {r4-r11}
	ror.w r8, r8, #25
	ror.w r9, r9, #25
	ror.w r10, r10, #25
	ror.w r11, r11, #25
	add.w r0, r1, #HALF_WAY
rounds:
	str r0, [sp, #OFFSET_END]
round:
	mix r4, r8, 0, r2
	mix r5, r9, 1, r3
	mix r6, r10, 2, r12
	mix r7, r11, 3, lr
	mix r4, r9, 2, lr
	mix r5, r10, 3, r2
	mix r6, r11, 0, r3
	mix r7, r8, 1, r12
	ldr r0, [sp, #OFFSET_END]
	cmp r1, r0
	bne.w round
	adr r0, schedule_end
	cmp r1, r0
	beq finish
	ldr r0, [sp, #OFFSET_NEXT]
	cbz r0, fetched
	push {r0-r3, r12, lr}
	ldr r1, [sp, #(OFFSET_SOURCE + SAVED)]
	bl fetch_half
	pop {r0-r3, r12, lr}
fetched:
	adr r0, schedule_end
	b rounds
finish:
	ldr r0, [sp, #OFFSET_H]
	eor.w r8, r8, r2, ror #1 /* d waits for 8 bits, b for 7: 7 are left for both */
	eor.w r9, r9, r3, ror #1
	eor.w r10, r10, r12, ror #1
	eor.w r11, r11, lr, ror #1
	add r1, sp, #OFFSET_C
	ldm.w r1, {r1, r2, r3, r12}
	eors r4, r1
	eors r5, r2
	eors r6, r3
	eor.w r7, r7, r12
	ldm.w r0!, {r1, r2, r3, r12}
	eors r4, r1
	eors r5, r2
	eors r6, r3
	eor.w r7, r7, r12
	ldm.w r0, {r1, r2, r3, r12}
	eor.w r8, r1, r8, ror #7
	eor.w r9, r2, r9, ror #7
	eor.w r10, r3, r10, ror #7
	eor.w r11, r12, r11, ror #7
	subs r0, #16
	stm.w r0, {r4-r11}
	ldr r0, [sp, #OFFSET_NEXT]
	ldr r1, [sp, #OFFSET_SOURCE]
	cbz r0, done
	adds r0, #HALF_BLOCK
	bl fetch_half
done:
	add sp, #FRAME
	pop {r3-r11, pc}

	/* IV[0..3] as row c, IV[4..7] turned left by the 8 bits that d waits for: RFC 7693 section 2.6 */
	.balign 4
constants:
	.word 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A
	.word 0x0E527F51, 0x05688C9B, 0x83D9AB1F, 0xE0CD195B
	/* SIGMA as byte offsets into the block: RFC 7693 section 2.7 */
	.macro sigma s:vararg
	.irp i, \s
	.byte 4 * \i
	.endr
	.endm
	sigma 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	sigma 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3
	sigma 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4
	sigma 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8
	sigma 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13
	sigma 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9
	sigma 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11
	sigma 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10
	sigma 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5
	sigma 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0
	.balign 4
schedule_end:

	/* r0 = where to, r1 = source; keeps r4-r11. Eight words, once the source is ready for them. */
	.thumb_func
fetch_half:
	ldr r2, [r1, #SOURCE_READY]
	ldr r3, [r1, #SOURCE_MASK]
	ldr.w r12, [r2]
	tst r12, r3
	bne 2f
	push {r4, lr}
	mov.w r4, #READY_TRIES
1:
	subs r4, #1
	beq 4f
	ldr.w r12, [r2]
	tst r12, r3
	beq 1b
	pop {r4, lr}
2:
	ldrd r2, r3, [r1, #SOURCE_DATA]
	cbz r3, 3f
	fetch_two 0, , #4
	fetch_two 8, , #4
	fetch_two 16, , #4
	fetch_two 24, , #4
	str r2, [r1, #SOURCE_DATA]
	bx lr
3:
	fetch_two 0
	fetch_two 8
	fetch_two 16
	fetch_two 24
	bx lr
4:
	movs r2, #1
	strb r2, [r1, #SOURCE_FAILED]
	pop {r4, pc}
	.size blake2s_block, . - blake2s_block
