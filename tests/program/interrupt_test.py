#!/usr/bin/env python3
"""Ctrl-C leaves a state that a run goes on from, and that ends with the same bytes as a run without one."""
import signal

from small_task import (FOLDER, check, complaint_of, distillation_of, finish, make_teacher, make_vocabulary, names_in,
                        repeated_files, run, start, succeeds, training_of, wait_until, write_task, write_texts)

SECONDS = 60


def lines_in(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def interrupted(line, record, updates, number):
    """Starts the run and sends the signal once the record has so many lines."""
    process = start(*line, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # a shell's & has SIGINT ignored
    wait_until(lambda: lines_in(record) >= updates, process, SECONDS)
    process.send_signal(number)
    text = complaint_of(process, SECONDS)
    return process.returncode, text


def same_files(a, b, names):
    for name in names:
        check((a / name).read_bytes() == (b / name).read_bytes(), f"{name} of {b.name} is that of {a.name}")


words = make_vocabulary()
data = write_task(FOLDER / "data", train=200)
teacher = make_teacher(data, words)
transfer = write_texts(FOLDER / "transfer.txt", count=100)


def distillation(output):
    return distillation_of(teacher, *training_of(data, output, epochs=16, transfer=transfer, seed=11),
                           losses=["soft_target_kl:temperature=2,weight=linear:4:1", "cross_entropy"])


unbroken = FOLDER / "unbroken"
succeeds(*distillation(unbroken))
total = lines_in(unbroken / "run.jsonl")
for number in (signal.SIGINT, signal.SIGTERM):
    output = FOLDER / f"stopped_by_{number.name}"
    status, text = interrupted(distillation(output), output / "run.jsonl", total // 5, number)
    check(status == 130, f"{number.name} ends with 130, not {status}")
    check("go on with --resume" in text and "Traceback" not in text, f"says how to go on: {text}")
    left = names_in(output)
    check("checkpoint.safetensors" in left and not [n for n in left if "partial" in n or "last" in n or "lock" in n],
          f"{number.name} leaves a checkpoint: {left}")
    check(lines_in(output / "run.jsonl") < total, "the run was stopped before its end")
    check(run(*distillation(output)).returncode == 1, "a stopped run is not overwritten")
    again, text = interrupted(distillation(output) + ["--resume"], output / "run.jsonl", total // 2, number)
    check(again == 130 and "resumed at update" in text, f"a resumed run can be stopped again: {again} {text}")
    succeeds(*distillation(output), "--resume")
    check(names_in(output) == names_in(unbroken), f"the same files in the end: {names_in(output)}")
    same_files(unbroken, output, repeated_files(unbroken))
finish()
