/* SPDX-License-Identifier: MIT

   Order of an evaluation: all layers forward, then all of them back, with messages exchanged in between; the last
   layer goes both ways at once. A backend does the work; it decides where arrays lie and what runs at the same time. */

#ifndef MLPOT_SCHEDULE_H
#define MLPOT_SCHEDULE_H

#include "engine_api.h"
#include "kernels/kernel.h"

#include <vector>

namespace mlpot {

class LayerBackend {
 public:
  virtual ~LayerBackend() = default;
  virtual int n_layers() const = 0;

  /* One pass of one layer over all centers. */
  virtual void run_layer(int layer, Pass pass) = 0;

  /* Messages of a layer after its forward pass; the host copies those of the centers to their ghosts. */
  virtual mlpot_rows messages(int layer) = 0;
  /* Adjoints of the messages of the layer before the one that ran last, of the mean and of each deviation; the host
     adds those of the ghosts to their atoms. */
  virtual std::vector<mlpot_rows> adjoints() = 0;
};

/* A host without ghost atoms has a communicator of null functions. */
void run_layers(LayerBackend &backend, const mlpot_communicator &comm);

}    // namespace mlpot

#endif
