/* SPDX-License-Identifier: MIT */

#include "schedule.h"

namespace mlpot {

void run_layers(LayerBackend &backend, const mlpot_communicator &comm)
{
  const int last = backend.n_layers() - 1;
  for (int layer = 0; layer < last; layer++) {
    backend.run_layer(layer, Pass::Forward);
    const mlpot_rows rows = backend.messages(layer);
    if (comm.forward) comm.forward(comm.context, &rows);
  }
  backend.run_layer(last, Pass::Both);
  for (int layer = last - 1; layer >= 0; layer--) {
    for (const mlpot_rows &rows : backend.adjoints())
      if (comm.reverse) comm.reverse(comm.context, &rows);
    backend.run_layer(layer, Pass::Backward);
  }
}

}    // namespace mlpot
