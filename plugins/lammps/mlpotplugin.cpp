/* ----------------------------------------------------------
   pair_style mlpot: E(3)-equivariant potentials from a model.pt file in LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

/* Registration with LAMMPS. The interface is declared here because binary distributions of LAMMPS
   do not ship lammpsplugin.h; it is described in the manual under "Plugins". */

#include "compute_mlpot_uncertainty.h"
#include "fix_mlpot_frames.h"
#include "fix_mlpot_guard.h"
#include "guarded_styles.h"
#include "mlpot_errors.h"

#include "comm.h"
#include "lammps.h"

#include <dlfcn.h>

namespace {

typedef void *(*mlpot_pair_factory)(void *);
typedef void *(*mlpot_style_factory)(void *, int, char **);

struct mlpot_lammps_plugin {
  const char *version, *style, *name, *info, *author;
  union {
    mlpot_pair_factory pair;
    mlpot_style_factory other;
  } creator;
  void *handle;
};

typedef void (*mlpot_register)(mlpot_lammps_plugin *, void *);

void *create_pair_mlpot(void *host)
{
  auto *const lmp = static_cast<LAMMPS_NS::LAMMPS *>(host);
  return MLPotErrors::or_abort(lmp, [=] {
    return new LAMMPS_NS::GuardedPair(lmp);
  });
}

template <typename Style> void *create(void *host, int narg, char **arg)
{
  auto *const lmp = static_cast<LAMMPS_NS::LAMMPS *>(host);
  return MLPotErrors::or_abort(lmp, [=] {
    return new Style(lmp, narg, arg);
  });
}

// bytes of an integer type of LAMMPS, from its C library; -1: unknown
int size_in_lammps(LAMMPS_NS::LAMMPS *lmp, const char *type)
{
  using Setting = int (*)(void *, const char *);
  const auto setting = reinterpret_cast<Setting>(dlsym(RTLD_DEFAULT, "lammps_extract_setting"));
  return setting ? setting(lmp, type) : -1;
}

// a plugin with integers of other sizes would read the arrays of LAMMPS wrongly
bool has_sizes_of(LAMMPS_NS::LAMMPS *lmp)
{
  const int tagint_size = size_in_lammps(lmp, "tagint"),
            bigint_size = size_in_lammps(lmp, "bigint");
  if (tagint_size < 0 ||
      (tagint_size == sizeof(LAMMPS_NS::tagint) && bigint_size == sizeof(LAMMPS_NS::bigint)))
    return true;
  if (lmp->comm->me == 0)
    LAMMPS_NS::utils::logmesg(
        lmp,
        "WARNING: Pair style mlpot is not available: it was built for atom IDs of {} bytes and "
        "step "
        "counts of {}, this LAMMPS has {} and {}; build the plugin with -DLAMMPS_SIZES={}\n",
        sizeof(LAMMPS_NS::tagint), sizeof(LAMMPS_NS::bigint), tagint_size, bigint_size,
        tagint_size == 8 ? "bigbig" : "smallbig");
  return false;
}

// a plugin for another version of LAMMPS would crash: the classes of LAMMPS change between versions
bool is_compatible(LAMMPS_NS::LAMMPS *lmp)
{
  if (lmp->num_ver == MLPOT_LAMMPS_VERSION) return has_sizes_of(lmp);
  if (lmp->comm->me == 0)
    LAMMPS_NS::utils::logmesg(
        lmp,
        "WARNING: Pair style mlpot is not available: it was built for LAMMPS {}, this "
        "is LAMMPS {}; install mlpot again without the cache of pip\n",
        MLPOT_LAMMPS_VERSION, lmp->num_ver);
  return false;
}

void register_styles(LAMMPS_NS::LAMMPS *lmp, void *handle, mlpot_register register_style)
{
  using namespace LAMMPS_NS;
  const auto add = [=](const char *style, const char *name, const auto &set_creator) {
    mlpot_lammps_plugin plugin = {};
    plugin.version = lmp->version;
    plugin.style = style;
    plugin.name = name;
    plugin.info = "mlpot " MLPOT_VERSION;
    plugin.author = "the mlpot developers";
    plugin.handle = handle;
    set_creator(plugin.creator);
    register_style(&plugin, lmp);
  };
  add("pair", "mlpot", [](auto &creator) {
    creator.pair = &create_pair_mlpot;
  });
  add("compute", "mlpot/uncertainty", [](auto &creator) {
    creator.other = &create<GuardedCompute<ComputeMLPotUncertainty>>;
  });
  add("fix", "mlpot/guard", [](auto &creator) {
    creator.other = &create<GuardedFix<FixMLPotGuard>>;
  });
  add("fix", "MLPOT/FRAMES", [](auto &creator) {
    creator.other = &create<GuardedFix<FixMLPotFrames>>;
  });
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *host, void *handle,
                                                                         void *register_style)
{
  auto *const lmp = static_cast<LAMMPS_NS::LAMMPS *>(host);
  MLPotErrors::or_abort(lmp, [=] {
    if (is_compatible(lmp))
      register_styles(lmp, handle, reinterpret_cast<mlpot_register>(register_style));
  });
}
