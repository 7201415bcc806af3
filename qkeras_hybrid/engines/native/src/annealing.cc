#include "annealing.h"

#include <atomic>
#include <string>
#include <vector>

#include "dispatch.h"
#include "memory.h"
#include "pool.h"
#include "process.h"

namespace qkeras_hybrid {
namespace {

// The neighbours of each spin, one after the other.
struct Adjacency {
  std::vector<int64_t> begin;
  std::vector<int32_t> neighbours, edges;
};

Adjacency AdjacencyOf(const AnnealingArrays& arrays) {
  Adjacency found;
  found.begin.assign(static_cast<size_t>(arrays.n_spins) + 1, 0);
  for (int64_t k = 0; k < 2 * arrays.n_edges; ++k) {
    ++found.begin[static_cast<size_t>(arrays.edges[k]) + 1];
  }
  for (size_t i = 1; i < found.begin.size(); ++i) found.begin[i] += found.begin[i - 1];
  found.neighbours.resize(2 * static_cast<size_t>(arrays.n_edges));
  found.edges.resize(found.neighbours.size());
  std::vector<int64_t> next(found.begin.begin(), found.begin.end() - 1);
  for (int64_t e = 0; e < arrays.n_edges; ++e) {
    for (int side = 0; side < 2; ++side) {
      const int64_t own = arrays.edges[2 * e + side], other = arrays.edges[2 * e + 1 - side];
      const auto place = static_cast<size_t>(next[static_cast<size_t>(own)]++);
      found.neighbours[place] = static_cast<int32_t>(other);
      found.edges[place] = static_cast<int32_t>(e);
    }
  }
  return found;
}

std::string WhatIsWrong(const AnnealingArrays& arrays) {
  constexpr int64_t kMost = int64_t{1} << 31;
  if (arrays.n_spins < 1 || arrays.n_spins >= kMost || arrays.n_edges >= kMost) {
    return "A problem has at least 1 and less than 2^31 spins and couplings.";
  }
  if (arrays.n_edges < 0 || arrays.batch < 0 || arrays.reads < 0 || arrays.n_sweeps < 0) {
    return "Numbers of couplings, problems, reads and sweeps are not negative.";
  }
  for (int64_t e = 0; e < arrays.n_edges; ++e) {
    const int64_t a = arrays.edges[2 * e], b = arrays.edges[2 * e + 1];
    if (a < 0 || b < 0 || a >= arrays.n_spins || b >= arrays.n_spins || a == b) {
      return "Coupling " + std::to_string(e) + " joins the spins " + std::to_string(a) + " and " +
             std::to_string(b) + " of " + std::to_string(arrays.n_spins) + ".";
    }
  }
  return "";
}

}  // namespace

Result Anneal(const AnnealingArrays& arrays) {
  std::string error = WhatIsWrong(arrays);
  if (!error.empty()) return {Code::kInvalidArgument, std::move(error)};
  const InstructionSet* const set = ActiveInstructionSet(&error);
  if (set == nullptr) return {Code::kInvalidArgument, std::move(error)};
  const AnnealingKernels& kernels = set->annealing;
  const Adjacency adjacency = AdjacencyOf(arrays);
  const AnnealingRequest request{
      {arrays.n_spins, arrays.n_edges, arrays.batch, adjacency.begin.data(),
       adjacency.neighbours.data(), adjacency.edges.data(), arrays.biases, arrays.couplings,
       arrays.shared_couplings},
      arrays.reads,
      arrays.inverse_temperatures,
      arrays.n_sweeps,
      arrays.seed,
      arrays.start,
      arrays.spins};
  const auto bytes = static_cast<uint64_t>(kernels.task_bytes(request.problems));
  std::atomic<bool> no_memory{false};
  const auto body = [&](int64_t task) {
    MemoryPool& memory = PerProcess<MemoryPool>::Get();
    void* const workspace = memory.Take(bytes);
    if (workspace == nullptr) {
      no_memory = true;
      return;
    }
    kernels.run(request, task, workspace);
    memory.Give(workspace);
  };
  const int64_t replicas = arrays.batch * arrays.reads;
  const int64_t tasks = (replicas + kernels.replicas_per_task - 1) / kernels.replicas_per_task;
  PerProcess<ThreadPool>::Get().Run(
      tasks,
      [](void* argument, int64_t task) { (*static_cast<decltype(body)*>(argument))(task); },
      const_cast<void*>(static_cast<const void*>(&body)));
  if (no_memory) {
    return {Code::kResourceExhausted, "There is no memory left for " + std::to_string(bytes) +
                                          " bytes, which annealing " +
                                          std::to_string(arrays.n_spins) + " spins needs."};
  }
  return {};
}

}  // namespace qkeras_hybrid
