/* -*- c++ -*- ----------------------------------------------------------
   pair_style mlpot: E(3)-equivariant potentials from a model.pt file in LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_PAIR_MLPOT_H
#define LMP_PAIR_MLPOT_H

#include "engine_api.h"

#include "pair.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class PairMLPot : public Pair {
 public:
  explicit PairMLPot(class LAMMPS *);
  ~PairMLPot() override;

  void compute(int, int) override;
  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void write_restart(FILE *) override;
  void read_restart(FILE *) override;
  void write_restart_settings(FILE *) override;
  void read_restart_settings(FILE *) override;
  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;
  double memory_usage() override;

 private:
  // the arrays that the engine fills, in eV and A
  struct Buffers {
    std::vector<int> species;
    std::vector<double> energies, forces, virials, centroid_virials;
  };

  std::string engine_name, precision, device;    // pair_style settings
  const mlpot_engine_api *api;
  mlpot_engine *engine;
  mlpot_description model;
  std::vector<int> species_of_type;    // index into the model's elements, -1 for NULL
  double energy_unit;                  // energy of 1 eV in the units of the run
  Buffers buffers;

  // what travels between two layers of the model
  const mlpot_rows *messages;

  void allocate();
  void unload();
  void load_model(const std::string &);
  std::string try_to_load(const std::string &, const std::string &);
  void stop_if_any_failed(const std::string &);
  void map_species(const std::string &);
  void log_model(const std::string &);
  mlpot_atoms describe_atoms();
  void prepare_result(mlpot_result &, int);
  void add_result(const mlpot_result &);
  void add_virials(const mlpot_result &);
  [[noreturn]] void stop(const mlpot_result &, const std::string &);
  void write_word(FILE *, const std::string &);
  std::string read_word(FILE *);

  static void forward_messages(void *, const mlpot_rows *);
  static void reverse_messages(void *, const mlpot_rows *);
};

}    // namespace LAMMPS_NS

#endif
