#!/usr/bin/env python3
"""Every run leaves a report that needs nothing but itself: its numbers are those of run.jsonl, texts from outside stay
texts, and a browser draws it without labels on top of each other. Without Chromium the last part is skipped."""
import html
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree

from small_task import (FOLDER, check, fails, finish, from_scratch, last_json, lines_of, make_vocabulary, succeeds,
                        training_of, write_task)

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "</script><script>document.title='taken'</script><b>&\"'"
TERMS = ["soft_target_kl:temperature=2", "cross_entropy:weight=0.5", f"hidden_mse:shared={HOSTILE},projection=linear",
         "attention_mse:mapping=last"]


class Page(HTMLParser):
    """What a page shows: its tables by name, each a list of rows of (text, number), and its elements by name."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.elements, self.data = {}, {}, ""
        self.rows = self.cell = None
        self.in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.in_script = tag == "script"
        if tag == "table":
            self.rows = self.tables.setdefault(attributes["data-name"], [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            value = attributes.get("data-value")
            self.cell = ["", None if value is None else float(value)]
            self.rows[-1].append(self.cell)

    def handle_endtag(self, tag):
        self.in_script = False
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, text):
        if self.in_script:
            self.data += text
        elif self.cell is not None:
            self.cell[0] += text

    def numbers(self, table):
        return [[value for _, value in row] for row in self.tables[table][1:]]

    def row(self, table, first):
        (found,) = [row for row in self.tables[table] if row and row[0][0] == first]
        return [value for _, value in found[1:]]


def dom_of(page):
    """The document as the browser has it once it is drawn."""
    done = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={FOLDER / 'browser'}",
                           "--window-size=1200,2000", "--dump-dom", f"file://{page}"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", timeout=120)
    check(done.returncode == 0 and "</html>" in done.stdout, f"the browser shows {page}: {done.returncode} {done.stderr[-500:]}")
    return done.stdout


# --- What the page says ------------------------------------------------------------------------------------------------

def check_numbers(page, run):
    """The tables hold the record's numbers with all digits. The run has fewer steps than a chart has places."""
    lines = {}
    for line in lines_of(run / "run.jsonl"):
        lines.setdefault(line["event"], []).append(line)
    (final,) = lines["final"]
    for term in lines["step"][0]["terms"]:
        check(page.numbers(term) == [[line["step"], line["step"]] + 3 * [line["terms"][term]] for line in lines["step"]],
              f"the course of {term}")
    for name, key in (("learning rate", "learning_rate"), ("norm of the gradient", "gradient_norm"), ("loss", "loss")):
        check([row[2] for row in page.numbers(name)] == [line[key] for line in lines["step"]], f"the course of {name}")
    scores = [[line["dev"]["accuracy"], *line["interval"]["accuracy"]] for line in lines["evaluation"]]
    teacher = final["dev"]["teacher"]["accuracy"]
    check([row[1:] for row in page.numbers("accuracy")] == scores + [[teacher["value"], teacher["low"], teacher["high"]]],
          "accuracy and its interval after each epoch, and the teacher's")
    shares = [[line["step"], None, line["norms"][term], line["shares"][term]]
              for line in lines["gradient_shares"] for term in sorted(line["norms"])]
    check(page.numbers("gradient shares") == shares and len(shares) == 8, f"shares of the gradient: {shares}")
    agreement = final["agreement"]
    check(page.row("agreement", "agreement") == [agreement[key] for key in ("value", "low", "high")], "the agreement")
    check([page.row("agreement", name) for name in ("both right", "student alone right", "teacher alone right", "both wrong")] ==
          [[agreement[key]] for key in ("both_right", "student_alone", "teacher_alone", "both_wrong")], "who is right")
    check(page.numbers("calibration") == [[None, b["count"], b["confidence"], b["accuracy"]] for who in ("student", "teacher")
                                          for b in final["calibration"][who]["bins"] if b["count"]], "the calibration")
    check(page.numbers("layers") == [[number] + row for number, row in enumerate(final["layers"]["alikeness"])],
          "the alikeness of layers")
    for key, name in (("parameters", "parameters"), ("bytes", "bytes of weights"), ("width", "width")):
        sizes = [final["models"][who][key] for who in ("student", "teacher")]
        check(page.row("sizes", name) == sizes + [sizes[0] / sizes[1]], f"the {key} of both models")
    speed = json.loads((run / "speed.json").read_text())
    check(page.row("sizes", "samples a second")[:2] == [speed[who]["samples_per_second"] for who in ("student", "teacher")],
          "the speeds")
    settings = {row[0][0]: row[1][0] for row in page.tables["settings"][1:]}
    check(settings["loss"].split("\n") == TERMS and settings["seed"] == "2", f"the settings: {settings}")
    check(settings["student: hash of configuration and weights"] == final["models"]["student"]["model"], "the hashes")
    data = json.loads(page.data)
    check(data["final"] == final and data["evaluations"] == lines["evaluation"] and data["settings"] == lines["start"][0]["settings"],
          "the data for programs are the record's")


def check_record(run, told):
    (final,) = [line for line in lines_of(run / "run.jsonl") if line["event"] == "final"]
    check(final["dev"]["student"]["accuracy"]["value"] == told["accuracy"] and final["agreement"]["value"] == told["teacher_agreement"],
          "the record has what the run prints at its end")
    agreement = final["agreement"]
    counts = [agreement[key] for key in ("both_right", "student_alone", "teacher_alone", "both_wrong")]
    check(sum(counts) == 40 == final["dev"]["samples"] and (counts[0] + counts[1]) / 40 == told["accuracy"], f"{agreement}")
    check(final["layers"]["pairs"]["attention_mse"] == [{"student": 0, "teacher": 0, "weight": 1}, {"student": 1, "teacher": 1, "weight": 1}]
          and set(final["layers"]["pairs"]) == {"attention_mse", "hidden_mse"}, f"the layers compared: {final['layers']['pairs']}")
    check(all(0 <= x <= 1 for row in final["layers"]["alikeness"] for x in row) and len(final["layers"]["alikeness"]) == 2, "CKA")
    for who, model in (("student", run), ("teacher", run.parent / "teacher")):
        error = last_json(succeeds("evaluate", "--model", model, *task, "--json"))["calibration_error"]
        check(math.isclose(final["calibration"][who]["error"], error, rel_tol=1e-6), f"the {who}'s calibration error is {error}")


def check_text(text):
    """Nothing is loaded, nothing runs, and what files say stays text."""
    page = Page(text)
    check(page.elements["script"] == 1, f"one script, of data: {page.elements}")
    check(not re.search(r"""https?://|\bsrc\s*=|\bhref\s*=|url\(|@import|<(?:img|link|iframe|object)\b""", text),
          "names nothing outside of itself")
    check("default-src 'none'" in text, "forbids the browser to load or run anything")
    check(html.escape(HOSTILE).replace("&#x27;", "&#39;") in text and HOSTILE not in text, "hostile text is shown as text")


def check_verb(run):
    written = (run / "report.html").read_bytes()
    again = last_json(succeeds("report", run, "--json"))["output"]
    check(again == str(run / "report.html") and (run / "report.html").read_bytes() == written, "the same page from the same record")
    other = FOLDER / "elsewhere.html"
    succeeds("report", run, "--output", other)
    check(other.read_bytes() == written, "--output names another file")
    started = FOLDER / "started"
    started.mkdir()
    record = (run / "run.jsonl").read_text().splitlines(keepends=True)
    (started / "run.jsonl").write_text("".join(record[:9]) + record[9][:20])
    succeeds("report", started)
    check("Not complete: 7 updates so far" in (started / "report.html").read_text(), "a run that is under way is drawn, a torn line left out")
    (started / "run.jsonl").write_text("")
    succeeds("report", started)
    for line, words in (("{\"step\": 1, \"event\": \"step\"}", ["line 2", "terms"]), ("[]", ["line 2"]), ("{", ["line 2"]),
                        ("{\"step\":1,\"event\":\"step\",\"terms\":{\"a\":\"x\"}}", ["line 2", "terms.a", "a number"]),
                        ("{\"step\":1,\"epoch\":0,\"event\":\"evaluation\",\"dev\":{\"accuracy\":[]}}", ["line 2", "dev.accuracy"]),
                        ("{\"step\":1,\"event\":\"final\",\"layers\":{\"tokens\":1,\"pairs\":{},\"alikeness\":[[1],[1,2]]}}", ["alikeness", "rows"])):
        (started / "run.jsonl").write_text(record[0] + line + "\n")
        fails([started / "run.jsonl", *words], "report", started, "--output", FOLDER / "none.html", leaves=FOLDER / "none.html")
    (FOLDER / "empty").mkdir()
    fails([FOLDER / "empty", "run.jsonl"], "report", FOLDER / "empty", leaves=FOLDER / "empty")
    fails([FOLDER / "missing"], "report", FOLDER / "missing")


def check_study():
    folder = FOLDER / "study"
    folder.mkdir()
    estimate = {"n": 3, "mean": 0.5, "deviation": 0.1, "low": 0.25, "high": 0.75, "detectable": None}
    summary = {"name": HOSTILE, "question": "Which?", "cells": {"planned": 6, "finished": 5}, "metrics": {"rte": "accuracy"},
               "means": [estimate | {"task": "rte", "levels": "base", "single": [0.4, 0.5, 0.6]},
                         estimate | {"task": "rte", "levels": "loss = b", "n": 2, "single": [0.7, 0.8]}],
               "differences": [estimate | {"factor": "loss", "level": "b", "than": "a", "task": "rte", "verdict": "better"}],
               "claims": [estimate | {"says": "It helps", "claim": "loss = b is better than a", "task": None, "verdict": "undecided"}]}
    (folder / "summary.json").write_text(json.dumps(summary))
    succeeds("report", folder)
    text = (folder / "report.html").read_text()
    check_text(text)
    page = Page(text)
    check(page.numbers("rte") == [[None, n, 0.5, 0.1, 0.25, 0.75, None] for n in (3, 2)], f"the means: {page.tables['rte']}")
    check([row[-1][0] for row in page.tables["loss"][1:] + page.tables["claims"][1:]] == ["better", "undecided"], "the verdicts")
    check(text.count('class="dot faint c7"') == 5, "a dot for each cell")
    (folder / "differences-1.svg").rename(folder / "kept.svg")
    succeeds("report", folder, "--output", folder / "other.html")
    check(not (folder / "differences-1.svg").exists(), "a page elsewhere is one file")
    (folder / "kept.svg").rename(folder / "differences-1.svg")
    (folder / "wrong").mkdir()
    (folder / "wrong/summary.json").write_text(json.dumps(summary | {"means": [estimate | {"task": "a", "levels": "b", "single": ["x"]}]}))
    fails([folder / "wrong/summary.json", "single"], "report", folder / "wrong")
    image = ElementTree.parse(folder / "differences-1.svg").getroot()
    check(image.tag == "{http://www.w3.org/2000/svg}svg" and any("b: rte" in (t.text or "") for t in image.iter()),
          "a plot of each factor that other pages can show")
    return folder / "report.html"


# --- How a browser shows it --------------------------------------------------------------------------------------------

PROBE = """<script>
const found = [];
for (const d of document.querySelectorAll("details")) d.open = true;
document.body.style.width = "WIDTHpx";
if (document.body.scrollWidth > document.body.clientWidth) {
  const room = document.body.getBoundingClientRect().right + 1;
  const wide = [...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll") && e.getBoundingClientRect().right > room);
  found.push("the page is wider than its room: " + wide.slice(0, 3).map(e => `${e.tagName} "${e.textContent.slice(0, 60)}"`).join(", "));
}
for (const svg of document.querySelectorAll("svg")) {
  const name = svg.dataset.name, area = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
  if (area.width < 200 || area.height < 20) found.push(name + " has no room");
  boxes.forEach(([a, x], i) => {
    if (x.left < area.left - 1 || x.right > area.right + 1 || x.top < area.top - 1 || x.bottom > area.bottom + 1)
      found.push(`${name}: ${a} is cut off`);
    for (const [b, y] of boxes.slice(i + 1))
      if (x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 3 && y.top < x.bottom - 3)
        found.push(`${name}: ${a} lies on ${b}`);
  });
}
if (performance.getEntriesByType("resource").length) found.push("something was loaded");
document.body.innerHTML = `<pre id="found">WIDTH wide, ${document.querySelectorAll("svg").length} drawings\\n</pre>`;
document.getElementById("found").textContent += found.join("\\n");
</script>"""


def check_drawing(report, drawings):
    """A copy that may run a script of ours tells what lies on what, at the width of a screen and of a telephone."""
    text = re.sub(r"<meta http-equiv[^>]*>", "", report.read_text())
    probed = FOLDER / "probed.html"
    for width in (1200, 360):
        probed.write_text(text.replace("</body>", PROBE.replace("WIDTH", str(width)) + "</body>"))
        said = html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom_of(probed), re.S).group(1)).split("\n")
        check(f", {drawings} drawings" in said[0], f"the page has its {drawings} drawings: {said[0]}")
        check(not "".join(said[1:]), f"{report.parent.name}, {said[0]}: {said[1:]}")


words = make_vocabulary()
data = write_task(FOLDER / "data")
task = ["--data", data, "--task", "sst-2", "--max-length", 16, "--threads", 1]
runs = FOLDER / "runs <i>&\"'"
succeeds("fine-tune", *from_scratch(words), *training_of(data, runs / "teacher", epochs=4), "--quiet")
student = runs / "student"
told = last_json(succeeds("distill", "--teacher", runs / "teacher", "--student", "layers=2,width=12,heads=2,inner=24",
                          *training_of(data, student, epochs=2, seed=2), *[x for t in TERMS for x in ("--loss", t)], "--json"))
check_record(student, told)
pages = {student / "report.html": 13, runs / "teacher" / "report.html": 6, check_study(): 2}
check_text((student / "report.html").read_text())
check_numbers(Page((student / "report.html").read_text()), student)
check_verb(student)
if BROWSER:
    shown = Page(dom_of(student / "report.html"))
    check_numbers(shown, student)
    check(shown.elements["svg"] == pages[student / "report.html"], f"the browser has all drawings: {shown.elements}")
    for report, drawings in pages.items():
        check_drawing(report, drawings)
else:
    print("limbeck skipped in part: a browser's look at reports: no chromium")
finish()
