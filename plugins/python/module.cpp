/* SPDX-License-Identifier: MIT

   mlpot._native: the native engine for Python. Checks everything that the engine trusts its host with,
   and lets go of the interpreter while it computes. */

#include "native_engine.h"
#include "training.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace nb = nanobind;

namespace {

template <typename T>
using Vector = nb::ndarray<const T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Vectors = nb::ndarray<const T, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

/* A new NumPy array that owns zeros. */
template <typename... Sizes> auto zeros(double *&data, Sizes... sizes)
{
  std::size_t size = 1;
  for (const std::size_t n : {static_cast<std::size_t>(sizes)...}) size *= n;
  data = new double[size]();
  nb::capsule owner(data, [](void *p) noexcept {
    delete[] static_cast<double *>(p);
  });
  return nb::ndarray<nb::numpy, double>(data, {static_cast<std::size_t>(sizes)...}, owner);
}

[[noreturn]] void refuse(const std::string &what)
{
  throw std::invalid_argument(what);
}

/* Neighbours in rows: those of atom i are neighbors[first[i]] to neighbors[first[i + 1]]. */
struct Rows {
  std::vector<int> centers, counts;
  std::vector<int *> neighbors;
  std::vector<const double *> offsets;

  Rows(const Vector<std::int64_t> &first, const Vector<int> &neighbor,
       const Vectors<double> &offset)
  {
    const std::size_t n = first.shape(0) - 1;
    for (std::size_t i = 0; i < n; i++) {
      centers.push_back(static_cast<int>(i));
      counts.push_back(static_cast<int>(first(i + 1) - first(i)));
      neighbors.push_back(const_cast<int *>(neighbor.data()) + first(i));
      offsets.push_back(offset.data() + 3 * first(i));
    }
  }
};

class PythonEngine {
 public:
  PythonEngine(const std::string &path, const std::string &precision, int n_threads) :
      engine({path.c_str(), precision.c_str(), "cpu", 0, n_threads}, mlpot::ModelFile(path))
  {
  }

  nb::dict evaluate(const Vector<int> &species, const Vectors<double> &positions,
                    const Vector<std::int64_t> &first, const Vector<int> &neighbor,
                    const Vectors<double> &offset, bool atomic_virials)
  {
    check(species, positions, first, neighbor, offset);
    const std::size_t n = species.shape(0);
    const Rows rows(first, neighbor, offset);
    mlpot_result result = {};
    result.failed_atom = -1;
    nb::dict answer;
    double *virial = nullptr;
    answer["atomic_energies"] = zeros(result.atomic_energies, n);
    answer["forces"] = zeros(result.forces, n, 3);
    answer["virial"] = zeros(virial, 3, 3);
    answer["atomic_virials"] = nb::none();
    if (atomic_virials) answer["atomic_virials"] = zeros(result.atomic_virials, n, 3, 3);
    const int size = static_cast<int>(n);
    const mlpot::NativeAtoms atoms = {{size, size, species.data(), positions.data(),
                                       rows.centers.data(), rows.counts.data(),
                                       rows.neighbors.data(), 0x7fffffff},
                                      rows.offsets.data(),
                                      nullptr,
                                      nullptr};
    compute(atoms, result);
    answer["failed_atom"] = result.failed_atom;
    answer["energy"] = result.energy;
    for (int k = 0; k < 9; k++) virial[k] = result.virial[k];
    return answer;
  }

  mlpot_description describe() const { return engine.describe(); }

  std::vector<int> atomic_numbers() const
  {
    const mlpot_description model = describe();
    return std::vector<int>(model.atomic_numbers, model.atomic_numbers + model.n_elements);
  }

  double memory_usage() const { return engine.memory_usage(); }

 private:
  mlpot::NativeEngine engine;
  std::mutex mutex;    // the engine computes for one caller at a time

  /* What is not finite is handed on as it is; the caller looks at the atoms. */
  void compute(const mlpot::NativeAtoms &atoms, mlpot_result &result)
  {
    const nb::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(mutex);
    try {
      engine.compute_alone(atoms, result);
    } catch (const std::runtime_error &) {
      if (result.failed_atom < 0) throw;
    }
  }

  void check(const Vector<int> &species, const Vectors<double> &positions,
             const Vector<std::int64_t> &first, const Vector<int> &neighbor,
             const Vectors<double> &offset) const
  {
    const auto n = static_cast<std::int64_t>(species.shape(0));
    const auto n_edges = static_cast<std::int64_t>(neighbor.shape(0));
    if (n >= INT32_MAX) refuse("there are too many atoms");
    if (static_cast<std::int64_t>(positions.shape(0)) != n)
      refuse("`positions` must have a row for each atom");
    if (static_cast<std::int64_t>(offset.shape(0)) != n_edges)
      refuse("`offsets` must have a row for each neighbour");
    if (static_cast<std::int64_t>(first.shape(0)) != n + 1 || first(0) != 0 || first(n) != n_edges)
      refuse("`first` must count up to the number of neighbours, one entry more than atoms");
    for (std::int64_t i = 0; i < n; i++)
      if (first(i + 1) < first(i) || first(i + 1) - first(i) >= INT32_MAX)
        refuse("`first` must not decrease");
    for (std::int64_t k = 0; k < n_edges; k++)
      if (neighbor(k) < 0 || neighbor(k) >= n) refuse("`neighbors` must be indices of atoms");
    const int n_elements = describe().n_elements;
    for (std::int64_t i = 0; i < n; i++)
      if (species(i) < 0 || species(i) >= n_elements)
        refuse("`species` must be indices of the model's elements");
  }
};

}    // namespace

NB_MODULE(_native, module)
{
  module.doc() = "The native engine of mlpot; see mlpot.engine.";
  nb::class_<PythonEngine>(module, "NativeEngine")
      .def(nb::init<const std::string &, const std::string &, int>(), nb::arg("path"),
           nb::arg("precision") = "", nb::arg("n_threads") = 1)
      .def("evaluate", &PythonEngine::evaluate, nb::arg("species"), nb::arg("positions"),
           nb::arg("first"), nb::arg("neighbors"), nb::arg("offsets"),
           nb::arg("atomic_virials") = false)
      .def_prop_ro("atomic_numbers", &PythonEngine::atomic_numbers)
      .def_prop_ro("name",
                   [](const PythonEngine &engine) {
                     return std::string(engine.describe().engine);
                   })
      .def_prop_ro("precision",
                   [](const PythonEngine &engine) {
                     return std::string(engine.describe().precision);
                   })
      .def_prop_ro("cutoff",
                   [](const PythonEngine &engine) {
                     return engine.describe().cutoff;
                   })
      .def("memory_usage", &PythonEngine::memory_usage);
  add_training(module);
}
