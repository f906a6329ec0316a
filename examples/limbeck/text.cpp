// vocab and tokenize: from text to pieces.
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>

#include <limbeck/data/text_file.hpp>
#include <limbeck/data/vocabulary_trainer.hpp>
#include <limbeck/data/word_piece.hpp>
#include <limbeck/io/atomic_file.hpp>
#include <limbeck/io/json.hpp>

#include "verbs.hpp"

namespace program {

work add_vocab(CLI::App& app) {
  struct options : common_options {
    std::string corpus, output;
    bool cased = false;
    limbeck::vocabulary_trainer_options trainer{};
  };
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("vocab", "Train a WordPiece vocabulary");
  verb.add_option("--corpus", o->corpus, "Text, one or more sentences a line")->required();
  verb.add_option("--size", o->trainer.size, "Pieces, special ones included")->required();
  verb.add_option("--output", o->output, "File to write")->required();
  verb.add_flag("--cased", o->cased, "Tell upper from lower case, keep accents");
  verb.add_option("--min-character", o->trainer.min_character, "A rarer character gets no piece")
      ->capture_default_str();
  verb.add_option("--min-pair", o->trainer.min_pair, "Pieces that meet less often are not joined")
      ->capture_default_str();
  add_common(verb, *o);
  return [o] {
    o->trainer.normalise.lower_case = !o->cased;
    limbeck::vocabulary_trainer trainer(o->trainer);
    const std::string text = limbeck::read_text_file(o->corpus);
    limbeck::text_lines lines(text);
    for (std::string_view line; lines.next(line);) trainer.add(line);
    const limbeck::vocabulary pieces = trainer.train();
    std::ostringstream out;
    pieces.write(out);
    limbeck::write_file(o->output, out.str());
    if (o->json)
      std::printf("%s\n", limbeck::json{{"output", o->output}, {"pieces", pieces.size()}}.dump().c_str());
    else if (!o->quiet)
      std::printf("%td pieces written to %s\n", pieces.size(), o->output.c_str());
    return success;
  };
}

work add_tokenize(CLI::App& app) {
  struct options : common_options {
    std::string vocabulary;
    bool cased = false;
  };
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("tokenize", "Text lines in, ids out, [CLS] and [SEP] included");
  verb.add_option("--vocab", o->vocabulary, "vocab.txt")->required();
  verb.add_flag("--cased", o->cased, "The vocabulary tells upper from lower case");
  add_common(verb, *o);
  return [o] {
    const limbeck::word_piece pieces(limbeck::vocabulary::read(o->vocabulary), {.lower_case = !o->cased});
    for (std::string line; std::getline(std::cin, line);) {
      std::vector<std::int32_t> ids = pieces.encode(line);
      ids.insert(ids.begin(), pieces.pieces().classify());
      ids.push_back(pieces.pieces().separator());
      if (o->json) {
        std::printf("%s\n", limbeck::json(ids).dump().c_str());
        continue;
      }
      for (std::size_t i = 0; i < ids.size(); ++i) std::printf(i == 0 ? "%d" : " %d", ids[i]);
      std::printf("\n");
    }
    return success;
  };
}

}  // namespace program
