// Everything in limbeck/recipes.
#pragma once

#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/distill.hpp"
#include "limbeck/recipes/evaluate.hpp"
#include "limbeck/recipes/fine_tune.hpp"
#include "limbeck/recipes/predict.hpp"
#include "limbeck/recipes/run_folder.hpp"
#include "limbeck/recipes/store.hpp"
#include "limbeck/recipes/task.hpp"
#include "limbeck/recipes/task_training.hpp"
#include "limbeck/recipes/teacher_outputs.hpp"
#include "limbeck/recipes/trace.hpp"
