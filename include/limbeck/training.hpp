// Everything in limbeck/training.
#pragma once

#include "limbeck/training/adamw.hpp"
#include "limbeck/training/checkpoint.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/distiller.hpp"
#include "limbeck/training/evaluation.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "limbeck/training/interruption.hpp"
#include "limbeck/training/learning_rate.hpp"
#include "limbeck/training/metrics.hpp"
#include "limbeck/training/samples.hpp"
#include "limbeck/training/teacher_store.hpp"
#include "limbeck/training/term_spec.hpp"
#include "limbeck/training/terms.hpp"
#include "limbeck/training/trainer.hpp"
#include "limbeck/training/training_options.hpp"
