#!/usr/bin/env python3
"""Names and first lines: a source file opens with a comment that says what it is for, headers have a `#pragma once`, no file
or folder is called after nothing in particular, and no place of one machine is named.

usage: names.py REPOSITORY
"""
import re
import sys
from pathlib import Path

VAGUE = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc|stuff)($|_)")
FOLDERS = ["include", "tests", "examples", "benchmarks", "docs", "cmake"]
TEST_CTEST_MISREADS = re.compile(r'TEST_CASE\(\s*"([^"]*;|[^"]*\[[^"\]]*")')  # ctest would look for other tests
PLACES = re.compile(r"(?<![\w./])/(work|home|root)/\w")


def main(repository):
    root = Path(repository)
    problems, count = [], 0
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*")):
        name = path.relative_to(root)
        if "__pycache__" in name.parts:
            continue
        if VAGUE.search(path.name.split(".")[0]):
            problems.append(f"{name}: say what it is about")
        if not path.is_file() or path.suffix not in (".hpp", ".cpp", ".cu", ".cmake", ".py", ".md", ".txt", ".in"):
            continue
        count += 1
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix in (".hpp", ".cpp", ".cu") and not text.startswith("// "):
            problems.append(f"{name}:1: the first line is a // comment that says what the file is for")
        if path.suffix == ".hpp" and "#pragma once" not in text:
            problems.append(f"{name}: no #pragma once")
        if TEST_CTEST_MISREADS.search(text):
            problems.append(f"{name}: no semicolon and no lonely bracket in the name of a test")
        for number, line in enumerate(text.splitlines(), 1):
            if PLACES.search(line):
                problems.append(f"{name}:{number}: names a place of one machine")
    print(*problems, f"{count} files, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
