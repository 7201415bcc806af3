// Runs the core through its C interface, without Python, for builds with sanitizers.
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

#include "c_api.h"

namespace {

template <class N>
N Read() {
  N value;
  if (!std::cin.read(reinterpret_cast<char*>(&value), sizeof(value))) std::exit(0);
  return value;
}

void Check(int status) {
  if (status == 0) return;
  std::fprintf(stderr, "%s\n", QhError());
  std::exit(1);
}

// Bytes, as NaN is not equal to itself.
template <class T>
bool Same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
void RunCase(const QhSession* session, bool has_states, int64_t batch, const std::vector<double>& x,
             const std::vector<double>& w, const std::vector<double>& u) {
  constexpr int kType = sizeof(T) == 8 ? 1 : 0;
  QhSizes sizes;
  QhGetSizes(session, &sizes);
  const std::vector<T> inputs(x.begin(), x.end()), weights(w.begin(), w.end()),
      upstream(u.begin(), u.end());
  const auto count = [](int64_t n) { return static_cast<size_t>(n); };
  std::vector<T> expectations(u.size()), measured(count(batch * sizes.n_measured)),
      d_inputs(x.size()), d_weights(w.size());
  int64_t places, numbers;
  QhKeptShape(session, kType, batch, &places, &numbers);
  std::vector<T> kept(count(places * numbers));
  Check(QhExpectation(session, kType, batch, inputs.data(), weights.data(), expectations.data(),
                      measured.data(), kept.data(), places, numbers));
  const auto gradient = [&](const T* states) {
    Check(QhExpectationGradient(session, kType, batch, inputs.data(), weights.data(),
                                measured.data(), upstream.data(), states, places, numbers,
                                d_inputs.data(), d_weights.data()));
  };
  gradient(nullptr);
  const std::vector<T> anew[] = {d_inputs, d_weights};
  gradient(kept.data());
  if (!Same(anew[0], d_inputs) || !Same(anew[1], d_weights)) {
    std::fprintf(stderr, "the gradient from a state that was kept differs\n");
    std::exit(1);
  }
  const auto print = [&] {
    for (const auto* values : {&expectations, &d_inputs, &d_weights}) {
      for (T value : *values) std::printf("%.17g ", static_cast<double>(value));
    }
  };
  if (!has_states) return print();
  // Nobody looks at these but the sanitizers.
  const int64_t numbers_of_state = batch * (int64_t{2} << sizes.n_qubits);
  std::vector<T> state(count(numbers_of_state)), d_state(state.size(), T{1});
  std::vector<int32_t> bits(count(batch * 5 * sizes.n_qubits));
  const int64_t seed[2] = {7, 0};
  Check(QhState(session, kType, batch, inputs.data(), weights.data(), state.data()));
  std::vector<T> others_inputs(x.size()), others_weights(w.size());
  Check(QhStateGradient(session, kType, batch, inputs.data(), weights.data(), d_state.data(),
                        others_inputs.data(), others_weights.data()));
  Check(QhSample(session, kType, batch, inputs.data(), weights.data(), 5, seed, bits.data()));
  print();
}

}  // namespace

int main() {
  while (true) {
    std::string bytes(Read<uint32_t>(), '\0');
    std::cin.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const int64_t batch = Read<uint32_t>();
    QhSetThreads(static_cast<int>(Read<uint32_t>()));
    const bool amplitudes = Read<uint32_t>() != 0;
    std::vector<double> numbers[3];
    for (std::vector<double>& some : numbers) {
      some.resize(Read<uint32_t>());
      for (double& value : some) value = Read<double>();
    }
    const QhSession* const session = QhOpen(bytes.data(), static_cast<int64_t>(bytes.size()),
                                            amplitudes ? "amplitudes" : "samples");
    QhSizes sizes{};
    if (session != nullptr) QhGetSizes(session, &sizes);
    const auto has = [](const std::vector<double>& some, int64_t count) {
      return static_cast<int64_t>(some.size()) == count;
    };
    const bool has_states = bytes.compare(0, 4, "QHD1") != 0;
    if (session == nullptr || sizes.n_qubits > (has_states ? 16 : 7) || !has(numbers[0], batch * sizes.n_inputs) ||
        !has(numbers[1], sizes.n_weights) || !has(numbers[2], batch * sizes.n_observables)) {
      std::printf("refused\n");
    } else {
      RunCase<double>(session, has_states, batch, numbers[0], numbers[1], numbers[2]);
      RunCase<float>(session, has_states, batch, numbers[0], numbers[1], numbers[2]);
      // Several callers at once, as frameworks have.
      std::vector<std::thread> callers;
      for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&] {
          std::vector<double> values(numbers[2].size()),
              measured(static_cast<size_t>(batch * sizes.n_measured));
          Check(QhExpectation(session, 1, batch, numbers[0].data(), numbers[1].data(),
                              values.data(), measured.data(), nullptr, 0, 0));
        });
      }
      for (std::thread& caller : callers) caller.join();
      std::printf("\n");
    }
    QhClose(session);
  }
}
