#!/usr/bin/env python3
"""A model folder from a stranger: links, pipes, devices, files that lie about their sizes. Each is refused with one line
that names file, place and expectation, at once, with little memory, and nothing outside of the folder is read or written.

Links to files are followed, for the folders that the Hugging Face hub leaves are made of links; names in an index are not
paths.
"""
import itertools
import json
import math
import os
import resource
import shutil
import struct

from small_task import (FOLDER, changed_config, check, copy_of, fails, finish, make_teacher, make_vocabulary, names_in,
                        numbers, read_safetensors, run, task_of, training_of, write_safetensors, write_task)

SECONDS = 20  # for a refusal, on a busy machine
MIB = 1 << 20
MOST_ADDRESSES, MOST_MEMORY = 2048 * MIB, 160 * MIB
FILES = ("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json")


def little_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))


def refuses(words, folder, text="a film\n"):
    """Every way to read a folder refuses it."""
    out = FOLDER / "not_written"
    outside = {path: path.read_bytes() for path in (PRECIOUS, model / "model.safetensors", model / "vocab.txt")}
    how = {"timeout": SECONDS, "preexec_fn": little_memory}
    fails(words, "predict", "--model", folder, "--threads", 1, text=text, **how)
    fails(words, "distill", "--teacher", folder, "--student", "layers=1,width=8,heads=2", *training_of(data, out), leaves=out,
          **how)
    done = fails(words, "fine-tune", "--model", folder, *training_of(data, out), leaves=out, **how)
    check("hidden words" not in done.stderr, f"shows nothing of a file outside: {done.stderr}")
    check(all(path.read_bytes() == data for path, data in outside.items()), "touches nothing outside")


def predictions(folder):
    done = run("predict", "--model", folder, "--threads", 1, text="a fine film\na dull story\n", preexec_fn=little_memory)
    check(done.returncode == 0, f"{folder} is read: {done.stderr}")
    return done.stdout


def sharded(name):
    """A copy whose tensors are in two files that an index names; the result is the folder and the index."""
    folder = copy_of(model, name)
    tensors = {tensor: (kind, shape, numbers((kind, shape, data)))
               for tensor, (kind, shape, data) in read_safetensors(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for file, held in parts.items():
        write_safetensors(folder / file, {tensor: tensors[tensor] for tensor in held})
    index = {"metadata": {}, "weight_map": {tensor: file for file, held in parts.items() for tensor in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder, index


# --- Links, pipes, devices --------------------------------------------------------------------------------------------

def check_links_are_read():
    """As the hub's cache has them: snapshots/REVISION/NAME -> ../../blobs/HASH."""
    right = predictions(model)
    for name, source in (("whole", model), ("parts", sharded("for_links")[0])):
        check(predictions(source) == right, f"{name}: the same predictions")
        blobs, snapshot = FOLDER / f"cache_{name}" / "blobs", FOLDER / f"cache_{name}" / "snapshots" / "1a2b3c"
        blobs.mkdir(parents=True)
        snapshot.mkdir(parents=True)
        for number, file in enumerate(names_in(source)):
            if "last" not in file and file != "run.jsonl":
                shutil.copy(source / file, blobs / f"{number:040x}")
                (snapshot / file).symlink_to(f"../../blobs/{number:040x}")
        check(predictions(snapshot) == right, f"{name}: a folder of links is read")
        (FOLDER / f"link_{name}").symlink_to(snapshot)
        check(predictions(FOLDER / f"link_{name}") == right, f"{name}: so is a link to a folder")


def check_links_are_not_written_through():
    """A run in a stranger's folder, or in the hub's cache, whose files others share."""
    elsewhere = FOLDER / "elsewhere"
    elsewhere.mkdir()
    for name in (*FILES, "checkpoint.safetensors", "run.jsonl", "report.html", "speed.json", "last", "last/config.json"):
        out = copy_of(model, f"writes_{name.replace('/', '_')}")
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).unlink(missing_ok=True)
        (out / name).symlink_to(elsewhere if name == "last" else PRECIOUS)
        before = PRECIOUS.read_bytes()
        for more in ([], ["--resume"]):
            fails([out / name, "is a link"], "fine-tune", "--model", model, *training_of(data, out), *more, leaves=out)
        check(PRECIOUS.read_bytes() == before and names_in(elsewhere) == [], f"{name}: nothing outside is written")


def check_what_is_no_file():
    kinds = {"pipe": os.mkfifo,
             "folder": os.mkdir,
             "zeros": lambda place: place.symlink_to("/dev/zero"),
             "nothing": lambda place: place.symlink_to("nowhere"),
             "loop": lambda place: place.symlink_to(place.name),
             "secret": lambda place: place.symlink_to(PRECIOUS)}
    for kind, make in kinds.items():
        for name in FILES:
            folder = copy_of(model, f"{kind}_for_{name}")
            (folder / name).unlink()
            make(folder / name)
            refuses([folder if name == "model.safetensors" else folder / name], folder)
        folder, _ = sharded(f"{kind}_for_shard")
        (folder / "two.safetensors").unlink()
        make(folder / "two.safetensors")
        refuses([folder / "two.safetensors"], folder)
        (folder / "model.safetensors.index.json").unlink()
        make(folder / "model.safetensors.index.json")
        refuses([folder], folder)


# --- The index --------------------------------------------------------------------------------------------------------

def check_index():
    folder, index = sharded("index")
    file = folder / "model.safetensors.index.json"
    tensor = sorted(index["weight_map"])[0]
    for name in (f"../{model.name}/model.safetensors", str(PRECIOUS), "/etc/passwd", "../../../etc/passwd", ".", "..", "",
                 "below/one.safetensors", "./one.safetensors", "one.safetensors\0", "one\n.safetensors", 7, None, ["one"]):
        file.write_text(json.dumps({"weight_map": index["weight_map"] | {tensor: name}}))
        refuses([file, tensor, "expected"], folder)
    for text, words in (("{}", ["weight_map"]), ('{"weight_map": {}}', ["names no file"]), ('{"weight_map": 5}', ["5"]),
                        ("[]", ["object"]), ("", ["empty"]), ('{"weight_map": {"a": "b", "a": "c"}}', ['"a"', "twice"])):
        file.write_text(text)
        refuses([file, *words], folder)
    file.write_text(json.dumps({"weight_map": {tensor: "one.safetensors"}}))
    refuses([folder / "one.safetensors", "index"], folder)
    file.write_text(json.dumps({"weight_map": index["weight_map"] | {"no.such.tensor": "two.safetensors"}}))
    refuses([file, "no.such.tensor"], folder)
    file.write_text(json.dumps({"weight_map": {f"t{number}": f"{number}.safetensors" for number in range(100000)}}))
    refuses([folder, ".safetensors"], folder)


# --- Tensors ----------------------------------------------------------------------------------------------------------

def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin, end, shape, kind="F32"):
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def check_tensors():
    folder = copy_of(model, "tensors")
    file = folder / "model.safetensors"
    for content, words in (
            (struct.pack("<Q", 2 ** 64 - 1) + b"{}", ["18446744073709551615", "at most 2"]),
            (struct.pack("<Q", 2 ** 63) + b"{}", ["9223372036854775808", "at most 2"]),
            (struct.pack("<Q", 3) + b"{}", ["3 bytes", "at most 2"]),
            (file_of({"x": entry(0, 8, [2]), "y": entry(4, 12, [2])}, bytes(12)), ['"y"', "overlap"]),
            (file_of({"x": entry(0, 4, [1]), "y": entry(8, 12, [1])}, bytes(12)), ['"y"', "belong to none"]),
            (file_of({"x": entry(0, 2 ** 63, [2 ** 61])}, bytes(8)), ['"x"', "past the end"]),
            (file_of({"x": entry(8, 4, [1])}, bytes(8)), ['"x"', "backwards"]),
            (file_of({"x": entry(-4, 4, [2])}, bytes(8)), ['"x"', "-4"]),
            (file_of({"x": entry(0, 2 ** 64, [2])}, bytes(8)), ['"x"', "18446744073709551616"]),
            (file_of({"x": entry(0, 0, [2 ** 32, 2 ** 32])}), ['"x"', "larger than any file"]),
            (file_of({"x": entry(0, 8, [2 ** 62, 2 ** 62, 0])}, bytes(8)), ['"x"']),
            (file_of({"x": entry(0, 8, [1] * 100000 + [2])}, bytes(8)), ['"x"', "32"]),
            (file_of({"x": entry(0, 8, [2], "F31")}, bytes(8)), ['"x"', "F31"]),
            (file_of(b'{"x": {"dtype": "F32", "dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}', bytes(8)),
             ['"x"', "dtype", "twice"]),
            (file_of(b'{"x":' * 1000000), ['"x"', "dtype, shape and data_offsets"]),
            (file_of(b"[" * 1000000), ["header"]),
            (file_of(b'{"x": {"shape": ' + b"[" * 1000000), ['"x"', "array"]),
            (file_of({"__metadata__": {"format": ["pt"]}}), ["__metadata__", "array"]),
            (file_of({"x\x1b[2J\ny": entry(4, 8, [1])}, bytes(8)), ["x\\u001b[2J\\ny"]),
            (file_of({f"t{number}": entry(0, 0, [0]) for number in range(200000)}), ["is missing"])):
        file.write_bytes(content)
        refuses([file if words != ["is missing"] else folder, *words], folder)
    with file.open("wb") as out:
        out.write(struct.pack("<Q", 99999999))
        out.truncate(1 << 30)  # takes no room
    refuses([file, "header"], folder)


def check_numbers_that_are_none():
    """Weights that are NaN or infinite are refused where they are read, whatever type they have there."""
    folder = copy_of(model, "no_numbers")
    whole = read_safetensors(folder / "model.safetensors")
    for name, at, place in (("classifier.bias", 1, "[1]"), ("bert.embeddings.word_embeddings.weight", 37, "[2, 5]")):
        for value, shown in ((math.nan, "nan"), (math.inf, "infinity"), (-math.inf, "infinity")):
            tensors = {tensor: (kind, shape, numbers((kind, shape, data))) for tensor, (kind, shape, data) in whole.items()}
            tensors[name][2][at] = value
            write_safetensors(folder / "model.safetensors", tensors)
            refuses([folder / "model.safetensors", name, f"holds {shown} at {place}", "expected finite"], folder)


# --- Settings and words -----------------------------------------------------------------------------------------------

def check_config():
    for key in ("num_hidden_layers", "vocab_size", "hidden_size", "num_attention_heads", "intermediate_size",
                "max_position_embeddings", "type_vocab_size"):
        for value in (10 ** 9, 2 ** 40, 2 ** 63, 10 ** 30, -1, 0, 2.5, 1e300, "12", True, [12], {}):
            folder = changed_config(copy_of(model, "config"), **{key: value})
            refuses([folder / "config.json", key, "expected"], folder)
            shutil.rmtree(folder)
    folder = copy_of(model, "config")
    config = json.loads((folder / "config.json").read_text())
    most = 1 << 24
    for entries, words in (({"hidden_size": most, "intermediate_size": most, "num_hidden_layers": 12}, ["expected ["]),
                           ({"vocab_size": most}, ["pieces"]), ({"max_position_embeddings": most}, ["expected ["]),
                           ({"id2label": {}, "label2id": {}}, ["id2label"]), ({"id2label": {"0": "a", "2": "b"}}, ["class 1"]),
                           ({"id2label": {"0": "a", "1": 5}}, ["id2label.1", "5"]),
                           ({"label2id": {"negative": -1} | {config["id2label"]["0"]: 10 ** 30}}, ["label2id"]),
                           ({"id2label": None, "label2id": None, "num_labels": most}, [str(most)]),
                           ({"id2label": {str(i): f"n{i}" for i in range(60000)},
                             "label2id": {f"n{i}": i for i in range(60000)}}, ["60000"]),
                           ({"layer_norm_eps": 0}, ["layer_norm_eps"]), ({"hidden_dropout_prob": 1}, ["hidden_dropout_prob"]),
                           ({"limbeck_sharing": {"layer_source": [0, 2 ** 40]}}, ["layer_source"]),
                           ({"limbeck_sharing": {"layer_source": [0, 0], "exchanged_layers": [2 ** 40]}}, ["exchanged_layers"]),
                           ({"model_type": "bert\n\x1b[2J"}, ["model_type", "bert\\n"])):
        (folder / "config.json").write_text(json.dumps(config | entries))
        if words in (["60000"], [str(most)]):  # fine-tuning makes a head of its own
            fails(words, "distill", "--teacher", folder, "--student", "layers=1,width=8,heads=2",
                  *training_of(data, FOLDER / "not_written"), timeout=SECONDS, preexec_fn=little_memory)
        else:
            refuses(words, folder)
    plain = json.dumps(config)
    for text, words in (("[" * 1000000, ["deeper than 64"]), ('{"a":' * 1000000, ["deeper than 64"]),
                        (plain[:-1] + ', "vocab_size": 5}', ['"vocab_size"', "twice"]), (plain[:-1], ["not valid JSON"]),
                        (plain + plain, ["not valid JSON"]), ("\0" * 1000, ["not valid JSON"]),
                        ('"' + "x" * 1000000, ["not valid JSON"]), ("1e999999", ["not valid JSON"]), ("", ["empty"])):
        (folder / "config.json").write_text(text)
        refuses([folder / "config.json", *words], folder)
    (folder / "config.json").write_text(plain)
    for text, words in (('{"do_lower_case": 1}', ["do_lower_case", "true or false"]), ("[" * 1000000, ["deeper"]),
                        ("", ["empty"])):
        (folder / "tokenizer_config.json").write_text(text)
        refuses([folder / "tokenizer_config.json", *words], folder)


def check_labels():
    """Whatever a label holds, a prediction is one line of as many columns as ever, and moves no terminal's cursor."""
    names = ["a\nb\tc", "\x1b[2Jd\x7f"]
    folder = changed_config(copy_of(model, "labels"), id2label=dict(enumerate(names)),
                            label2id={name: number for number, name in enumerate(names)})
    text = predictions(folder)
    check([row.count("\t") for row in text.split("\n")] == [2, 2, 0], f"two lines of three columns: {text!r}")
    check("\x1b" not in text and "\x7f" not in text, f"no control characters: {text!r}")
    done = run("predict", "--model", folder, "--threads", 1, "--json", text="a fine film\n", preexec_fn=little_memory)
    check(json.loads(done.stdout)["label"] in names, f"JSON has the label as it is: {done.stdout}")


def check_vocabulary():
    folder = copy_of(model, "words")
    file = folder / "vocab.txt"
    pieces = file.read_text().splitlines()
    for text, words in (("", ["empty"]), ("\n" * 120, ["line 1"]), ((f"{n}\n" for n in range(10 ** 7)), ["bytes"]),
                        (itertools.repeat("x" * 1000, 10 ** 5), ["bytes"]), ("x" * 2000, ["line 1", "512"]),
                        ("\0" * 1000, ["line 1"]), ("\n".join(pieces[:-1]), [len(pieces) - 1, len(pieces)]),
                        ("\n".join(pieces + ["one"]), [len(pieces) + 1]),
                        ("\n".join(pieces[1:] + ["x"]), ["[PAD]"]),
                        ("\n".join(pieces[:-2] + ["\x1b[2J\r"] * 2), ["twice"])):
        with file.open("w") as out:
            out.writelines(text)
        refuses([file, *words], folder)


PRECIOUS = FOLDER / "precious.txt"
PRECIOUS.write_text("".join(f"hidden words {number}\n" for number in range(10)))
words_file = make_vocabulary()
data = write_task(FOLDER / "data", train=48, dev=16)
model = make_teacher(data, words_file, epochs=1)
for part in (check_links_are_read, check_links_are_not_written_through, check_what_is_no_file, check_index, check_tensors,
             check_numbers_that_are_none, check_config, check_labels, check_vocabulary):
    part()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    check(peak < MOST_MEMORY, f"{part.__name__}: at most {peak >> 20} MiB were used, expected less than {MOST_MEMORY >> 20}")
    print(f"{part.__name__}: {peak >> 20} MiB at most")
finish()
