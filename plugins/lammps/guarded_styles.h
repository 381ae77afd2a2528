/* -*- c++ -*- ----------------------------------------------------------
   pair_style mlpot: the styles as LAMMPS calls them, where a lack of memory is an error of LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_GUARDED_STYLES_H
#define LMP_GUARDED_STYLES_H

#include "mlpot_errors.h"
#include "pair_mlpot.h"

namespace LAMMPS_NS {

class GuardedPair final : public PairMLPot {
 public:
  using PairMLPot::PairMLPot;

  void settings(int narg, char **arg) override
  {
    MLPotErrors::or_abort(lmp, [&] {
      PairMLPot::settings(narg, arg);
    });
  }
  void coeff(int narg, char **arg) override
  {
    MLPotErrors::or_abort(lmp, [&] {
      PairMLPot::coeff(narg, arg);
    });
  }
  void init_style() override
  {
    MLPotErrors::or_abort(lmp, [&] {
      PairMLPot::init_style();
    });
  }
  double init_one(int i, int j) override
  {
    return MLPotErrors::or_abort(lmp, [&] {
      return PairMLPot::init_one(i, j);
    });
  }
  void compute(int eflag, int vflag) override
  {
    MLPotErrors::or_abort(lmp, [&] {
      PairMLPot::compute(eflag, vflag);
    });
  }
  void read_restart(FILE *fp) override
  {
    MLPotErrors::or_abort(lmp, [&] {
      PairMLPot::read_restart(fp);
    });
  }
  void read_restart_settings(FILE *fp) override
  {
    MLPotErrors::or_abort(lmp, [&] {
      PairMLPot::read_restart_settings(fp);
    });
  }
};

template <typename Style> class GuardedCompute final : public Style {
 public:
  using Style::Style;

  void init() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::init();
    });
  }
  double compute_scalar() override
  {
    return MLPotErrors::or_abort(this->lmp, [&] {
      return Style::compute_scalar();
    });
  }
  void compute_vector() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::compute_vector();
    });
  }
  void compute_peratom() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::compute_peratom();
    });
  }
};

template <typename Style> class GuardedFix final : public Style {
 public:
  using Style::Style;

  void init() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::init();
    });
  }
  void setup(int vflag) override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::setup(vflag);
    });
  }
  void min_setup(int vflag) override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::min_setup(vflag);
    });
  }
  void setup_pre_exchange() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::setup_pre_exchange();
    });
  }
  void pre_exchange() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::pre_exchange();
    });
  }
  void min_pre_exchange() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::min_pre_exchange();
    });
  }
  void end_of_step() override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::end_of_step();
    });
  }
  void min_post_force(int vflag) override
  {
    MLPotErrors::or_abort(this->lmp, [&] {
      Style::min_post_force(vflag);
    });
  }
};

}    // namespace LAMMPS_NS

#endif
