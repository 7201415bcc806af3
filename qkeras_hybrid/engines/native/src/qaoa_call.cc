#include "qaoa_call.h"

#include <algorithm>
#include <string>

#include "dispatch.h"
#include "memory.h"
#include "pool.h"
#include "process.h"

namespace qkeras_hybrid {
namespace {

// Far more than fits in memory; the kernels have room for this many spins.
constexpr int64_t kMostQubits = 40;

template <class T>
std::string Wrong(const QaoaRequest<T>& request) {
  if (request.n_qubits < 1 || request.n_qubits > kMostQubits) {
    return "The number of qubits must be from 1 to 40.";
  }
  if (request.n_layers < 1) return "There must be a layer.";
  const bool keeps = request.keep != nullptr || request.kept != nullptr;
  if (keeps && request.n_qubits < kKeptQubits) return "States of so few qubits are not kept.";
  if (request.n_fields != 0 && request.n_fields != request.n_qubits) {
    return "There must be a field for each qubit, or none.";
  }
  if (request.even && (request.n_qubits < kKeptQubits || request.n_fields > 0 ||
                       request.n_pairs > 0 || request.start != nullptr)) {
    return "No fields, pairs, start or so few qubits go with an even state.";
  }
  for (int64_t i = 0; i < request.n_pairs; ++i) {
    const int64_t a = request.pairs[2 * i], b = request.pairs[2 * i + 1];
    if (a < 0 || b < 0 || a >= request.n_qubits || b >= request.n_qubits || a == b) {
      return "A pair must be of two different qubits.";
    }
  }
  return "";
}

}  // namespace

template <class T>
Result CallQaoa(QaoaRequest<T> request) {
  const std::string wrong = Wrong(request);
  if (!wrong.empty()) return {Code::kInvalidArgument, wrong};
  std::string error;
  const InstructionSet* const set = ActiveInstructionSet(&error);
  if (set == nullptr) return {Code::kInvalidArgument, error};
  if (request.batch == 0) return {};
  request.pool = {&PerProcess<ThreadPool>::Get(), ThreadPool::Threads(),
                  [](void* pool, int64_t count, void (*body)(void*, int64_t), void* argument) {
                    static_cast<ThreadPool*>(pool)->Run(count, body, argument);
                  }};
  request.arena = {
      &PerProcess<MemoryPool>::Get(),
      [](void* pool, uint64_t bytes) { return static_cast<MemoryPool*>(pool)->Take(bytes); },
      [](void* pool, void* memory) { static_cast<MemoryPool*>(pool)->Give(memory); }};
  const QaoaKernels<T>& kernels = KernelsOf<T>(*set).qaoa;
  const uint64_t bytes = kernels.task_bytes(request.n_qubits, request.even, request.d_parameters != nullptr);
  const uint64_t available = AvailableMemory();
  if (bytes > available) {
    return {Code::kResourceExhausted,
            std::to_string(request.n_qubits) + " qubits need " + std::to_string(bytes) +
                " bytes of memory for one sample at a time, and " + std::to_string(available) +
                " are available."};
  }
  // Fewer samples at a time if the memory is too small for one on each thread.
  request.max_tasks =
      std::min<int64_t>(request.pool.threads, static_cast<int64_t>(available / bytes));
  if (kernels.run(request) == Status::kOutOfMemory) {
    return {Code::kResourceExhausted, "There is no memory left for " + std::to_string(bytes) +
                                          " bytes, which " + std::to_string(request.n_qubits) +
                                          " qubits need."};
  }
  return {};
}

template Result CallQaoa(QaoaRequest<float>);
template Result CallQaoa(QaoaRequest<double>);

}  // namespace qkeras_hybrid
