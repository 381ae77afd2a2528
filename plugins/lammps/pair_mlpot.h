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
#include "mlpot_frame.h"
#include "mlpot_watcher.h"

#include "pair.h"

#include <functional>
#include <string>
#include <utility>
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

  // collective: stops if a position is not a finite number
  void check_positions();

  // for computes and fixes: the pair style of this run; stops with a sentence if it knows no uncertainty
  static PairMLPot *find(class LAMMPS *, const std::string &);
  void check_limits(const std::string &, bool, bool) const;
  std::string what_is_known() const;
  std::string bar_name() const;
  std::vector<std::string> symbols() const;
  double energy_unit_of_run() const { return energy_unit; }

  // collective: how sure the model is of the last evaluation
  const MLPotUncertainty &uncertainty(int);
  std::vector<MLPotFrame::Column> columns(const MLPotUncertainty &) const;
  struct Largest {
    double value;
    int rank, index;    // where it is
    tagint atom;
  };
  // collective: largest value of the atoms in a group; a value that is not a number is larger than any other
  Largest largest(const std::vector<double> &, int) const;
  // collective: the text of the first rank that has one, on all ranks
  int share_first(std::string &) const;

 private:
  // why an evaluation failed, in words that follow "failed at step 12", and the atoms that show it
  struct Problem {
    std::string text;
    std::vector<tagint> atoms;
  };

  // the arrays that the engine fills, in eV and A
  struct Buffers {
    std::vector<int> species;
    std::vector<double> energies, forces, virials, centroid_virials;
    std::vector<double> member_energies, member_forces, distances, distance_sums;
  };

  std::string engine_name, precision, device;    // pair_style settings
  const mlpot_engine_api *api;
  mlpot_engine *engine;
  mlpot_description model;
  std::vector<int> species_of_type;    // index into the model's elements, -1 for NULL
  double energy_unit;                  // energy of 1 eV in the units of the run
  Buffers buffers;

  // what travels between two layers of the model; null: forces of members, sums of distances
  const mlpot_rows *messages;

  // of the last evaluation, as far as it was computed
  MLPotUncertainty certainty;
  int known;

  // fail closed
  class FixMLPotFrames *frames;
  double closest;                                  // fraction of the sum of covalent radii
  std::vector<double> radius_of_type;              // A
  std::vector<std::pair<int, int>> close_pairs;    // may come too close with this neighbour list
  int i_failed, somebody_failed;

  void allocate();
  void unload();
  void load_model(const std::string &);
  std::string try_to_load(const std::string &, const std::string &);
  void map_species(const std::string &);
  void log_model(const std::string &);
  void check_special_bonds() const;
  mlpot_atoms describe_atoms();
  void prepare_result(mlpot_result &);
  void add_result(const mlpot_result &);
  void add_virials(const mlpot_result &);
  Problem run_engine(mlpot_result &);

  void attempt(const std::function<Problem()> &);
  bool meet(bool);
  void stop_if_any_failed(std::string);
  [[noreturn]] void stop(Problem);
  std::string write_frames(const Problem &);
  std::string file_name(const std::string &) const;
  Problem position_problem() const;
  Problem problem_of(int, const std::string &) const;
  Problem overlap_problem();
  void find_close_pairs();
  double closest_distance(int, int) const;
  double squared_distance(int, int) const;

  int wanted_now() const;
  void prepare_members(mlpot_result &, int);
  void digest_members(int);
  void digest_energies();
  void digest_forces();
  double &member_force(int, int, int);
  int member_width() const;
  int pack_members(int, int, double *);
  void unpack_members(int, const int *, const double *);

  void write_word(FILE *, const std::string &);
  std::string read_word(FILE *);

  static void forward_messages(void *, const mlpot_rows *);
  static void reverse_messages(void *, const mlpot_rows *);
};

}    // namespace LAMMPS_NS

#endif
