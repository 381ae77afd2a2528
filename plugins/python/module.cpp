/* SPDX-License-Identifier: MIT

   mlpot._native: the native engine for Python. Checks all arguments, since the engine trusts its host, and
   releases the interpreter lock while it computes.

   Arguments are no std::string or std::vector: nanobind converts into these where an exception ends the process, also
   one for lack of memory. */

#include "evaluation.h"
#include "model/parameters.h"
#include "native_engine.h"
#include "neighbors/neighbor_list.h"
#include "training.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>
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
  auto values = std::make_unique<double[]>(size);
  data = values.get();
  nb::capsule owner(data, [](void *p) noexcept {
    delete[] static_cast<double *>(p);
  });
  values.release();
  return nb::ndarray<nb::numpy, double>(data, {static_cast<std::size_t>(sizes)...}, owner);
}

[[noreturn]] void refuse(const std::string &what)
{
  throw std::invalid_argument(what);
}

template <typename T, typename Array> std::vector<T> copy_of(const Array &array)
{
  return std::vector<T>(array.data(), array.data() + array.size());
}

/* A read-only view of an array of the list, which it keeps alive. */
using View = nb::ndarray<nb::numpy, const int>;

mlpot::NeighborList list_from_vectors(const Vector<int> &counts, const Vector<int> &neighbors,
                                      const Vectors<double> &vectors)
{
  return mlpot::NeighborList::with_offsets(copy_of<int>(counts), copy_of<int>(neighbors),
                                           copy_of<double>(vectors));
}

using Cell = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;

mlpot::NeighborList search(const Vectors<double> &positions, const Cell &cell,
                           const std::array<bool, 3> &periodic, double cutoff)
{
  if (positions.shape(0) >= INT_MAX) refuse("there are too many atoms");
  const nb::gil_scoped_release release;
  auto list = mlpot::search_neighbors(static_cast<int>(positions.shape(0)), positions.data(),
                                      cell.data(), periodic.data(), cutoff);
  list.place_images(cell.data());
  return list;
}

std::tuple<double, int, int> closest_pair(const mlpot::NeighborList &list,
                                          const Vectors<double> &positions)
{
  if (positions.shape(0) != static_cast<std::size_t>(list.n_atoms()))
    refuse("`positions` must have a row for each atom");
  const mlpot::ClosestPair pair = list.closest_pair(positions.data());
  return {pair.distance, pair.center, pair.neighbor};
}

/* One row for each pair. */
nb::ndarray<nb::numpy, int> images_of(const mlpot::NeighborList &list)
{
  auto images = std::make_unique<std::vector<mlpot::Image>>();
  for (std::size_t k = 0; k < list.n_pairs(); k++) images->push_back(list.image(k));
  const nb::capsule owner(images.get(), [](void *p) noexcept {
    delete static_cast<std::vector<mlpot::Image> *>(p);
  });
  return {images.release()->data(), {list.n_pairs(), 3}, owner};
}

class PythonEngine {
 public:
  PythonEngine(const nb::bytes &content, const char *path, const char *precision, int n_threads) :
      engine({path, precision, "cpu", 0, n_threads, nullptr, 0},
             mlpot::ModelFile(path, std::string(content.c_str(), content.size())))
  {
  }

  /* The fields of mlpot.engines.results.Results, the requested properties included. */
  nb::dict evaluate(const Vector<int> &species, const Vectors<double> &positions,
                    const mlpot::NeighborList &list, const nb::list &properties)
  {
    check(species, positions, list);
    const std::size_t n = species.shape(0);
    mlpot_result result = {};
    mlpot::NativeAtoms atoms = list.atoms(species.data(), positions.data());
    double *virial = nullptr;
    nb::dict results;
    results["atomic_energies"] = zeros(result.atomic_energies, n);
    results["forces"] = zeros(result.forces, n, 3);
    results["virial"] = zeros(virial, 3, 3);
    for (const nb::handle name : properties)
      results[name] = allocate(nb::cast<const char *>(name), n, result, atoms.descriptors);
    compute(atoms, result);
    if (results.contains("neighborhood_distances"))
      results["neighborhood_distances"] = neighborhood_distances(n, result.distance_sums);
    std::copy_n(result.virial, 9, virial);
    results["energy"] = result.energy;
    return results;
  }

  mlpot_description describe() const { return engine.describe(); }

  std::vector<int> atomic_numbers() const
  {
    const mlpot_description model = describe();
    return std::vector<int>(model.atomic_numbers, model.atomic_numbers + model.n_elements);
  }

  int n_threads() const { return describe().n_threads; }

  double memory_usage() const { return engine.memory_usage(); }

 private:
  mlpot::NativeEngine engine;
  std::mutex mutex;    // the engine computes for one caller at a time

  nb::object allocate(const std::string &name, std::size_t n, mlpot_result &result,
                      double *&descriptors) const
  {
    const auto n_members = static_cast<std::size_t>(describe().n_members);
    if (name == "atomic_virials") return nb::cast(zeros(result.atomic_virials, n, 3, 3));
    if (name == "member_energies") return nb::cast(zeros(result.member_energies, n_members));
    if (name == "member_forces") return nb::cast(zeros(result.member_forces, n_members, n, 3));
    if (name == "member_virials") return nb::cast(zeros(result.member_virials, n_members, 3, 3));
    if (name == "feature_distances") return nb::cast(zeros(result.feature_distances, n));
    if (name == "neighborhood_distances") return nb::cast(zeros(result.distance_sums, n, 2));
    if (name == "descriptors")
      return nb::cast(zeros(descriptors, n, static_cast<std::size_t>(engine.n_descriptors())));
    refuse("unknown property of the native engine: " + name);
  }

  static nb::object neighborhood_distances(std::size_t n, const double *sums)
  {
    double *distances = nullptr;
    nb::object array = nb::cast(zeros(distances, n));
    for (std::size_t i = 0; i < n; i++) distances[i] = mlpot::neighborhood_distance(sums + 2 * i);
    return array;
  }

  /* Results that are not finite are returned as they are; the caller checks them. */
  void compute(const mlpot::NativeAtoms &atoms, mlpot_result &result)
  {
    const nb::gil_scoped_release release;
    const Evaluation evaluation(mutex);
    result.failed_atom = -1;
    try {
      engine.compute_alone(atoms, result);
    } catch (const std::runtime_error &) {
      if (result.failed_atom < 0) throw;
    }
  }

  void check(const Vector<int> &species, const Vectors<double> &positions,
             const mlpot::NeighborList &list) const
  {
    const auto n = static_cast<std::size_t>(list.n_atoms());
    if (positions.shape(0) != n || species.shape(0) != n)
      refuse("`positions` and `species` must have a row for each atom of the neighbor list");
    const int n_elements = describe().n_elements;
    for (std::size_t i = 0; i < n; i++)
      if (species(i) < 0 || species(i) >= n_elements)
        refuse("`species` must be indices of the model's elements");
  }
};

}    // namespace

NB_MODULE(_native, module)
{
  module.doc() = "The native engine of mlpot; see mlpot.engines.native.";
  module.attr("FORMAT_VERSION") = mlpot::FORMAT_VERSION;
  nb::dict allowed_deviation, architecture_limits;
  for (const char *precision : {"mixed", "double"})
    allowed_deviation[precision] = mlpot::allowed_deviation(precision);
  for (const auto &[name, limits] : mlpot::architecture_limits())
    architecture_limits[name.c_str()] = nb::make_tuple(limits.least, limits.most);
  module.attr("ALLOWED_DEVIATION") = allowed_deviation;
  module.attr("ARCHITECTURE_LIMITS") = architecture_limits;
  nb::class_<mlpot::NeighborList>(module, "NeighborList")
      .def_static("search", &search, nb::arg("positions"), nb::arg("cell"), nb::arg("periodic"),
                  nb::arg("cutoff"))
      .def_static("from_vectors", &list_from_vectors, nb::arg("counts"), nb::arg("neighbors"),
                  nb::arg("vectors"))
      .def("place_images",
           [](mlpot::NeighborList &list, const Cell &cell) {
             list.place_images(cell.data());
           })
      .def("closest_pair", &closest_pair, nb::arg("positions"))
      .def_prop_ro("counts",
                   [](const mlpot::NeighborList &list) {
                     const std::vector<int> &counts = list.row_lengths();
                     return View(counts.data(), {counts.size()});
                   })
      .def_prop_ro("neighbors",
                   [](const mlpot::NeighborList &list) {
                     const std::vector<int> &neighbors = list.all_neighbors();
                     return View(neighbors.data(), {neighbors.size()});
                   })
      .def_prop_ro("images", &images_of, nb::rv_policy::automatic);
  nb::class_<PythonEngine>(module, "NativeEngine")
      .def(nb::init<const nb::bytes &, const char *, const char *, int>(), nb::arg("content"),
           nb::arg("path"), nb::arg("precision") = "", nb::arg("n_threads") = 1)
      .def("evaluate", &PythonEngine::evaluate, nb::arg("species"), nb::arg("positions"),
           nb::arg("neighbors"), nb::arg("properties") = nb::list())
      .def_prop_ro("atomic_numbers", &PythonEngine::atomic_numbers)
      .def_prop_ro("name",
                   [](const PythonEngine &engine) {
                     return engine.describe().engine;
                   })
      .def_prop_ro("precision",
                   [](const PythonEngine &engine) {
                     return engine.describe().precision;
                   })
      .def_prop_ro("cutoff",
                   [](const PythonEngine &engine) {
                     return engine.describe().cutoff;
                   })
      .def_prop_ro("n_threads", &PythonEngine::n_threads)
      .def("memory_usage", &PythonEngine::memory_usage);
  Evaluation::let_fork_wait();
  add_training(module);
}
