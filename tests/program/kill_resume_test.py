#!/usr/bin/env python3
"""kill -9 at random moments, at least three of them inside a save, then --resume: the bytes of the unbroken run."""
import os
import random
import shutil
import time

from kills import killed
from small_task import (FOLDER, check, distillation_of, finish, make_teacher, make_vocabulary, names_in, repeated_files,
                        run, succeeds, training_of, write_task)

SEED = int(os.environ.get("LIMBECK_KILL_SEED", random.SystemRandom().randrange(10 ** 6)))
KILLS, INSIDE = 10, 4  # so many of them inside a save

print(f"seed {SEED} (LIMBECK_KILL_SEED repeats it)")
words = make_vocabulary()
data = write_task(FOLDER / "data", train=160)
teacher = make_teacher(data, words)


def distillation(output):
    return distillation_of(teacher, *training_of(data, output, epochs=3, accumulate=2, save_every=0, seed=3,
                                                 recipe="rw-kd", variant="meta-network", meta_batch=4),
                           losses=["soft_target_kl:temperature=linear:4:1,weight=linear:4:1,samples=rw_kd", "attention_mse",
                                   "cosine_loss:mapping=random:3:per_epoch,projection=linear,weight=learned",
                                   "soft_target_reverse_kl:samples=correct:0.5", "cross_entropy:samples=rw_kd_rest"],
                           student="layers=2,width=40,heads=2,inner=160")


unbroken = FOLDER / "unbroken"
started = time.monotonic()
succeeds(*distillation(unbroken))
usual = time.monotonic() - started
files = names_in(unbroken)

saves = tried = 0
for number in range(KILLS):
    chance = random.Random(SEED * 1000 + number)
    output = FOLDER / f"killed_{number}"
    line = distillation(output)
    while True:  # until the kill came before the end, and where it should inside a save: its moment is quickly over
        tried += 1
        was_killed, in_save = killed(line, output, chance, number < INSIDE, usual)
        if was_killed and (in_save or number >= INSIDE) or tried > 10 * KILLS:
            break
        if was_killed:
            line = distillation(output) + ["--resume"]
        else:  # too late: a complete run would not go on
            shutil.rmtree(output)
            line = distillation(output)
    check(was_killed, "the run was killed before its end")
    saves += in_save
    left = names_in(output) if output.exists() else []
    print(f"kill {number}, seed {SEED * 1000 + number}: {'inside a save, ' if in_save else ''}left {', '.join(left)}")
    twice = number % 3 == 2
    if twice:  # the resumed run is killed too
        killed(distillation(output) + ["--resume"], output, chance, False, usual)
    done = run(*distillation(output), "--resume")
    check(done.returncode == 0, f"the killed run resumes: {done.stderr}")
    check(names_in(output) == files, f"the same files in the end: {names_in(output)}")
    for name in repeated_files(unbroken):
        check((output / name).read_bytes() == (unbroken / name).read_bytes(),
              f"kill {number}: {name} has the bytes of the unbroken run's")
check(saves >= 3, f"at least 3 kills inside a save, not {saves}")
print(f"{KILLS} kills, {saves} inside a save; the unbroken run takes {usual:.2f} s")
finish()
