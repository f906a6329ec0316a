// Everything in limbeck/models.
#pragma once

#include "limbeck/models/classification_head.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/language_head.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/models/model_config.hpp"
#include "limbeck/models/names.hpp"
#include "limbeck/models/parameter_sharing.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/models/student_spec.hpp"
#include "limbeck/models/token_batch.hpp"
#include "limbeck/models/touched_rows.hpp"
#include "limbeck/models/transformer.hpp"
#include "limbeck/models/transformer_class.hpp"
#include "limbeck/models/transformer_forward.hpp"
#include "limbeck/models/transformer_layout.hpp"
