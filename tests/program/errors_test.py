#!/usr/bin/env python3
"""What goes wrong ends with one clear line on stderr, exit status 1, and nothing half-written."""
import math
import struct

from small_task import (FOLDER, changed_config, check, copy_of, fails, finish, from_scratch, make_teacher, make_vocabulary,
                        names_in, numbers, read_safetensors, run, start, succeeds, task_of, training_of, write_rows,
                        write_safetensors, write_task, write_texts)


def check_files(data, vocabulary, model):
    missing = FOLDER / "missing"
    out = FOLDER / "not_written"
    for verb in (["evaluate", "--model", missing, *task_of(data)], ["predict", "--model", missing],
                 ["fine-tune", "--model", missing, *training_of(data, out)],
                 ["distill", "--teacher", missing, "--student", "layers=1,width=8,heads=2", *training_of(data, out)],
                 ["trace", "--model", missing, "--input", "x", "--output", out]):
        fails([missing], *verb, text="a\n", leaves=out)
    fails([missing / "train.tsv"], "fine-tune", "--model", model, *training_of(missing, out), leaves=out)
    fails([missing / "dev.tsv"], "evaluate", "--model", model, *task_of(missing))
    fails([missing], "vocab", "--corpus", missing, "--size", 50, "--output", out, leaves=out)
    fails([missing], "tokenize", "--vocab", missing, text="a\n")
    fails([missing], "predict", "--model", model, "--input", missing)
    fails([missing], "distill", "--teacher", model, "--student", "layers=1,width=8,heads=2", "--transfer", missing,
          *training_of(data, out), leaves=out)
    fails([missing], "trace", "--model", model, "--input", missing, "--output", out, leaves=out)

    empty = FOLDER / "empty.txt"
    empty.write_text("")
    nothing = FOLDER / "no_rows"
    for name in ("train.tsv", "dev.tsv"):
        write_rows(nothing / name, [])
    fails([empty, "empty"], "tokenize", "--vocab", empty, text="a\n")
    fails([empty, "empty"], "distill", "--teacher", model, "--student", "layers=1,width=8,heads=2", "--transfer", empty,
          *training_of(data, out), leaves=out)
    fails([nothing / "train.tsv"], "fine-tune", *from_scratch(vocabulary), *training_of(nothing, out), leaves=out)
    write_rows(nothing / "dev.tsv", [("sentence", "label")])
    fails([nothing / "dev.tsv", "no rows"], "evaluate", "--model", model, *task_of(nothing))

    fails([data / "train.tsv"], "fine-tune", *from_scratch(vocabulary), *training_of(data, data / "train.tsv"))
    fails([data / "train.tsv"], "fine-tune", *from_scratch(vocabulary), *training_of(data, data / "train.tsv" / "below"))


def check_weights(data, model):
    out = FOLDER / "not_written"
    whole = (model / "model.safetensors").read_bytes()
    cut = copy_of(model, "cut")
    file = cut / "model.safetensors"
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        fails([file], "evaluate", "--model", cut, *task_of(data))
    file.write_bytes(struct.pack("<Q", 2 ** 62) + whole[8:])
    fails([file], "predict", "--model", cut, text="a\n")
    fails([file], "distill", "--teacher", cut, "--student", "layers=1,width=8,heads=2", *training_of(data, out), leaves=out)
    file.write_bytes(whole[:8] + b"x" + whole[9:])
    fails([file], "predict", "--model", cut, text="a\n")

    other = changed_config(copy_of(model, "other_width"), hidden_size=32)
    fails([other / "model.safetensors", "32", "16"], "evaluate", "--model", other, *task_of(data))
    fails([other / "model.safetensors"], "fine-tune", "--model", other, *training_of(data, out), leaves=out)
    deeper = changed_config(copy_of(model, "deeper"), num_hidden_layers=5)
    fails([deeper, "layer.2."], "predict", "--model", deeper, text="a\n")
    strange = changed_config(copy_of(model, "strange"), model_type="roberta")
    fails([strange / "config.json", "roberta"], "predict", "--model", strange, text="a\n")
    heads = changed_config(copy_of(model, "heads"), num_attention_heads=3)
    fails(["3", "16"], "predict", "--model", heads, text="a\n")

    words = copy_of(model, "words")
    with (words / "vocab.txt").open("a") as file:
        file.write("surplus\n")
    count = len((words / "vocab.txt").read_text().splitlines())
    for verb in (["evaluate", "--model", words, *task_of(data)], ["predict", "--model", words],
                 ["fine-tune", "--model", words, *training_of(data, out)],
                 ["distill", "--teacher", words, "--student", "layers=1,width=8,heads=2", *training_of(data, out)]):
        fails([words / "vocab.txt", count, count - 1], *verb, text="a\n", leaves=out)
    pieces = (model / "vocab.txt").read_text().splitlines()
    pieces[8], pieces[9] = pieces[9], pieces[8]
    turned = copy_of(model, "turned_words")
    (turned / "vocab.txt").write_text("\n".join(pieces) + "\n")
    fails([turned, "vocabulary"], "distill", "--teacher", model, "--student", turned, *training_of(data, out), leaves=out)

    batch = FOLDER / "batch.safetensors"
    traced = FOLDER / "traced.safetensors"
    write_safetensors(batch, {"input_ids": ("I64", [1, 3], [2, 5000, 3])})
    fails(["5000"], "trace", "--model", model, "--input", batch, "--output", traced, leaves=traced)
    write_safetensors(batch, {"input_ids": ("I64", [1, 3], [2, 9, 3]), "attention_mask": ("I64", [1, 3], [1, 0, 1])})
    fails([batch, "attention_mask"], "trace", "--model", model, "--input", batch, "--output", traced, leaves=traced)
    write_safetensors(batch, {"attention_mask": ("I64", [1, 3], [1, 0, 1])})
    fails([batch, "input_ids"], "trace", "--model", model, "--input", batch, "--output", traced, leaves=traced)
    check(not traced.exists(), "trace writes nothing where it fails")


def check_data(data, vocabulary, model):
    out = FOLDER / "not_written"
    rows = [("sentence", "label")] + [("a film", 1), ("a dull film", 0)] * 4
    bad = FOLDER / "bad_rows"
    for row, words in ((("a story", 2), ["line 10", '"2"', "0, 1"]), (("a story", "x"), ["line 10", '"x"']),
                       (("a story",), ["line 10"])):
        write_rows(bad / "train.tsv", rows + [row])
        write_rows(bad / "dev.tsv", rows)
        fails([bad / "train.tsv", *words], "fine-tune", *from_scratch(vocabulary), *training_of(bad, out), leaves=out)
        write_rows(bad / "dev.tsv", rows + [row])
        fails([bad / "dev.tsv", *words], "evaluate", "--model", model, *task_of(bad))
    write_rows(bad / "train.tsv", [("a film", "b", "1.5"), ("a film", "b", "much")])
    write_rows(bad / "dev.tsv", [("a film", "b", "1.5")])
    columns = ["--task", "tsv", "--pair-column", 1, "--label-column", 2, "--metric", "pearson"]
    fails([bad / "train.tsv", "line 2", '"much"'], "fine-tune", *from_scratch(vocabulary), "--data", bad, *columns,
          "--output", out, leaves=out)
    fails([data / "train.tsv", "line 1", "8"], "fine-tune", *from_scratch(vocabulary), "--data", data, "--task", "tsv", "--label-column", 7, "--output",
          out, leaves=out)
    fails(["no-such-task", "sst-2"], "evaluate", "--model", model, "--data", data, "--task", "no-such-task")
    fails(["bleu", "accuracy"], "evaluate", "--model", model, "--data", data, "--task", "tsv", "--metric", "bleu")
    three = FOLDER / "three"
    for name in ("train.tsv", "dev.tsv"):
        write_rows(three / name, [("a", "x"), ("b", "y"), ("c", "z")] * 3)
    fails(["2 classes", "3"], "evaluate", "--model", model, "--data", three, "--task", "tsv")
    fails(["2 classes", "3"], "distill", "--teacher", model, "--student", "layers=1,width=8,heads=2", "--data", three,
          "--task", "tsv", "--output", out, leaves=out)


def check_precision(vocabulary, data):
    """bf16 trains, or is refused by name where this processor or this build gains nothing by it."""
    out = FOLDER / "narrow"
    fine_tune = ["fine-tune", *from_scratch(vocabulary), *training_of(data, out), "--precision", "bf16"]
    if run(*fine_tune).returncode == 0:
        check((out / "model.safetensors").exists(), "training in bf16 writes a model")
    else:
        fails(["--precision bf16"], *fine_tune, leaves=out)


def check_settings(data, vocabulary, model):
    out = FOLDER / "not_trained"
    student = ["distill", "--teacher", model, "--student", "layers=2,width=8,heads=2"]
    for terms, words in ((["kl"], ["kl", "soft_target_kl"]), (["soft_target_kl:temp=1"], ["temp", "temperature"]),
                         (["soft_target_kl:temperature=0"], ["positive"]), (["hidden_mse:projection=none"], ["8", "16"]),
                         (["cross_entropy:label_smoothing=2"], ["label_smoothing"]), (["regression_mse"], ["cross_entropy"]),
                         (["patience"], ["8", "16"]), (["minilm_relations"], ["48 heads", "8", "16"]),
                         (["cross_entropy:samples=sure"], ["samples=sure", "confident:LEAST"]),
                         (["soft_target_kl:weight=learnt"], ["weight=learnt", "or learned"]),
                         (["hidden_mse:mapping=explicit:0-1:1-2"], ["2"])):
        fails(words, *student, *training_of(data, out), *[x for t in terms for x in ("--loss", t)], leaves=out)
    fails(["teacher"], "fine-tune", "--model", model, *training_of(data, out), "--loss", "soft_target_kl")
    for name, value in (("epochs", 0), ("batch-size", 0), ("accumulate", 0), ("learning-rate", 7), ("dropout", 1),
                        ("warmup", -1), ("limit", 0)):
        fails([name, value], "fine-tune", *from_scratch(vocabulary), *task_of(data), "--output", out, f"--{name}={value}")
    check_precision(vocabulary, data)
    for sizes, words in (("layers=2", ["width"]), ("layers=2,width=9,heads=2", ["9", "2"]), ("layers=2,depth=3", ["depth"]),
                         ("layers=1,from-teacher=5", ["5", "2"])):
        fails(words, "distill", "--teacher", model, "--student", sizes, *training_of(data, out))
    check(not out.exists(), "wrong settings leave nothing")


def check_too_long(data, model):
    """Texts longer than the model has positions."""
    short = changed_config(copy_of(model, "short"), max_position_embeddings=6)
    tensors = {name: (kind, shape, numbers((kind, shape, bytes_)))
               for name, (kind, shape, bytes_) in read_safetensors(short / "model.safetensors").items()}
    name = "bert.embeddings.position_embeddings.weight"
    tensors[name] = ("F32", [6, 16], tensors[name][2][:96])
    write_safetensors(short / "model.safetensors", tensors)
    fails(["6"], "predict", "--model", short, "--max-length", 16, text="a film of a film of a film of a film\n")
    succeeds("predict", "--model", short, "--max-length", 6, text="a film of a film of a film of a film\n")


def check_losses_that_are_no_numbers(data, model):
    broken = copy_of(model, "nan")
    tensors = {name: (kind, shape, numbers((kind, shape, bytes_)))
               for name, (kind, shape, bytes_) in read_safetensors(broken / "model.safetensors").items()}
    scale = tensors["bert.embeddings.LayerNorm.weight"]
    tensors["bert.embeddings.LayerNorm.weight"] = (*scale[:2], [3e38] * len(scale[2]))  # finite, what follows is not
    write_safetensors(broken / "model.safetensors", tensors)
    out = FOLDER / "nan_run"
    fails(["nan", "cross_entropy", "update 0"], "fine-tune", "--model", broken, *training_of(data, out))
    check("model.safetensors" not in names_in(out), f"no model of no numbers is written: {names_in(out)}")
    fails(["sample 0", "nan", "no use"], "distill", "--teacher", broken, "--student", "layers=1,width=8,heads=2",
          *training_of(data, FOLDER / "nan_student"))

    # far from any minimum in the middle of a run: the last good state stays, and is one that a run can go on from
    scores = FOLDER / "huge"
    rows = [("a film", 1.0)] * 40 + [("a story of the old town", 1e30)]
    write_rows(scores / "train.tsv", rows)
    write_rows(scores / "dev.tsv", rows[:4] + [("a story", 2.0)])
    out = FOLDER / "huge_run"
    line = ["fine-tune", *from_scratch(FOLDER / "vocab.txt"), "--data", scores, "--task", "tsv", "--metric", "pearson",
            "--output", out, "--batch-size", 1, "--epochs", 1, "--save-every", 0, "--threads", 1, "--seed", 2]
    done = fails(["inf", "regression_mse", "update"], *line)
    update = int(done.stderr.split("at update ")[1].split(";")[0].split()[0])
    if check(update > 0, "the seed puts the bad sample behind others"):
        check(str(out) in done.stderr, "says where the last good state is")
        check(names_in(out) == ["checkpoint.safetensors", "run.jsonl"], f"the last good state stays: {names_in(out)}")
        good = read_safetensors(out / "checkpoint.safetensors")
        check(all(math.isfinite(x) for tensor in good.values() for x in numbers(tensor)), "it holds numbers")
        check(str(update) in fails(["inf"], *line, "--resume").stderr, "a resumed run meets the same sample again")


def check_folders(data, vocabulary):
    """Two runs in one folder, and a stopped run that is not asked for."""
    out = FOLDER / "busy"
    line = ["fine-tune", *from_scratch(vocabulary), *training_of(data, out, epochs=100000), "--save-every", 0]
    first = start(*line, "--quiet")
    try:
        while not (out / "checkpoint.safetensors").exists() and first.poll() is None:
            pass
        second = fails([out, "another run", first.pid], *line, "--resume")
        fails([out, "another run"], *line)
        check(second.returncode == 1 and first.poll() is None, "the first run is not disturbed")
    finally:
        first.kill()
        first.communicate()
    before = {name: (out / name).read_bytes() for name in names_in(out) if "partial" not in name and "lock" not in name}
    fails([out, "--resume"], *line)
    check(before == {name: (out / name).read_bytes() for name in before}, "the stopped run is not touched")
    other = ["fine-tune", *from_scratch(vocabulary), *training_of(data, out, epochs=100001), "--save-every", 0, "--resume"]
    fails(["epochs", "100000", "100001"], *other)
    elsewhere = write_task(FOLDER / "other_data", seed=9)
    fails(["other settings", "samples"], "fine-tune", *from_scratch(vocabulary),
          *training_of(elsewhere, out, epochs=100000), "--save-every", 0, "--resume")
    (out / "checkpoint.safetensors").write_bytes(before["checkpoint.safetensors"][:1000])
    fails([out / "checkpoint.safetensors"], *line, "--resume")


words = make_vocabulary()
sst = write_task(FOLDER / "data", train=48, dev=16)
trained = make_teacher(sst, words, epochs=1)
check_files(sst, words, trained)
check_weights(sst, trained)
check_data(sst, words, trained)
check_settings(sst, words, trained)
check_too_long(sst, trained)
check_losses_that_are_no_numbers(sst, trained)
check_folders(sst, words)
finish()
