// A serialized program, ready to run on this processor: everything that the bridges need.
#ifndef QKERAS_HYBRID_NATIVE_SESSION_H_
#define QKERAS_HYBRID_NATIVE_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "density_plan.h"
#include "dispatch.h"
#include "plan.h"
#include "view.h"

namespace qkeras_hybrid {

enum class Code : int { kOk = 0, kInvalidArgument = 1, kResourceExhausted = 2 };

struct Result {
  Code code = Code::kOk;
  std::string message;
  bool ok() const { return code == Code::kOk; }
};

// The numbers that give the arrays their shapes.
struct Sizes {
  int64_t n_qubits, n_inputs, n_weights, n_observables, n_measured;
};

// Where an expectation keeps the states of a batch for its gradient: `places` times `numbers`.
// Nothing is kept where `data` is null.
template <class T>
struct Kept {
  int64_t places = 0, numbers = 0;
  T* data = nullptr;
};

// Runs one program, on state vectors or on density matrices. May be used by several threads at once.
//
// A program on density matrices has its angles as inputs, no weights, and the Pauli strings that it
// reads as observables; it keeps nothing for its gradient, and has no states and no samples.
//
// Arrays lie row by row: inputs (batch, n_inputs), weights (n_weights), expectations and their
// upstream gradient (batch, n_observables), measured (batch, n_measured), states (batch,
// 2^n_qubits, 2).
class Session {
 public:
  // `lanes` is "auto", "samples" or "amplitudes". Returns null, with the reason in `error`, if the
  // bytes are no program or the environment names an instruction set that is not available.
  static std::unique_ptr<const Session> Open(std::string_view program, std::string_view lanes,
                                             std::string* error);

  const Sizes& sizes() const { return sizes_; }

  // The plan of a program on state vectors; null for one on density matrices.
  const Plan* plan() const { return plan_.get(); }

  // The shape in which states of a batch are kept; zero where they are too large to be.
  template <class T>
  void KeptShape(int64_t batch, int64_t* places, int64_t* numbers) const;

  // Whether states of a batch are kept in this shape here: it depends on the instruction set.
  template <class T>
  bool KeptFits(int64_t batch, int64_t places, int64_t numbers) const;

  // With `kept.data`, keeps the states there; its shape must be one that KeptShape gave.
  template <class T>
  Result Expectation(int64_t batch, const T* inputs, const T* weights, T* expectations, T* measured,
                     Kept<T> kept) const;

  // `measured` and `kept` are the results of Expectation for the same batch. If no states were kept,
  // they are computed anew. `d_inputs` may be null if it is not needed.
  template <class T>
  Result ExpectationGradient(int64_t batch, const T* inputs, const T* weights, const T* measured,
                             const T* upstream, Kept<const T> kept, T* d_inputs,
                             T* d_weights) const;

  template <class T>
  Result State(int64_t batch, const T* inputs, const T* weights, T* state) const;

  // `upstream` is the g of dL = Re(conj(g) dz) for each amplitude z, the convention of TensorFlow
  // and PyTorch.
  template <class T>
  Result StateGradient(int64_t batch, const T* inputs, const T* weights, const T* upstream,
                       T* d_inputs, T* d_weights) const;

  // Measures all qubits: bits (batch, shots, n_qubits). Shot k of sample i takes block i * shots +
  // k of the random stream, so that results depend on `seed` alone.
  template <class T>
  Result Sample(int64_t batch, const T* inputs, const T* weights, int64_t shots,
                const int64_t seed[2], int32_t* bits) const;

 private:
  Session() = default;
  template <class T>
  const Kernels<T>& kernels() const {
    return KernelsOf<T>(*set_).states;
  }
  template <class T>
  uint32_t LaneBits() const {
    return static_cast<uint32_t>(kernels<T>().lane_bits);
  }
  template <class T>
  bool MayBe(bool amplitudes) const;
  template <class T>
  const Layout& LayoutFor(bool amplitudes) const;
  template <class T>
  const Layout& BestLayout(int64_t batch) const;
  template <class T>
  Request<T> Start(int64_t batch, const T* inputs, const T* weights) const;
  template <class T>
  const Layout* LayoutOfKept(int64_t batch, int64_t places, int64_t numbers) const;
  template <class T>
  Result TakeLayoutOf(int64_t places, int64_t numbers, Request<T>* request) const;
  template <class T>
  Result Backward(Request<T> request, bool empty, T* d_inputs, T* d_weights) const;
  template <class T>
  Result Run(Request<T> request) const;
  template <class T>
  Result RunDensity(int64_t batch, const T* angles, T* values, const T* upstream,
                    T* d_angles) const;

  // One of these is not null.
  std::unique_ptr<const Plan> plan_;
  std::unique_ptr<const DensityPlan> density_;
  Sizes sizes_{};
  const InstructionSet* set_ = nullptr;
  bool samples_ = true, amplitudes_ = true;  // what `lanes` allows
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_SESSION_H_
