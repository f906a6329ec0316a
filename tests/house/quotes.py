#!/usr/bin/env python3
"""What a page says it quotes from a program stands there: each C++ block of README.md and docs/ whose paragraph before it ends
with a colon and links to a file of examples/.

usage: quotes.py REPOSITORY

Lines are compared without their common indentation; a line `// ...` of a page stands for any lines.
"""
import re
import sys
import textwrap
from pathlib import Path

EXAMPLE = re.compile(r"\]\((?:\.\./)?(examples/[\w./]+\.cpp)\)")


def quotes(text):
    """(example, code, number of its first line) of each quotation."""
    paragraph, code, number = [], None, 0
    for line_number, line in enumerate(text.split("\n"), 1):
        if code is None and line.strip() == "```cpp":
            code, number = [], line_number + 1
        elif code is None:
            if line.strip() and paragraph and not paragraph[-1]:
                paragraph = []  # an empty line ended the one before
            paragraph.append(line.strip())
        elif line.strip() == "```":
            said = " ".join(paragraph).strip()
            linked = EXAMPLE.findall(said)
            if linked and said.endswith(":"):
                yield linked[-1], "\n".join(code), number
            paragraph, code = [], None
        else:
            code.append(line)


def lines_of(code):
    return [line.rstrip() for line in textwrap.dedent(code).strip("\n").split("\n")]


def stands_in(part, lines):
    """Whether the lines follow each other somewhere, indented by any but one depth."""
    for start in range(len(lines) - len(part) + 1):
        if lines_of("\n".join(lines[start:start + len(part)])) == part:
            return True
    return False


def main(repository):
    root = Path(repository)
    problems, count = [], 0
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        for example, code, number in quotes(page.read_text(encoding="utf-8")):
            count += 1
            where = f"{page.relative_to(root)}:{number}"
            if not (root / example).is_file():
                problems.append(f"{where}: there is no {example}")
                continue
            source = (root / example).read_text(encoding="utf-8").split("\n")
            for part in re.split(r"^\s*// \.\.\.$", code, flags=re.MULTILINE):
                if not stands_in(lines_of(part), source):
                    problems.append(f"{where}: this does not stand in {example}: {lines_of(part)[0]}")
    if count == 0:
        problems.append("no page quotes anything: has their form changed?")
    print(*problems, f"{count} quotations, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
