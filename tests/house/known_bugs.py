#!/usr/bin/env python3
"""Known bugs of other projects: each row and letter has exactly one test `bug_ROWLETTER: a sentence` with the tag [bugs], and
docs/known-bugs.md has a line a row that names the files of these tests. More tests of a row on another path are called
`bug_ROWLETTER, PATH: a sentence`, where the letter may be left out.

usage: known_bugs.py REPOSITORY
"""
import re
import sys
from pathlib import Path

# Rows and their letters. A new bug gets the next number; numbers are never used again.
LETTERS = {1: "", 2: "", 3: "abcd", 4: "abc", 5: "", 6: "", 7: "abcdef", 8: "abcd", 9: "ab", 10: "abc", 11: "abcd", 12: "abcd",
           13: "abc", 14: "abc", 15: "", 16: "", 17: "ab", 18: "abcde", 19: "abc", 20: "abcd", 21: "abc", 22: "", 23: "abc",
           24: "abcd", 25: "abcd", 26: "abc", 27: "abcd", 28: "abc", 29: "", 30: "abcd", 31: "abcd", 32: "abcdef", 33: "abcde",
           34: "", 35: "abcdefghi"}

CASE = re.compile(r'TEST_CASE\(\s*"bug_(\w+)(, [^":]+)?(: )?[^"]*"(?:\s*"[^"]*")*,\s*"([^"]*)"')  # a name in pieces, too
LINE = re.compile(r"^\| (\d+) \|(.*)\|([^|]*)\|[^|]*\|$", re.MULTILINE)  # number, what went wrong, guarded in, seen at
FILE = re.compile(r"`(\w+/\w+)`")


def tests_of(root):
    """(id, path or "", file as FOLDER/SUBJECT, tags) of each test whose name begins with bug_."""
    for path in sorted((root / "tests").glob("*/*_test.cpp")):
        text = path.read_text(encoding="utf-8")
        found = CASE.findall(text)
        assert len(found) == text.count('"bug_'), f"{path}: a name of a test that this cannot read"
        for name, place, colon, tags in found:
            yield name, place if colon else None, f"{path.parent.name}/{path.name.removesuffix('_test.cpp')}", tags


def main(repository):
    root = Path(repository)
    known = {f"{row:02}{letter}" for row, letters in LETTERS.items() for letter in letters or [""]}
    problems, guards = [], {}
    for name, place, file, tags in tests_of(root):
        if place is None:
            problems.append(f"tests/{file}_test.cpp: bug_{name}: a colon behind the number")
        if tags != "[bugs]":
            problems.append(f"tests/{file}_test.cpp: bug_{name}: has the tags {tags}, expected [bugs]")
        if name not in known and not (place and name.isdigit() and int(name) in LETTERS):
            problems.append(f"tests/{file}_test.cpp: bug_{name}: there is no such bug")
        elif not place:
            guards.setdefault(name, []).append(file)
    for name in sorted(known):
        if len(guards.get(name, [])) != 1:
            problems.append(f"bug_{name}: {len(guards.get(name, []))} tests, expected 1")

    page = (root / "docs" / "known-bugs.md").read_text(encoding="utf-8")
    lines = {int(row): set(FILE.findall(files)) for row, _, files in LINE.findall(page)}
    for row in sorted(LETTERS.keys() | lines.keys()):
        files = {guards[name][0] for name in guards if name in known and int(name[:2]) == row}
        if row not in lines or row not in LETTERS:
            problems.append(f"docs/known-bugs.md: row {row} is {'too much' if row in lines else 'missing'}")
        elif not files <= lines[row]:
            problems.append(f"docs/known-bugs.md: row {row} does not name {', '.join(sorted(files - lines[row]))}")
        for file in lines.get(row, ()):
            if not (root / "tests" / f"{file}_test.cpp").is_file():
                problems.append(f"docs/known-bugs.md: row {row}: there is no tests/{file}_test.cpp")
    print(*problems, f"{sum(map(len, guards.values()))} tests of {len(known)} bugs, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
