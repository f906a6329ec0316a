#!/usr/bin/env python3
"""Runs a compiler and writes what ptxas says of each kernel into OBJECT.ptxas: for ptxas_spills.py.

usage: keep_ptxas.py COMPILER ARGUMENT... -o OBJECT ...
"""
import subprocess
import sys
from pathlib import Path


def main(command):
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    lines = done.stderr.splitlines()
    # what follows a line of ptxas is indented
    ours = [line for line in lines if line.startswith(("ptxas info", "    "))]
    for line in lines:
        if line not in ours:
            print(line, file=sys.stderr)
    if done.returncode != 0:
        print(*ours, sep="\n", file=sys.stderr)
    elif "-c" in command and "-o" in command:
        Path(command[command.index("-o") + 1] + ".ptxas").write_text("\n".join(ours) + "\n", encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
