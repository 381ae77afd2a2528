/* SPDX-License-Identifier: MIT

   Neighbor search by a grid of bins in the cell.

   Atoms are wrapped into the cell and sorted by bin, the first axis fastest, so that a line of bins is a
   contiguous range of atoms. Each atom is compared with all ranges within the cutoff, in all periodic
   images; in a small cell the same range occurs several times. */

#include "neighbors/neighbor_list.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

namespace mlpot {

namespace {

  using Vector = std::array<double, 3>;
  Vector cross(const double *a, const double *b)
  {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  }

  double dot(const Vector &a, const double *b)
  {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  }

  /* An atom inside the cell: its position there, the cell it comes from, and itself. */
  struct Wrapped {
    Vector position;
    Image cell;
    int atom;
  };

  class Grid {
   public:
    Grid(int n_atoms, const double *positions, const double *cell, const bool *periodic,
         double cutoff);

    /* Calls found(atom, image) for each atom closer than the cutoff to atom i, i itself excepted; the
       image is that of the atom as seen from i. */
    template <typename Found> void neighbors_of(int i, const Found &found) const;

   private:
    const double *cell;
    const bool *periodic;
    double cutoff;
    Vector inverse[3], height;     // inverse[axis] . r is the fractional coordinate
    Vector lowest, largest;        // fractional coordinates: where the bins begin; size
    Image n_bins, reach;           // reach of the cutoff in bins
    std::vector<Wrapped> atoms;    // sorted by bin
    std::vector<int> first;        // of each bin in `atoms`
    std::vector<int> place;        // of each atom in `atoms`
    std::vector<int> bin_of;       // of each atom

    void invert_cell();
    std::vector<Vector> fractional(int n_atoms, const double *positions);
    void choose_bins(int n_atoms);
    int bin_along(int axis, double fraction) const;
    void sort(int n_atoms, const double *positions, const std::vector<Vector> &fractions);
    template <typename Found>
    void search_line(const Wrapped &center, const Image &bin, const Image &image,
                     const Found &found) const;
    template <typename Found>
    void compare(const Wrapped &center, int begin, int end, const Image &image,
                 const Found &found) const;
  };

  Grid::Grid(int n_atoms, const double *positions, const double *box, const bool *repeated,
             double distance) : cell(box), periodic(repeated), cutoff(distance)
  {
    invert_cell();
    const std::vector<Vector> fractions = fractional(n_atoms, positions);
    choose_bins(n_atoms);
    sort(n_atoms, positions, fractions);
  }

  void Grid::invert_cell()
  {
    for (int axis = 0; axis < 3; axis++) {
      const Vector normal = cross(cell + 3 * ((axis + 1) % 3), cell + 3 * ((axis + 2) % 3));
      const double volume = dot(normal, cell + 3 * axis);
      for (int k = 0; k < 3; k++) inverse[axis][k] = normal[k] / volume;
      height[axis] = std::abs(volume) / std::sqrt(dot(normal, normal.data()));
      if (!(height[axis] > 0.0) || !std::isfinite(height[axis]))
        throw std::invalid_argument("the cell has no volume");
    }
  }

  std::vector<Vector> Grid::fractional(int n_atoms, const double *positions)
  {
    std::vector<Vector> fractions(n_atoms);
    lowest.fill(0.0);
    largest.fill(0.0);
    for (int i = 0; i < n_atoms; i++)
      for (int axis = 0; axis < 3; axis++) {
        const double x = dot(inverse[axis], positions + 3 * static_cast<std::size_t>(i));
        if (!(std::abs(x) < 1e9))
          throw std::invalid_argument("an atom lies more than a billion cells from the origin");
        fractions[i][axis] = x;
        if (!periodic[axis]) lowest[axis] = i == 0 ? x : std::min(lowest[axis], x);
        largest[axis] = std::max(largest[axis], std::abs(x));
      }
    return fractions;
  }

  /* Bins of half the cutoff, not many more than atoms. */
  void Grid::choose_bins(int n_atoms)
  {
    const double most = std::max(64.0, 4.0 * n_atoms);
    Vector bins_of_axis;
    for (int axis = 0; axis < 3; axis++)
      bins_of_axis[axis] = std::max(1.0, std::floor(std::min(most, 2.0 * height[axis] / cutoff)));
    while (bins_of_axis[0] * bins_of_axis[1] * bins_of_axis[2] > most) {
      double &widest = *std::max_element(bins_of_axis.begin(), bins_of_axis.end());
      widest = std::ceil(widest / 2.0);
    }
    double pairs = n_atoms;    // of an atom, if all bins were equally full
    for (int axis = 0; axis < 3; axis++) {
      // rounding may put an atom into the neighboring bin
      const double rounding = 1e-14 * (1.0 + largest[axis]) * height[axis];
      double bins = std::ceil((cutoff + rounding) * bins_of_axis[axis] / height[axis]);
      if (!periodic[axis]) bins = std::min(bins, bins_of_axis[axis] - 1.0);
      if (bins > 1e6) pairs = std::numeric_limits<double>::infinity();
      pairs *= (2.0 * bins + 1.0) / bins_of_axis[axis];
      n_bins[axis] = static_cast<int>(bins_of_axis[axis]);
      reach[axis] = static_cast<int>(std::min(bins, 1e6));
    }
    if (pairs > 1e6)
      throw std::invalid_argument("the cell is so small that an atom has millions of neighbors");
  }

  int Grid::bin_along(int axis, double fraction) const
  {
    return std::clamp(static_cast<int>(fraction * n_bins[axis]), 0, n_bins[axis] - 1);
  }

  void Grid::sort(int n_atoms, const double *positions, const std::vector<Vector> &fractions)
  {
    std::vector<Wrapped> wrapped(n_atoms);
    bin_of.resize(n_atoms);
    first.assign(static_cast<std::size_t>(n_bins[0]) * n_bins[1] * n_bins[2] + 1, 0);
    for (int i = 0; i < n_atoms; i++) {
      Wrapped &atom = wrapped[i];
      atom.atom = i;
      Image bin;
      for (int axis = 0; axis < 3; axis++) {
        const double start = periodic[axis] ? std::floor(fractions[i][axis]) : 0.0;
        atom.cell[axis] = static_cast<int>(start);
        bin[axis] = bin_along(axis, fractions[i][axis] - start - lowest[axis]);
      }
      for (int k = 0; k < 3; k++)
        atom.position[k] = positions[3 * static_cast<std::size_t>(i) + k] -
            (atom.cell[0] * cell[k] + atom.cell[1] * cell[3 + k] + atom.cell[2] * cell[6 + k]);
      bin_of[i] = bin[0] + n_bins[0] * (bin[1] + n_bins[1] * bin[2]);
      first[bin_of[i] + 1]++;
    }
    for (std::size_t b = 1; b < first.size(); b++) first[b] += first[b - 1];
    std::vector<int> next(first.begin(), first.end() - 1);
    place.resize(n_atoms);
    atoms.resize(n_atoms);
    for (int i = 0; i < n_atoms; i++) {
      place[i] = next[bin_of[i]]++;
      atoms[place[i]] = wrapped[i];
    }
  }

  /* The cell of a bin outside of the home cell. */
  int cell_of(int bin, int n_bins)
  {
    return bin >= 0 ? bin / n_bins : -((n_bins - 1 - bin) / n_bins);
  }

  template <typename Found> void Grid::neighbors_of(int i, const Found &found) const
  {
    const Wrapped &center = atoms[place[i]];
    const Image home = {bin_of[i] % n_bins[0], bin_of[i] / n_bins[0] % n_bins[1],
                        bin_of[i] / n_bins[0] / n_bins[1]};
    for (int z = home[2] - reach[2]; z <= home[2] + reach[2]; z++) {
      const int image_z = cell_of(z, n_bins[2]);
      if (image_z != 0 && !periodic[2]) continue;
      for (int y = home[1] - reach[1]; y <= home[1] + reach[1]; y++) {
        const int image_y = cell_of(y, n_bins[1]);
        if (image_y != 0 && !periodic[1]) continue;
        search_line(center, {home[0], y - image_y * n_bins[1], z - image_z * n_bins[2]},
                    {0, image_y, image_z}, found);
      }
    }
  }

  /* The bins along the first axis, around bin[0]. */
  template <typename Found>
  void Grid::search_line(const Wrapped &center, const Image &bin, const Image &image,
                         const Found &found) const
  {
    const int n = n_bins[0], line = n * (bin[1] + n_bins[1] * bin[2]);
    for (int x = bin[0] - reach[0]; x <= bin[0] + reach[0];) {
      const int image_x = cell_of(x, n), end = std::min((image_x + 1) * n, bin[0] + reach[0] + 1);
      if (image_x == 0 || periodic[0])
        compare(center, first[line + x - image_x * n], first[line + end - image_x * n],
                {image_x, image[1], image[2]}, found);
      x = end;
    }
  }

  template <typename Found>
  void Grid::compare(const Wrapped &center, int begin, int end, const Image &image,
                     const Found &found) const
  {
    Vector start;
    for (int k = 0; k < 3; k++)
      start[k] = center.position[k] -
          (image[0] * cell[k] + image[1] * cell[3 + k] + image[2] * cell[6 + k]);
    const bool home = image[0] == 0 && image[1] == 0 && image[2] == 0;
    for (int k = begin; k < end; k++) {
      const Wrapped &other = atoms[k];
      const double x = other.position[0] - start[0], y = other.position[1] - start[1];
      const double z = other.position[2] - start[2];
      if (!(x * x + y * y + z * z < cutoff * cutoff) || (home && other.atom == center.atom))
        continue;
      Image seen;
      for (int axis = 0; axis < 3; axis++)
        seen[axis] = image[axis] + center.cell[axis] - other.cell[axis];
      found(other.atom, seen);
    }
  }

  /* Distinct images in order of their first occurrence. They are few; consecutive ones are mostly the same. */
  class Images {
   public:
    int index_of(const Image &image)
    {
      if (table.empty() || image != table[last]) {
        const auto [entry, is_new] = places.try_emplace(image, static_cast<int>(table.size()));
        if (is_new) table.push_back(image);
        last = entry->second;
      }
      return last;
    }

    std::vector<Image> table;

   private:
    std::map<Image, int> places;
    int last = 0;
  };

  /* One entry of a row; the image as its place in the table. */
  struct Neighbor {
    int atom, image;
  };

}    // namespace

NeighborList search_neighbors(int n_atoms, const double *positions, const double *cell,
                              const bool *periodic, double cutoff)
{
  if (n_atoms == 0) return NeighborList::with_images({}, {}, {}, {});
  const Grid grid(n_atoms, positions, cell, periodic, cutoff);
  Images distinct;
  std::vector<int> counts, neighbors, images;
  std::vector<Neighbor> row;
  for (int i = 0; i < n_atoms; i++) {
    row.clear();
    grid.neighbors_of(i, [&](int atom, const Image &image) {
      row.push_back({atom, distinct.index_of(image)});
    });
    std::sort(row.begin(), row.end(), [&](const Neighbor &a, const Neighbor &b) {
      return a.atom != b.atom ? a.atom < b.atom : distinct.table[a.image] < distinct.table[b.image];
    });
    counts.push_back(static_cast<int>(row.size()));
    for (const Neighbor &entry : row) {
      neighbors.push_back(entry.atom);
      images.push_back(entry.image);
    }
    if (neighbors.size() > std::numeric_limits<int>::max())
      throw std::invalid_argument("there are more than two billion pairs of neighbors");
  }
  return NeighborList::with_images(std::move(counts), std::move(neighbors), std::move(images),
                                   std::move(distinct.table));
}

}    // namespace mlpot
