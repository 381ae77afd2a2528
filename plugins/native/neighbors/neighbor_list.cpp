/* SPDX-License-Identifier: MIT */

#include "neighbors/neighbor_list.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace mlpot {

namespace {

  std::atomic<unsigned long long> last_version{0};

}    // namespace

NeighborList::NeighborList(std::vector<int> lengths, std::vector<int> list) :
    version(++last_version), counts(std::move(lengths)), neighbors(std::move(list)),
    centers(counts.size())
{
  std::size_t total = 0;
  for (const int count : counts) {
    if (count < 0) throw std::invalid_argument("rows of neighbors must not have negative lengths");
    total += static_cast<std::size_t>(count);
  }
  if (total != neighbors.size())
    throw std::invalid_argument("rows of neighbors must add up to all neighbors");
  for (const int j : neighbors)
    if (j < 0 || j >= n_atoms()) throw std::invalid_argument("neighbors must be indices of atoms");
  std::iota(centers.begin(), centers.end(), 0);
}

NeighborList NeighborList::with_images(std::vector<int> counts, std::vector<int> neighbors,
                                       std::vector<int> images, std::vector<Image> table)
{
  NeighborList rows(std::move(counts), std::move(neighbors));
  if (images.size() != rows.n_pairs())
    throw std::invalid_argument("every neighbor must have an image");
  for (const int image : images)
    if (image < 0 || static_cast<std::size_t>(image) >= table.size())
      throw std::invalid_argument("images must be indices of the table");
  rows.images = std::move(images);
  rows.table = std::move(table);
  rows.offsets.assign(3 * rows.table.size(), 0.0);
  rows.point_at_rows();
  return rows;
}

NeighborList NeighborList::with_offsets(std::vector<int> counts, std::vector<int> neighbors,
                                        std::vector<double> offsets)
{
  NeighborList rows(std::move(counts), std::move(neighbors));
  if (offsets.size() != 3 * rows.n_pairs())
    throw std::invalid_argument("every neighbor must have an offset");
  rows.offsets = std::move(offsets);
  rows.point_at_rows();
  return rows;
}

void NeighborList::point_at_rows()
{
  std::size_t pair = 0;
  for (const int count : counts) {
    row_neighbors.push_back(neighbors.data() + pair);
    if (!images.empty()) row_images.push_back(images.data() + pair);
    row_offsets.push_back(offsets.data() + (images.empty() ? 3 * pair : 0));
    pair += static_cast<std::size_t>(count);
  }
}

void NeighborList::place_images(const double *cell)
{
  for (std::size_t k = 0; k < table.size(); k++) {
    const double a = table[k][0], b = table[k][1], c = table[k][2];
    for (int axis = 0; axis < 3; axis++)
      offsets[3 * k + axis] = a * cell[axis] + b * cell[3 + axis] + c * cell[6 + axis];
  }
}

ClosestPair NeighborList::closest_pair(const double *positions) const
{
  ClosestPair closest = {std::numeric_limits<double>::infinity(), -1, -1};
  for (int i = 0; i < n_atoms(); i++) {
    const double *ri = positions + 3 * static_cast<std::size_t>(i);
    for (int k = 0; k < counts[i]; k++) {
      const int j = row_neighbors[i][k];
      const double *offset = row_offsets[i] + 3 * (row_images.empty() ? k : row_images[i][k]);
      const double *rj = positions + 3 * static_cast<std::size_t>(j);
      double square = 0.0;
      for (int axis = 0; axis < 3; axis++) {
        const double x = rj[axis] - ri[axis] + offset[axis];
        square += x * x;
      }
      if (square < closest.distance) closest = {square, i, j};
    }
  }
  closest.distance = std::sqrt(closest.distance);
  return closest;
}

NativeAtoms NeighborList::atoms(const int *species, const double *positions) const
{
  const mlpot_neighbors list = {counts.data(), row_neighbors.data(), nullptr, 0, 0, 0x7fffffff,
                                version};
  return {{n_atoms(), n_atoms(), species, positions, centers.data(), list, MLPOT_HOST_MEMORY},
          row_offsets.data(),
          row_images.empty() ? nullptr : row_images.data(),
          nullptr,
          nullptr};
}

}    // namespace mlpot
