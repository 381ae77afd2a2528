/* SPDX-License-Identifier: MIT

   mlpot._native.Trainer: the native kernels for training; see mlpot/training/native.py. */

#include "training.h"

#include "evaluation.h"
#include "training/trainer.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace nb = nanobind;

namespace {

using Array = nb::ndarray<nb::c_contig, nb::device::cpu>;
template <typename T> using Vector = nb::ndarray<T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Vectors = nb::ndarray<T, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

/* A batch of structures: the edges of atom i are first[i] to first[i + 1]. */
struct Batch {
  Vector<const int> species;
  Vector<const std::int64_t> first;
  Vector<const int> neighbor;
  Vectors<const double> vectors;

  int n_atoms() const { return static_cast<int>(species.shape(0)); }
};

/* Pointers to the rows of arrays of the edges. */
template <typename T> std::vector<T *> rows_of(const Batch &batch, T *values, int width)
{
  std::vector<T *> rows;
  for (int i = 0; i < batch.n_atoms(); i++) rows.push_back(values + width * batch.first(i));
  return rows;
}

/* The edges of a batch as neighbor lists of the engine: all atoms at the origin, edge vectors as offsets. */
class Neighbors {
 public:
  explicit Neighbors(const Batch &batch) :
      batch(batch), positions(3 * static_cast<std::size_t>(batch.n_atoms()), 0.0),
      neighbors(rows_of(batch, const_cast<int *>(batch.neighbor.data()), 1)),
      offsets(rows_of(batch, batch.vectors.data(), 3))
  {
    for (int i = 0; i < batch.n_atoms(); i++) {
      centers.push_back(i);
      counts.push_back(static_cast<int>(batch.first(i + 1) - batch.first(i)));
    }
  }

  mlpot::NativeAtoms atoms(const std::vector<const double *> &tangents,
                           const std::vector<double *> &gradients) const
  {
    const int n = batch.n_atoms();
    const mlpot_neighbors list = {counts.data(), neighbors.data(), nullptr, 0, 0, 0x7fffffff, 0};
    return {{n, n, batch.species.data(), positions.data(), centers.data(), list, MLPOT_HOST_MEMORY},
            offsets.data(),
            nullptr,
            tangents.data(),
            gradients.empty() ? nullptr : gradients.data()};
  }

 private:
  const Batch &batch;
  std::vector<double> positions;
  std::vector<int *> neighbors;
  std::vector<const double *> offsets;
  std::vector<int> centers, counts;
};

[[noreturn]] void refuse(const std::string &what)
{
  throw std::invalid_argument(what);
}

void check(const Batch &batch, int n_species)
{
  const auto n = static_cast<std::int64_t>(batch.species.shape(0));
  const auto n_edges = static_cast<std::int64_t>(batch.neighbor.shape(0));
  if (n >= INT32_MAX || n_edges >= INT32_MAX) refuse("the batch is too large");
  if (static_cast<std::int64_t>(batch.vectors.shape(0)) != n_edges)
    refuse("`vectors` must have a row for each edge");
  if (static_cast<std::int64_t>(batch.first.shape(0)) != n + 1 || batch.first(0) != 0 ||
      batch.first(n) != n_edges)
    refuse("`first` must count up to the number of edges, one entry more than atoms");
  for (std::int64_t i = 0; i < n; i++)
    if (batch.first(i + 1) < batch.first(i)) refuse("`first` must not decrease");
  for (std::int64_t k = 0; k < n_edges; k++)
    if (batch.neighbor(k) < 0 || batch.neighbor(k) >= n)
      refuse("`neighbors` must be indices of atoms");
  for (std::int64_t i = 0; i < n; i++)
    if (batch.species(i) < 0 || batch.species(i) >= n_species)
      refuse("`species` must be indices of the model's elements");
}

std::string type_of(const Array &array)
{
  const auto type = array.dtype();
  if (type == nb::dtype<float>()) return "F32";
  if (type == nb::dtype<double>()) return "F64";
  return type == nb::dtype<std::int64_t>() ? "I64" : "another type";
}

/* They refer to the memory of the arrays. */
mlpot::Tensors tensors_of(const nb::dict &arrays)
{
  std::map<std::string, mlpot::Tensor> tensors;
  for (const auto &[name, value] : arrays) {
    const auto array = nb::cast<Array>(value, false);    // not of a copy
    mlpot::Shape shape;
    for (std::size_t k = 0; k < array.ndim(); k++)
      shape.push_back(static_cast<std::int64_t>(array.shape(k)));
    tensors[nb::cast<std::string>(name)] = {
        type_of(array), shape, {static_cast<const char *>(array.data()), array.nbytes()}};
  }
  return mlpot::Tensors(std::move(tensors));
}

/* Threads that several trainers share; they compute for one caller at a time. */
struct Threads {
  explicit Threads(int n_threads) : pool(n_threads) {}

  mlpot::ThreadPool pool;
  std::mutex mutex;
};

class PythonTrainer {
 public:
  /* `arrays`: tensors by name. */
  PythonTrainer(const nb::bytes &manifest, const nb::dict &arrays, const char *precision,
                std::shared_ptr<Threads> threads) :
      PythonTrainer(mlpot::read_parameters({manifest.c_str(), manifest.size()}, tensors_of(arrays)),
                    precision, std::move(threads))
  {
  }

  std::vector<std::size_t> array_sizes() const { return trainer->array_sizes(); }

  /* [node][coupling] */
  nb::ndarray<nb::numpy, double> polynomial_coefficients(int layer) const
  {
    if (layer < 0 || layer >= n_layers) refuse("there is no such layer");
    auto coefficients =
        std::make_unique<std::vector<double>>(trainer->polynomial_coefficients(layer));
    nb::capsule owner(coefficients.get(), [](void *p) noexcept {
      delete static_cast<std::vector<double> *>(p);
    });
    std::vector<double> *values = coefficients.release();
    const std::size_t n_couplings = trainer->n_couplings(layer);
    return nb::ndarray<nb::numpy, double>(values->data(),
                                          {values->size() / n_couplings, n_couplings}, owner);
  }

  void set_elements(const std::vector<double> &reference_energies,
                    const std::vector<double> &charge, const std::vector<double> &radius)
  {
    const Evaluation evaluation(threads->mutex);
    trainer->set_elements(reference_energies, charge, radius);
  }

  void fill(const nb::list &arrays)
  {
    const auto tables = pointers<const void *>(arrays);
    const Evaluation evaluation(threads->mutex);
    trainer->fill(tables);
  }

  void evaluate(Vector<const int> species, Vector<const std::int64_t> first,
                Vector<const int> neighbor, Vectors<const double> vectors, Vector<double> energies,
                Vectors<double> gradients)
  {
    const Batch batch = {species, first, neighbor, vectors};
    check(batch, n_species);
    check_sizes(batch, energies.shape(0), gradients.shape(0));
    const Neighbors edges(batch);
    mlpot_result result = {};
    result.failed_atom = -1;
    result.atomic_energies = energies.data();
    const nb::gil_scoped_release release;
    const Evaluation evaluation(threads->mutex);
    try {
      trainer->evaluate(edges.atoms({}, rows_of(batch, gradients.data(), 3)), result);
    } catch (const std::runtime_error &) {
      if (result.failed_atom < 0) throw;    // else the loss is not finite
    }
  }

  void differentiate(Vector<const int> species, Vector<const std::int64_t> first,
                     Vector<const int> neighbor, Vectors<const double> vectors,
                     Vector<const double> energy_seeds, Vectors<const double> edge_seeds,
                     const nb::list &results)
  {
    const Batch batch = {species, first, neighbor, vectors};
    check(batch, n_species);
    check_sizes(batch, energy_seeds.shape(0), edge_seeds.shape(0));
    const auto places = pointers<void *>(results);
    const Neighbors edges(batch);
    const nb::gil_scoped_release release;
    const Evaluation evaluation(threads->mutex);
    trainer->differentiate(edges.atoms(rows_of(batch, edge_seeds.data(), 3), {}),
                           energy_seeds.data(), places);
  }

 private:
  std::shared_ptr<Threads> threads;
  std::unique_ptr<mlpot::Trainer> trainer;
  int n_layers, n_species;
  bool in_double;

  PythonTrainer(mlpot::Parameters parameters, const std::string &precision,
                std::shared_ptr<Threads> given) :
      threads(std::move(given)), n_layers(parameters.architecture.n_layers),
      n_species(parameters.architecture.n_species), in_double(precision == "double")
  {
    trainer = mlpot::make_trainer(std::move(parameters), precision, threads->pool);
  }

  static void check_sizes(const Batch &batch, std::size_t n_atoms, std::size_t n_edges)
  {
    if (n_atoms != batch.species.shape(0) || n_edges != batch.neighbor.shape(0))
      refuse("expected a value for each atom and a row for each edge");
  }

  template <typename Pointer> std::vector<Pointer> pointers(const nb::list &arrays) const
  {
    const std::vector<std::size_t> sizes = trainer->array_sizes();
    if (arrays.size() != sizes.size())
      refuse("there must be " + std::to_string(sizes.size()) + " arrays, got " +
             std::to_string(arrays.size()));
    const auto expected = in_double ? nb::dtype<double>() : nb::dtype<float>();
    std::vector<Pointer> result;
    for (std::size_t k = 0; k < sizes.size(); k++) {
      const auto array = nb::cast<Array>(arrays[k]);
      if (array.size() != sizes[k] || array.dtype() != expected)
        refuse("array " + std::to_string(k) + " has a wrong size or type");
      result.push_back(array.data());
    }
    return result;
  }
};

}    // namespace

void add_training(nb::module_ &module)
{
  // the autograd graph of a loss holds a trainer and may outlive the interpreter
  nb::set_leak_warnings(false);
  nb::class_<Threads>(module, "Threads")
      .def(nb::init<int>(), nb::arg("n_threads"))
      .def_prop_ro("n_threads", [](const Threads &threads) {
        return threads.pool.n_threads();
      });
  nb::class_<PythonTrainer>(module, "Trainer")
      .def(nb::init<const nb::bytes &, const nb::dict &, const char *, std::shared_ptr<Threads>>(),
           nb::arg("manifest"), nb::arg("tensors"), nb::arg("precision"), nb::arg("threads"))
      .def_prop_ro("array_sizes", &PythonTrainer::array_sizes)
      .def("polynomial_coefficients", &PythonTrainer::polynomial_coefficients, nb::arg("layer"))
      .def("set_elements", &PythonTrainer::set_elements)
      .def("fill", &PythonTrainer::fill)
      .def("evaluate", &PythonTrainer::evaluate)
      .def("differentiate", &PythonTrainer::differentiate);
}
