"""A small task made of words, and ways to run the program on it: what the tests of the program share. Standard library only.

Every script is called with --program PATH and checks one subject; check() counts, finish() prints and leaves.
"""
import argparse
import atexit
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

GOOD = "bright charming clever delightful elegant fine gentle graceful great honest lovely lucid moving splendid warm witty"
BAD = "awful boring clumsy cruel dreary dull empty feeble grim hollow messy noisy pale stale tedious ugly"
NEUTRAL = "a the this that film story play book scene song with and of in its by for one two three old new long short"
TINY = "layers=2,width=16,heads=2,inner=32"

_arguments = argparse.ArgumentParser()
_arguments.add_argument("--program", required=True)
PROGRAM = str(Path(_arguments.parse_args().program).resolve())
FOLDER = Path(tempfile.mkdtemp(prefix="limbeck_program_"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
# Threads that wait without spinning: tests run side by side.
ENVIRONMENT = dict(os.environ, OMP_WAIT_POLICY="passive", OMP_NUM_THREADS="1")
_counts = {"right": 0, "wrong": 0}


def check(holds, what):
    _counts["right" if holds else "wrong"] += 1
    if not holds:
        print(f"FAILED: {what}", flush=True)
    return holds


def finish():
    print(f"{_counts['right']} checks held, {_counts['wrong']} failed", flush=True)
    raise SystemExit(1 if _counts["wrong"] else 0)


def run(*arguments, text=None, folder=None, **how):
    """Runs the program; two minutes at most. `how`: as subprocess.run has it."""
    return subprocess.run([PROGRAM, *map(str, arguments)],
                          **{"input": text, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8",
                             "timeout": 120, "env": ENVIRONMENT, "cwd": folder} | how)


def succeeds(*arguments, text=None):
    done = run(*arguments, text=text)
    check(done.returncode == 0, f"{' '.join(map(str, arguments))}\nended with {done.returncode}\n{done.stderr}")
    return done


def start(*arguments, **how):
    return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            env=ENVIRONMENT, **how)


def check_refusal(words, status, complaint, what):
    """The program ended with 1 and one line on stderr with all the words. The result is whether it did."""
    what = f"{what}\n  {status}: {complaint.strip()}"
    lines = complaint.splitlines()
    held = [check(status == 1, f"ends with 1: {what}"),
            check(len(lines) == 1 and lines[0].startswith("limbeck: "), f"one line on stderr: {what}")]
    held += [check(str(word) in complaint, f"names {word}: {what}") for word in words]
    held += [check(word not in complaint, f"speaks of the matter, not of {word}: {what}")
             for word in ("terminate", "std::", "what()", "filesystem error")]
    return all(held)


def fails(words, *arguments, text=None, leaves=None, **how):
    """The run ends with 1 and one line with all the words; `leaves`, a folder or file, is as it was before."""
    before = names_in(leaves) if leaves is not None and leaves.exists() else None
    done = run(*arguments, "--quiet", text=text, **how)
    what = " ".join(map(str, arguments))
    check_refusal(words, done.returncode, done.stderr, what)
    if leaves is not None:
        check((names_in(leaves) if leaves.exists() else None) == before, f"leaves nothing in {leaves}: {what}")
    return done


def wait_until(reached, process, seconds):
    """Returns once it is reached, the process has ended, or the time is over."""
    end = time.monotonic() + seconds
    while not reached() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)


def complaint_of(process, seconds):
    """What the process says on standard error until it ends; killed where it takes longer."""
    try:
        _, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        _, complaint = process.communicate()
    return complaint


def sentence(chance, words):
    return " ".join(chance.choice(words) for _ in range(chance.randint(3, 12)))


def sample(chance):
    label = chance.randint(0, 1)
    telling = (GOOD if label else BAD).split()
    return f"{sentence(chance, NEUTRAL.split() + telling)} {chance.choice(telling)}", label


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))


def write_task(folder, seed=1, train=96, dev=40):
    """Two classes as SST-2 has them."""
    chance = random.Random(seed)
    for name, count in (("train", train), ("dev", dev)):
        write_rows(folder / f"{name}.tsv", [("sentence", "label")] + [sample(chance) for _ in range(count)])
    return folder


def write_pairs(folder, seed=2, train=64, dev=24):
    """Pairs of texts with a score from 0 to 5, no header: text, pair, score."""
    chance = random.Random(seed)
    for name, count in (("train", train), ("dev", dev)):
        rows = []
        for _ in range(count):
            (a, x), (b, y) = sample(chance), sample(chance)
            rows.append((a, b, round(2.5 * (x + y) * chance.uniform(0.9, 1), 3)))
        write_rows(folder / f"{name}.tsv", rows)
    return folder


def write_texts(path, seed=3, count=48):
    chance = random.Random(seed)
    path.write_text("".join(sample(chance)[0] + "\n" for _ in range(count)))
    return path


def make_vocabulary(size=120):
    """A vocabulary that the program trains on text of the task."""
    corpus = write_texts(FOLDER / "corpus.txt", seed=4, count=300)
    succeeds("vocab", "--corpus", corpus, "--size", size, "--output", FOLDER / "vocab.txt")
    return FOLDER / "vocab.txt"


def task_of(folder):
    return ["--data", folder, "--task", "sst-2", "--max-length", 16, "--threads", 1]


def training_of(folder, output, epochs=2, **others):
    line = task_of(folder) + ["--output", output, "--epochs", epochs, "--batch-size", 8]
    for name, value in ({"learning_rate": 3e-3} | others).items():
        line += ["--" + name.replace("_", "-"), value]
    return line


def from_scratch(vocabulary, sizes=TINY):
    return ["--from-scratch", sizes, "--vocab", vocabulary]


def make_teacher(data, vocabulary, name="teacher", epochs=4, sizes=TINY):
    folder = FOLDER / name
    succeeds("fine-tune", *from_scratch(vocabulary, sizes), *training_of(data, folder, epochs=epochs), "--quiet")
    return folder


def distillation_of(teacher, *training, losses, student="layers=2,width=24,heads=2,inner=48"):
    """The line of a run into a student of another width than its teacher, so that a projection learns with it."""
    line = ["distill", "--teacher", teacher, "--student", student, *training]
    for loss in (*losses, "hidden_mse:projection=linear_bias"):
        line += ["--loss", loss]
    return line


def copy_of(model, name):
    shutil.copytree(model, FOLDER / name, ignore=shutil.ignore_patterns("last", "run.jsonl"))
    return FOLDER / name


def changed_config(folder, **entries):
    config = json.loads((folder / "config.json").read_text()) | entries
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def read_safetensors(path):
    """Name: (type, shape, bytes). Raises ValueError for a file that is cut short."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8].ljust(8, b"\xff"))
    header = json.loads(data[8:8 + length])
    rest = data[8 + length:]
    if len(rest) != max((e["data_offsets"][1] for name, e in header.items() if name != "__metadata__"), default=0):
        raise ValueError(f"{path}: {len(rest)} bytes of data")
    return {name: (entry["dtype"], entry["shape"], rest[slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def numbers(tensor):
    kind, _, data = tensor
    letter = {"F32": "f", "I32": "i", "I64": "q"}[kind]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data))


def write_safetensors(path, tensors):
    """tensors: name: (type, shape, numbers)."""
    letter = {"F32": "f", "I32": "i", "I64": "q"}
    header, data = {}, b""
    for name, (kind, shape, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}{letter[kind]}", *values)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def names_in(folder):
    """Files below the folder, with their sizes."""
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def repeated_files(folder):
    """Files below a run's folder that have the same bytes whenever the run is repeated. The others tell times: speed.json,
    and the report, which is drawn from it and run.jsonl."""
    return [name for name in names_in(folder) if Path(name).name not in ("speed.json", "report.html")]


def last_json(done):
    return json.loads(done.stdout.splitlines()[-1])


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
