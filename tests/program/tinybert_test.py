#!/usr/bin/env python3
"""The recipe of TinyBERT on a tiny model: its stages, and that a run killed in or between them ends with the same bytes."""
import json
import shutil
import signal

from small_task import (FOLDER, check, copy_of, fails, finish, lines_of, make_teacher, make_vocabulary, names_in, numbers,
                        read_safetensors, repeated_files, run, start, succeeds, training_of, wait_until, write_pairs,
                        write_safetensors, write_task, write_texts)

SIZES = "layers=4,width=16,heads=2,inner=32"
SECONDS = 60


def without_head(model, name):
    """The folder of an encoder: no classifier in it, and nothing that guesses words."""
    folder = copy_of(model, name)
    kept = {key: (kind, shape, numbers((kind, shape, data)))
            for key, (kind, shape, data) in read_safetensors(model / "model.safetensors").items()
            if not key.startswith(("classifier.", "bert.pooler.", "cls."))}
    write_safetensors(folder / "model.safetensors", kept)
    return folder


words = make_vocabulary()
data = write_task(FOLDER / "data", train=96)
teacher = make_teacher(data, words, sizes=SIZES)
encoder = without_head(make_teacher(data, words, "pretrained", epochs=1, sizes=SIZES), "encoder")
corpus = write_texts(FOLDER / "unlabelled.txt", seed=9, count=96)


def recipe(output, epochs=2, **more):
    options = {"seed": 5, "general_teacher": encoder, "corpus": corpus, "general_epochs": 2,
               "intermediate_epochs": 2, "augment": 2} | more
    return ["distill", "--recipe", "tinybert", "--teacher", teacher, "--student", "layers=2,width=12,heads=2,inner=24",
            *training_of(data, output, epochs, **options)]


def check_same(output, unbroken, what):
    check(names_in(output) == names_in(unbroken), f"{what}: the same files in the end: {names_in(output)}")
    for name in repeated_files(unbroken):
        check((output / name).read_bytes() == (unbroken / name).read_bytes(), f"{what}: the bytes of {name}")


def kill_in(stage, line):
    """Kills the run once the stage has a checkpoint. There is one after each step; where they are changes no bit."""
    process = start(*line, "--save-every", 0)
    wait_until((stage / "checkpoint.safetensors").exists, process, SECONDS)
    process.kill()
    process.communicate()
    check(process.returncode == -signal.SIGKILL, f"killed in {stage.name}")


def check_stages(unbroken):
    told = json.loads(succeeds(*recipe(unbroken), "--json").stdout.splitlines()[-1])
    check(told["output"] == str(unbroken) and "accuracy" in told and "teacher_agreement" in told, f"the last stage's: {told}")
    folders = {"general": unbroken / "general", "intermediate": unbroken / "intermediate", "prediction": unbroken}
    for stage, folder in folders.items():
        records = lines_of(folder / "run.jsonl")
        settings = records[0]["settings"]
        check(settings["verb"] == f"tinybert, stage {stage}", f"{stage}: {settings}")
        evaluated = any(r["event"] == "evaluation" for r in records)
        check(evaluated == (stage == "prediction"), f"{stage}: predictions alone are evaluated")
        terms = set(next(r for r in records if r["event"] == "step")["terms"])
        wanted = {"soft_cross_entropy"} if stage == "prediction" else {"attention_mse", "hidden_mse", "embedding_mse"}
        check(terms == wanted, f"{stage}: {terms}")
        check(not (folder / "checkpoint.safetensors").exists() and (folder / "model.safetensors").exists(), f"{stage} is complete")
    losses = {stage: [r["loss"] for r in lines_of(folder / "run.jsonl") if r["event"] == "step"]
              for stage, folder in folders.items()}
    for stage, (first, *_, last) in losses.items():
        check(last < first, f"{stage} learns: {first} to {last}")
    check(len(losses["intermediate"]) == 2 * 36, f"96 samples and two copies of each, in batches of 8: {len(losses['intermediate'])} steps")
    return folders


def check_resume(unbroken, folders):
    for stage, folder in folders.items():
        output = FOLDER / f"killed_in_{stage}"
        inside = output / folder.relative_to(unbroken)
        kill_in(inside, recipe(output))
        fails(["stopped", "--resume"], *recipe(output))
        succeeds(*recipe(output), "--resume")
        check_same(output, unbroken, f"killed in {stage}")
    for done in (["general"], ["general", "intermediate"]):
        output = FOLDER / f"between_{len(done)}"
        for stage in done:
            shutil.copytree(unbroken / stage, output / stage)
        fails(["stopped", "--resume"], *recipe(output))
        succeeds(*recipe(output), "--resume")
        check_same(output, unbroken, f"stopped behind {done[-1]}")
    succeeds(*recipe(unbroken), "--resume")
    check_same(unbroken, output, "a complete run is not run again")
    fails(["general", "epochs is 2", "3 now"], *recipe(unbroken, general_epochs=3), "--resume")
    check_same(unbroken, output, "other settings change nothing")


def check_old_stages_are_not_taken(unbroken):
    """A fresh run into the folder of a complete one, killed in its first stage, has nothing of the other's in the end."""
    output = FOLDER / "used"
    succeeds(*recipe(output, seed=6))
    kill_in(output / "general", recipe(output))
    check(not (output / "run.jsonl").exists() and not (output / "intermediate" / "run.jsonl").exists(), "the others' records went")
    succeeds(*recipe(output), "--resume")
    check_same(output, unbroken, "in a used folder")


def check_runs_of_others():
    """What is not of the recipe is neither gone on from nor overwritten under --resume."""
    output = FOLDER / "plain"
    succeeds("distill", "--teacher", teacher, "--student", "layers=2,width=12,heads=2", *training_of(data, output, epochs=1), "--quiet")
    before = {name: (output / name).read_bytes() for name in names_in(output)}
    fails([output, "not of this recipe"], *recipe(output), "--resume", leaves=output)
    check({name: (output / name).read_bytes() for name in names_in(output)} == before, "a complete run of others stays")


def check_refusals():
    nowhere = FOLDER / "nowhere"
    line = ["distill", "--teacher", teacher, "--student", "layers=2,width=12,heads=2", *training_of(data, nowhere)]
    fails(["general teacher", "corpus"], *line, "--recipe", "tinybert", "--corpus", corpus, leaves=nowhere)
    fails(["no_such_term"], *line, "--recipe", "tinybert", "--loss", "no_such_term", leaves=nowhere)
    fails(["stage intermediate", "epochs"], *line, "--recipe", "tinybert", "--intermediate-epochs", 0, leaves=nowhere)
    check(not nowhere.exists(), "what is refused leaves no folder")
    for wrong in (["--corpus", corpus], ["--recipe", "goldbert"], ["--recipe", "none", "--intermediate-epochs", 3]):
        done = run(*line, *wrong)
        check(done.returncode == 2 and done.stderr.strip() != "", f"{wrong} is wrong usage: {done.returncode}")


def check_regression():
    """Scores: the last stage learns from labels. No general stage without a corpus."""
    pairs = write_pairs(FOLDER / "pairs")
    task = ["--data", pairs, "--task", "tsv", "--pair-column", 1, "--label-column", 2, "--metric", "pearson", "--max-length", 24,
            "--threads", 1, "--learning-rate", 3e-3, "--quiet"]
    scorer, student = FOLDER / "scorer", FOLDER / "score_student"
    succeeds("fine-tune", "--from-scratch", SIZES, "--vocab", words, *task, "--output", scorer)
    succeeds("distill", "--recipe", "tinybert", "--teacher", scorer, "--student", "layers=2,from-teacher=1:3", *task, "--epochs", 2,
             "--intermediate-epochs", 2, "--augment", 1, "--output", student)
    check(not (student / "general").exists() and (student / "intermediate").exists(), "two stages")
    records = lines_of(student / "run.jsonl")
    check(records[0]["settings"]["loss"] == ["regression_mse"], f"labels alone: {records[0]['settings']['loss']}")
    steps = {name: sum(r["event"] == "step" for r in lines_of(folder / "run.jsonl"))
             for name, folder in (("intermediate", student / "intermediate"), ("prediction", student))}
    check(steps == {"intermediate": 8, "prediction": 4}, f"copies have no label to learn from: {steps}")


def check_guesses():
    """A general teacher that guesses words says what gives way to what."""
    masked = FOLDER / "masked"
    succeeds("pretrain", "--corpus", corpus, "--vocab", words, "--student", SIZES, "--output", masked, "--epochs", 1,
             "--max-length", 16, "--threads", 1, "--quiet")
    samples = {}
    for name, general in (("guessed", masked), ("nearest", without_head(masked, "without_guesses"))):
        output = FOLDER / name
        succeeds(*recipe(output, general_teacher=general, epochs=1, general_epochs=1, intermediate_epochs=1))
        settings = {stage: lines_of(output / stage / "run.jsonl")[0]["settings"] for stage in ("general", "intermediate")}
        samples[name] = [of_stage["fingerprint of the samples"] for of_stage in settings.values()]
    check(samples["guessed"][0] == samples["nearest"][0], "the corpus is the same")
    check(samples["guessed"][1] != samples["nearest"][1], "the copies are others")


unbroken = FOLDER / "unbroken"
folders = check_stages(unbroken)
check_resume(unbroken, folders)
check_old_stages_are_not_taken(unbroken)
check_runs_of_others()
check_refusals()
check_guesses()
check_regression()
finish()
