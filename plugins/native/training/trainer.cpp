/* SPDX-License-Identifier: MIT */

#include "training/trainer.h"

#include "cpu_backend.h"
#include "threads/thread_sums.h"

#include <stdexcept>

namespace mlpot {

namespace {

  /* The kernels of a precision. */
  template <typename T> struct KernelsOf;
  template <> struct KernelsOf<float> {
    static auto simulation() { return choose_kernels().run_float; }
    static auto training() { return choose_training_kernels().run_float; }
  };
  template <> struct KernelsOf<double> {
    static auto simulation() { return choose_kernels().run_double; }
    static auto training() { return choose_training_kernels().run_double; }
  };

  template <typename T> class TrainerOf : public Trainer {
   public:
    TrainerOf(Parameters parameters, ThreadPool &pool) :
        tables(std::move(parameters), vector_widths<T>(choose_kernels()),
               Tables<T>::Polynomials::All),
        pool(pool), forward({&tables.model}, nullptr, tables.message_channels(),
                            vector_widths<T>(choose_kernels()), pool, KernelsOf<T>::simulation()),
        backward({&tables.model}, nullptr, tables.message_channels(),
                 vector_widths<T>(choose_kernels()), pool, KernelsOf<T>::training()),
        sums(pool), gradients(pool.size())
    {
    }

    std::vector<std::size_t> array_sizes() const override
    {
      std::vector<std::size_t> sizes;
      for (std::size_t k = 0; k < tables.n_arrays(); k++) sizes.push_back(tables.array_size(k));
      return sizes;
    }

    std::vector<double> polynomial_coefficients(int layer) const override
    {
      return tables.polynomial(layer).coefficients(tables.source().layers[layer]);
    }

    std::size_t n_couplings(int layer) const override
    {
      std::size_t n = 0;
      for (const CouplingBlock &block : tables.source().layers[layer].blocks)
        n += block.n_couplings;
      return n;
    }

    void set_elements(const Numbers &reference_energies, const Numbers &charge,
                      const Numbers &radius) override
    {
      tables.set_elements(reference_energies, charge, radius);
    }

    void fill(const std::vector<const void *> &arrays) override
    {
      for (std::size_t k = 0; k < arrays.size(); k++)
        tables.fill(k, static_cast<const T *>(arrays[k]));
    }

    void evaluate(const NativeAtoms &atoms, mlpot_result &result) override
    {
      sums.start(atoms.atoms.n_atoms, 0, result);
      forward.run(atoms, {}, {}, [this](int thread, Task<T> &task) {
        task.sums = sums.of_thread(thread, forward.touched_atoms());
      });
      sums.add_up(forward.touched_atoms(), result);
    }

    void differentiate(const NativeAtoms &atoms, const double *energy_seeds,
                       const std::vector<void *> &results) override
    {
      pool.run([this](int thread) {
        gradients[thread].assign(tables.n_learned());
      });
      backward.run(atoms, {}, {}, [&](int thread, Task<Dual<T>> &task) {
        task.training.energy_seeds = energy_seeds;
        task.training.tables = tables.learned();
        task.training.gradients = gradients[thread].data();
      });
      add_up_gradients();
      for (std::size_t k = 0; k < results.size(); k++)
        tables.read_gradient(k, gradients[0].data(), static_cast<T *>(results[k]));
    }

   private:
    Tables<T> tables;
    ThreadPool &pool;
    CpuBackend<T> forward;
    CpuBackend<Dual<T>> backward;
    ThreadSums sums;
    std::vector<AlignedArray<T>> gradients;    // [thread]

    /* Into those of the first thread. */
    void add_up_gradients()
    {
      const int n = static_cast<int>(tables.n_learned());
      pool.run([&](int index) {
        T *total = gradients[0].data();
        const int first = part_of(n, index, pool.size()), last = part_of(n, index + 1, pool.size());
        for (std::size_t thread = 1; thread < gradients.size(); thread++)
          for (int k = first; k < last; k++) total[k] += gradients[thread][k];
      });
    }
  };

}    // namespace

std::unique_ptr<Trainer> make_trainer(Parameters parameters, const std::string &precision,
                                      ThreadPool &pool)
{
  // the density gate is open in training, as in mlpot/model/density_gate.py
  for (LayerParameters &layer : parameters.layers)
    layer.max_density.assign(layer.max_density.size(), 1e30);
  if (precision == "double")
    return std::make_unique<TrainerOf<double>>(std::move(parameters), pool);
  if (precision == "mixed") return std::make_unique<TrainerOf<float>>(std::move(parameters), pool);
  throw std::runtime_error("precision must be mixed or double, got " + precision);
}

}    // namespace mlpot
