// All of limbeck's data: vocabulary, tokeniser and trainer, readers of tasks and text, batches. Needs utf8proc.
#pragma once

#include "limbeck/data/batches.hpp"
#include "limbeck/data/dataset.hpp"
#include "limbeck/data/documents.hpp"
#include "limbeck/data/encoding.hpp"
#include "limbeck/data/glue.hpp"
#include "limbeck/data/label_noise.hpp"
#include "limbeck/data/masking.hpp"
#include "limbeck/data/normalizer.hpp"
#include "limbeck/data/packed_tokens.hpp"
#include "limbeck/data/text_file.hpp"
#include "limbeck/data/tsv.hpp"
#include "limbeck/data/vocabulary.hpp"
#include "limbeck/data/vocabulary_trainer.hpp"
#include "limbeck/data/word_piece.hpp"
