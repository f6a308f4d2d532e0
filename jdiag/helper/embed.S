/* The helper binaries, inside jdiag: one file to install. */
	.section .rodata
	.balign 16
	.global helper_x86_64
	.global helper_x86_64_end
helper_x86_64:
	.incbin HELPER_X86_64
helper_x86_64_end:
	.section .note.GNU-stack,"",@progbits
