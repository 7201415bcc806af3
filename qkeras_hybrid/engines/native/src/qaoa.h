// The quantum approximate optimization algorithm: a diagonal phase and a mixer, layer by layer.
//
// The state's real and imaginary parts are arrays of their own. A pass over chunks that fit the
// cache applies the phase and mixes the qubits of the low bits; a pass over columns gathers the rows
// of up to six higher bits into the cache and mixes those. The gradient walks back through the
// layers with two states, the circuit's and the one that the observable makes of it (adjoint
// differentiation, https://arxiv.org/abs/2009.02823), and keeps no others.
#ifndef QKERAS_HYBRID_NATIVE_QAOA_H_
#define QKERAS_HYBRID_NATIVE_QAOA_H_

#include "qaoa_view.h"
#include "simd.h"

namespace {

using qkeras_hybrid::QaoaRequest;

// Bits of a chunk: 1024 amplitudes of two states are 16 KiB in float32.
constexpr int kQaoaChunkBits = 10;
// Bits that a pass over columns mixes: 64 rows of a cache line.
constexpr int kColumnBits = 6;
// Sums are taken over so many parts whatever the number of threads, so the result is the same.
constexpr int64_t kSumParts = 16;
// From so many qubits on, the threads share one sample's passes.
constexpr int64_t kSharedQubits = 13;

// Not the standard library's, whose inline functions all instruction sets would share (see view.h).
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

// The cosine and the sine of a mixer's angle.
template <class T>
struct Turn {
  T c, s;
  explicit Turn(double beta)
      : c(static_cast<T>(__builtin_cos(beta))), s(static_cast<T>(__builtin_sin(beta))) {}
};

// A state as two arrays.
template <class T>
struct Parts {
  Vec<T>* re = nullptr;
  Vec<T>* im = nullptr;
};

// Im(conj(a) b).
template <class T>
inline Vec<T> ImProduct(Vec<T> a_re, Vec<T> a_im, Vec<T> b_re, Vec<T> b_im) {
  return a_re * b_im - a_im * b_re;
}

// Applies c - i s X to the qubit of a bit of the lanes, in every vector.
template <class T>
void MixLanes(Parts<T> state, int bit, int64_t count, Turn<T> turn) {
  const LaneExchange<T> exchange(1u << bit);
  for (int64_t i = 0; i < count; ++i) {
    const Vec<T> re = state.re[i], im = state.im[i];
    state.re[i] = turn.c * re + turn.s * exchange(im);
    state.im[i] = turn.c * im - turn.s * exchange(re);
  }
}

// Applies c - i s X to the qubits of the bits [begin, end) of the vectors' index, two at a time.
template <class T>
void MixVectors(Parts<T> state, int begin, int end, int64_t count, Turn<T> turn) {
  const T c = turn.c, s = turn.s;
  for (int bit = begin; bit < end; ++bit) {
    const int64_t step = int64_t{1} << bit;
    if (bit + 1 == end) {
      for (int64_t base = 0; base < count; base += 2 * step) {
        Vec<T>*re = state.re + base, *im = state.im + base;
        for (int64_t i = 0; i < step; ++i) {
          const Vec<T> r0 = re[i], i0 = im[i], r1 = re[i + step], i1 = im[i + step];
          re[i] = c * r0 + s * i1;
          im[i] = c * i0 - s * r1;
          re[i + step] = c * r1 + s * i0;
          im[i + step] = c * i1 - s * r0;
        }
      }
      return;
    }
    ++bit;
    for (int64_t base = 0; base < count; base += 4 * step) {
      Vec<T>*re = state.re + base, *im = state.im + base;
      for (int64_t i = 0; i < step; ++i) {
        const Vec<T> r0 = re[i], r1 = re[i + step], r2 = re[i + 2 * step], r3 = re[i + 3 * step];
        const Vec<T> i0 = im[i], i1 = im[i + step], i2 = im[i + 2 * step], i3 = im[i + 3 * step];
        const Vec<T> a0 = c * r0 + s * i1, b0 = c * i0 - s * r1;
        const Vec<T> a1 = c * r1 + s * i0, b1 = c * i1 - s * r0;
        const Vec<T> a2 = c * r2 + s * i3, b2 = c * i2 - s * r3;
        const Vec<T> a3 = c * r3 + s * i2, b3 = c * i3 - s * r2;
        re[i] = c * a0 + s * b2;
        im[i] = c * b0 - s * a2;
        re[i + step] = c * a1 + s * b3;
        im[i + step] = c * b1 - s * a3;
        re[i + 2 * step] = c * a2 + s * b0;
        im[i + 2 * step] = c * b2 - s * a0;
        re[i + 3 * step] = c * a3 + s * b1;
        im[i + 3 * step] = c * b3 - s * a1;
      }
    }
  }
}

// sum_q Im <a| X_q |b> over the qubits of the bits [begin, end) of the vectors' index.
template <class T>
double FlipVectors(Parts<T> a, Parts<T> b, int begin, int end, int64_t count) {
  Vec<T> sum{};
  for (int bit = begin; bit < end; ++bit) {
    const int64_t step = int64_t{1} << bit;
    if (bit + 1 == end) {
      for (int64_t base = 0; base < count; base += 2 * step) {
        for (int64_t i = base; i < base + step; ++i) {
          const int64_t j = i + step;
          sum += ImProduct<T>(a.re[i], a.im[i], b.re[j], b.im[j]);
          sum += ImProduct<T>(a.re[j], a.im[j], b.re[i], b.im[i]);
        }
      }
      break;
    }
    ++bit;
    // Of four amplitudes, X_q + X_r takes 0 and 3 to the sum of 1 and 2, and those to that of 0 and
    // 3.
    for (int64_t base = 0; base < count; base += 4 * step) {
      for (int64_t i = base; i < base + step; ++i) {
        const int64_t j = i + step, k = j + step, l = k + step;
        sum += ImProduct<T>(a.re[i] + a.re[l], a.im[i] + a.im[l], b.re[j] + b.re[k],
                            b.im[j] + b.im[k]);
        sum += ImProduct<T>(a.re[j] + a.re[k], a.im[j] + a.im[k], b.re[i] + b.re[l],
                            b.im[i] + b.im[l]);
      }
    }
  }
  return SumLanesInDouble<T>(sum);
}

// The same over the qubits of the first `bits` bits of the lanes.
template <class T>
double FlipLanes(Parts<T> a, Parts<T> b, int bits, int64_t count) {
  Vec<T> sum{};
  for (int bit = 0; bit < bits; ++bit) {
    const LaneExchange<T> exchange(1u << bit);
    for (int64_t i = 0; i < count; ++i) {
      sum += ImProduct<T>(a.re[i], a.im[i], exchange(b.re[i]), exchange(b.im[i]));
    }
  }
  return SumLanesInDouble<T>(sum);
}

// One sample's circuit, or its gradient.
template <class T>
class QaoaSample {
 public:
  static constexpr int kLanes = Simd<T>::kLanes;
  static constexpr int kLaneBits = Log2(kLanes);

  // Amplitudes in memory: a vector at least. Those that are no state's are zero.
  static int64_t Size(int64_t n_qubits) {
    return More(int64_t{1} << n_qubits, kLanes);
  }

  static uint64_t Bytes(int64_t n_qubits, bool backward) {
    return static_cast<uint64_t>(Size(n_qubits)) * (sizeof(double) + (backward ? 5 : 3) * sizeof(T));
  }

  QaoaSample(const QaoaRequest<T>& request, void* memory, bool shared)
      : request_(request),
        n_(static_cast<int>(request.n_qubits)),
        size_(Size(request.n_qubits)),
        chunk_(Less(size_, int64_t{1} << kQaoaChunkBits)),
        shared_(shared) {
    costs_ = static_cast<double*>(memory);
    auto* next = reinterpret_cast<Vec<T>*>(costs_ + size_);
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
    const uint64_t part = sizeof(T) << n_;
    if (request_.kept == nullptr) {
      Forward();
    } else {
      FillCosts();
      const T* const kept = request_.kept + (sample << (n_ + 1));
      __builtin_memcpy(static_cast<void*>(state_.re), kept, part);
      __builtin_memcpy(static_cast<void*>(state_.im), kept + (int64_t{1} << n_), part);
    }
    if (request_.keep != nullptr) {
      T* const keep = request_.keep + (sample << (n_ + 1));
      __builtin_memcpy(keep, state_.re, part);
      __builtin_memcpy(keep + (int64_t{1} << n_), state_.im, part);
    }
    double means[64];
    const double cost = Read(means);
    if (values != nullptr) {
      for (int q = 0; q < n_; ++q) values[q] = static_cast<T>(means[q]);
      values[n_] = static_cast<T>(cost);
    }
    if (probabilities != nullptr) {
      __builtin_memcpy(probabilities, weights_, sizeof(T) << n_);
    }
    if (gradient != nullptr) Backward(sample, means, gradient);
  }

 private:
  // Adds up body(begin, end) over parts of [0, count).
  template <class F>
  double Sum(int64_t count, F body) {
    const int64_t parts = Less(count, kSumParts);
    double sums[kSumParts];
    const auto part = [&](int64_t i) { sums[i] = body(count * i / parts, count * (i + 1) / parts); };
    if (shared_) {
      OnPool(request_.pool, parts, part);
    } else {
      for (int64_t i = 0; i < parts; ++i) part(i);
    }
    double sum = 0;
    for (int64_t i = 0; i < parts; ++i) sum += sums[i];
    return sum;
  }

  // Runs body(first amplitude) for each chunk and adds up what it returns.
  template <class F>
  double SumChunks(F body) {
    return Sum(size_ / chunk_, [&](int64_t begin, int64_t end) {
      double sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += body(i * chunk_);
      return sum;
    });
  }

  // Runs body(state, other, first bit of the vectors' index, last, vectors), which returns a sum, on
  // the rows of all higher bits, in a copy.
  template <class F>
  double SumColumns(bool both, F body) {
    constexpr int kLine = 64 / kVectorBytes;  // vectors
    double sum = 0;
    for (int low = kQaoaChunkBits; low < n_; low += kColumnBits) {
      const int bits = static_cast<int>(Less(kColumnBits, n_ - low));
      const int64_t rows = int64_t{1} << bits, stride = (int64_t{1} << low) / kLanes;
      const int64_t columns = stride / kLine;
      const int64_t count = size_ / kLanes / rows / kLine;
      sum += Sum(count, [&](int64_t begin, int64_t end) {
        Vec<T> copies[4][kLine << kColumnBits];
        const Parts<T> first{copies[0], copies[1]}, second{copies[2], copies[3]};
        const Vec<T>* const sources[] = {state_.re, state_.im, other_.re, other_.im};
        Vec<T>* const targets[] = {state_.re, state_.im, other_.re, other_.im};
        double partial = 0;
        for (int64_t i = begin; i < end; ++i) {
          const int64_t base = i / columns * rows * stride + i % columns * kLine;
          for (int array = 0; array < (both ? 4 : 2); ++array) {
            for (int64_t row = 0; row < rows; ++row) {
              __builtin_memcpy(copies[array] + row * kLine, sources[array] + base + row * stride, 64);
            }
          }
          constexpr int kFrom = Log2(kLine);
          partial += body(first, second, kFrom, kFrom + bits, rows * kLine);
          for (int array = 0; array < (both ? 4 : 2); ++array) {
            for (int64_t row = 0; row < rows; ++row) {
              __builtin_memcpy(targets[array] + base + row * stride, copies[array] + row * kLine, 64);
            }
          }
        }
        return partial;
      });
    }
    return sum;
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

  int LaneBits() const { return static_cast<int>(Less(kLaneBits, n_)); }
  int LowBits() const { return static_cast<int>(Less(n_, kQaoaChunkBits)); }

  // The spin sums of the low bits; null coefficients are zeros.
  void FillTable(const T* coefficients, double* table) const {
    for (int64_t i = 0; i < chunk_; ++i) {
      table[i] = coefficients == nullptr ? 0.0 : SpinSum(coefficients, 0, LowBits(), i);
    }
  }

  void FillCosts() {
    double table[1 << kQaoaChunkBits];
    const T* const fields = request_.n_fields > 0 ? fields_ : nullptr;
    FillTable(fields, table);
    SumChunks([&](int64_t base) {
      const double high = fields == nullptr ? 0.0 : SpinSum(fields, LowBits(), n_, base);
      for (int64_t i = 0; i < chunk_; ++i) {
        const bool inside = base + i < int64_t{1} << n_;
        costs_[base + i] = inside ? request_.costs[base + i] + (high + table[i]) : 0.0;
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
        const bool inside = i < int64_t{1} << n_;
        re[i] = static_cast<T>(!inside ? 0.0 : start == nullptr ? uniform : start[2 * i]);
        im[i] = static_cast<T>(!inside || start == nullptr ? 0.0 : start[2 * i + 1]);
      }
      return 0.0;
    });
  }

  Parts<T> At(Parts<T> state, int64_t amplitude) const {
    return {state.re + amplitude / kLanes, state.im + amplitude / kLanes};
  }

  // Mixes the qubits of the low bits of a chunk.
  void MixChunk(Parts<T> chunk, Turn<T> turn) const {
    const int lane_bits = LaneBits();
    const int64_t count = chunk_ / kLanes;
    for (int bit = 0; bit < lane_bits; ++bit) MixLanes<T>(chunk, bit, count, turn);
    MixVectors<T>(chunk, 0, LowBits() - lane_bits, count, turn);
  }

  void Forward() {
    FillCosts();
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
        if (!pairs) MixChunk(chunk, turn);
        return 0.0;
      });
      if (pairs) {
        for (int64_t pair = 0; pair < request_.n_pairs; ++pair) MixPair(state_, pair, turn);
        continue;
      }
      SumColumns(false, [&](Parts<T> state, Parts<T>, int begin, int end, int64_t count) {
        MixVectors<T>(state, begin, end, count, turn);
        return 0.0;
      });
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
      double sum = 0;
      for (int64_t i = 0; i < chunk_; ++i) sum += static_cast<double>(numbers[i]) * costs_[base + i];
      return sum;
    });
    SumSpins(means);
    return cost;
  }

  // sums[q] = sum over z of the weight of z times the spin of qubit q.
  void SumSpins(double* sums) const {
    double low[1 << kQaoaChunkBits] = {};
    FillWith(sums, n_, 0.0);
    const auto* const weights = reinterpret_cast<const T*>(weights_);
    for (int64_t base = 0; base < size_; base += chunk_) {
      double total = 0;
      for (int64_t i = 0; i < chunk_; ++i) {
        const auto weight = static_cast<double>(weights[base + i]);
        low[i] += weight;
        total += weight;
      }
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

  // The other state: the observable whose mean the upstream gradient weighs, applied to the state.
  void FillOther(int64_t sample) {
    const T* const values =
        request_.d_values == nullptr ? nullptr : request_.d_values + sample * (n_ + 1);
    const T* const probabilities =
        request_.d_probabilities == nullptr ? nullptr : request_.d_probabilities + (sample << n_);
    const double by_cost = values == nullptr ? 0.0 : static_cast<double>(values[n_]);
    double table[1 << kQaoaChunkBits];
    FillTable(values, table);
    SumChunks([&](int64_t base) {
      const double high = values == nullptr ? 0.0 : SpinSum(values, LowBits(), n_, base);
      const auto* const re = reinterpret_cast<const T*>(state_.re);
      const auto* const im = reinterpret_cast<const T*>(state_.im);
      auto* const other_re = reinterpret_cast<T*>(other_.re);
      auto* const other_im = reinterpret_cast<T*>(other_.im);
      for (int64_t i = base; i < base + chunk_; ++i) {
        const bool inside = i < int64_t{1} << n_;
        double factor = by_cost * costs_[i] + (high + table[i - base]);
        if (probabilities != nullptr && inside) factor += static_cast<double>(probabilities[i]);
        other_re[i] = static_cast<T>(factor) * re[i];
        other_im[i] = static_cast<T>(factor) * im[i];
      }
      return 0.0;
    });
  }

  void Backward(int64_t sample, const double* means, T* gradient) {
    FillOther(sample);
    __builtin_memset(static_cast<void*>(weights_), 0, static_cast<uint64_t>(size_) * sizeof(T));
    for (int64_t layer = request_.n_layers - 1; layer >= 0; --layer) {
      const Turn<T> back(-static_cast<double>(betas_[layer]));
      double by_beta = 0;
      const bool pairs = request_.n_pairs > 0;
      if (pairs) {
        for (int64_t pair = request_.n_pairs - 1; pair >= 0; --pair) {
          by_beta += FlipPair(pair);
          MixPair(state_, pair, back);
          MixPair(other_, pair, back);
        }
      } else {
        by_beta += SumColumns(
            true, [&](Parts<T> state, Parts<T> other, int begin, int end, int64_t count) {
              const double sum = FlipVectors<T>(other, state, begin, end, count);
              MixVectors<T>(state, begin, end, count, back);
              MixVectors<T>(other, begin, end, count, back);
              return sum;
            });
        by_beta += SumChunks([&](int64_t base) {
          const Parts<T> state = At(state_, base), other = At(other_, base);
          const int lane_bits = LaneBits();
          const int64_t count = chunk_ / kLanes;
          const double sum = FlipLanes<T>(other, state, lane_bits, count) +
                             FlipVectors<T>(other, state, 0, LowBits() - lane_bits, count);
          MixChunk(state, back);
          MixChunk(other, back);
          return sum;
        });
      }
      const double by_gamma = UndoPhase(layer);
      gradient[request_.n_fields + layer] = static_cast<T>(2 * by_gamma);
      gradient[request_.n_fields + request_.n_layers + layer] = static_cast<T>(2 * by_beta);
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

  // Returns Im <other| C |state>, adds gamma Im(conj(other) state) to the weights, which the fields'
  // gradient is made of, and takes the layer's phase off both states.
  double UndoPhase(int64_t layer) {
    const auto gamma = gammas_[layer];
    const double turns = static_cast<double>(gamma) / 6.283185307179586;
    return SumChunks([&](int64_t base) {
      const Parts<T> state = At(state_, base), other = At(other_, base);
      Vec<T>* const weights = weights_ + base / kLanes;
      Vec<T> sum{};
      for (int64_t i = 0; i < chunk_ / kLanes; ++i) {
        const double* const costs = costs_ + base + i * kLanes;
        const Vec<T> product = ImProduct<T>(other.re[i], other.im[i], state.re[i], state.im[i]);
        T rounded[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) rounded[lane] = static_cast<T>(costs[lane]);
        Vec<T> cost;
        __builtin_memcpy(&cost, rounded, sizeof(cost));
        sum += cost * product;
        weights[i] += gamma * product;
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
    });
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
  const int64_t size_, chunk_;
  const bool shared_;
  const T *fields_ = nullptr, *gammas_ = nullptr, *betas_ = nullptr;
  double* costs_ = nullptr;
  Vec<T>* weights_ = nullptr;
  Parts<T> state_, other_;
};

template <class T>
qkeras_hybrid::Status RunQaoa(const QaoaRequest<T>& request) {
  const int64_t tasks = More(1, Less(request.max_tasks, request.batch));
  const uint64_t bytes = QaoaSample<T>::Bytes(request.n_qubits, request.d_parameters != nullptr);
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
