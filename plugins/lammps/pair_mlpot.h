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
#include "mlpot_uncertainty.h"

#include "pair.h"

#include <exception>
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

  // for computes and fixes: the pair style of this run; stops if its model has no uncertainty
  static PairMLPot *find(class LAMMPS *, const std::string &);
  void check_limits(const std::string &, bool, bool) const;
  std::string describe_uncertainty() const;
  std::string force_label() const;
  std::vector<std::string> symbols() const;
  double energy_unit_of_run() const { return energy_unit; }

  // collective: uncertainties of the last evaluation, computed now where they were not requested before; stops if it
  // was not one of the atoms as they are
  const MLPotUncertainty &uncertainty(int);
  void check_current() const;
  std::vector<MLPotFrame::Column> columns(const MLPotUncertainty &) const;
  struct Largest {
    double value;
    int rank, index;
    tagint atom;
  };
  // collective: largest value of the atoms in a group; a value that is not a number is larger than any other
  Largest largest(const std::vector<double> &, int) const;
  // collective: the text of the first rank that has one, on all ranks
  int broadcast_first(std::string &) const;

 private:
  // why an evaluation failed, to be appended to "failed at step 12", and the atoms concerned
  struct Failure {
    std::string text;
    std::vector<tagint> atoms;
  };

  // buffer for the error message of an engine
  struct EngineMessage {
    char text[4096] = "";
    mlpot_message handle = {text, sizeof(text)};
  };

  // the arrays that the engine fills, in eV and A
  struct Buffers {
    std::vector<int> species;
    std::vector<double> energies, forces, virials, centroid_virials;
    std::vector<double> member_energies, all_energies;    // of this rank, of all ranks
    std::vector<double> member_forces, distances, distance_sums;
  };

  std::string engine_name, precision, device;    // pair_style settings
  const mlpot_engine_api *api;
  mlpot_engine *engine;
  mlpot_description model;
  std::vector<int> species_of_type;    // index into the model's elements, -1 for NULL
  double energy_unit;                  // energy of 1 eV in the units of the run
  Buffers buffers;

  // messages between two layers; null: forces of members and sums of distances are communicated
  const mlpot_rows *messages;

  // of the last evaluation, and which parts of it are computed
  MLPotUncertainty latest;
  int available;
  bigint evaluated_step;    // -1: none

  double closest;                        // allowed, as a fraction of the sum of covalent radii
  std::vector<double> radius_of_type;    // A
  std::vector<std::pair<int, int>> close_pairs;    // may come too close with this neighbor list
  int this_rank_failed, any_failed;
  std::exception_ptr communication_error;    // of a callback of the engine
  bool warned_masses, warned_heat_flux;
  unsigned long long n_inits;

  void allocate();
  void unload();
  void load_model(const std::string &);
  std::string read_model(const std::string &, std::string &);
  std::string open_engine();
  std::string create_engine(const std::string &, const std::string &);
  void map_species(const std::string &);
  void log_model(const std::string &) const;
  void warn_threads() const;
  void set_units();
  void check_neighbor_list() const;
  bool misses_bonded() const;
  bool has_special(int, int) const;
  bool misses_excluded() const;
  bool has_atoms(int, bool) const;
  void check_centroid_stress() const;
  void warn_masses();
  void warn_heat_flux();
  unsigned long long list_version() const;
  mlpot_atoms engine_atoms();
  void prepare_result(mlpot_result &);
  void add_result(const mlpot_result &);
  void add_virials(const mlpot_result &);
  Failure run_engine(mlpot_result &);
  static Failure failure_of(const EngineMessage &, int);
  std::string frames_id() const;
  class FixMLPotFrames *
  frames() const;    // keeps the last good frame; null if the input has removed it

  void attempt(const std::function<Failure()> &);
  void broadcast(std::string &, int) const;
  bool sync_status(bool);
  void stop_if_any_failed(std::string);
  [[noreturn]] void stop(Failure);
  std::string write_frames(const Failure &);
  std::string file_name(const std::string &) const;
  Failure position_failure() const;
  Failure failure_at(int, const std::string &) const;
  Failure overlap_failure();
  void find_close_pairs();
  double closest_distance(int, int) const;
  double squared_distance(int, int) const;

  int requested_now() const;
  void prepare_members(mlpot_result &, int);
  void reduce_members(int);
  void reduce_energies();
  void reduce_forces();
  double &member_force(int, int, int);
  int member_width() const;
  int pack_members(int, int, double *);
  void unpack_members(int, const int *, const double *);

  void write_word(FILE *, const std::string &);
  std::string read_word(FILE *);

  void exchange(const mlpot_rows *, const std::function<void()> &);
  static void forward_messages(void *, const mlpot_rows *);
  static void reverse_messages(void *, const mlpot_rows *);
};

}    // namespace LAMMPS_NS

#endif
