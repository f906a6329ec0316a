#!/usr/bin/env python3
"""Tokenises text with limbeck and with the tokenizers library (Rust) in turn, in one process, on one thread each.

usage: tokenise.py --library build/.../liblimbeck_peer_tokenise.so --vocabulary vocab.txt
                   [--cased] [--rounds 5] [--table FILE] [--out FILE] [FILE_OR_FOLDER ...]

SST-2 comes from LIMBECK_REFERENCE_DIR, a folder with data/glue, where that is set; each further argument is a text of its
own, a folder with all of its files that are not compressed. A text is cut into its lines. The ids of all lines are compared
first; any difference ends the run. Theirs is timed in encode_batch_fast, which keeps no offsets, ours from the bytes of all
lines to the ids of all lines. Prints a table, and writes it to the first
FILE, as JSON to the second.
"""
import argparse
import ctypes
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BATCH = 1000  # lines a call of theirs: it keeps much a token


class Ours:
    """limbeck's tokeniser, behind the C functions of tokenise.cpp."""

    def __init__(self, library, vocabulary, lower_case):
        self.library = ctypes.CDLL(library)
        self.library.limbeck_tokeniser_new.restype = ctypes.c_void_p
        self.library.limbeck_tokenise.restype = ctypes.c_int64
        self.library.limbeck_token_ids.restype = ctypes.POINTER(ctypes.c_int32)
        self.library.limbeck_token_begin.restype = ctypes.POINTER(ctypes.c_int64)
        self.handle = ctypes.c_void_p(self.library.limbeck_tokeniser_new(str(vocabulary).encode(), ctypes.c_int(lower_case)))

    def prepare(self, lines):
        """The lines as C sees them: their bytes in a row, and where each begins."""
        encoded = [line.encode() for line in lines]
        begin = (ctypes.c_int64 * (len(lines) + 1))()
        for i, line in enumerate(encoded):
            begin[i + 1] = begin[i] + len(line)
        return b"".join(encoded), begin, ctypes.c_int64(len(lines))

    def __call__(self, prepared):
        return self.library.limbeck_tokenise(self.handle, *prepared)

    def ids(self, first, last):
        """Of the lines from first to last of the last call."""
        ids, begin = self.library.limbeck_token_ids(self.handle), self.library.limbeck_token_begin(self.handle)
        return [ids[begin[i]:begin[i + 1]] for i in range(first, last)]


def theirs(vocabulary, lower_case):
    import tokenizers

    made = tokenizers.Tokenizer(tokenizers.models.WordPiece.from_file(
        str(vocabulary), unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lower_case)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(SPECIALS)
    return made, tokenizers.__version__


def batches(lines):
    return [lines[first:first + BATCH] for first in range(0, len(lines), BATCH)]


def encode(tokenizer, groups):
    for group in groups:
        tokenizer.encode_batch_fast(group, add_special_tokens=False)


def read_lines(path):
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    text = "\n".join(f.read_text(encoding="utf-8", errors="replace") for f in files if f.suffix not in (".gz", ".xz"))
    return [line for line in text.split("\n") if line]


def texts(arguments):
    """Name and lines of each."""
    reference = os.environ.get("LIMBECK_REFERENCE_DIR")
    if reference:
        for part in ("train", "dev"):
            rows = Path(reference, "data", "glue", "SST-2", part + ".tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
            yield f"SST-2, {part}", [row.split("\t")[0] for row in rows[1:]]
    for path in arguments.texts:
        yield str(path), read_lines(path)


def compare(name, lines, tokenizer, ours):
    """How many ids there are; leaves the program where they differ."""
    count = ours(ours.prepare(lines))
    for number, group in enumerate(batches(lines)):
        expected = [e.ids for e in tokenizer.encode_batch_fast(group, add_special_tokens=False)]
        got = ours.ids(number * BATCH, number * BATCH + len(group))
        for line, a, b in zip(group, got, expected):
            if a != b:
                sys.exit(f"{name}: ids differ for {line!r}: {a}, expected {b}")
    return count


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def measure(name, lines, tokenizer, ours, rounds):
    """What a row of the table says."""
    count = compare(name, lines, tokenizer, ours)
    prepared, groups = ours.prepare(lines), batches(lines)
    times = [(seconds(ours, prepared), seconds(encode, tokenizer, groups)) for _ in range(rounds)]
    megabytes = len(prepared[0]) / 1e6
    fast, slow = (megabytes / statistics.median(t) for t in zip(*times))
    ratio = statistics.median(b / a for a, b in times)
    return {"text": name, "lines": len(lines), "MB": megabytes, "ids": count, "limbeck_MB/s": fast, "tokenizers_MB/s": slow,
            "ratio": ratio}


def table_row(row):
    return (f"| {row['text']} | {row['lines']:,} | {row['MB']:.2f} | {row['ids']:,} | {row['limbeck_MB/s']:.1f} "
            f"| {row['tokenizers_MB/s']:.2f} | {row['ratio']:.0f} |")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--library", required=True, type=os.path.abspath)
    parser.add_argument("--vocabulary", required=True, type=Path)
    parser.add_argument("--cased", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("texts", nargs="*", type=Path)
    arguments = parser.parse_args()
    ours = Ours(arguments.library, arguments.vocabulary, not arguments.cased)
    tokenizer, version = theirs(arguments.vocabulary, not arguments.cased)
    table = [f"| text | lines | MB | ids, all equal | limbeck, MB/s | tokenizers {version}, MB/s | ratio |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    print(*table, sep="\n", flush=True)
    rows = []
    for name, lines in texts(arguments):
        rows.append(measure(name, lines, tokenizer, ours, arguments.rounds))
        table.append(table_row(rows[-1]))
        print(table[-1], flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"bench": "tokenise", "version": version, "rows": rows}, indent=1), encoding="utf-8")
    if arguments.table:
        arguments.table.write_text("\n".join(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
