#!/usr/bin/env python3
"""The gradient of every loss is swept: a check_gradients() of tests/losses names each loss that a header of
include/limbeck/losses defines, and for_each_divergence() visits each divergence.

A loss is a struct with a call operator, or a function outside of `detail`, that takes a sink, or a struct with an
add_gradient(). A divergence is a struct whose call operator gives a divergence_term.

usage: gradients.py REPOSITORY
"""
import re
import sys
from pathlib import Path

SWEPT_OTHERWISE = {
    "any_loss": "every sweep calls its loss through one",
    "redrawn": "calls a loss with another mapping: tests/losses/scheduled_test.cpp",
    "scheduled_temperature": "calls a loss at another temperature: tests/losses/scheduled_test.cpp",
    "write_gradient": "the same numbers, where others lay: tests/losses/write_gradient_test.cpp",
}
DETAIL = re.compile(r"^namespace (?:limbeck::)?detail \{$.*?^\}  // namespace (?:limbeck::)?detail$", re.M | re.S)
STRUCT = re.compile(r"^(?:struct|class) (\w+)[^;]*?\{$(.*?)^\};$", re.M | re.S)
FUNCTION = re.compile(r"^(?:inline )?void (\w+)\(([^{;]*?)\) \{$", re.M)
SINK = re.compile(r"void operator\(\)\([^{]*?\bsink<|void add_gradient\(")
DIVERGENCE = re.compile(r"divergence_term<T> operator\(\)\(const compared<T>&")
SWEEP = re.compile(r'check_gradients\(\s*(?:std::string\()?"([^"]*)"')
VISIT = re.compile(r'visit\("(\w+)"')


def defined_in(header):
    """Names of losses and of divergences."""
    text = DETAIL.sub("", header.read_text(encoding="utf-8"))
    structs = STRUCT.findall(text)
    losses = [name for name, body in structs if SINK.search(body)]
    losses += [name for name, arguments in FUNCTION.findall(text) if "sink<" in arguments]
    return losses, [name for name, body in structs if DIVERGENCE.search(body)]


def main(repository):
    tests = sorted(Path(repository, "tests", "losses").glob("*.[ch]pp"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in tests)
    swept = {word for name in SWEEP.findall(text) for word in re.findall(r"\w+", name.split(" of ")[0])}
    visited = set(VISIT.findall(text))
    problems, count = [], 0
    for header in sorted(Path(repository, "include", "limbeck", "losses").glob("*.hpp")):
        losses, divergences = defined_in(header)
        count += len(losses) + len(divergences)
        problems += [f"losses/{header.name}: no check_gradients() of tests/losses names {name}"
                     for name in losses if name not in swept and name not in SWEPT_OTHERWISE]
        problems += [f"losses/{header.name}: for_each_divergence() does not visit {name}"
                     for name in divergences if name not in visited]
    print(*problems, f"{count} losses and divergences, {len(problems)} problems", sep="\n")
    return 1 if problems or count < 40 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
