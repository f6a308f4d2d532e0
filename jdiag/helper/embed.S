/* The helper binaries, inside jdiag: one file to install. One that this build could not make is
 * empty. */
	.section .rodata
	.balign 16
	.global helper_x86_64
	.global helper_x86_64_end
helper_x86_64:
	.incbin HELPER_X86_64
helper_x86_64_end:
	.byte 0
	.balign 16
	.global helper_aarch64
	.global helper_aarch64_end
helper_aarch64:
	.incbin HELPER_AARCH64
helper_aarch64_end:
	.byte 0
	.section .note.GNU-stack,"",@progbits
