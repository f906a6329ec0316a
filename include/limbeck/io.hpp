// Everything in limbeck/io.
#pragma once

#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/descriptor.hpp"
#include "limbeck/io/gpt2_folder.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/mapped_file.hpp"
#include "limbeck/io/masked_model_folder.hpp"
#include "limbeck/io/model_config.hpp"
#include "limbeck/io/model_folder.hpp"
#include "limbeck/io/model_weights.hpp"
#include "limbeck/io/run_lock.hpp"
#include "limbeck/io/run_record.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/io/safetensors_header.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/io/tensor_entry.hpp"
#include "limbeck/io/tensor_source.hpp"
