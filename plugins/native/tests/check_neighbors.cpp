/* SPDX-License-Identifier: MIT */

#include "check_neighbors.h"

#include "neighbors/neighbor_list.h"

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Pair = std::array<int, 5>;    // i, j, S

void expect(bool condition, const char *what)
{
  if (!condition) throw std::logic_error(what);
}

/* Random atoms, some of them outside of a random cell; small `size` means many images. */
struct Box {
  std::array<double, 9> cell = {};
  std::array<bool, 3> periodic = {};
  std::vector<double> positions;
  std::vector<int> species;

  Box(std::mt19937 &random, int n_atoms, double size, int n_elements)
  {
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    for (int k = 0; k < 9; k++) cell[k] = size * ((k % 4 == 0 ? 1.0 : 0.0) + 0.3 * uniform(random));
    for (bool &repeats : periodic) repeats = uniform(random) > -0.4;
    for (int i = 0; i < n_atoms; i++) {
      const double a[3] = {uniform(random), uniform(random), 3.0 * uniform(random)};
      for (int k = 0; k < 3; k++)
        positions.push_back(a[0] * cell[k] + a[1] * cell[3 + k] + a[2] * cell[6 + k]);
      species.push_back(i % n_elements);
    }
  }

  int n_atoms() const { return static_cast<int>(species.size()); }

  mlpot::NeighborList search(double cutoff) const
  {
    auto rows =
        mlpot::search_neighbors(n_atoms(), positions.data(), cell.data(), periodic.data(), cutoff);
    rows.place_images(cell.data());
    return rows;
  }

  double distance(int i, int j, const std::array<int, 3> &image) const
  {
    double square = 0.0;
    for (int k = 0; k < 3; k++) {
      double x = positions[3 * j + k] - positions[3 * i + k];
      for (int a = 0; a < 3; a++) x += image[a] * cell[3 * a + k];
      square += x * x;
    }
    return std::sqrt(square);
  }
};

std::set<Pair> all_pairs(const Box &box, double cutoff, int reach)
{
  std::set<Pair> pairs;
  const auto most = [&](int axis) {
    return box.periodic[axis] ? reach : 0;
  };
  for (int i = 0; i < box.n_atoms(); i++)
    for (int j = 0; j < box.n_atoms(); j++)
      for (int a = -most(0); a <= most(0); a++)
        for (int b = -most(1); b <= most(1); b++)
          for (int c = -most(2); c <= most(2); c++) {
            const bool itself = i == j && a == 0 && b == 0 && c == 0;
            if (!itself && box.distance(i, j, {a, b, c}) < cutoff) pairs.insert({i, j, a, b, c});
          }
  return pairs;
}

void check_rows(const mlpot::NeighborList &rows, const std::set<Pair> &expected)
{
  expect(rows.n_pairs() == expected.size(), "the search finds another number of pairs");
  auto pair = expected.begin();
  std::size_t k = 0;
  for (int i = 0; i < rows.n_atoms(); i++)
    for (int n = 0; n < rows.row_lengths()[i]; n++, k++, pair++) {
      const mlpot::Image image = rows.image(k);
      const Pair found = {i, rows.all_neighbors()[k], image[0], image[1], image[2]};
      expect(found == *pair, "the search finds other pairs, or in another order");
    }
}

void expect_refused(const std::function<void()> &action, const char *what)
{
  try {
    action();
  } catch (const std::invalid_argument &) {
    return;
  }
  throw std::logic_error(what);
}

struct Results {
  double energy, force_sum;
};

Results evaluate(mlpot::NativeEngine &engine, const Box &box, const mlpot::NeighborList &rows)
{
  const auto n = static_cast<std::size_t>(box.n_atoms());
  std::vector<double> energies(n), forces(3 * n), virials(9 * n);
  mlpot_result result = {};
  result.failed_atom = -1;
  result.atomic_energies = energies.data();
  result.forces = forces.data();
  result.atomic_virials = virials.data();
  engine.compute_alone(rows.atoms(box.species.data(), box.positions.data()), result);
  Results results = {result.energy, 0.0};
  for (const double force : forces) results.force_sum += force;
  return results;
}

}    // namespace

void check_search()
{
  std::mt19937 random(1);
  for (int n = 0; n < 60; n++) {
    const double sizes[] = {2.0, 4.0, 9.0};
    const Box box(random, 1 + n % 4, sizes[n % 3], 1);
    const double cutoff = 1.5 + 0.05 * n;
    // a cell of 2 A may be 0.7 A thin, and atoms lie up to six cells away from each other
    check_rows(box.search(cutoff), all_pairs(box, cutoff, n % 3 == 0 ? 13 : 9));
  }
  const bool periodic[3] = {true, true, true};
  const double cell[9] = {1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0};
  expect(mlpot::search_neighbors(0, nullptr, cell, periodic, 3.0).n_pairs() == 0, "no atoms");
}

void check_refusals()
{
  const double not_a_number = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const bool periodic[3] = {true, true, true};
  const auto search = [&](double position, double side, double cutoff) {
    const double cell[9] = {side, 0.0, 0.0, 0.0, side, 0.0, 0.0, 0.0, side};
    const double positions[6] = {0.0, 0.0, 0.0, position, 0.5, 0.5};
    mlpot::search_neighbors(2, positions, cell, periodic, cutoff);
  };
  for (const double position : {not_a_number, infinity, 1e300, -1e12})
    expect_refused(
        [&] {
          search(position, 2.0, 3.0);
        },
        "an atom that is nowhere is found");
  for (const double side : {0.0, not_a_number, infinity, 1e-3, 1e-200, 1e200})
    expect_refused(
        [&] {
          search(0.5, side, 3.0);
        },
        "a cell that is none is searched");
  using Rows = mlpot::NeighborList;
  expect_refused(
      [] {
        Rows::with_offsets({1, 1}, {1, 2}, std::vector<double>(6));
      },
      "a row");
  expect_refused(
      [] {
        Rows::with_offsets({1, 2}, {1, 0}, std::vector<double>(6));
      },
      "a row");
  expect_refused(
      [] {
        Rows::with_offsets({3, -1}, {1, 0}, std::vector<double>(6));
      },
      "a row");
  expect_refused(
      [] {
        Rows::with_images({1, 1}, {1, 0}, {0}, {{0, 0, 0}});
      },
      "images that are not as many as the neighbors");
  expect_refused(
      [] {
        Rows::with_images({1, 1}, {1, 0}, {0, 1}, {{0, 0, 0}});
      },
      "an image");
}

void check_on_rows(mlpot::NativeEngine &engine)
{
  const double cutoff = engine.describe().cutoff;
  std::mt19937 random(2);
  for (int n = 0; n < 6; n++) {
    Box box(random, 1 + n % 5, n % 2 ? 3.5 : 7.0, engine.describe().n_elements);
    mlpot::NeighborList rows = box.search(cutoff + 1.0);
    expect(rows.closest_pair(box.positions.data()).distance > 0.01, "atoms lie on each other");
    for (int step = 0; step < 2; step++) {
      const Results near = evaluate(engine, box, box.search(cutoff)),
                    far = evaluate(engine, box, rows);
      expect(near.energy == far.energy, "the energy depends on the reach of the list");
      expect(std::abs(far.force_sum) < 1e-6 * (1.0 + std::abs(far.energy)), "forces have a sum");
      for (double &length : box.cell) length *= 1.01;
      for (double &place : box.positions) place *= 1.01;
      rows.place_images(box.cell.data());
    }
  }
}
