#!/usr/bin/env python3
"""The recipe of Pea-KD on a tiny model: labels from the teacher's predictions, a student whose layers share weights, and that a run
killed in or between its stages ends with the same bytes."""
import json
import re
import shutil
import signal
import statistics

from small_task import (FOLDER, check, fails, finish, lines_of, make_teacher, make_vocabulary, names_in, numbers,
                        read_safetensors, repeated_files, run, start, succeeds, task_of, training_of, wait_until,
                        write_pairs, write_task, write_texts)

SIZES = "layers=4,width=16,heads=2,inner=32"
SECONDS = 60
CLASSES = ["confidently_correct", "unconfidently_correct", "confidently_wrong", "unconfidently_wrong"]

words = make_vocabulary()
data = write_task(FOLDER / "data", train=96)
teacher = make_teacher(data, words, epochs=2, sizes=SIZES)
transfer = write_texts(FOLDER / "unlabelled.txt", seed=9, count=48)


def recipe(output, student="layers=2,from-teacher=0:2,sharing=sps", **more):
    options = {"seed": 5, "transfer": transfer, "ptp_epochs": 2, "ptp_learning_rate": 3e-3, "ptp_thresholds": "auto"} | more
    return ["distill", "--recipe", "pea-kd", "--teacher", teacher, "--student", student, *training_of(data, output, **options)]


def settings_of(folder):
    return lines_of(folder / "run.jsonl")[0]["settings"]


def thresholds_of(folder):
    return [float(number) for number in re.findall(r"above (\S+) and (\S+)", settings_of(folder / "ptp")["task"])[0]]


def teachers_confidences():
    """Of the training samples, by what `predict` says: those that the teacher is right of, and the others."""
    rows = [line.split("\t") for line in (data / "train.tsv").read_text().splitlines()[1:]]
    said = succeeds("predict", "--model", teacher, "--max-length", 16, "--threads", 1, "--json",
                    text="".join(text + "\n" for text, _ in rows)).stdout
    right, wrong = [], []
    for (_, label), line in zip(rows, said.splitlines(), strict=True):
        answer = json.loads(line)
        (right if answer["label"] == ["negative", "positive"][int(label)] else wrong).append(max(answer["probabilities"].values()))
    check(len(right) > 10 and len(wrong) > 3, f"a teacher that is right of {len(right)} and wrong of {len(wrong)}")
    return right, wrong


def check_labels(output, complaint):
    right, wrong = teachers_confidences()
    medians = [statistics.median(right), statistics.median(wrong)]
    above = thresholds_of(output)
    check(all(abs(a - b) < 1e-4 for a, b in zip(above, medians)), f"thresholds {above}, medians {medians}")
    told = [int(n) for n in re.findall(r"right of (\d+).* of (\d+) with.*wrong of (\d+), of (\d+) above", complaint)[0]]
    check(told == [len(right), len(right) // 2, len(wrong), len(wrong) // 2], f"half of {len(right)} and {len(wrong)}: {told}")
    config = json.loads((output / "ptp" / "config.json").read_text())
    check([config["id2label"][str(c)] for c in range(4)] == CLASSES, f"four classes: {config['id2label']}")


def check_stages(unbroken):
    line = recipe(unbroken)
    done = succeeds(*line, "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    check(told["output"] == str(unbroken) and "accuracy" in told and "teacher_agreement" in told, f"the last stage's: {told}")
    check_labels(unbroken, done.stderr)
    folders = {"ptp": unbroken / "ptp", "distillation": unbroken}
    terms = {"ptp": {"cross_entropy"}, "distillation": {"soft_target_kl", "cross_entropy", "patience"}}
    for stage, folder in folders.items():
        check(settings_of(folder)["verb"] == f"pea-kd, stage {stage}", f"{stage}: {settings_of(folder)}")
        steps = [r for r in lines_of(folder / "run.jsonl") if r["event"] == "step"]
        check(set(steps[0]["terms"]) == terms[stage], f"{stage}: {steps[0]['terms']}")
        check(steps[-1]["loss"] < steps[0]["loss"], f"{stage} learns: {steps[0]['loss']} to {steps[-1]['loss']}")
        samples = 96 if stage == "ptp" else 96 + 48
        check(len(steps) == 2 * samples / 8, f"{stage}: texts without a label are distilled alone: {len(steps)} steps")
        check(not (folder / "checkpoint.safetensors").exists(), f"{stage} is complete")
    return told, folders


def check_shared(output, told):
    """Saved as a model of four layers, and with the weights of two."""
    config = json.loads((output / "config.json").read_text())
    check(config["num_hidden_layers"] == 4 and "limbeck_sharing" in config, f"unrolled: {config}")
    tensors = read_safetensors(output / "model.safetensors")
    for layer in (0, 1):
        prefix = "bert.encoder.layer.%d.attention.self.%s.weight"
        check(tensors[prefix % (layer + 2, "query")] == tensors[prefix % (layer, "key")], f"layer {layer + 2} has exchanged queries")
        check(tensors[prefix % (layer + 2, "value")] == tensors[prefix % (layer, "value")], f"layer {layer + 2} has the same values")
    again = json.loads(succeeds("evaluate", "--model", output, "--teacher", teacher, *task_of(data), "--json").stdout)
    for key in ("accuracy", "teacher_agreement", "parameters"):
        check(again[key] == told[key], f"read back: {key} is {again[key]}, was {told[key]}")
    plain = FOLDER / "plain"
    beside = json.loads(succeeds(*recipe(plain, student="layers=2,from-teacher=0:2", epochs=1, ptp_epochs=1), "--json").stdout.splitlines()[-1])
    check(beside["parameters"] == told["parameters"], f"{told['parameters']} weights, {beside['parameters']} of a plain student")


def check_head():
    """A distillation that learns nothing: the encoder of the first stage under the head that the student began with."""
    output = FOLDER / "head"
    succeeds(*recipe(output, epochs=1, ptp_epochs=1, learning_rate=0))
    end, pretrained, began = (read_safetensors(folder / "model.safetensors") for folder in (output, output / "ptp", teacher))
    check(all(end[name] == began[name] for name in end if name.startswith("classifier.")), "the student's own head")
    encoder = [name for name in end if not name.startswith("classifier.")]
    check(all(end[name] == pretrained[name] for name in encoder), "the pretrained encoder")
    name = "bert.encoder.layer.0.attention.output.dense.weight"
    check(numbers(end[name]) != numbers(began[name]), "which is not the teacher's any more")


def check_same(output, unbroken, what):
    check(names_in(output) == names_in(unbroken), f"{what}: the same files in the end: {names_in(output)}")
    for name in repeated_files(unbroken):
        check((output / name).read_bytes() == (unbroken / name).read_bytes(), f"{what}: the bytes of {name}")


def check_resume(unbroken, folders):
    for stage, folder in folders.items():
        output = FOLDER / f"killed_in_{stage}"
        process = start(*recipe(output), "--save-every", 0)
        wait_until((output / folder.relative_to(unbroken) / "checkpoint.safetensors").exists, process, SECONDS)
        process.kill()
        process.communicate()
        check(process.returncode == -signal.SIGKILL, f"killed in {stage}")
        fails(["stopped", "--resume"], *recipe(output))
        succeeds(*recipe(output), "--resume")
        check_same(output, unbroken, f"killed in {stage}")
    output = FOLDER / "between"
    shutil.copytree(unbroken / "ptp", output / "ptp")
    succeeds(*recipe(output), "--resume")
    check_same(output, unbroken, "stopped behind ptp")
    succeeds(*recipe(unbroken), "--resume")
    check_same(unbroken, output, "a complete run is not run again")
    fails(["ptp", "other settings", "fingerprint of the samples"], *recipe(unbroken, ptp_thresholds="0.9:0.5"), "--resume")
    check_same(unbroken, output, "other settings change nothing")


def check_store(unbroken):
    """Kept logits make the same labels and the same student."""
    store, output = FOLDER / "kept.safetensors", FOLDER / "from_store"
    succeeds("store", "--teacher", teacher, *task_of(data), "--transfer", transfer, "--output", store)
    succeeds(*recipe(output, store=store))
    check((output / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes(), "the store's student")
    check(settings_of(output / "ptp") == settings_of(unbroken / "ptp"), "the store's labels")


def check_refusals():
    nowhere = FOLDER / "nowhere"
    fails(["0.9;0.5", "expected"], *recipe(nowhere, ptp_thresholds="0.9;0.5"), leaves=nowhere)
    fails(["stage distillation", "patience", "widths must agree"],
          *recipe(nowhere, student="layers=2,width=12,heads=2"), leaves=nowhere)
    fails(["stage ptp", "epochs"], *recipe(nowhere, ptp_epochs=0), leaves=nowhere)
    pairs = write_pairs(FOLDER / "pairs")
    fails(["is a regression"], "distill", "--recipe", "pea-kd", "--teacher", teacher, "--student", "layers=2,from-teacher=0:2", "--data",
          pairs, "--task", "tsv", "--pair-column", 1, "--label-column", 2, "--metric", "pearson", "--output", nowhere, leaves=nowhere)
    check(not nowhere.exists(), "what is refused leaves no folder")
    done = run("distill", "--recipe", "tinybert", "--teacher", teacher, "--student", SIZES, *training_of(data, nowhere), "--ptp-epochs", 3)
    check(done.returncode == 2 and "pea-kd" in done.stderr, f"another recipe's option is wrong usage: {done.stderr}")


def check_one_layer():
    """No layer but the last: nothing for patience, which leaves the last out. The table's thresholds are for SST-2."""
    output = FOLDER / "one_layer"
    succeeds(*recipe(output, student="layers=1,from-teacher=0", epochs=1, ptp_epochs=1, ptp_thresholds="paper"))
    check(thresholds_of(output) == [0.98, 0.8], f"the published thresholds: {thresholds_of(output)}")
    step = next(r for r in lines_of(output / "run.jsonl") if r["event"] == "step")
    check(set(step["terms"]) == {"soft_target_kl", "cross_entropy"}, f"one layer: {step['terms']}")


unbroken = FOLDER / "unbroken"
told, folders = check_stages(unbroken)
check_shared(unbroken, told)
check_head()
check_resume(unbroken, folders)
check_store(unbroken)
check_refusals()
check_one_layer()
finish()
