#!/usr/bin/env python3
"""A thousand times kill -9, at random moments of fine-tuning and distilling: what is left can always be read, and in the
end the bytes are those of the unbroken run.

Runs are killed again and again while they go on with --resume. LIMBECK_KILLS: how many kills (1000); LIMBECK_KILL_SEED:
repeats the moments that were drawn, as far as the machine lets them be the same.
"""
import json
import math
import os
import random
import shutil
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "program"))
from kills import killed  # noqa: E402
from small_task import (FOLDER, check, finish, from_scratch, make_teacher, make_vocabulary, names_in, numbers,  # noqa: E402
                        read_safetensors, repeated_files, run, succeeds, task_of, training_of, write_task)

KILLS = int(os.environ.get("LIMBECK_KILLS", 1000))
SEED = int(os.environ.get("LIMBECK_KILL_SEED", random.SystemRandom().randrange(10 ** 6)))
IN_A_ROW = 12  # kills of one run
counts = {"kills": 0, "inside a save": 0, "before the first checkpoint": 0, "resumed runs": 0, "models read": 0}


def fine_tuning(output):
    return ["fine-tune", *from_scratch(words), *training_of(data, output, epochs=6, accumulate=2), "--seed", 5]


def distillation(output):
    return ["distill", "--teacher", teacher, "--student", "layers=2,width=40,heads=2,inner=160",
            *training_of(data, output, epochs=4, accumulate=2), "--loss", "soft_target_kl:temperature=2,weight=linear:4:1",
            "--loss", "hidden_mse:projection=linear_bias", "--loss", "cross_entropy", "--seed", 3]


def check_left(output, what):
    """Whatever a killed run left under a final name is whole, and a model that is there can be used."""
    checkpoint = output / "checkpoint.safetensors"
    if checkpoint.exists():
        try:
            held = read_safetensors(checkpoint)
            check(set(held) == {"weights", "first_moment", "second_moment"}, f"{what}: the checkpoint holds {set(held)}")
            check(all(map(math.isfinite, numbers(held["weights"]))), f"{what}: the checkpoint holds numbers")
        except ValueError as problem:
            check(False, f"{what}: the checkpoint is whole: {problem}")
    else:
        counts["before the first checkpoint"] += 1
    if (output / "run.jsonl").exists():  # a torn last line is allowed
        for line in (output / "run.jsonl").read_text().split("\n")[:-1]:
            check(isinstance(json.loads(line), dict), f"{what}: a line of the record is an object")
    for folder in (output, output / "last"):
        if (folder / "config.json").exists():
            counts["models read"] += 1
            succeeds("evaluate", "--model", folder, *task_of(data))


def check_run(number, name, task, unbroken, usual):
    """One run, killed several times, then left alone."""
    output = FOLDER / f"killed_{number}"
    chance = random.Random(SEED * 100000 + number)
    for kill in range(min(IN_A_ROW, KILLS - counts["kills"])):
        line = [*task(output), "--resume", "--save-every", chance.choice([0, 0, 0.02, 60])]
        was_killed, in_save = killed(line, output, chance, chance.random() < 0.2, 0.7 * usual)
        if not was_killed:
            break
        counts["kills"] += 1
        counts["inside a save"] += in_save
        check_left(output, f"{name} {number}, kill {kill}")
    done = run(*task(output), "--resume")
    counts["resumed runs"] += 1
    check(done.returncode == 0, f"{name} {number} resumes: {done.stderr}")
    check(names_in(output) == names_in(unbroken), f"{name} {number}: the same files in the end: {names_in(output)}")
    same = [(output / file).read_bytes() == (unbroken / file).read_bytes() for file in repeated_files(unbroken)
            if (output / file).exists()]
    if check(all(same), f"{name} {number}, seed {SEED}: the bytes of the unbroken run"):
        shutil.rmtree(output)


def report():
    print(f"{time.monotonic() - started:6.0f} s: " + ", ".join(f"{value} {key}" for key, value in counts.items()), flush=True)


print(f"seed {SEED} (LIMBECK_KILL_SEED), {KILLS} kills (LIMBECK_KILLS)")
words = make_vocabulary()
data = write_task(FOLDER / "data", train=160)
teacher = make_teacher(data, words)
cases = []
for name, task in (("fine-tune", fine_tuning), ("distill", distillation)):
    begun = time.monotonic()
    succeeds(*task(FOLDER / name), "--save-every", 0)
    cases.append((name, task, FOLDER / name, time.monotonic() - begun))
    print(f"{name}: {cases[-1][3]:.2f} s unbroken")

started, number, told = time.monotonic(), 0, 0
while counts["kills"] < KILLS:
    check_run(number, *cases[number % len(cases)])
    number += 1
    if counts["kills"] // 50 > told:
        told = counts["kills"] // 50
        report()
report()
finish()
