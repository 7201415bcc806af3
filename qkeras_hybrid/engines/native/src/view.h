// Plain structures that the kernels read. They hold pointers and numbers only and have no inline
// functions: the kernel file is compiled once for each instruction set, and a function that two of
// these objects share could be linked from the one that the running processor can't execute.
#ifndef QKERAS_HYBRID_NATIVE_VIEW_H_
#define QKERAS_HYBRID_NATIVE_VIEW_H_

#include <cstdint>

namespace qkeras_hybrid {

inline constexpr uint32_t kNoRow = 0xffffffffu;
inline constexpr int kMaxBlockGates = 4;
inline constexpr int kMaxDenseQubits = 3;

// One summand `coefficient * parameter[index]` of an angle.
struct Summand {
  uint32_t index;
  double coefficient;
};

// A row of the angle table: offset + sum of inputs + sum of weights, in radians.
struct Row {
  double offset;
  uint32_t n_inputs, n_weights;
  const Summand* summands;  // the inputs', then the weights'
};

// A rotation about (or a measurement of) the Pauli string sign * X(x) Z(z), its masks split into
// those over the index of a vector (`hi`) and those over the lanes of a vector.
struct Gate {
  uint64_t x_hi, z_hi;
  uint32_t x_lane, z_lane;
  double sign;
  bool y_like;    // x and z overlap an odd number of times: the rotation is real
  uint32_t row;   // the angle's row, or the index of the measured string
  uint32_t slot;  // where the gate's coefficients lie
};

// Gates that one pass over the state applies.
//
// Gates over vectors (`lanes` false) have linearly independent masks x_hi, and the z of each gate
// has an even overlap with the x of the others. So the vectors fall into cosets of 2^count entries.
// In each coset, gate j pairs the entries whose local indices differ in bit j.
struct Block {
  bool lanes;
  uint32_t count;
  Gate gates[kMaxBlockGates];
  uint32_t x_types;      // bit j: gate j is not y_like
  uint32_t pivots[3];    // ascending; indices with these bits clear name the cosets
  uint64_t offsets[8];   // entry b of a coset lies at base ^ offsets[b] ...
  uint32_t lane_xor[8];  // ... with its lanes exchanged by XOR with lane_xor[b]
};

// A parity-sum over a chunk of the state: values f(k) = sum_t coefficient_t * (-1)^parity(z_t & k)
// are built, or for given f the sums sum_k f(k) (-1)^parity(z_t & k) are taken, by halving the
// chunk bit by bit. `zero` and `one` are the children for terms without and with the top bit.
struct TreeNode {
  int32_t zero, one;  // -1: none. Both -1: the terms left depend on the lanes alone.
  uint32_t leaf_begin, leaf_end;
};

struct TreeTerm {
  uint64_t outer;      // mask over the index of the chunk
  uint32_t leaf;
  uint32_t row;        // kNoRow: the coefficient is the value
  double coefficient;
};

struct Tree {
  uint32_t levels;  // a chunk is 2^levels vectors
  uint32_t n_nodes, n_leaves, n_terms;
  const TreeNode* nodes;  // nodes[0] is the root
  const uint32_t* leaf_lane_masks;
  const TreeTerm* terms;
  bool per_sample;  // some term's angle depends on the inputs
};

// A fixed unitary on the qubits whose X flips m and whose value is parity(r & index) ^ offset.
struct Dense {
  uint32_t k, rank;
  uint32_t pivots[3];
  uint64_t span[8];          // vectors of a coset lie at base ^ span[b]
  uint32_t source[8];        // flipping qubits d moves entry b to entry b ^ source[d] ...
  uint32_t lane_xor[8];      // ... and exchanges lanes
  uint64_t r_hi[3];
  uint32_t r_lane[3], offset[3];
  uint32_t slot;
  const double* matrix;  // 2^k x 2^k, real and imaginary parts interleaved
};

enum class StageKind : uint32_t { kRotations, kPhases, kDense };

struct Stage {
  StageKind kind;
  uint32_t block_begin, block_end;  // kRotations
  Tree tree;                        // kPhases: as the samples see it
  Tree shared_tree;                 // kPhases: with the amplitudes in the lanes
  Tree gradient_tree;               // kPhases: the terms that have an angle
  Dense dense;                      // kDense
  bool needed_by_weights, needed_by_inputs;  // it, or an earlier stage, has such an angle
};

// A rotation of one bit before anything entangles it.
struct ChainGate {
  uint32_t pauli;  // 0, 1, 2: X, Y, Z
  double sign;
  uint32_t row;
};

// One summand of an observable: coefficient * (1 | cos(angle) | sin(angle)) * <measured>.
struct Entry {
  uint32_t observable, measured, function, row;
  double coefficient;
};

// A program laid out for a number of lanes that hold amplitudes.
struct Layout {
  uint32_t n_qubits, lane_bits, n_inputs, n_weights, n_rows, n_observables, n_measured, n_entries;
  uint32_t n_stages, n_blocks, n_measured_blocks, n_slots, n_dense;
  const Row* rows;
  const uint32_t* chain_begin;  // n_qubits + 1 positions in `chain`
  const ChainGate* chain;
  const Stage* stages;
  const Block* blocks;           // the stages' blocks, then the measured ones
  Tree measured_tree;            // the diagonal measured strings; row is the string's index
  const uint32_t* measured_x;    // 1 where the measured string is not diagonal
  const Entry* entries;
  const uint64_t* reads;         // the qubits' bits in the storage index, for state vectors
  const uint32_t* read_offsets;
  bool chain_needed_by_weights, chain_needed_by_inputs;
};

// Runs `body(argument, i)` for i in [0, count), on several threads or one.
struct Pool {
  void* handle;
  int threads;
  void (*run)(void* handle, int64_t count, void (*body)(void*, int64_t), void* argument);
};

// Memory that comes back after use; `take` returns null when there is none.
struct Arena {
  void* handle;
  void* (*take)(void* handle, uint64_t bytes);
  void (*give)(void* handle, void* memory);
};

template <class T>
struct Request {
  const Layout* layout;
  Pool pool;
  Arena arena;
  int64_t max_tasks;  // that run at a time, each with memory of its own; 0: as many as threads
  int64_t batch;
  const T* inputs;   // (batch, n_inputs)
  const T* weights;  // (n_weights,)

  // Forward: expectations (batch, n_observables), measured (batch, n_measured); or, with these
  // null, state (batch, 2^n, 2) of real and imaginary parts.
  T* expectations;
  T* measured;
  T* state;
  // Where forward keeps the states of an expectation for backward, or null. A place for each lane
  // group (or sample): its vectors as they lie in memory, then the vector of its scales.
  T* kept;

  // Backward: the upstream gradient of the expectations with what `measured` was, or of the state.
  const T* given_measured;
  const T* upstream;        // (batch, n_observables)
  const T* state_upstream;  // (batch, 2^n, 2)
  const T* given_kept;      // what forward kept, or null: the states are computed anew
  T* d_inputs;              // (batch, n_inputs), or null: not wanted
  T* d_weights;             // (n_weights,)
};

enum class Status : int { kOk, kOutOfMemory };

// What one instruction set offers, for one floating type.
template <class T>
struct Kernels {
  int lane_bits;  // log2 of the lanes of a vector
  // Bytes that one task takes, and that all tasks share.
  uint64_t (*task_bytes)(const Layout&, bool backward);
  uint64_t (*shared_bytes)(const Layout&, int64_t batch);
  // How many states `kept` has places for, and the numbers in each place.
  int64_t (*kept_places)(const Layout&, int64_t batch);
  int64_t (*kept_numbers)(const Layout&);
  // Backward if the request has d_weights. The layout's lane_bits are 0 (a sample a lane) or the
  // full number (an amplitude a lane).
  Status (*run)(const Request<T>&);
  // Multiply-adds on registers alone, to measure what this processor can do; see peak.h.
  double (*multiply_adds)(int64_t rounds, double* mean);
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_VIEW_H_
