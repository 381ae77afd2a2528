/* SPDX-License-Identifier: MIT */

#include "torch_engine.h"

#include "edge_sums.h"
#include "memory_reuse.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <sstream>
#include <stdexcept>

namespace mlpot {

using torch::Tensor;

namespace {

  /* Sets the number of threads of this rank for the time of one evaluation. */
  class ThreadCount {
   public:
    explicit ThreadCount(int n) : before(at::get_num_threads()) { set(n); }
    ~ThreadCount() { set(before); }
    ThreadCount(const ThreadCount &) = delete;
    ThreadCount &operator=(const ThreadCount &) = delete;

   private:
    int before;
    static void set(int n)
    {
      if (n != at::get_num_threads()) at::set_num_threads(n);
    }
  };

  torch::Device choose_device(const mlpot_settings &settings)
  {
    const std::string device = settings.device;
    if (device == "cpu") return torch::kCPU;
    const auto count = static_cast<int>(torch::cuda::device_count());
    if (count == 0)
      throw std::runtime_error("device cuda requires a CUDA device, and libtorch " TORCH_VERSION
                               " finds none; use device cpu");
    return torch::Device(torch::kCUDA,
                         static_cast<torch::DeviceIndex>(settings.device_index % count));
  }

  Tensor leaf(const Tensor &values)
  {
    return values.detach().requires_grad_(true);
  }

  /* Message of libtorch without its stack trace; that of TorchScript ends with the cause. */
  std::string cause(const c10::Error &error)
  {
    const std::string text = error.what_without_backtrace();
    const std::size_t runtime = text.rfind("RuntimeError: ");
    return "libtorch: " + (runtime == std::string::npos ? text : text.substr(runtime));
  }

  /* Runs the action; exceptions of libtorch become a sentence for the user. */
  template <typename Action> void translate_errors(const Action &action)
  {
    try {
      action();
    } catch (const c10::OutOfMemoryError &) {
      throw std::runtime_error("the device has not enough memory; use more devices, a smaller "
                               "system or device cpu");
    } catch (const c10::Error &error) {
      throw std::runtime_error(cause(error));
    } catch (const torch::jit::JITException &error) {
      throw std::runtime_error(std::string("libtorch: ") + error.what());
    }
  }

}    // namespace

std::unique_ptr<Engine> make_engine(const mlpot_settings &settings, const ModelFile &file)
{
  return std::make_unique<TorchEngine>(settings, file);
}

TorchEngine::TorchEngine(const mlpot_settings &settings, const ModelFile &file) :
    manifest_(read_manifest(file)),
    precision(*settings.precision ? settings.precision : manifest_.precision),
    device(choose_device(settings)),
    dtype(precision == "double" ? torch::kFloat64 : torch::kFloat32), n_threads(settings.n_threads)
{
  if (device.is_cpu()) reuse_large_memory();
  translate_errors([&] {
    load_module(file);
  });
  const auto run = [this](const mlpot_atoms &atoms, const mlpot_communicator &comm,
                          mlpot_result &result) {
    compute(atoms, comm, result);
  };
  check_self_test(manifest_, precision, false, run);
}

/* As in Python: indices stay integers (Module::to would convert them as well). */
void TorchEngine::load_module(const ModelFile &file)
{
  std::istringstream stream(file.bytes());
  module = torch::jit::load(stream, device);
  module.eval();
  const auto convert = [this](Tensor tensor) {
    tensor.set_requires_grad(false);
    if (tensor.is_floating_point()) tensor.set_data(tensor.to(dtype));
  };
  for (const auto &tensor : module.parameters()) convert(tensor);
  for (const auto &tensor : module.buffers()) convert(tensor);
}

mlpot_description TorchEngine::describe() const
{
  return mlpot::describe(manifest_, "torch " TORCH_VERSION, precision.c_str(), n_threads);
}

void TorchEngine::compute(const mlpot_atoms &atoms, const mlpot_communicator &comm,
                          mlpot_result &result)
{
  require_host_memory(atoms, result);
  if (requests_members(result) || result.feature_distances || result.distance_sums)
    throw std::runtime_error(
        "engine torch computes only the mean of a committee; members, error bars and feature "
        "distances require engine native");
  // otherwise libtorch compiles the model again whenever the number of edges changes
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  const ThreadCount threads(n_threads);
  const EdgeList edges(atoms, manifest_.cutoff);
  const Task task = make_task(edges, atoms, comm);
  if (edges.n_centers == 0) return communicate_without_atoms(task);
  Tensor energies, gradient;
  translate_errors([&] {
    evaluate(task, energies, gradient);
    energies = energies.to(torch::kCPU, torch::kFloat64).contiguous();
    gradient = gradient.to(torch::kCPU, torch::kFloat64).contiguous();
  });
  add_to_result(edges, energies.data_ptr<double>(), gradient.data_ptr<double>(), result);
}

double TorchEngine::memory_usage() const
{
  double bytes = 0.0;
  for (const auto &tensor : module.parameters()) bytes += static_cast<double>(tensor.nbytes());
  for (const auto &tensor : module.buffers()) bytes += static_cast<double>(tensor.nbytes());
  return bytes;
}

TorchEngine::Task TorchEngine::make_task(const EdgeList &edges, const mlpot_atoms &atoms,
                                         const mlpot_communicator &comm) const
{
  const auto view = [this](const auto &values, std::vector<std::int64_t> shape,
                           torch::ScalarType type) {
    using Value = typename std::decay_t<decltype(values)>::value_type;
    return torch::from_blob(const_cast<Value *>(values.data()), shape, type).to(device);
  };
  return {edges,
          comm,
          atoms.n_atoms,
          view(edges.species, {edges.n_atoms()}, torch::kInt64),
          view(edges.index, {2, edges.n_edges()}, torch::kInt64),
          view(edges.vectors, {edges.n_edges(), 3}, torch::kFloat64)};
}

/* All layers forward, then all layers backward. */
void TorchEngine::evaluate(const Task &task, Tensor &energies, Tensor &gradient)
{
  const auto options = torch::TensorOptions().dtype(dtype).device(device);
  const std::int64_t n_centers = task.edges.n_centers;
  std::vector<Layer> layers;
  Tensor features = torch::zeros({n_centers, 0}, options);
  Tensor messages = torch::zeros({task.edges.n_atoms(), 0}, options);
  for (int n = 0; n < manifest_.n_layers; n++) {
    layers.push_back(run_layer(task, n, features, messages));
    const Tensor part = layers.back().energies.detach();
    energies = n == 0 ? part : energies + part;
    features = layers.back().features_out;
    if (n + 1 < manifest_.n_layers) messages = send_to_ghosts(task, layers.back().messages_out);
  }
  Adjoint adjoint;
  gradient = torch::zeros_like(task.vectors);
  for (int n = manifest_.n_layers - 1; n >= 0; n--) {
    adjoint = differentiate(layers[n], adjoint);
    layers.pop_back();
    gradient += adjoint.vectors;
    if (n > 0) adjoint.messages = add_from_ghosts(task, adjoint.messages);
  }
}

TorchEngine::Layer TorchEngine::run_layer(const Task &task, int layer, const Tensor &features,
                                          const Tensor &messages)
{
  Layer run;
  run.vectors = leaf(task.vectors);
  run.features = leaf(features);
  run.messages = leaf(messages);
  const auto out = module
                       .run_method("forward_layer", static_cast<std::int64_t>(layer),
                                   static_cast<std::int64_t>(task.edges.n_centers), task.species,
                                   task.edge_index, run.vectors, run.features, run.messages)
                       .toTuple();
  run.energies = out->elements()[0].toTensor();
  run.features_out = out->elements()[1].toTensor();
  run.messages_out = out->elements()[2].toTensor();
  return run;
}

/* Adjoints of the inputs of `layer` from those of its outputs (undefined above the last layer). */
TorchEngine::Adjoint TorchEngine::differentiate(const Layer &layer, const Adjoint &of_outputs) const
{
  torch::autograd::variable_list outputs, weights;
  const auto add = [&](const Tensor &output, const Tensor &weight) {
    if (!output.requires_grad() || !weight.defined()) return;
    outputs.push_back(output);
    weights.push_back(weight);
  };
  add(layer.energies, torch::ones_like(layer.energies));
  add(layer.features_out, of_outputs.features);
  add(layer.messages_out, of_outputs.messages);
  if (outputs.empty())
    return {torch::zeros_like(layer.vectors), torch::zeros_like(layer.features),
            torch::zeros_like(layer.messages)};
  const auto gradients =
      torch::autograd::grad(outputs, {layer.vectors, layer.features, layer.messages}, weights,
                            /*retain_graph=*/false, /*create_graph=*/false, /*allow_unused=*/true);
  const auto or_zero = [](const Tensor &gradient, const Tensor &like) {
    return gradient.defined() ? gradient : torch::zeros_like(like);
  };
  return {or_zero(gradients[0], layer.vectors), or_zero(gradients[1], layer.features),
          or_zero(gradients[2], layer.messages)};
}

/* Messages of all atoms of the task from those of its centers. */
Tensor TorchEngine::send_to_ghosts(const Task &task, const Tensor &messages) const
{
  const Tensor own = messages.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  std::vector<double> values = task.host_rows(manifest_.message_width);
  rows_to_host(task.edges, task.edges.n_centers, manifest_.message_width, own.data_ptr<double>(),
               values.data());
  task.forward(values, manifest_.message_width);
  const Tensor all = torch::empty({task.edges.n_atoms(), manifest_.message_width}, torch::kFloat64);
  rows_from_host(task.edges, task.edges.n_atoms(), manifest_.message_width, values.data(),
                 all.data_ptr<double>());
  return all.to(device, dtype);
}

/* Adjoints of the centers' messages, summed over the neighbors on all ranks. */
Tensor TorchEngine::add_from_ghosts(const Task &task, const Tensor &adjoints) const
{
  const Tensor all = adjoints.to(torch::kCPU, torch::kFloat64).contiguous();
  std::vector<double> values = task.host_rows(manifest_.message_width);
  rows_to_host(task.edges, task.edges.n_atoms(), manifest_.message_width, all.data_ptr<double>(),
               values.data());
  task.reverse(values, manifest_.message_width);
  const Tensor own = torch::empty({task.edges.n_centers, manifest_.message_width}, torch::kFloat64);
  rows_from_host(task.edges, task.edges.n_centers, manifest_.message_width, values.data(),
                 own.data_ptr<double>());
  return own.to(device, dtype);
}

/* A rank without atoms makes the same calls of the communication as the others. */
void TorchEngine::communicate_without_atoms(const Task &task) const
{
  for (int n = 1; n < manifest_.n_layers; n++) {
    std::vector<double> values = task.host_rows(manifest_.message_width);
    task.forward(values, manifest_.message_width);
  }
  for (int n = 1; n < manifest_.n_layers; n++) {
    std::vector<double> values = task.host_rows(manifest_.message_width);
    task.reverse(values, manifest_.message_width);
  }
}

}    // namespace mlpot
