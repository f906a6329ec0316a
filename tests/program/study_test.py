#!/usr/bin/env python3
"""A study of 60 cells that is killed at random moments loses no finished cell and repeats none; it says what its cells say; and
one that trains can be stopped and goes on."""
import json
import os
import random
import signal
import statistics
import sys
import time
from pathlib import Path

from small_task import (ENVIRONMENT, FOLDER, TINY, check, complaint_of, fails, finish, lines_of, make_vocabulary, names_in,
                        run, start, wait_until, write_task)

SEED = int(os.environ.get("LIMBECK_KILL_SEED", random.SystemRandom().randrange(10 ** 6)))
KILLS = 6

# Stands in for the program: takes a moment, and answers a number that its arguments make. Writes down that it started.
STAND_IN = """#!{python} -IS
import os, sys, time
options = dict(word[2:].split("=", 1) for word in sys.argv[2:] if "=" in word)
with open({log!r}, "a") as log:
    log.write(f"{{os.environ['ROUND']}} {{os.getpid()}} {{options['output']}}\\n")
time.sleep(0.02)
gain, seed = float(options["gain"]), int(options["seed"])
if options["seed"] in os.environ.get("FAILING", "").split():
    sys.exit("limbeck: it was not to be")
print("a line that is no result")
print('{{"accuracy": %r}}' % (0.5 + 0.01 * gain * (1 + 0.05 * seed) + 0.001 * seed ** 2))
"""


def write_plan(name, **parts):
    (FOLDER / name).write_text(json.dumps({"name": name, "question": "Does it help?"} | parts))
    return FOLDER / name


def write_stand_in():
    path = FOLDER / "stand_in"
    path.write_text(STAND_IN.format(python=sys.executable, log=str(FOLDER / "started.log")))
    path.chmod(0o755)
    return path


def started():
    """(round, process, key) of every run of the stand-in so far."""
    log = FOLDER / "started.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(number), int(pid), output.rsplit("/", 1)[1])
            for number, pid, output in (line.split(" ", 2) for line in lines)]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as about:
            return about.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def finished(output):
    """Keys of whole lines."""
    file = output / "cells.jsonl"
    lines = file.read_text().splitlines(True) if file.exists() else []
    return [json.loads(line)["key"] for line in lines if line.endswith("\n")]


def sixty_cells(**more):
    gains = {str(gain): {"variables": {"gain": gain}} for gain in (0, 1, -1)}
    return write_plan("sixty.json", base={"verb": "distill", "arguments": {"gain": "${gain}", "task": "${task}"}},
                      factors=[{"name": "gain", "base": "0", "levels": gains}],
                      tasks=[{"name": "one"}, {"name": "two"}], seeds=list(range(10)), **more)


def study(plan, output, *more):
    return ["study", "--plan", plan, "--output", output, "--jobs", 2, *more]


def killed_once(line, output, chance):
    """Starts the study and kills it at a random moment, some of them just after a line was written."""
    process = start(*line)
    time.sleep(chance.uniform(0.02, 0.4))
    if chance.random() < 0.3:
        lines = len(finished(output))
        wait_until(lambda: len(finished(output)) > lines, process, 5)
    process.kill()
    process.communicate()


def check_kills(plan, stand_in):
    """Kills the study again and again, then lets it end. The result is its folder and what it said."""
    output = FOLDER / "killed"
    line = study(plan, output, "--program", stand_in)
    chance = random.Random(SEED)
    known = []  # by round: what was finished when it began
    for number in range(KILLS):
        known.append(finished(output))
        ENVIRONMENT["ROUND"] = str(number)
        killed_once(line + ["--quiet"], output, chance)
        now = finished(output)
        check(now[:len(known[-1])] == known[-1], f"kill {number} lost a cell: {len(known[-1])} before, {len(now)} after it")
        time.sleep(0.05)
        left = [pid for r, pid, _ in started() if r == number and is_running(pid)]
        check(not left, f"runs go with the study that started them: {left}")
        if number == 1 and now:  # as a machine that lost its power leaves it
            with open(output / "cells.jsonl", "a", encoding="utf-8") as file:
                file.write('{"step":')
    known.append(finished(output))
    print(f"after {KILLS} kills {len(known[-1])} of 60 cells are finished")
    ENVIRONMENT["ROUND"] = str(KILLS)
    done = run(*line, "--json")
    check(done.returncode == 0, f"the study ends: {done.stderr}")
    lines = lines_of(output / "cells.jsonl")
    cells = {(cell["task"], cell["seed"], cell["levels"]["gain"]) for cell in lines}
    check(len(lines) == len(cells) == len({cell["key"] for cell in lines}) == 60, f"60 cells, each once: {len(lines)}")
    check([cell["key"] for cell in lines[:len(known[-1])]] == known[-1], "finished cells stay as they were")
    repeated = [key for number, _, key in started() if key in known[number]]
    check(not repeated, f"no finished cell runs again: {repeated}")
    check(len({(number, key) for number, _, key in started()}) == len(started()), "no cell runs twice in a round")
    check(names_in(output) == ["cells.jsonl", "differences-1.svg", "report.html", "summary.json", "summary.md"], f"nothing else is left: {names_in(output)}")
    return output, done


def check_summary(output, done):
    """The means, deviations and paired differences are those of the cells."""
    summary = json.loads(done.stdout.splitlines()[-1])
    check(summary == json.loads((output / "summary.json").read_text()), "summary.json is what is printed")
    value = {(c["task"], c["levels"]["gain"], c["seed"]): c["result"]["accuracy"] for c in lines_of(output / "cells.jsonl")}
    t_of_9 = 2.2621572

    def about(x, y):
        return abs(x - y) < 1e-6

    for row in summary["means"]:
        level = row["levels"].removeprefix("gain = ") if row["levels"] != "base" else "0"
        sample = [value[row["task"], level, seed] for seed in range(10)]
        check(row["n"] == 10 and about(row["mean"], statistics.mean(sample)) and
              about(row["deviation"], statistics.stdev(sample)) and
              about(row["high"], row["mean"] + t_of_9 * statistics.stdev(sample) / 10 ** 0.5), f"mean {row}")
    check(len(summary["means"]) == 6 and len(summary["differences"]) == 6, "two tasks by three levels")
    for row in summary["differences"]:
        tasks = [row["task"]] if row["task"] else ["one", "two"]
        pairs = [value[task, row["level"], seed] - value[task, "0", seed] for task in tasks for seed in range(10)]
        verdict = "better" if row["level"] == "1" else "worse"
        check(row["n"] == len(pairs) and about(row["mean"], statistics.mean(pairs)) and row["verdict"] == verdict,
              f"difference {row}")
    verdicts = {claim["says"]: claim["verdict"] for claim in summary["claims"]}
    check(verdicts == {"a gain helps": "confirmed", "a loss helps": "refuted", "a gain is worth 0.0122": "undecided"},
          f"verdicts: {verdicts}")


def check_failures(plan, stand_in):
    """Cells that fail are named, do not stop the others, and are run again."""
    output = FOLDER / "failing"
    line = study(plan, output, "--program", stand_in, "--quiet")
    ENVIRONMENT.update(FAILING="3 7", ROUND="100")
    done = run(*line)
    complaint = done.stderr.splitlines()
    check(done.returncode == 1 and len(complaint) == 1 and "12 runs failed" in complaint[0] and
          "it was not to be" in complaint[0] and "seed 3" in complaint[0], f"says what failed: {done.stderr}")
    check(len(finished(output)) == 48, f"the others are finished: {len(finished(output))}")
    ENVIRONMENT.update(FAILING="", ROUND="101")
    done = run(*line)
    check(done.returncode == 0 and len(finished(output)) == 60, f"the failed ones run again: {done.stderr}")
    check(len([1 for number, _, _ in started() if number == 101]) == 12, "and no others")


def check_refusals(stand_in):
    out = FOLDER / "not_studied"
    base = {"verb": "distill", "arguments": {"data": "${glue}"}}
    parts = {"base": base, "tasks": [{"name": "one"}], "seeds": [1, 2]}
    for words, wrong in ((["glue", "no place"], {}), (["seed", "no key"], {"seed": 1}),
                         (["seeds"], {"seeds": []}), (["same run"], {"places": {"glue": "."}, "base": {
                             "verb": "distill", "arguments": {"seed": 3}}})):
        plan = write_plan("wrong.json", **(parts | wrong))
        fails([plan, *words], *study(plan, out, "--program", stand_in), leaves=out)
    plan = write_plan("right.json", places={"glue": "."}, **parts)
    fails(["elsewhere"], *study(plan, out, "--set", "elsewhere=x"), leaves=out)
    fails([FOLDER / "missing"], *study(plan, out, "--program", FOLDER / "missing"), leaves=out)
    check(run(*study(plan, out, "--set", "elsewhere")).returncode == 2, "--set without a value is wrong usage")


def training_plan(data, words):
    """Two losses by two seeds, from a teacher that is trained first."""
    def common(epochs):
        return {"data": "${data}", "task": "sst-2", "max-length": 16, "batch-size": 8, "epochs": epochs, "learning-rate": 3e-3}
    return write_plan(
        "training.json", places={"data": str(data), "vocab": str(words)},
        prepare=[{"name": "teacher", "verb": "fine-tune",
                  "arguments": {"from-scratch": TINY, "vocab": "${vocab}"} | common(1)}],
        base={"verb": "distill",
              "arguments": {"teacher": "${teacher}", "student": "layers=1,width=16,heads=2,inner=32",
                            "loss": ["soft_target_kl:temperature=2", "${hidden}:projection=linear"]} | common(8)},
        factors=[{"name": "hidden", "base": "hidden_mse",
                  "levels": {name: {"variables": {"hidden": name}} for name in ("hidden_mse", "cosine_loss")}}],
        tasks=[{"name": "words"}], seeds=[1, 2])


def check_plans():
    """Every run of the plans in docs/studies is one that its verb understands: it ends for want of files, not of usage."""
    plans = sorted((Path(__file__).parent.parent.parent / "docs" / "studies").glob("*.json"))
    lines = set()
    for plan in plans:
        done = run("study", "--plan", plan, "--output", FOLDER / "planned", "--dry-run", "--json")
        check(done.returncode == 0, f"{plan.name}: {done.stderr}")
        for words in map(json.loads, done.stdout.splitlines()):
            lines.add(tuple(word for word in words if not word.startswith("--seed=")))
    check(len(plans) > 4 and len(lines) > 100 and not (FOLDER / "planned").exists(), f"{len(lines)} runs of {len(plans)} plans, and none was made")
    for line in sorted(lines):
        done = run(*line, "--output", FOLDER / "planned", folder=FOLDER)
        check(done.returncode == 1, f"{' '.join(line)}\nended with {done.returncode}: {done.stderr}")


def check_training():
    """A study of the program itself, stopped by Ctrl-C in the middle, has the results of one that was not."""
    words = make_vocabulary()
    plan = training_plan(write_task(FOLDER / "data", train=96), words)
    line = ["study", "--plan", plan, "--threads", 2, "--jobs", 2, "--output"]
    whole, stopped = FOLDER / "whole", FOLDER / "stopped"
    done = run(*line, whole)
    check(done.returncode == 0 and "| hidden = cosine_loss | 2 |" in done.stdout, f"trains: {done.stdout}{done.stderr}")
    check(done.stdout == (whole / "summary.md").read_text(), "summary.md is what is printed")

    def runs():
        return list(stopped.glob("cells/*/run.jsonl"))
    process = start(*line, stopped, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_until(lambda: any((file.parent / "checkpoint.safetensors").exists() for file in runs()), process, 60)
    process.send_signal(signal.SIGINT)
    text = complaint_of(process, 60)
    check(process.returncode == 130 and "the same command goes on" in text, f"stops: {process.returncode} {text}")
    left = {file: file.read_bytes() for file in runs() if (file.parent / "checkpoint.safetensors").exists()}
    print(f"stopped with {len(finished(stopped))} of 4 cells finished; {len(left)} left a checkpoint")
    check(len(finished(stopped)) < 4 and left, "the study was stopped before its end, in the middle of a cell")
    done = run(*line, stopped, "--keep")
    check(done.returncode == 0, f"goes on: {done.stderr}")
    for file, record in left.items():
        check(file.read_bytes().startswith(record), f"a cell goes on where it was stopped: {file.parent.name}")

    def results(output):
        return {cell["key"]: {name: x for name, x in cell["result"].items() if name not in ("output", "seconds")}
                for cell in lines_of(output / "cells.jsonl")}
    check(results(stopped) == results(whole) and len(results(whole)) == 4, "with the results of an unbroken study")
    before = (whole / "cells.jsonl").read_bytes()
    check(run(*line, whole, "--only-report").stdout == done.stdout, "--only-report says the same")
    check((whole / "cells.jsonl").read_bytes() == before, "and runs nothing")


print(f"seed {SEED} (LIMBECK_KILL_SEED repeats it)")
program = write_stand_in()
claims = [{"says": says, "factor": "gain", "level": level, "is": "better", "by": by}
          for says, level, by in (("a gain helps", "1", 0), ("a loss helps", "-1", 0), ("a gain is worth 0.0122", "1", 0.0122))]
cells = sixty_cells(claims=claims)
check_summary(*check_kills(cells, program))
check_failures(cells, program)
check_refusals(program)
check_plans()
check_training()
finish()
