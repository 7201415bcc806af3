// Runs the kernels without TensorFlow, for builds with sanitizers.
//
// Reads cases from standard input: u32 length and the bytes of a program; u32 batch, threads,
// lanes (0 samples, 1 amplitudes); float64 inputs, weights and upstream gradient. Prints a line a
// case: "refused", or expectations and gradients by inputs and weights, first in float64 and then
// in float32.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "memory.h"
#include "plan.h"
#include "view.h"

namespace qkeras_hybrid {

void Kernels_baseline(Kernels<float>* single, Kernels<double>* twice);

namespace {

void RunOnThreads(void* handle, int64_t count, void (*body)(void*, int64_t), void* argument) {
  const int threads = *static_cast<int*>(handle);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([=] {
      for (int64_t i = t; i < count; i += threads) body(argument, i);
    });
  }
  for (std::thread& worker : workers) worker.join();
}

template <class N>
N Read() {
  N value;
  if (!std::cin.read(reinterpret_cast<char*>(&value), sizeof(value))) std::exit(0);
  return value;
}

template <class T>
void RunCase(const Kernels<T>& kernels, const Plan& plan, int batch, int threads, bool amplitudes,
             const std::vector<double>& x, const std::vector<double>& w,
             const std::vector<double>& u) {
  const std::vector<T> inputs(x.begin(), x.end()), weights(w.begin(), w.end()),
      upstream(u.begin(), u.end());
  std::vector<T> expectations(u.size()), measured(static_cast<size_t>(batch) * plan.n_measured()),
      d_inputs(x.size()), d_weights(w.size());
  const uint32_t full = static_cast<uint32_t>(kernels.lane_bits);
  Request<T> request{};
  request.layout = &plan.ForLanes(amplitudes && plan.n_qubits() >= full ? full : 0, full);
  request.pool = {&threads, threads, RunOnThreads};
  request.arena = {
      nullptr, [](void*, uint64_t bytes) { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); },
      [](void*, void* memory) { std::free(memory); }};
  request.batch = batch;
  request.inputs = inputs.data();
  request.weights = weights.data();
  Request<T> backward = request;
  request.expectations = expectations.data();
  request.measured = measured.data();
  std::vector<T> kept(static_cast<size_t>(kernels.kept_places(*request.layout, batch) *
                                          kernels.kept_numbers(*request.layout)));
  request.kept = kept.data();
  kernels.run(request);
  backward.given_measured = measured.data();
  backward.upstream = upstream.data();
  backward.d_inputs = d_inputs.data();
  // With no weights there is still a place, so that the request is one for gradients.
  T none;
  backward.d_weights = w.empty() ? &none : d_weights.data();
  kernels.run(backward);
  const std::vector<T> anew[] = {d_inputs, d_weights};
  backward.given_kept = kept.data();
  kernels.run(backward);
  // Bytes, as NaN is not equal to itself.
  const auto same = [](const std::vector<T>& a, const std::vector<T>& b) {
    return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
  };
  if (!same(anew[0], d_inputs) || !same(anew[1], d_weights)) {
    std::fprintf(stderr, "the gradient from a state that was kept differs\n");
    std::exit(1);
  }
  for (const auto* values : {&expectations, &d_inputs, &d_weights}) {
    for (T value : *values) std::printf("%.17g ", static_cast<double>(value));
  }
}

void Main() {
  Kernels<float> single;
  Kernels<double> twice;
  Kernels_baseline(&single, &twice);
  while (true) {
    std::string bytes(Read<uint32_t>(), '\0');
    std::cin.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const int batch = static_cast<int>(Read<uint32_t>());
    const int threads = static_cast<int>(Read<uint32_t>());
    const bool amplitudes = Read<uint32_t>() != 0;
    std::vector<double> numbers[3];
    for (std::vector<double>& some : numbers) {
      some.resize(Read<uint32_t>());
      for (double& value : some) value = Read<double>();
    }
    std::string error;
    const auto plan = Plan::Read(bytes, &error);
    const size_t rows = static_cast<size_t>(batch);
    if (plan == nullptr || plan->n_qubits() > 16 ||
        numbers[0].size() != rows * plan->n_inputs() || numbers[1].size() != plan->n_weights() ||
        numbers[2].size() != rows * plan->n_observables()) {
      std::printf("refused\n");
      continue;
    }
    RunCase(twice, *plan, batch, threads, amplitudes, numbers[0], numbers[1], numbers[2]);
    RunCase(single, *plan, batch, threads, amplitudes, numbers[0], numbers[1], numbers[2]);
    std::printf("\n");
  }
}

}  // namespace
}  // namespace qkeras_hybrid

int main() { qkeras_hybrid::Main(); }
