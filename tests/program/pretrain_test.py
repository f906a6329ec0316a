#!/usr/bin/env python3
"""pretrain from end to end: alone, with teachers of other depths and widths, stopped and resumed, and what it refuses."""
import json
import random
import signal
import time

from small_task import (BAD, FOLDER, GOOD, NEUTRAL, check, fails, finish, lines_of, make_vocabulary, names_in,
                        repeated_files, run, sentence, start, succeeds, training_of, wait_until, write_task)

MODEL_FILES = ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]
SMALL = "layers=1,width=16,heads=2,inner=32"


def write_corpus(path, seed=5, documents=200):
    """Documents of a few lines, each of good words or of bad ones: words tell which others are near."""
    chance = random.Random(seed)
    text = ""
    for _ in range(documents):
        words = NEUTRAL.split()[:6] + chance.choice((GOOD, BAD)).split() * 2
        text += "".join(sentence(chance, words) + "\n" for _ in range(chance.randint(1, 4))) + "\n"
    path.write_text(text)
    return path


def pretraining(output, *others, student=SMALL, **settings):
    line = ["pretrain", "--corpus", corpus, "--vocab", words, "--student", student, "--output", output, "--threads", 1,
            "--max-length", 24, "--batch-size", 16, *others]
    for name, value in ({"learning_rate": 1e-2, "epochs": 2} | settings).items():
        if value is not None:
            line += ["--" + name.replace("_", "-"), value]
    return line


def told_of(*line):
    return json.loads(succeeds(*line, "--json", "--quiet").stdout.splitlines()[-1])


def check_alone():
    told = told_of(*pretraining(teacher, epochs=30, dropout=0))
    check(set(told) == {"output", "updates", "best_epoch", "parameters", "tokens", "seconds", "loss", "log_likelihood",
                        "perplexity", "accuracy"}, f"the line of results: {sorted(told)}")
    evaluations = [line for line in lines_of(teacher / "run.jsonl") if line["event"] == "evaluation"]
    losses = [line["held_out"]["loss"] for line in evaluations]
    check(len(losses) == 30 and abs(min(losses) - told["loss"]) < 1e-4, f"the best of {losses} is told: {told['loss']}")
    check(told["loss"] < 0.9 * losses[0], f"something is learned: {losses[0]} to {told['loss']}")
    names = names_in(teacher)
    check(set(MODEL_FILES + ["last/" + name for name in MODEL_FILES] + ["run.jsonl", "report.html", "speed.json"]) == set(names),
          f"a model folder, its last state and a record: {names}")
    check(json.loads((teacher / "config.json").read_text())["architectures"] == ["BertForMaskedLM"], "a BertForMaskedLM")
    data = write_task(FOLDER / "task")
    succeeds("fine-tune", "--model", teacher, *training_of(data, FOLDER / "tuned", epochs=1), "--quiet")
    going_on = told_of(*pretraining(FOLDER / "going_on", student=teacher, epochs=1, learning_rate=1e-5))
    check(abs(going_on["loss"] - told["loss"]) < 0.05, f"a folder is trained on: {going_on['loss']} after {told['loss']}")
    nothing = told_of(*pretraining(FOLDER / "nothing", held_out=0))
    check("loss" not in nothing, "nothing is held out, nothing is told")
    steps = told_of(*pretraining(FOLDER / "steps", epochs=None, steps=5, evaluate_every=2))
    check(steps["updates"] == 5, f"as many updates as --steps says: {steps['updates']}")
    steps = [line["step"] for line in lines_of(FOLDER / "steps/run.jsonl") if line["event"] == "evaluation"]
    check(steps == [1, 3, 4], f"evaluated behind updates 2, 4 and at the end: {steps}")
    page = (FOLDER / "steps/report.html").read_text()
    check("updates done" in page and "epochs done" not in page, "the page counts updates where evaluations are no epochs")
    check("bytes of weights" in page and "SIMD level" in page, "and tells sizes and speed")


def check_starts():
    """What a student holds at first, seen by an update that changes nothing."""
    still = {"epochs": None, "steps": 1, "learning_rate": 0}
    teachers = told_of(*pretraining(FOLDER / "same", "--teacher", teacher, "--init", "remap", **still))
    check(teachers["loss"] == teachers["teacher_loss"], "a copy of the teacher is as good as the teacher")
    wide = told_of(*pretraining(FOLDER / "wide", "--teacher", teacher, "--init", "net2wider",
                                student="layers=1,width=48,heads=6,inner=80", **still))
    check(abs(wide["loss"] - wide["teacher_loss"]) < 1e-5, f"so is one of three times its width: {wide['loss']}")
    for name, sizes in (("pad", "layers=2,width=32,heads=2,inner=64"), ("remap", "layers=3,width=16,heads=2,inner=32")):
        told = told_of(*pretraining(FOLDER / name, "--teacher", teacher, "--init", name, student=sizes, **still))
        fresh = told_of(*pretraining(FOLDER / ("no_" + name), student=sizes, **still))
        check(told["loss"] != fresh["loss"], f"{name} starts elsewhere than at random: {told['loss']}, {fresh['loss']}")
    listed = told_of(*pretraining(FOLDER / "listed", "--teacher", teacher, "--init", "remap", "--init-layers",
                                  "explicit:0-0:1-0", student="layers=2,width=16,heads=2,inner=32", **still))
    default = told_of(*pretraining(FOLDER / "default", "--teacher", teacher, "--init", "remap",
                                   student="layers=2,width=16,heads=2,inner=32", **still))
    check(listed["loss"] == default["loss"], "min(m, N) by name and by default")


def check_teaching():
    alphas = told_of(*pretraining(FOLDER / "alphas", "--teacher", teacher, "--alpha-soft", "linear:4:1"))
    terms = told_of(*pretraining(FOLDER / "terms", "--teacher", teacher, "--loss", "cross_entropy", "--loss",
                                 "soft_target_kl:t_squared=false,weight=linear:4:1"))
    check(alphas["loss"] == terms["loss"], "alphas are weights of the two terms")
    more = succeeds(*pretraining(FOLDER / "more", "--teacher", teacher, "--loss", "soft_target_kl", "--loss", "hidden_mse",
                                 "--loss", "attention_mse", student="layers=2,width=24,heads=2,inner=32"), "--quiet")
    check("teacher" in more.stdout, f"the teacher's loss is told: {more.stdout}")


def check_resume():
    line = ["--teacher", teacher, "--alpha-soft", "linear:4:1"]
    settings = {"epochs": 6, "accumulate": 2, "evaluate_every": 7, "save_every": 0}
    succeeds(*pretraining(FOLDER / "unbroken", *line, **settings), "--quiet")
    output = FOLDER / "broken"
    for _ in range(2):
        process = start(*pretraining(output, *line, "--resume", **settings), "--quiet")
        wait_until(lambda: (output / "checkpoint.safetensors").exists(), process, 60)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    succeeds(*pretraining(output, *line, "--resume", **settings), "--quiet")
    for name in repeated_files(FOLDER / "unbroken"):
        check((output / name).read_bytes() == (FOLDER / "unbroken" / name).read_bytes(),
              f"{name} has the bytes of the unbroken run")
    again = told_of(*pretraining(output, *line, "--resume", **settings))
    check("loss" in again and "teacher_loss" in again, "a complete run is scored again")


def check_refusals():
    other = FOLDER / "other.txt"
    other.write_text(words.read_text().replace("film", "movie"))
    (FOLDER / "empty.txt").write_text("\n\n")
    (FOLDER / "latin.txt").write_bytes(b"one\ncaf\xe9\n")
    nowhere = FOLDER / "nowhere"

    def refused(expected, *line):
        fails(expected, *map(str, line), leaves=nowhere)

    usual = pretraining(nowhere)
    replaced = lambda option, value: usual[:usual.index(option)] + [option, value] + usual[usual.index(option) + 2:]
    refused(["empty.txt", "has no text"], *replaced("--corpus", FOLDER / "empty.txt"))
    refused(["latin.txt", "line 2", "not UTF-8"], *replaced("--corpus", FOLDER / "latin.txt"))
    refused(["no_such_file"], *replaced("--corpus", FOLDER / "no_such_file"))
    refused(["other.txt", "not that of the teacher"], *replaced("--vocab", other), "--teacher", teacher)
    refused(["max-length", "600", "512"], *replaced("--max-length", 600))
    refused(["heads=3", "width=16"], *replaced("--student", "layers=1,width=16,heads=3"))
    refused(["from-teacher"], *replaced("--student", "layers=1,from-teacher=0"), "--teacher", teacher)
    refused(["remap", "32", "16"], *replaced("--student", "layers=1,width=32,heads=2"), "--teacher", teacher, "--init", "remap")
    refused(["net2wider", "heads"], *replaced("--student", "layers=1,width=32,heads=2"), "--teacher", teacher, "--init",
            "net2wider")
    refused(["init-layers", "top names no layer for student layer 0"], *replaced("--student", "layers=2,width=16,heads=2,inner=32"),
            "--teacher", teacher, "--init", "remap", "--init-layers", "top")
    refused(["held-out"], *usual, "--held-out", 0.99)
    refused(["mask-share"], *usual, "--mask-share", 0)
    refused(["samples"], *usual, "--teacher", teacher, "--loss", "soft_target_kl:samples=confident:0.5")
    refused(["needs a teacher"], *usual, "--loss", "soft_target_kl")
    refused(["cls.predictions"], *usual, "--teacher", FOLDER / "tuned")
    without = usual[:3] + usual[5:]
    refused(["--vocab"], *without)
    for wrong in (["--alpha-soft", 2], ["--init", "remap"], ["--init", "unheard", "--teacher", teacher], ["--steps", 2],
                  ["--loss", "cross_entropy", "--alpha-hard", 1]):
        check(run(*usual, *wrong).returncode == 2, f"wrong usage: {wrong}")


words = make_vocabulary()
corpus = write_corpus(FOLDER / "documents.txt")
teacher = FOLDER / "masked_teacher"
check_alone()
check_starts()
check_teaching()
check_resume()
check_refusals()
finish()
