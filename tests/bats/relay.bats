# The relay that other tests believe: what it delivers, where it cuts, how late it is.
bats_require_minimum_version 1.5.0

check() { "$BATS_TEST_DIRNAME/../rig/relay_check.py" "$1"; }

@test "passes everything on, with the ends" { check passes_everything; }
@test "cuts at exactly that byte, once, by a reset or an end" { check cuts_at_the_byte; }
@test "cuts on the way up, each time" { check cuts_the_way_up; }
@test "several cuts happen one after the other" { check cuts_one_after_the_other; }
@test "cuts before the first byte" { check cuts_at_nothing; }
@test "cuts and refuses on command" { check cuts_on_command; }
@test "a cut that lies behind already" { check breaks_what_is_beyond; }
@test "a stall: silence, nobody is told" { check stalls; }
@test "a delay" { check is_far_away; }
@test "a rate" { check is_narrow; }
@test "a client that resets, a target that is not there" { check ends_with_an_end; }
