/* ----------------------------------------------------------
   pair_style mlpot: communication of per-atom values between two layers of the model.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "message_rows.h"
#include "mlpot_errors.h"

#include "comm.h"

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   callbacks of the engine; after a failure on any rank nothing is communicated
   and the results are discarded
------------------------------------------------------------------------- */

void PairMLPot::forward_messages(void *context, const mlpot_rows *rows)
{
  auto *pair = static_cast<PairMLPot *>(context);
  pair->exchange(rows, [pair] {
    pair->comm->forward_comm(pair, pair->model.message_width);
  });
}

void PairMLPot::reverse_messages(void *context, const mlpot_rows *rows)
{
  auto *pair = static_cast<PairMLPot *>(context);
  pair->exchange(rows, [pair] {
    pair->comm->reverse_comm(pair, pair->model.message_width);
  });
}

/* ----------------------------------------------------------------------
   an exception must not pass through the engine: it is kept, and thrown again
   when the engine has returned
------------------------------------------------------------------------- */

void PairMLPot::exchange(const mlpot_rows *rows, const std::function<void()> &communicate)
{
  if (communication_error) return;
  try {
    messages = rows;
    sync_status(false);
    if (any_failed) return;
    if (mlpot::row_width(*rows) > model.message_width)
      MLPotErrors::abort_all(
          lmp,
          fmt::format("Pair style mlpot: the engine sends {} values per atom, more than {}",
                      mlpot::row_width(*rows), model.message_width));
    MLPotErrors::or_abort(lmp, communicate);
  } catch (...) {
    communication_error = std::current_exception();
  }
}

/* ---------------------------------------------------------------------- */

int PairMLPot::pack_forward_comm(int n, int *indices, double *buf, int /*pbc_flag*/, int * /*pbc*/)
{
  const int width = mlpot::row_width(*messages);
  for (int k = 0; k < n; k++) mlpot::read_row(*messages, indices[k], buf + k * width);
  return n * width;
}

void PairMLPot::unpack_forward_comm(int n, int first, double *buf)
{
  const int width = mlpot::row_width(*messages);
  for (int k = 0; k < n; k++) mlpot::write_row(*messages, first + k, buf + k * width);
}

int PairMLPot::pack_reverse_comm(int n, int first, double *buf)
{
  if (!messages) return pack_members(n, first, buf);
  const int width = mlpot::row_width(*messages);
  for (int k = 0; k < n; k++) mlpot::read_row(*messages, first + k, buf + k * width);
  return n * width;
}

void PairMLPot::unpack_reverse_comm(int n, int *indices, double *buf)
{
  if (!messages) return unpack_members(n, indices, buf);
  const int width = mlpot::row_width(*messages);
  for (int k = 0; k < n; k++) mlpot::add_to_row(*messages, indices[k], buf + k * width);
}
