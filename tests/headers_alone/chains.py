#!/usr/bin/env python3
"""Few files that compile many headers, each of them after nothing but what it includes itself.

usage: chains.py FOLDER HEADER...

Prints chains of the headers, which lie in FOLDER, one a line: in a chain each header is included, at whatever distance, by
every one behind it. So a file that includes a chain in its order shows of each of them what a file of its own would show. The
headers that take longest to compile, by the bytes they include, are not the last of a chain if that can be helped.
"""
import re
import sys
from pathlib import Path


def always_included(path):
    """The includes of a file that no condition stands before."""
    conditions = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\s*#\s*if", line):
            conditions += 1
        elif re.match(r"\s*#\s*endif", line):
            conditions -= 1
        elif conditions == 0 and (found := re.match(r'\s*#\s*include\s*"limbeck/([^"]+)"', line)):
            yield found.group(1)


def all_included(folder, headers):
    """Of each header, what it includes at whatever distance."""
    found = {}

    def of(header):
        if header not in found:
            found[header] = set()  # a circle ends here; the test of the include graph names it
            for other in always_included(folder / header):
                found[header] |= {other} | of(other)
        return found[header]

    for header in headers:
        of(header)
    return found


def chains(folder, headers):
    included = all_included(folder, headers)
    size = {h: sum((folder / other).stat().st_size for other in {h} | included[h]) for h in headers}
    including = {h: [other for other in headers if h in included[other]] for h in headers}
    before = {}  # of a header in its chain

    def find_place(header, seen):
        """Gives the header one behind it, moving others: an augmenting path of a matching."""
        for other in including[header]:
            if other not in seen:
                seen.add(other)
                if other not in before or find_place(before[other], seen):
                    before[other] = header
                    return True
        return False

    for header in sorted(headers, key=lambda h: (-size[h], h)):
        find_place(header, set())
    for last in sorted(set(headers) - set(before.values()), key=lambda h: (-size[h], h)):
        chain = [last]
        while chain[0] in before:
            chain.insert(0, before[chain[0]])
        yield chain


if __name__ == "__main__":
    sys.setrecursionlimit(10000)
    for chain in chains(Path(sys.argv[1]), sys.argv[2:]):
        print(*chain)
