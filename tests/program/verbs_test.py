#!/usr/bin/env python3
"""Every verb of the program from end to end, on small data and a tiny model."""
import json
import math
from pathlib import Path

from small_task import (FOLDER, TINY, check, distillation_of, finish, from_scratch, last_json, lines_of, make_vocabulary,
                        names_in, numbers, read_safetensors, run, succeeds, task_of, training_of, write_pairs, write_rows,
                        write_safetensors, write_task, write_texts)

VERBS = ["fine-tune", "distill", "pretrain", "store", "evaluate", "predict", "vocab", "tokenize", "trace",
         "report"]
MODEL_FILES = ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]


def check_usage():
    help_text = succeeds("--help").stdout
    for verb in VERBS:
        check(verb in help_text, f"--help names {verb}")
        text = succeeds(verb, "--help").stdout
        for option in ("--json", "--quiet", "--threads"):
            check(option in text, f"{verb} --help names {option}")
    for verb in ("fine-tune", "distill", "pretrain"):
        text = succeeds(verb, "--help").stdout
        for option in ("--epochs --batch-size --learning-rate --warmup --max-length --limit --dropout --clip --accumulate "
                       "--early-stop --weight-decay --precision --backend --output --config --resume --seed").split():
            check(option in text or option == "--config" and option in help_text, f"{verb} --help names {option}")
    version = succeeds("--version").stdout
    for word in ("limbeck ", "provider: ", "components: ", "SIMD level: "):
        check(word in version, f"--version tells {word}")
    for wrong in ([], ["unknown"], ["evaluate", "--model", "x", "--data", "y", "--task", "sst-2", "--seed", 1], ["fine-tune"], ["vocab", "--corpus", "x", "--size", "many", "--output", "y"],
                  ["evaluate", "--model", "x", "--data", "y", "--task", "sst-2", "--unknown"],
                  ["predict", "--model", "x", "--threads", 0],
                  ["fine-tune", "--data", "x", "--task", "sst-2", "--output", "y"],
                  ["fine-tune", "--model", "x", "--from-scratch", "layers=1", "--vocab", "v", "--data", "x", "--task", "rte",
                   "--output", "y"],
                  ["tokenize", "--vocab", "x", "--config", FOLDER / "no_such_file.toml"]):
        done = run(*wrong)
        check(done.returncode == 2, f"limbeck {wrong} ends with 2, not {done.returncode}")
        check(done.stderr.strip() != "" and done.stdout == "", f"limbeck {wrong} says on stderr what is wrong")


def check_backend():
    task = ("--task", "sst-2", "--output", FOLDER / "nowhere", "--backend", "cuda")
    done = run("fine-tune", "--model", FOLDER / "no_model", "--data", FOLDER / "no_data", *task)
    check(done.returncode == 1, "--backend cuda without a model ends with 1")
    # where there is a device, what is missing is the data
    check("cuda" in done.stderr or "no_data" in done.stderr, f"--backend cuda says what is missing: {done.stderr}")
    check("shared object" not in done.stderr, f"--backend cuda finds the module that the program loads: {done.stderr}")
    check(not (FOLDER / "nowhere").exists(), "--backend cuda leaves nothing where it cannot train")
    done = run("pretrain", "--corpus", FOLDER / "no_corpus.txt", "--vocab", FOLDER / "no_words", "--student", "layers=1",
               "--output", FOLDER / "nowhere", "--backend", "cuda")
    check(done.returncode == 1 and ("cuda" in done.stderr or "no_words" in done.stderr),
          f"pretrain --backend cuda says what is missing: {done.stderr}")


def check_words(vocabulary):
    pieces = vocabulary.read_text().splitlines()
    check(len(pieces) <= 120 and len(set(pieces)) == len(pieces), "the vocabulary has at most as many pieces as asked for")
    check(pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "special pieces come first")
    told = last_json(succeeds("vocab", "--corpus", FOLDER / "corpus.txt", "--size", 90, "--output", FOLDER / "again.txt",
                              "--json"))
    check(told["pieces"] == len((FOLDER / "again.txt").read_text().splitlines()), "vocab --json tells the number of pieces")
    lines = succeeds("tokenize", "--vocab", vocabulary, text="a Bright FILM\n\nthe story\n").stdout.splitlines()
    check(len(lines) == 3, "tokenize answers every line, empty ones too")
    first = [int(x) for x in lines[0].split()]
    check(first[0] == 2 and first[-1] == 3 and max(first) < len(pieces), "ids lie between [CLS] and [SEP]")
    words = "".join(pieces[i][2:] if pieces[i].startswith("##") else " " + pieces[i] for i in first[1:-1])
    check(words == " a bright film", f"ids stand for the line, not for{words}")
    check(lines[1] == "2 3", "an empty line is [CLS] and [SEP]")
    as_json = succeeds("tokenize", "--vocab", vocabulary, "--json", text="a Bright FILM\n").stdout
    check(json.loads(as_json) == first, "tokenize --json gives the same ids")
    cased = succeeds("tokenize", "--vocab", vocabulary, "--cased", text="FILM\n").stdout.split()
    check(1 in [int(x) for x in cased], "--cased does not lower the case")


def check_model_folder(folder):
    check(set(MODEL_FILES) | {"run.jsonl", "speed.json", "report.html"} <= set(names_in(folder)), f"{folder.name} is a model folder with its record")
    check({"last/" + name for name in MODEL_FILES} <= set(names_in(folder)), f"{folder.name}/last is a model folder")
    check(not [n for n in names_in(folder) if "checkpoint" in n or "partial" in n or "lock" in n],
          f"nothing temporary stays in {folder.name}: {names_in(folder)}")
    for line in lines_of(folder / "run.jsonl"):
        if not check(line["event"] in ("start", "step", "gradient_shares", "evaluation", "final", "end") and isinstance(line["step"], int), f"a record {line}"):
            return


def check_training(data, vocabulary):
    teacher = FOLDER / "teacher"
    done = succeeds("fine-tune", *from_scratch(vocabulary), *training_of(data, teacher, epochs=6), "--json", "--seed", 1)
    told = last_json(done)
    check(told["accuracy"] >= 0.9, f"a task of words is learned: {told}")
    check(told["updates"] == 72 and told["parameters"] > 0 and told["output"] == str(teacher), "fine-tune --json tells of the run")
    check("epoch 6/6" in done.stderr and "\r" not in done.stderr, "progress comes as plain lines where there is no terminal")
    check_model_folder(teacher)
    config = json.loads((teacher / "config.json").read_text())
    check(config["id2label"] == {"0": "negative", "1": "positive"}, "config.json names the task's labels")

    quiet = succeeds("fine-tune", "--model", teacher, *training_of(data, FOLDER / "again", epochs=1, limit=16,
                                                                     accumulate=2, clip=0.5, dropout=0, weight_decay=0.1,
                                                                     warmup=0.5, early_stop=1), "--quiet")
    check(quiet.stderr == "", "--quiet says nothing but results")
    check(sum(line["event"] == "step" for line in lines_of(FOLDER / "again" / "run.jsonl")) == 1,
          "--limit 16, batches of 8 and --accumulate 2 make one step")

    transfer = write_texts(FOLDER / "transfer.txt", count=40)
    student = FOLDER / "student"
    told = last_json(succeeds("distill", "--teacher", teacher, "--student", "layers=1,width=12,heads=2,inner=24",
                              "--transfer", transfer, *training_of(data, student, epochs=6, learning_rate=1e-2), "--json"))
    check(told["accuracy"] >= 0.8 and told["teacher_agreement"] >= 0.8, f"the student follows its teacher: {told}")
    steps = [line for line in lines_of(student / "run.jsonl") if line["event"] == "step"]
    check(len(steps) == 6 * 17, "96 samples and 40 texts make 17 batches of 8")
    check(set(steps[0]["terms"]) == {"soft_target_kl", "cross_entropy"}, "the default terms are those of Hinton")
    check_model_folder(student)
    check_same_bytes(data, teacher, transfer)

    deep = FOLDER / "deep"
    terms = ["hidden_mse:mapping=uniform,weight=0.5", "embedding_mse:weight=linear:1:0", "attention_mse:weight=0.1",
             "soft_target_reverse_kl:temperature=2", "jensen_shannon:beta=0.3", "decoupled_kd:temperature=2,weight=0.1",
             "soft_target_kl:temperature=exponential:4:1,weight=learned", "dist_kd", "annealing_kd:most_temperature=4",
             "attention_kl", "minilm_relations:heads=4,mapping=random:3:per_epoch", "cosine_loss", "relational_distance",
             "cross_entropy:samples=adakd_rest:1"]
    told = last_json(succeeds("distill", "--teacher", teacher, "--student", "layers=2,width=12,heads=2,inner=24",
                              *training_of(data, deep, epochs=1), *[x for t in terms for x in ("--loss", t)], "--json"))
    steps = [line for line in lines_of(deep / "run.jsonl") if line["event"] == "step"]
    check(set(steps[0]["terms"]) == {t.split(":")[0] for t in terms}, f"every term is recorded: {steps[0]}")
    start = lines_of(deep / "run.jsonl")[0]
    check(start["event"] == "start" and start["settings"]["loss"] == terms, f"the record begins with the terms: {start}")
    check(not [name for name in read_safetensors(deep / "model.safetensors") if "projection" in name or "variance" in name],
          "bug_20c: the student's file holds no projection")
    succeeds("evaluate", "--model", deep, *task_of(data))
    copied = FOLDER / "copied"
    told = last_json(succeeds("distill", "--teacher", teacher, "--student", "layers=1,from-teacher=1",
                              *training_of(data, copied, epochs=1), "--json", "--loss", "hidden_mse:mapping=last", "--loss",
                              "soft_target_kl"))
    check(json.loads((copied / "config.json").read_text())["num_hidden_layers"] == 1, "a student of copied layers")
    of_copied = told["parameters"]
    shared = FOLDER / "shared"
    told = last_json(succeeds("distill", "--teacher", teacher, "--student", "layers=1,from-teacher=1,sharing=sps",
                              *training_of(data, shared, epochs=1), "--json", "--loss", "patience:mapping=explicit:0-0:1-1",
                              "--loss", "soft_target_kl"))
    config = json.loads((shared / "config.json").read_text())
    check(config["num_hidden_layers"] == 2 and config["limbeck_sharing"] == {"layer_source": [0, 0], "exchanged_layers": [1]},
          f"a student of shared layers is saved as deep as it is used: {config}")
    check(told["parameters"] == of_copied, "shared layers add no parameters")
    succeeds("evaluate", "--model", shared, *task_of(data))
    return teacher, student


def check_same_bytes(data, teacher, transfer):
    """Two runs with the same seed on two threads."""
    outputs = [FOLDER / "once", FOLDER / "once_more"]
    for output in outputs:
        line = training_of(data, output, epochs=1, seed=4, transfer=transfer)
        line[line.index("--threads") + 1] = 2
        succeeds(*distillation_of(teacher, *line, losses=["soft_target_kl", "cross_entropy", "attention_mse"]))
    for name in MODEL_FILES + ["run.jsonl"]:
        check(len({(output / name).read_bytes() for output in outputs}) == 1, f"the same bytes of {name} from the same seed")


def check_use(data, teacher, student):
    told = last_json(succeeds("evaluate", "--model", student, "--teacher", teacher, *task_of(data), "--json"))
    check(set(told) == {"accuracy", "teacher_agreement", "calibration_error", "samples", "samples_per_second", "parameters"},
          f"evaluate --json has a key a metric: {sorted(told)}")
    check(told["samples"] == 40 and told["samples_per_second"] > 0 and 0 <= told["calibration_error"] <= 1, f"{told}")
    scores = {last_json(succeeds("evaluate", "--model", student, *task_of(data), "--json", "--batch-size", size))["accuracy"]
              for size in (1, 7, 64)}
    check(scores == {told["accuracy"]}, f"bug_28: the score does not depend on the batch size: {scores}")
    plain = succeeds("evaluate", "--model", student, *task_of(data)).stdout
    check(f"accuracy {told['accuracy']:.4f}" in plain, "evaluate tells the same to people")

    texts = "a splendid story\n\nthis dull grim film\n"
    lines = succeeds("predict", "--model", teacher, text=texts).stdout.splitlines()
    check([line.split("\t")[0] for line in lines][::2] == ["positive", "negative"] and len(lines) == 3,
          f"predict answers every line: {lines}")
    for line in lines:
        check(math.isclose(sum(float(x) for x in line.split("\t")[1:]), 1, abs_tol=1e-5), f"probabilities of {line}")
    (FOLDER / "texts.txt").write_text(texts)
    answers = [json.loads(line) for line in
               succeeds("predict", "--model", teacher, "--input", FOLDER / "texts.txt", "--json").stdout.splitlines()]
    check([a["label"] for a in answers] == [line.split("\t")[0] for line in lines], "predict --json says the same")
    check(set(answers[0]["probabilities"]) == {"negative", "positive"}, f"probabilities have names: {answers[0]}")

    batch = write_safetensors(FOLDER / "batch.safetensors",
                              {"input_ids": ("I64", [2, 5], [2, 9, 8, 7, 3, 2, 9, 3, 0, 0]),
                               "attention_mask": ("I64", [2, 5], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0])})
    traced = FOLDER / "traced.safetensors"
    succeeds("trace", "--model", teacher, "--input", batch, "--output", traced)
    found = read_safetensors(traced)
    wanted = {f"hidden_{i}": [2, 5, 16] for i in range(3)} | {"logits": [2, 2]}
    for layer in range(2):
        wanted |= {f"{name}_{layer}": [2, 5, 16] for name in ("queries", "keys", "values")}
        wanted |= {f"{name}_{layer}": [2, 2, 5, 5] for name in ("scores", "probs")}
    check({name: shape for name, (_, shape, _) in found.items()} == wanted, f"trace writes every signal: {sorted(found)}")
    rows = numbers(found["probs_1"])
    check(math.isclose(sum(rows[:5]), 1, abs_tol=1e-5), "a row of probabilities sums to 1")
    check(rows[50 + 3:50 + 5] == [0, 0] and math.isclose(sum(rows[50:53]), 1, abs_tol=1e-5), "padding gets no attention")
    check(numbers(found["hidden_2"])[2 * 80 - 32:] == [0] * 32, "padding has no hidden state")


def check_regression(vocabulary):
    pairs = write_pairs(FOLDER / "pairs")
    task = ["--data", pairs, "--task", "tsv", "--text-column", 0, "--pair-column", 1, "--label-column", 2, "--metric",
            "spearman", "--threads", 1]
    teacher, student = FOLDER / "scorer", FOLDER / "small_scorer"
    succeeds("fine-tune", *from_scratch(vocabulary), *task, "--output", teacher, "--epochs", 3, "--batch-size", 8,
             "--learning-rate", 5e-3, "--quiet")
    told = last_json(succeeds("distill", "--teacher", teacher, "--student", "layers=1,width=8,heads=1", *task, "--output",
                              student, "--epochs", 2, "--batch-size", 8, "--json"))
    check("spearman" in told and "teacher_agreement" in told, f"a regression distils like a classification: {told}")
    told = last_json(succeeds("evaluate", "--model", student, *task, "--json"))
    check(set(told) == {"spearman", "samples", "samples_per_second", "parameters"}, f"of a regression: {sorted(told)}")
    (line,) = succeeds("predict", "--model", student, "--json", text="a story\tthe film\n").stdout.splitlines()
    check(set(json.loads(line)) == {"score"}, f"a score: {line}")


def check_other_tasks(vocabulary):
    """Classes with names of their own, in another order than the model has them."""
    rows = [("happy", "a lovely film"), ("sad", "a dull film"), ("calm", "a film")] * 16
    for name in ("train", "dev"):
        write_rows(FOLDER / "moods" / f"{name}.tsv", rows)
    task = ["--data", FOLDER / "moods", "--task", "tsv", "--text-column", 1, "--label-column", 0, "--metric", "f1_macro",
            "--threads", 1]
    teacher = FOLDER / "moods_teacher"
    succeeds("fine-tune", *from_scratch(vocabulary), *task, "--output", teacher, "--epochs", 30, "--batch-size", 8,
             "--learning-rate", 5e-3, "--quiet")
    score = last_json(succeeds("evaluate", "--model", teacher, *task, "--json"))["f1_macro"]
    check(score > 0.9, f"three classes are learned: {score}")
    # the same opinions under another order of the labels
    tensors = {name: (kind, shape, numbers((kind, shape, data)))
               for name, (kind, shape, data) in read_safetensors(teacher / "model.safetensors").items()}
    turned = FOLDER / "turned"
    turned.mkdir()
    for name in ("vocab.txt", "tokenizer_config.json"):
        (turned / name).write_bytes((teacher / name).read_bytes())
    config = json.loads((teacher / "config.json").read_text())
    labels = [config["id2label"][str(i)] for i in range(3)]
    order = [2, 0, 1]
    config["id2label"] = {str(i): labels[order[i]] for i in range(3)}
    config["label2id"] = {name: int(i) for i, name in config["id2label"].items()}
    (turned / "config.json").write_text(json.dumps(config))
    kind, shape, values = tensors["classifier.weight"]
    tensors["classifier.weight"] = (kind, shape, [x for row in order for x in values[row * shape[1]:(row + 1) * shape[1]]])
    kind, shape, values = tensors["classifier.bias"]
    tensors["classifier.bias"] = (kind, shape, [values[row] for row in order])
    write_safetensors(turned / "model.safetensors", tensors)
    told = last_json(succeeds("evaluate", "--model", turned, "--teacher", teacher, *task, "--json"))
    check(told["f1_macro"] == score and told["teacher_agreement"] == 1, f"bug_23c: labels are matched by name: {told}")
    for student in ("layers=2,from-teacher=0:1", turned):  # learns nothing, so it must agree from the beginning
        told = last_json(succeeds("distill", "--teacher", turned, "--student", student, *task, "--output",
                                  FOLDER / f"head_{Path(student).name[:6]}", "--epochs", 1, "--learning-rate", 0, "--json"))
        check(told["f1_macro"] == score and told["teacher_agreement"] == 1,
              f"bug_23c: a student that starts as {student} has its head in the task's order: {told}")
    told = last_json(succeeds("fine-tune", "--model", turned, *task, "--output", FOLDER / "head_tuned", "--epochs", 1,
                              "--learning-rate", 0, "--json"))
    check(told["f1_macro"] == score, f"bug_23c: so has a model that is tuned further: {told}")


def check_config(data, vocabulary):
    config = FOLDER / "run.toml"
    output = FOLDER / "configured"
    config.write_text(f"""[fine-tune]
from-scratch = "{TINY}"
vocab = "{vocabulary}"
data = "{data}"
task = "sst-2"
output = "{output}"
epochs = 3
batch-size = 48
learning-rate = 1e-3

[evaluate]
model = "{output}"
data = "{data}"
task = "sst-2"

[distill]
teacher = "{output}"
student = "layers=1,width=8,heads=2"
data = "{data}"
task = "sst-2"
output = "{output}_student"
batch-size = 48
loss = ["soft_target_kl:temperature=3,weight=0.5", "cross_entropy:weight=0.5"]
epochs = 1
""")
    succeeds("fine-tune", "--config", config, "--epochs", 2, "--quiet")
    steps = [line for line in lines_of(output / "run.jsonl") if line["event"] == "step"]
    check(len(steps) == 4, f"--config gives batches of 48, the command line two epochs: {len(steps)} steps")
    check(last_json(succeeds("evaluate", "--config", config, "--json"))["samples"] == 40, "evaluate reads its own section")
    succeeds("distill", "--config", config, "--quiet")
    steps = [line for line in lines_of(f"{output}_student/run.jsonl") if line["event"] == "step"]
    check(set(steps[0]["terms"]) == {"soft_target_kl", "cross_entropy"} and len(steps) == 2, f"terms of a file: {steps[0]}")
    config.write_text("[evaluate]\nmodle = \"x\"\n")
    done = run("evaluate", "--config", config, "--model", output, *task_of(data))
    check(done.returncode == 2 and "modle" in done.stderr, f"a misspelt setting is refused: {done.returncode} {done.stderr}")


check_usage()
words = make_vocabulary()
check_words(words)
check_backend()
sst = write_task(FOLDER / "data")
big, small = check_training(sst, words)
check_use(sst, big, small)
check_regression(words)
check_other_tasks(words)
check_config(sst, words)
finish()
