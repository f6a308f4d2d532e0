# The prose of the manual pages as a C file: awk -f embed.awk FILE.txt... > man_prose.c
BEGIN {
	print "#include \"jdiag/manual.h\"\n"
	print "const struct prose manual_prose[] = {"
}
FNR == 1 {
	if (NR > 1)
		print "\t},"
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.txt$/, "", name)
	print "\t{\"" name "\","
}
{
	gsub(/\\/, "\\\\&")
	gsub(/"/, "\\\"")
	print "\t \"" $0 "\\n\""
}
END {
	print "\t},\n\t{NULL, NULL},\n};"
}
