/* SPDX-License-Identifier: MIT

   The self-test structure as a host presents it: the atoms of the cell and, as ghosts, their periodic
   images within the cutoff. */

#include "manifest.h"
#include "message_rows.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <stdexcept>

namespace mlpot {

namespace {

  class PeriodicSelfTest {
   public:
    PeriodicSelfTest(const SelfTest &self_test, double cutoff);

    int n_atoms() const { return static_cast<int>(owner.size()); }
    mlpot_atoms atoms();
    mlpot_communicator communicator();
    void fold(std::vector<double> &rows, int width) const;

   private:
    int n_centers;
    std::vector<int> owner, species, centers, n_neighbors;
    std::vector<double> positions;
    std::vector<std::vector<int>> neighbors;
    std::vector<int *> first_neighbor;

    void add_image(const SelfTest &self_test, const std::array<int, 3> &shift);
    static std::array<int, 3> images(const std::vector<double> &cell, double cutoff);
    static void forward(void *context, const mlpot_rows *rows);
    static void reverse(void *context, const mlpot_rows *rows);
  };

  PeriodicSelfTest::PeriodicSelfTest(const SelfTest &self_test, double cutoff) :
      n_centers(static_cast<int>(self_test.species.size())), centers(n_centers)
  {
    add_image(self_test, {0, 0, 0});
    const std::array<int, 3> n = images(self_test.cell, cutoff);
    for (int a = -n[0]; a <= n[0]; a++)
      for (int b = -n[1]; b <= n[1]; b++)
        for (int c = -n[2]; c <= n[2]; c++)
          if (a != 0 || b != 0 || c != 0) add_image(self_test, {a, b, c});
    std::iota(centers.begin(), centers.end(), 0);
    for (int i = 0; i < n_centers; i++) {
      neighbors.emplace_back();
      for (int j = 0; j < n_atoms(); j++)
        if (j != i) neighbors[i].push_back(j);
      n_neighbors.push_back(static_cast<int>(neighbors[i].size()));
      first_neighbor.push_back(neighbors[i].data());
    }
  }

  void PeriodicSelfTest::add_image(const SelfTest &self_test, const std::array<int, 3> &shift)
  {
    for (int i = 0; i < n_centers; i++) {
      owner.push_back(i);
      species.push_back(self_test.species[i]);
      for (int a = 0; a < 3; a++)
        positions.push_back(self_test.positions[3 * i + a] + shift[0] * self_test.cell[a] +
                            shift[1] * self_test.cell[3 + a] + shift[2] * self_test.cell[6 + a]);
    }
  }

  /* Images in each direction: the cutoff over the height of the cell, and one more because atoms may
     be outside of the cell. */
  std::array<int, 3> PeriodicSelfTest::images(const std::vector<double> &cell, double cutoff)
  {
    std::array<int, 3> n;
    for (int k = 0; k < 3; k++) {
      const double *u = &cell[3 * ((k + 1) % 3)], *v = &cell[3 * ((k + 2) % 3)];
      const double normal[3] = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
                                u[0] * v[1] - u[1] * v[0]};
      const double area = std::hypot(normal[0], normal[1], normal[2]);
      const double *w = &cell[3 * k];
      const double height = std::abs(w[0] * normal[0] + w[1] * normal[1] + w[2] * normal[2]) / area;
      n[k] = static_cast<int>(std::ceil(cutoff / height)) + 1;
      if (!(height > 0.1)) throw std::runtime_error("the cell of the self-test structure is flat");
    }
    return n;
  }

  mlpot_atoms PeriodicSelfTest::atoms()
  {
    return {
        n_atoms(),        n_centers,
        species.data(),   positions.data(),
        centers.data(),   {n_neighbors.data(), first_neighbor.data(), nullptr, 0, 0, 0x7fffffff, 0},
        MLPOT_HOST_MEMORY};
  }

  mlpot_communicator PeriodicSelfTest::communicator()
  {
    return {this, forward, reverse};
  }

  void PeriodicSelfTest::forward(void *context, const mlpot_rows *rows)
  {
    const auto &self = *static_cast<PeriodicSelfTest *>(context);
    std::vector<double> buffer(row_width(*rows));
    for (int i = self.n_centers; i < self.n_atoms(); i++) {
      read_row(*rows, self.owner[i], buffer.data());
      write_row(*rows, i, buffer.data());
    }
  }

  void PeriodicSelfTest::reverse(void *context, const mlpot_rows *rows)
  {
    const auto &self = *static_cast<PeriodicSelfTest *>(context);
    std::vector<double> buffer(row_width(*rows));
    for (int i = self.n_centers; i < self.n_atoms(); i++) {
      read_row(*rows, i, buffer.data());
      add_to_row(*rows, self.owner[i], buffer.data());
    }
  }

  /* Adds the rows of the ghosts to those of their atoms and removes them. */
  void PeriodicSelfTest::fold(std::vector<double> &rows, int width) const
  {
    const mlpot_rows plain = plain_rows(rows.data(), width);
    reverse(const_cast<PeriodicSelfTest *>(this), &plain);
    rows.resize(static_cast<std::size_t>(n_centers) * width);
  }

  /* Results of an engine: the mean, then each member if n_members is not 0. */
  std::vector<ReferenceResults> run(PeriodicSelfTest &periodic, std::size_t n_members,
                                    const Compute &compute)
  {
    const mlpot_atoms atoms = periodic.atoms();
    const std::size_t size = 3 * static_cast<std::size_t>(atoms.n_atoms);
    std::vector<double> forces(size), energies(n_members), virials(9 * n_members),
        member_forces(size * n_members);
    mlpot_result result = {};
    result.forces = forces.data();
    if (n_members > 0) {
      result.member_energies = energies.data();
      result.member_forces = member_forces.data();
      result.member_virials = virials.data();
    }
    compute(atoms, periodic.communicator(), result);
    periodic.fold(forces, 3);
    std::vector<ReferenceResults> results;
    results.push_back({result.energy, forces, {result.virial, result.virial + 9}});
    for (std::size_t m = 0; m < n_members; m++) {
      const double *first = member_forces.data() + m * size, *virial = virials.data() + 9 * m;
      results.push_back({energies[m], {first, first + size}, {virial, virial + 9}});
      periodic.fold(results.back().forces, 3);
    }
    return results;
  }

  void compare(const std::vector<double> &got, const std::vector<double> &expected, double &worst,
               double &size)
  {
    for (std::size_t k = 0; k < expected.size(); k++) {
      const double difference = std::abs(got[k] - expected[k]);
      worst = difference <= worst || std::isnan(worst) ? worst : difference;
      size = std::max(size, std::abs(expected[k]));
    }
  }

  /* Largest deviation relative to the largest value, NaN if any value is; members differ little, so
     that the scale is common to all of them. */
  double deviation(const std::vector<ReferenceResults> &got,
                   const std::vector<ReferenceResults> &expected)
  {
    double worst[3] = {}, size[3] = {1.0, 1.0, 1.0};
    for (std::size_t m = 0; m < expected.size(); m++) {
      compare({got[m].energy}, {expected[m].energy}, worst[0], size[0]);
      compare(got[m].forces, expected[m].forces, worst[1], size[1]);
      compare(got[m].virial, expected[m].virial, worst[2], size[2]);
    }
    double total = 0.0;
    for (int k = 0; k < 3; k++) total = std::hypot(total, worst[k] / size[k]);
    return total;
  }

  [[noreturn]] void fail(const char *what, double worst, double allowed,
                         const std::string &precision)
  {
    char text[200];
    std::snprintf(
        text, sizeof(text),
        "%s with its own self-test structure: relative deviation %.1e, expected below %.0e in %s "
        "precision; do not use this file on this machine",
        what, worst, allowed, precision.c_str());
    throw std::runtime_error(text);
  }

}    // namespace

void check_self_test(const Manifest &manifest, const std::string &precision, bool with_members,
                     const Compute &compute)
{
  const SelfTest &self_test = manifest.self_test;
  PeriodicSelfTest periodic(self_test, manifest.cutoff);
  const auto got = run(periodic, with_members ? self_test.members.size() : 0, compute);
  const double allowed = allowed_deviation(precision);
  const double mean = deviation({got[0]}, {self_test});
  if (!(mean <= allowed)) fail("the model disagrees", mean, allowed, precision);
  if (!with_members) return;
  const double members = deviation({got.begin() + 1, got.end()}, self_test.members);
  if (!(members <= allowed)) fail("its committee disagrees", members, allowed, precision);
}

}    // namespace mlpot
