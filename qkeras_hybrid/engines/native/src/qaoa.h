// The quantum approximate optimization algorithm: a diagonal phase and a mixer, layer by layer.
//
// The state's real and imaginary parts are separate arrays. A pass over chunks that fit the cache
// applies the phase and mixes the qubits of the low bits; a pass over columns gathers the rows of up
// to six higher bits into the cache and mixes the qubits of these bits. The gradient goes back
// through the layers with two states, the circuit's and the observable applied to it (adjoint
// differentiation, https://arxiv.org/abs/2009.02823), and keeps no others.
//
// If a flip of all qubits does not change a state (see QaoaRequest::even), only the half of it in
// which the first qubit is in |0> is stored.
#ifndef QKERAS_HYBRID_NATIVE_QAOA_H_
#define QKERAS_HYBRID_NATIVE_QAOA_H_

#include "qaoa_mix.h"
#include "qaoa_view.h"
#include "simd.h"

namespace {

using qkeras_hybrid::QaoaRequest;

// Bits of a chunk: 1024 amplitudes of two states are 16 KiB in float32.
constexpr int kQaoaChunkBits = 10;
// Bits that a pass over columns mixes: 64 rows of a cache line.
constexpr int kColumnBits = 6;
// Sums are taken over this many parts for any number of threads, so that the result is the same.
constexpr int64_t kSumParts = 16;
// From this number of qubits on, the threads share one sample's passes.
constexpr int64_t kSharedQubits = 13;

// Not those of the standard library: all instruction sets would share its inline functions (see
// view.h).
inline int64_t Less(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t More(int64_t a, int64_t b) { return a < b ? b : a; }

template <class T>
void FillWith(T* numbers, int64_t count, T value) {
  for (int64_t i = 0; i < count; ++i) numbers[i] = value;
}

// Runs body(i) for i in [0, count) on the pool.
template <class F>
void OnPool(const qkeras_hybrid::Pool& pool, int64_t count, F body) {
  pool.run(
      pool.handle, count, [](void* argument, int64_t i) { (*static_cast<F*>(argument))(i); },
      &body);
}

// Sums that a layer's gradient is made of.
struct Slopes {
  double beta = 0, gamma = 0;
  void operator+=(const Slopes& other) {
    beta += other.beta;
    gamma += other.gamma;
  }
};

// One sample's circuit, or its gradient.
template <class T>
class QaoaSample {
 public:
  static constexpr int kLanes = Simd<T>::kLanes;
  static constexpr int kLaneBits = Log2(kLanes);

  // Amplitudes in memory: at least a vector. Amplitudes that belong to no state are zero.
  static int64_t Size(int64_t bits) { return More(int64_t{1} << bits, kLanes); }

  static uint64_t Bytes(int64_t n_qubits, bool even, bool backward) {
    return static_cast<uint64_t>(Size(n_qubits - (even ? 1 : 0))) *
           (sizeof(double) + (backward ? 5 : 3) * sizeof(T));
  }

  QaoaSample(const QaoaRequest<T>& request, void* memory, bool shared)
      : request_(request),
        n_(static_cast<int>(request.n_qubits)),
        bits_(n_ - (request.even ? 1 : 0)),
        mixed_(bits_ - (request.even ? 1 : 0)),
        size_(Size(bits_)),
        chunk_(Less(size_, int64_t{1} << kQaoaChunkBits)),
        shared_(shared) {
    own_costs_ = static_cast<double*>(memory);
    costs_ = CostsAreGiven() ? request.costs : own_costs_;
    auto* next = reinterpret_cast<Vec<T>*>(own_costs_ + size_);
    Vec<T>** const arrays[] = {&weights_, &state_.re, &state_.im, &other_.re, &other_.im};
    for (Vec<T>** const array : arrays) {
      *array = next;
      next += size_ / kLanes;
    }
  }

  void Run(int64_t sample) {
    const int64_t width = request_.n_fields + 2 * request_.n_layers;
    const T* const row = request_.parameters + sample * width;
    fields_ = row;
    gammas_ = row + request_.n_fields;
    betas_ = gammas_ + request_.n_layers;
    T* const values = request_.values == nullptr ? nullptr : request_.values + sample * (n_ + 1);
    T* const probabilities =
        request_.probabilities == nullptr ? nullptr : request_.probabilities + (sample << n_);
    T* const gradient =
        request_.d_parameters == nullptr ? nullptr : request_.d_parameters + sample * width;
    for (int64_t i = 0; i < width; ++i) {
      if (__builtin_isfinite(row[i])) continue;
      const T nan = static_cast<T>(__builtin_nan(""));
      if (values != nullptr) FillWith(values, n_ + 1, nan);
      if (probabilities != nullptr) FillWith(probabilities, int64_t{1} << n_, nan);
      if (gradient != nullptr) FillWith(gradient, width, nan);
      return;
    }
    const uint64_t part = sizeof(T) << bits_;
    FillCosts();
    if (request_.kept == nullptr) {
      Forward();
    } else {
      const T* const kept = request_.kept + (sample << (bits_ + 1));
      __builtin_memcpy(static_cast<void*>(state_.re), kept, part);
      __builtin_memcpy(static_cast<void*>(state_.im), kept + (int64_t{1} << bits_), part);
    }
    if (request_.keep != nullptr) {
      T* const keep = request_.keep + (sample << (bits_ + 1));
      __builtin_memcpy(keep, state_.re, part);
      __builtin_memcpy(keep + (int64_t{1} << bits_), state_.im, part);
    }
    double means[64];
    const double cost = Read(means);
    if (values != nullptr) {
      for (int q = 0; q < n_; ++q) values[q] = static_cast<T>(means[q]);
      values[n_] = static_cast<T>(cost);
    }
    if (probabilities != nullptr) {
      const auto* const weights = reinterpret_cast<const T*>(weights_);
      __builtin_memcpy(probabilities, weights, part);
      if (request_.even) {
        T* const last = probabilities + (int64_t{1} << n_) - 1;
        for (int64_t i = 0; i < size_; ++i) last[-i] = weights[i];
      }
    }
    if (gradient != nullptr) Backward(sample, means, gradient);
  }

 private:
  // Adds up body(begin, end), a number or Slopes, over parts of [0, count).
  template <class F>
  auto Sum(int64_t count, F body) -> decltype(body(count, count)) {
    const int64_t parts = Less(count, kSumParts);
    decltype(body(count, count)) sums[kSumParts];
    const auto part = [&](int64_t i) { sums[i] = body(count * i / parts, count * (i + 1) / parts); };
    if (shared_) {
      OnPool(request_.pool, parts, part);
    } else {
      for (int64_t i = 0; i < parts; ++i) part(i);
    }
    decltype(body(count, count)) sum{};
    for (int64_t i = 0; i < parts; ++i) sum += sums[i];
    return sum;
  }

  // Runs body(first amplitude) for each chunk and adds up what it returns.
  template <class F>
  auto SumChunks(F body) -> decltype(body(int64_t{})) {
    return Sum(size_ / chunk_, [&](int64_t begin, int64_t end) {
      decltype(body(int64_t{})) sum{};
      for (int64_t i = begin; i < end; ++i) sum += body(i * chunk_);
      return sum;
    });
  }

  // Mixes the qubits of the bits above a chunk's, whose rows it copies; with kBoth in both states, and
  // returns the sum of the flips.
  template <bool kBoth>
  double MixColumns(Turn<T> turn) {
    constexpr int kLine = 64 / kVectorBytes;  // vectors
    constexpr int kFrom = Log2(kLine);
    double sum = 0;
    for (int low = kQaoaChunkBits; low < mixed_; low += kColumnBits) {
      const int bits = static_cast<int>(Less(kColumnBits, mixed_ - low));
      const int64_t rows = int64_t{1} << bits, stride = (int64_t{1} << low) / kLanes;
      const int64_t columns = stride / kLine;
      const int64_t count = size_ / kLanes / rows / kLine;
      sum += Sum(count, [&](int64_t begin, int64_t end) {
        Vec<T> copies[4][kLine << kColumnBits];
        Vec<T>* const arrays[] = {state_.re, state_.im, other_.re, other_.im};
        double partial = 0;
        for (int64_t i = begin; i < end; ++i) {
          const int64_t base = i / columns * rows * stride + i % columns * kLine;
          for (int array = 0; array < (kBoth ? 4 : 2); ++array) {
            for (int64_t row = 0; row < rows; ++row) {
              __builtin_memcpy(copies[array] + row * kLine, arrays[array] + base + row * stride, 64);
            }
          }
          partial += MixVectors<T, kBoth>({copies[0], copies[1]}, {copies[2], copies[3]}, kFrom,
                                          kFrom + bits, rows * kLine, turn);
          for (int array = 0; array < (kBoth ? 4 : 2); ++array) {
            for (int64_t row = 0; row < rows; ++row) {
              __builtin_memcpy(arrays[array] + base + row * stride, copies[array] + row * kLine, 64);
            }
          }
        }
        return partial;
      });
    }
    return sum;
  }

  // Mixes the first two qubits of an even state. kBoth is as above.
  template <bool kBoth>
  double MixFirst(Turn<T> turn) {
    constexpr int64_t kBlock = 32;  // so short are sums in the precision of T
    const int64_t count = size_ / kLanes, quarter = count / 4, block = Less(quarter, kBlock);
    return Sum(quarter / block, [&](int64_t begin, int64_t end) {
      double sum = 0;
      for (int64_t i = begin; i < end; ++i) {
        sum += MixMirrored<T, kBoth>(state_, other_, i * block, (i + 1) * block, count, turn);
      }
      return sum;
    });
  }

  // The sum of coefficients times spins, over the qubits of the bits [begin, end) of an index.
  template <class C>
  double SpinSum(const C* coefficients, int begin, int end, int64_t index) const {
    double sum = 0;
    for (int bit = begin; bit < end; ++bit) {
      const auto coefficient = static_cast<double>(coefficients[n_ - 1 - bit]);
      sum += (index >> bit & 1) != 0 ? -coefficient : coefficient;
    }
    return sum;
  }

  bool CostsAreGiven() const { return request_.n_fields == 0 && bits_ >= kLaneBits; }
  int LowBits() const { return static_cast<int>(Less(bits_, kQaoaChunkBits)); }

  // The spin sums of the low bits; null coefficients are zeros.
  void FillTable(const T* coefficients, double* table) const {
    for (int64_t i = 0; i < chunk_; ++i) {
      table[i] = coefficients == nullptr ? 0.0 : SpinSum(coefficients, 0, LowBits(), i);
    }
  }

  void FillCosts() {
    if (CostsAreGiven()) return;
    double table[1 << kQaoaChunkBits];
    const T* const fields = request_.n_fields > 0 ? fields_ : nullptr;
    FillTable(fields, table);
    SumChunks([&](int64_t base) {
      const double high = fields == nullptr ? 0.0 : SpinSum(fields, LowBits(), n_, base);
      for (int64_t i = 0; i < chunk_; ++i) {
        const bool inside = base + i < int64_t{1} << n_;
        own_costs_[base + i] = inside ? request_.costs[base + i] + (high + table[i]) : 0.0;
      }
      return 0.0;
    });
  }

  void FillStart() {
    const double uniform = __builtin_exp2(-0.5 * n_);
    const double* const start = request_.start;
    auto* const re = reinterpret_cast<T*>(state_.re);
    auto* const im = reinterpret_cast<T*>(state_.im);
    SumChunks([&](int64_t base) {
      for (int64_t i = base; i < base + chunk_; ++i) {
        const bool inside = i < int64_t{1} << bits_;
        re[i] = static_cast<T>(!inside ? 0.0 : start == nullptr ? uniform : start[2 * i]);
        im[i] = static_cast<T>(!inside || start == nullptr ? 0.0 : start[2 * i + 1]);
      }
      return 0.0;
    });
  }

  Parts<T> At(Parts<T> state, int64_t amplitude) const {
    return {state.re + amplitude / kLanes, state.im + amplitude / kLanes};
  }

  // Mixes the qubits of the low bits of a chunk. kBoth is as above.
  template <bool kBoth>
  double MixChunk(Parts<T> state, Parts<T> other, Turn<T> turn) const {
    const int bits = static_cast<int>(Less(mixed_, kQaoaChunkBits));
    constexpr int kWith = kVectorBitsWithLanes<T>;
    if (bits < kLaneBits + kWith) return MixFewLanes<T, kBoth>(state, other, bits, turn);
    const int64_t count = chunk_ / kLanes;
    const double sum = MixLanes<T, kBoth>(state, other, count, turn);
    return sum + MixVectors<T, kBoth>(state, other, kWith, bits - kLaneBits, count, turn);
  }

  void Forward() {
    FillStart();
    for (int64_t layer = 0; layer < request_.n_layers; ++layer) {
      const double turns = static_cast<double>(gammas_[layer]) / 6.283185307179586;
      const Turn<T> turn(static_cast<double>(betas_[layer]));
      const bool pairs = request_.n_pairs > 0;
      SumChunks([&](int64_t base) {
        const Parts<T> chunk = At(state_, base);
        for (int64_t i = 0; i < chunk_ / kLanes; ++i) {
          Vec<T> c, s;
          CosSin<T>(TurnsOf<T>(costs_ + base + i * kLanes, turns), &c, &s);
          const Vec<T> re = chunk.re[i], im = chunk.im[i];
          chunk.re[i] = c * re + s * im;
          chunk.im[i] = c * im - s * re;
        }
        if (!pairs) MixChunk<false>(chunk, {}, turn);
        return 0.0;
      });
      for (int64_t pair = 0; pair < request_.n_pairs; ++pair) MixPair(state_, pair, turn);
      if (pairs) continue;
      MixColumns<false>(turn);
      if (request_.even) MixFirst<false>(turn);
    }
  }

  // Leaves the probabilities in `weights_`. Returns the mean cost.
  double Read(double* means) {
    const double cost = SumChunks([&](int64_t base) {
      const Parts<T> chunk = At(state_, base);
      Vec<T>* const weights = weights_ + base / kLanes;
      for (int64_t i = 0; i < chunk_ / kLanes; ++i) {
        weights[i] = chunk.re[i] * chunk.re[i] + chunk.im[i] * chunk.im[i];
      }
      const auto* const numbers = reinterpret_cast<const T*>(weights);
      double sums[kLanes] = {};  // of their own, so that they don't wait for each other
      for (int64_t i = 0; i < chunk_; i += kLanes) {
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          sums[lane] += static_cast<double>(numbers[i + lane]) * costs_[base + i + lane];
        }
      }
      double sum = 0;
      for (const double each : sums) sum += each;
      return sum;
    });
    if (request_.even) {
      FillWith(means, n_, 0.0);
      return 2 * cost;
    }
    SumSpins(means);
    return cost;
  }

  // sums[q] = sum over z of the weight of z times the spin of qubit q.
  void SumSpins(double* sums) const {
    double low[1 << kQaoaChunkBits] = {};
    FillWith(sums, n_, 0.0);
    const auto* const weights = reinterpret_cast<const T*>(weights_);
    for (int64_t base = 0; base < size_; base += chunk_) {
      double totals[kLanes] = {};
      for (int64_t i = 0; i < chunk_; i += kLanes) {
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          const auto weight = static_cast<double>(weights[base + i + lane]);
          low[i + lane] += weight;
          totals[lane] += weight;
        }
      }
      double total = 0;
      for (const double each : totals) total += each;
      for (int bit = LowBits(); bit < n_; ++bit) {
        sums[n_ - 1 - bit] += (base >> bit & 1) != 0 ? -total : total;
      }
    }
    // A bit's sum is the difference of two halves; the other bits see the halves' sum.
    int64_t half = chunk_;
    for (int bit = Log2(static_cast<int>(chunk_)) - 1; bit >= 0; --bit) {
      half /= 2;
      double difference = 0;
      for (int64_t i = 0; i < half; ++i) {
        difference += low[i] - low[i + half];
        low[i] += low[i + half];
      }
      if (bit < n_) sums[n_ - 1 - bit] = difference;
    }
  }

  // The other state: the observable, weighted with the upstream gradient, applied to the state.
  void FillOther(int64_t sample) {
    const T* const values =
        request_.d_values == nullptr ? nullptr : request_.d_values + sample * (n_ + 1);
    const T* const probabilities =
        request_.d_probabilities == nullptr ? nullptr : request_.d_probabilities + (sample << n_);
    const double by_cost = values == nullptr ? 0.0 : static_cast<double>(values[n_]);
    double table[1 << kQaoaChunkBits];
    // The mean of a spin in an even state is zero for all angles.
    const T* const spins = request_.even ? nullptr : values;
    FillTable(spins, table);
    SumChunks([&](int64_t base) {
      const double high = spins == nullptr ? 0.0 : SpinSum(spins, LowBits(), n_, base);
      const auto* const re = reinterpret_cast<const T*>(state_.re);
      const auto* const im = reinterpret_cast<const T*>(state_.im);
      auto* const other_re = reinterpret_cast<T*>(other_.re);
      auto* const other_im = reinterpret_cast<T*>(other_.im);
      for (int64_t i = base; i < base + chunk_; ++i) {
        const bool inside = i < int64_t{1} << bits_;
        double factor = by_cost * costs_[i] + (high + table[i - base]);
        if (probabilities != nullptr && inside) {
          const auto above = static_cast<double>(probabilities[i]);
          const int64_t mirror = (int64_t{1} << n_) - 1 - i;
          factor += !request_.even ? above
                                   : (above + static_cast<double>(probabilities[mirror])) / 2;
        }
        other_re[i] = static_cast<T>(factor) * re[i];
        other_im[i] = static_cast<T>(factor) * im[i];
      }
      return 0.0;
    });
  }

  void Backward(int64_t sample, const double* means, T* gradient) {
    FillOther(sample);
    __builtin_memset(static_cast<void*>(weights_), 0, static_cast<uint64_t>(size_) * sizeof(T));
    // An even state's other half has the same sums.
    const double factor = request_.even ? 4 : 2;
    for (int64_t layer = request_.n_layers - 1; layer >= 0; --layer) {
      const Turn<T> back(-static_cast<double>(betas_[layer]));
      Slopes slopes;
      const bool pairs = request_.n_pairs > 0;
      for (int64_t pair = request_.n_pairs - 1; pair >= 0; --pair) {
        slopes.beta += FlipPair(pair);
        MixPair(state_, pair, back);
        MixPair(other_, pair, back);
      }
      if (request_.even) slopes.beta += MixFirst<true>(back);
      if (!pairs) slopes.beta += MixColumns<true>(back);
      slopes += SumChunks([&](int64_t base) {
        Slopes sum;
        if (!pairs) sum.beta = MixChunk<true>(At(state_, base), At(other_, base), back);
        sum.gamma = UndoPhase(layer, base);
        return sum;
      });
      gradient[request_.n_fields + layer] = static_cast<T>(factor * slopes.gamma);
      gradient[request_.n_fields + request_.n_layers + layer] = static_cast<T>(factor * slopes.beta);
    }
    if (request_.n_fields == 0) return;
    double sums[64];
    SumSpins(sums);
    const double by_cost =
        request_.d_values == nullptr
            ? 0.0
            : static_cast<double>(request_.d_values[sample * (n_ + 1) + n_]);
    for (int q = 0; q < n_; ++q) gradient[q] = static_cast<T>(2 * sums[q] + by_cost * means[q]);
  }

  // For a chunk: returns Im <other| C |state>, adds gamma Im(conj(other) state) to the weights, which
  // the fields' gradient is made of, and takes the layer's phase off both states.
  double UndoPhase(int64_t layer, int64_t base) {
    const auto gamma = gammas_[layer];
    const double turns = static_cast<double>(gamma) / 6.283185307179586;
    const Parts<T> state = At(state_, base), other = At(other_, base);
    Vec<T>* const weights = weights_ + base / kLanes;
    Vec<T> sum{};
    for (int64_t i = 0; i < chunk_ / kLanes; ++i) {
      const double* const costs = costs_ + base + i * kLanes;
      const Vec<T> product = other.re[i] * state.im[i] - other.im[i] * state.re[i];
      T rounded[kLanes];
      for (int lane = 0; lane < kLanes; ++lane) rounded[lane] = static_cast<T>(costs[lane]);
      Vec<T> cost;
      __builtin_memcpy(&cost, rounded, sizeof(cost));
      sum += cost * product;
      if (request_.n_fields > 0) weights[i] += gamma * product;
      if (layer == 0) continue;
      Vec<T> c, s;
      CosSin<T>(TurnsOf<T>(costs, turns), &c, &s);
      const Parts<T> both[] = {state, other};
      for (const Parts<T>& each : both) {
        const Vec<T> re = each.re[i], im = each.im[i];
        each.re[i] = c * re - s * im;
        each.im[i] = c * im + s * re;
      }
    }
    return SumLanesInDouble<T>(sum);
  }

  // Runs body(i, j) for the amplitudes that a pair's exchange couples.
  template <class F>
  void ForPair(int64_t pair, F body) const {
    const int64_t* const qubits = request_.pairs + 2 * pair;
    const int64_t a = int64_t{1} << (n_ - 1 - More(qubits[0], qubits[1]));
    const int64_t b = int64_t{1} << (n_ - 1 - Less(qubits[0], qubits[1]));
    for (int64_t high = 0; high < int64_t{1} << n_; high += 2 * b) {
      for (int64_t middle = high; middle < high + b; middle += 2 * a) {
        for (int64_t low = middle; low < middle + a; ++low) body(low + a, low + b);
      }
    }
  }

  void MixPair(Parts<T> state, int64_t pair, Turn<T> turn) const {
    auto* const re = reinterpret_cast<T*>(state.re);
    auto* const im = reinterpret_cast<T*>(state.im);
    ForPair(pair, [=](int64_t i, int64_t j) {
      const T ri = re[i], ii = im[i], rj = re[j], ij = im[j];
      re[i] = turn.c * ri + turn.s * ij;
      im[i] = turn.c * ii - turn.s * rj;
      re[j] = turn.c * rj + turn.s * ii;
      im[j] = turn.c * ij - turn.s * ri;
    });
  }

  double FlipPair(int64_t pair) const {
    const auto* const re = reinterpret_cast<const T*>(state_.re);
    const auto* const im = reinterpret_cast<const T*>(state_.im);
    const auto* const other_re = reinterpret_cast<const T*>(other_.re);
    const auto* const other_im = reinterpret_cast<const T*>(other_.im);
    double sum = 0;
    ForPair(pair, [&](int64_t i, int64_t j) {
      sum += static_cast<double>(other_re[i] * im[j] - other_im[i] * re[j] + other_re[j] * im[i] -
                                 other_im[j] * re[i]);
    });
    return sum;
  }

  const QaoaRequest<T>& request_;
  const int n_;
  const int bits_;   // of an index of the amplitudes
  const int mixed_;  // of them, the low ones whose qubits MixChunk and MixColumns mix
  const int64_t size_, chunk_;
  const bool shared_;
  const T *fields_ = nullptr, *gammas_ = nullptr, *betas_ = nullptr;
  double* own_costs_ = nullptr;
  const double* costs_ = nullptr;  // the request's if nothing is added to them
  Vec<T>* weights_ = nullptr;
  Parts<T> state_, other_;
};

template <class T>
qkeras_hybrid::Status RunQaoa(const QaoaRequest<T>& request) {
  const int64_t tasks = More(1, Less(request.max_tasks, request.batch));
  const uint64_t bytes = QaoaSample<T>::Bytes(request.n_qubits, request.even, request.d_parameters != nullptr);
  const uint64_t aligned = (bytes + 63) / 64 * 64;
  void* const memory =
      request.arena.take(request.arena.handle, aligned * static_cast<uint64_t>(tasks));
  if (memory == nullptr) return qkeras_hybrid::Status::kOutOfMemory;
  const bool shared = tasks == 1 && request.pool.threads > 1 && request.n_qubits >= kSharedQubits;
  const auto run = [&](int64_t task) {
    char* const own = static_cast<char*>(memory) + aligned * static_cast<uint64_t>(task);
    QaoaSample<T> sample(request, own, shared);
    for (int64_t i = task; i < request.batch; i += tasks) sample.Run(i);
  };
  if (tasks == 1) {
    run(0);
  } else {
    OnPool(request.pool, tasks, run);
  }
  request.arena.give(request.arena.handle, memory);
  return qkeras_hybrid::Status::kOk;
}

}  // namespace

#endif  // QKERAS_HYBRID_NATIVE_QAOA_H_
