#!/usr/bin/env python3
"""`distill --recipe rw-kd`: each variant by one command, on classes and on a regression, what it leaves, what it refuses."""
import json

from small_task import (FOLDER, check, fails, finish, from_scratch, lines_of, make_teacher, make_vocabulary, run, succeeds,
                        task_of, training_of, write_pairs, write_task, write_texts)

STUDENT = ["--student", "layers=1,width=12,heads=2,inner=24"]
RECIPE = ["--recipe", "rw-kd"]


def steps_of(output):
    return [line for line in lines_of(output / "run.jsonl") if line["event"] == "step"]


def check_variant(line, variant, held_out):
    output = FOLDER / variant
    done = succeeds(*line(output, epochs=6), *RECIPE, "--variant", variant, "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    check(told["accuracy"] >= 0.8, f"{variant} learns the task: {told}")
    check(("held out" in done.stderr) == (held_out > 0), f"{variant} tells what is held out: {done.stderr}")
    shares, steps = lines_of(output / "sample_shares.jsonl"), steps_of(output)
    check(len(shares) == len(steps) == 6 * -(-(96 - held_out) // 8), f"{variant}: a line of shares a step: {len(shares)}")
    check(len({n for step in shares for n in step["samples"]}) == 96 - held_out, f"{variant}: so many samples are trained on")
    check(all(0 <= share <= 1 for step in shares for share in step["shares"]), f"{variant}: shares are shares")
    check(all(abs(step["sample_shares"]["mean"] - sum(of["shares"]) / len(of["shares"])) < 2e-4 for step, of in zip(steps, shares)),
          f"{variant}: run.jsonl has their means")
    check(set(steps[0]["terms"]) == {"soft_target_kl", "cross_entropy"}, f"{variant}: the terms of the recipe")
    check(not list(output.glob("checkpoint*")), f"{variant}: nothing temporary stays")


def check_transfer(line):
    """Texts without a label listen to the teacher alone."""
    output, texts = FOLDER / "transfer", write_texts(FOLDER / "texts.txt", count=16)
    succeeds(*line(output, epochs=1, transfer=texts, accumulate=2), *RECIPE, "--loss",
             "soft_target_kl:temperature=3,samples=rw_kd", "--loss", "cross_entropy:samples=rw_kd_rest", "--quiet")
    found = {n: share for step in lines_of(output / "sample_shares.jsonl") for n, share in zip(step["samples"], step["shares"])}
    check(len(found) == 86 + 16, f"all labelled samples that are not held out, and the texts: {len(found)}")
    check(all(share == 1 for n, share in found.items() if n >= 96), "texts are the teacher's alone")
    check(any(share < 1 for n, share in found.items() if n < 96), "samples with a label are not")


def check_store(line):
    """What the teacher kept serves those held out, too."""
    store = FOLDER / "kept.safetensors"
    succeeds("store", "--teacher", teacher, *task_of(sst), "--output", store, "--quiet")
    for name, more in (("asked", []), ("kept", ["--store", store])):
        succeeds(*line(FOLDER / name), *RECIPE, *more, "--quiet")
    for file in ("model.safetensors", "sample_shares.jsonl"):
        check((FOLDER / "asked" / file).read_bytes() == (FOLDER / "kept" / file).read_bytes(), f"a store changes no bit of {file}")
    few = FOLDER / "few.safetensors"
    succeeds("store", "--teacher", teacher, *task_of(sst), "--what", "top-k", "--k", 1, "--output", few, "--quiet")
    fails(["likeliest"], *line(FOLDER / "no"), *RECIPE, "--store", few, leaves=FOLDER / "no")


def check_regression(words):
    task = ["--data", write_pairs(FOLDER / "pairs"), "--task", "tsv", "--text-column", 0, "--pair-column", 1,
            "--label-column", 2, "--metric", "spearman", "--threads", 1, "--epochs", 1, "--batch-size", 8, "--quiet"]
    succeeds("fine-tune", *from_scratch(words), *task, "--output", FOLDER / "scorer")
    succeeds("distill", *RECIPE, "--teacher", FOLDER / "scorer", *STUDENT, *task, "--output", FOLDER / "scores",
             "--meta-goal", "label", "--meta-share", 0.25, "--meta-batch", 2)
    check(set(steps_of(FOLDER / "scores")[0]["terms"]) == {"logits_mse", "regression_mse"}, "a regression has terms of its own")
    check(len(lines_of(FOLDER / "scores" / "sample_shares.jsonl")) == 6, "48 of 64 samples are trained on")


def check_refusals(line):
    wanted = FOLDER / "no"
    fails(["meta-share", "0.001", "96"], *line(wanted), *RECIPE, "--meta-share", 0.001, leaves=wanted)
    fails(["meta-share", "1.5"], *line(wanted), *RECIPE, "--meta-share", 1.5, leaves=wanted)
    fails(["recipe rw-kd", "samples=rw_kd"], *line(wanted), *RECIPE, "--loss", "cross_entropy", leaves=wanted)
    fails(["samples=rw_kd_rest", "needs a term"], *line(wanted), "--loss", "cross_entropy:samples=rw_kd_rest", leaves=wanted)
    for wrong in (["--variant", "naive"], [*RECIPE, "--meta-rate", 0.1], [*RECIPE, "--variant", "other"],
                  [*RECIPE, "--variant", "naive", "--meta-share", 0.2], ["--recipe", "rw"]):
        check(run(*line(wanted), *wrong).returncode == 2, f"wrong usage: {wrong}")
    check(not wanted.exists(), "what is refused leaves nothing")


vocabulary = make_vocabulary()
sst = write_task(FOLDER / "data")
teacher = make_teacher(sst, vocabulary)


def distillation(output, epochs=1, **others):
    return ["distill", "--teacher", teacher, *STUDENT, *training_of(sst, output, epochs=epochs, learning_rate=1e-2, **others)]


for name, count in (("look-ahead", 10), ("meta-network", 10), ("naive", 0)):
    check_variant(distillation, name, count)
check_transfer(distillation)
check_store(distillation)
check_regression(vocabulary)
check_refusals(distillation)
finish()
