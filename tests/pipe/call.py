#!/usr/bin/env python3
"""One operation of a helper over a pipe, for shell tests: prints the RESULT as JSON.

usage: call.py HELPER OPERATION [NAME=JSON...]
       call.py HELPER on PID OPERATION [NAME=JSON...]      with the process reference of PID
       call.py HELPER place PID FILE NAME [NAME=JSON...]   a file into its container
       call.py HELPER ask PID COMMAND [ARGUMENT...]        prints the code, and the text behind it
       call.py HELPER dump PID FILE [NAME=JSON...]         begin, watch and fetch, remove

An ERROR goes to stderr as "CODE: MESSAGE" and its hint, with status 1 (of ask: with "errno N" in front).
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402


def parameters(arguments):
    return {name: json.loads(value) for name, value in (text.split("=", 1) for text in arguments)}


def run(helper, verb, arguments):
    if verb == "dump":
        return helper.dump(int(arguments[0]), arguments[1], **parameters(arguments[2:]))
    if verb == "place":
        with open(arguments[1], "rb") as f:
            return helper.place(int(arguments[0]), arguments[2], f.read(), **parameters(arguments[3:]))
    if verb == "on":
        pid = int(arguments[0])
        reference = {"pid": pid, "start_time": wire.start_time(pid), "container": ""}
        reference.update(parameters(arguments[2:]))
        return helper.call(arguments[1], **reference)
    return helper.call(verb, **parameters(arguments))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with wire.Helper(sys.argv[1]) as helper:
        try:
            if sys.argv[2] == "ask":
                answer = helper.ask(int(sys.argv[3]), *sys.argv[4:])
                print("%d\n%s" % (answer["code"], answer["text"]), end="")
            else:
                print(json.dumps(run(helper, sys.argv[2], sys.argv[3:])))
        except wire.RemoteError as error:
            errno = "errno %s: " % error.errno if sys.argv[2] == "ask" else ""
            sys.exit("%s%s\n%s" % (errno, error, error.hint))


if __name__ == "__main__":
    main()
