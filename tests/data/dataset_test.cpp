// Tasks and the reading of their files, with made-up rows.
#include "limbeck/data/dataset.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "data/contains.hpp"

using limbeck::contract_error;
using limbeck::file_error;
using limbeck::glue_task;
using limbeck::read_dataset;
using limbeck::tsv_file;
using limbeck::tsv_task;
using limbeck_test::contains;

namespace {

/// A folder that is gone afterwards.
struct scratch_folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / "limbeck_dataset_test";
  scratch_folder() { std::filesystem::create_directories(path); }
  ~scratch_folder() { std::filesystem::remove_all(path); }
  void write(const char* name, std::string_view text) const { std::ofstream(path / name, std::ios::binary) << text; }
};

std::vector<int> labels(const limbeck::dataset& set) {
  std::vector<int> result;
  for (const auto& e : set.examples) result.push_back(e.label);
  return result;
}

}  // namespace

TEST_CASE("glue_task knows every name, whatever its case and hyphens") {
  for (const auto name : limbeck::glue_names) {
    const auto task = glue_task(name);
    CHECK(task.name == name);
    CHECK(task.labels.size() == task.label_names.size());
    CHECK(task.regression() == (name == "sts-b"));
    CHECK_FALSE(task.metrics.empty());
    for (const auto& metric : task.metrics)
      CHECK(std::find(limbeck::metric_names.begin(), limbeck::metric_names.end(), metric) !=
            limbeck::metric_names.end());
  }
  CHECK(glue_task("SST2").name == "sst-2");
  CHECK(glue_task("SST-2").name == "sst-2");
  CHECK(glue_task("STS-B").name == "sts-b");
  CHECK(glue_task("stsb").name == "sts-b");
  CHECK(glue_task("CoLA").name == "cola");
  CHECK(glue_task("QNLI-mini").name == "qnli");
  CHECK(glue_task("MNLI").dev_files == std::vector<std::string>{"dev_matched.tsv", "dev_mismatched.tsv"});
  CHECK_THROWS_WITH(glue_task("imdb"), contains("\"imdb\" is not known") && contains("cola") && contains("wnli"));
}

TEST_CASE("read_dataset finds text, pair and label where each GLUE task has them") {
  struct {
    const char *name, *text;
    int label;
    bool pair;
  } const cases[] = {
      {"cola", "src\t1\t*\tTEXT\n", 1, false},
      {"sst-2", "sentence\tlabel\nTEXT\t0\n", 0, false},
      {"mrpc", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tTEXT\tPAIR\n", 1, true},
      {"qqp", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tTEXT\tPAIR\t1\n", 1, true},
      {"mnli",
       "0\t1\t2\t3\t4\t5\t6\t7\ts1\ts2\tlabel1\tgold_label\n"
       "0\t1\t2\t3\t4\t5\t6\t7\tTEXT\tPAIR\tneutral\tcontradiction\n",
       2, true},
      {"mnli",
       "0\t1\t2\t3\t4\t5\t6\t7\ts1\ts2\tl1\tl2\tl3\tl4\tl5\tgold_label\n"
       "0\t1\t2\t3\t4\t5\t6\t7\tTEXT\tPAIR\tx\tx\tx\tx\tx\tneutral\n",
       1, true},
      {"qnli", "index\tquestion\tsentence\tlabel\n0\tTEXT\tPAIR\tnot_entailment\n", 1, true},
      {"rte", "index\tsentence1\tsentence2\tlabel\n0\tTEXT\tPAIR\tentailment\n", 0, true},
      {"wnli", "index\tsentence1\tsentence2\tlabel\n0\tTEXT\tPAIR\t1\n", 1, true},
  };
  for (const auto& c : cases) {
    INFO(c.name);
    const auto set = read_dataset(glue_task(c.name), tsv_file("f", c.text));
    REQUIRE(set.examples.size() == 1);
    CHECK(set.examples[0].text == "TEXT");
    CHECK(set.examples[0].pair == (c.pair ? std::optional<std::string>("PAIR") : std::nullopt));
    CHECK(set.examples[0].label == c.label);
  }
  const auto scored = read_dataset(glue_task("sts-b"), tsv_file("f", "h\n0\tg\tf\ty\to\ts\ts\tTEXT\tPAIR\t3.25\n"));
  CHECK(scored.examples.at(0).score == 3.25);
  CHECK(scored.examples[0].label == -1);
  CHECK(scored.examples[0].pair == "PAIR");
}

TEST_CASE("read_dataset takes the first rows up to the limit, header not counted") {
  const tsv_file file("f", "sentence\tlabel\na\t0\nb\t1\nc\t0\nd\tbroken\n");
  CHECK(labels(read_dataset(glue_task("sst-2"), file, 3)) == std::vector<int>{0, 1, 0});
  CHECK_THROWS_AS(read_dataset(glue_task("sst-2"), file, 4), file_error);
  CHECK_THROWS_AS(read_dataset(glue_task("sst-2"), file, 0), contract_error);
}

TEST_CASE("read_dataset names file, line, label and what was expected") {
  const auto read = [](const char* task, const char* text) {
    return read_dataset(glue_task(task), tsv_file("f.tsv", text));
  };
  CHECK_THROWS_WITH(read("sst-2", "sentence\tlabel\na\t0\nb\t2\n"), "f.tsv: line 3: label \"2\", expected one of 0, 1");
  CHECK_THROWS_WITH(read("sst-2", "sentence\tlabel\na\n"), contains("f.tsv: line 2: has 1 column"));
  CHECK_THROWS_WITH(read("sst-2", "a\t1\nb\t0\n"), contains("line 1: label \"1\" where a header was expected"));
  CHECK_THROWS_WITH(read("sst-2", "sentence\tlabel\n"), "f.tsv: has no rows below its header");
  CHECK_THROWS_WITH(read("sst-2", ""), contains("is empty"));
  CHECK_THROWS_WITH(read("sts-b", "h\n0\tg\tf\ty\to\ts\ts\ta\tb\thigh\n"),
                    "f.tsv: line 2: score \"high\", expected a finite number");
  CHECK_THROWS_AS(read("sts-b", "h\n0\tg\tf\ty\to\ts\ts\ta\tb\tnan\n"), file_error);
  CHECK_THROWS_AS(read("sts-b", "h\n0\tg\tf\ty\to\ts\ts\ta\tb\t\n"), file_error);
}

TEST_CASE("tsv_task collects labels from train, sorted, numbers by value, and holds dev to them") {
  const auto words = read_dataset(tsv_task({}), tsv_file("train.tsv", "x\tspam\ny\tham\nz\tspam\n"));
  CHECK(words.task.labels == std::vector<std::string>{"ham", "spam"});
  CHECK(words.task.label_names == words.task.labels);
  CHECK(labels(words) == std::vector<int>{1, 0, 1});
  CHECK(labels(read_dataset(words.task, tsv_file("dev.tsv", "x\tham\n"))) == std::vector<int>{0});
  CHECK_THROWS_WITH(read_dataset(words.task, tsv_file("dev.tsv", "x\teggs\n")),
                    "dev.tsv: line 1: label \"eggs\", expected one of ham, spam");
  const auto numbers = read_dataset(tsv_task({}), tsv_file("f", "x\t10\ny\t9\nz\t-1\n"));
  CHECK(numbers.task.labels == std::vector<std::string>{"-1", "9", "10"});
}

TEST_CASE("tsv_task collects the labels of rows above the limit too") {
  const auto set = read_dataset(tsv_task({}), tsv_file("f", "x\ta\ny\tb\nz\tc\n"), 1);
  CHECK(set.examples.size() == 1);
  CHECK(set.task.labels == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("tsv_task takes columns, header and metric from its options") {
  const auto task =
      tsv_task({.text_column = 2, .pair_column = 0, .label_column = 1, .metric = "spearman", .header = true});
  CHECK(task.regression());
  const auto set = read_dataset(task, tsv_file("f", "p\tl\tt\npair\t-1e-3\ttext\n"));
  CHECK(set.examples.at(0).text == "text");
  CHECK(set.examples[0].pair == "pair");
  CHECK(set.examples[0].score == -1e-3);
  CHECK_FALSE(tsv_task({.metric = "f1_macro"}).regression());
  CHECK_THROWS_WITH(tsv_task({.metric = "bleu"}), contains("\"bleu\"") && contains("f1_macro"));
  CHECK_THROWS_WITH(tsv_task({.text_column = 1}), contains("text 1, pair none, label 1"));
  CHECK_THROWS_AS(tsv_task({.text_column = -1}), contract_error);
  CHECK_THROWS_AS(tsv_task({.text_column = 0, .pair_column = 0}), contract_error);
}

TEST_CASE("read_train and read_dev read a task's folder") {
  const scratch_folder folder;
  folder.write("train.tsv", "x\tb\ny\ta\n");
  folder.write("dev.tsv", "z\ta");
  const auto train = limbeck::read_train(tsv_task({}), folder.path, 1);
  CHECK(train.examples.size() == 1);
  const auto dev = limbeck::read_dev(train.task, folder.path);
  REQUIRE(dev.size() == 1);
  CHECK(dev[0].examples.at(0).label == 0);
  CHECK(dev[0].file == (folder.path / "dev.tsv").string());
  CHECK_THROWS_WITH(limbeck::read_dev(glue_task("mnli"), folder.path), contains("dev_matched.tsv: cannot be opened"));
}

TEST_CASE("read_texts takes a text or a pair a line, empty lines too") {
  const scratch_folder folder;
  folder.write("t.txt", "one\r\na\tb\r\n\r\nlast");
  const auto texts = limbeck::read_texts(folder.path / "t.txt");
  REQUIRE(texts.size() == 4);
  CHECK(texts[0].text == "one");
  CHECK_FALSE(texts[0].pair);
  CHECK(texts[1].text == "a");
  CHECK(texts[1].pair == "b");
  CHECK(texts[2].text.empty());
  CHECK(texts[3].text == "last");
  CHECK(texts[3].label == -1);
  CHECK(limbeck::read_texts(folder.path / "t.txt", 2).size() == 2);
  folder.write("t.txt", "a\tb\nc\td\te\n");
  CHECK_THROWS_WITH(limbeck::read_texts(folder.path / "t.txt"), contains("line 2: more than one tab"));
  folder.write("t.txt", "");
  CHECK_THROWS_WITH(limbeck::read_texts(folder.path / "t.txt"), contains("is empty"));
}
