/* SPDX-License-Identifier: MIT

   Runs the TorchScript of a model file with libtorch, layer by layer, so that ranks can communicate
   after each layer. Each layer has its own autograd graph, whose leaves are the edge vectors and the
   outputs of the layer before; the backward pass goes through the layers in the opposite order.
   Nothing is kept between two calls, and no global setting is changed. */

#ifndef MLPOT_TORCH_ENGINE_H
#define MLPOT_TORCH_ENGINE_H

#include "edge_list.h"
#include "engine.h"
#include "manifest.h"
#include "message_rows.h"

#include <torch/script.h>

#include <string>
#include <vector>

namespace mlpot {

class TorchEngine : public Engine {
 public:
  TorchEngine(const mlpot_settings &settings, const ModelFile &file);

  mlpot_description describe() const override;
  const Manifest &manifest() const override { return manifest_; }
  void compute(const mlpot_atoms &atoms, const mlpot_communicator &comm,
               mlpot_result &result) override;
  double memory_usage() const override;

 private:
  /* Leaves and outputs of one layer. */
  struct Layer {
    torch::Tensor vectors, features, messages;
    torch::Tensor energies, features_out, messages_out;
  };
  /* Derivatives of the energy with respect to the inputs of a layer. */
  struct Adjoint {
    torch::Tensor vectors, features, messages;
  };
  /* Input of one evaluation: the edges as tensors on the device, and the communication. */
  struct Task {
    const EdgeList &edges;
    const mlpot_communicator &comm;
    int n_host_atoms;
    torch::Tensor species, edge_index, vectors;

    /* Zeros, one row for each atom of the host. */
    std::vector<double> host_rows(int width) const
    {
      return std::vector<double>(static_cast<std::size_t>(n_host_atoms) * width, 0.0);
    }
    void forward(std::vector<double> &values, int width) const
    {
      const mlpot_rows rows = plain_rows(values.data(), width);
      comm.forward(comm.context, &rows);
    }
    void reverse(std::vector<double> &values, int width) const
    {
      const mlpot_rows rows = plain_rows(values.data(), width);
      comm.reverse(comm.context, &rows);
    }
  };

  Manifest manifest_;
  std::string precision;
  torch::Device device;
  torch::ScalarType dtype;
  int n_threads;
  torch::jit::Module module;

  void load_module(const ModelFile &file);
  Task make_task(const EdgeList &edges, const mlpot_atoms &atoms,
                 const mlpot_communicator &comm) const;
  Layer run_layer(const Task &task, int layer, const torch::Tensor &features,
                  const torch::Tensor &messages);
  Adjoint differentiate(const Layer &layer, const Adjoint &of_outputs) const;
  torch::Tensor send_to_ghosts(const Task &task, const torch::Tensor &messages) const;
  torch::Tensor add_from_ghosts(const Task &task, const torch::Tensor &adjoints) const;
  void communicate_without_atoms(const Task &task) const;
  void evaluate(const Task &task, torch::Tensor &energies, torch::Tensor &gradient);
};

}    // namespace mlpot

#endif
