/* SPDX-License-Identifier: MIT */

#ifndef MLPOT_PYTHON_TRAINING_H
#define MLPOT_PYTHON_TRAINING_H

#include <nanobind/nanobind.h>

void add_training(nanobind::module_ &module);

#endif
