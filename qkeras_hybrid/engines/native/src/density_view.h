// Plain structures that the density kernels read; like view.h, without functions.
//
// A density matrix of n qubits is held as the 4^n real numbers r_P = tr(P rho) for the Pauli strings
// P. The index of a string has a digit to the base 4 for each qubit, qubit 0 first: 0 to 3 are I, X,
// Y and Z. A gate or channel is a real matrix on these numbers (its Pauli transfer matrix; Greenbaum
// 2015, arXiv 1509.02921). A rotation leaves half of the numbers unchanged, and rotates the others
// in pairs.
#ifndef QKERAS_HYBRID_NATIVE_DENSITY_VIEW_H_
#define QKERAS_HYBRID_NATIVE_DENSITY_VIEW_H_

#include <cstdint>

#include "view.h"

namespace qkeras_hybrid {

// A factor of a one-qubit operation: a rotation about an axis, or a fixed matrix without its first
// row, which is (1, 0, 0, 0) because the trace is preserved.
struct DensityFactor {
  uint32_t axis;  // 0: fixed; 1 to 3: X, Y, Z
  uint32_t angle;
  double scale;       // the rotation turns by scale * angle
  double matrix[12];  // rows X, Y, Z
};

enum class DensityKind : uint32_t { kLocal, kRotation, kSparse, kPair };

// The same numbers in both precisions.
struct DensityNumbers {
  const float* single;
  const double* twice;
};

// Entries of a sparse matrix: offsets of vectors in a tile, row by row.
struct DensitySparse {
  uint32_t n_rows;
  const uint32_t* row_begin;    // n_rows + 1 positions in `columns`
  const uint32_t* row_offsets;  // where each row goes
  const uint32_t* columns;
  DensityNumbers values;
};

// A one-qubit operation: a product of factors, the first of which acts first.
struct DensityLocal {
  uint32_t n_factors;         // 0: nothing is done
  const DensityFactor* factors;
  bool varies, unital;        // it has an angle; the first column of its matrix is zero
  uint32_t slot;              // of the 12 vectors of its matrix
};

// An operation on the digits of a tile. Offsets count vectors of the tile.
struct DensityOp {
  DensityKind kind;
  uint32_t n_bases;           // entries of the tile with 0 in the digits that this acts on
  const uint32_t* bases;

  DensityLocal local;         // kLocal
  uint32_t stride;            // between the four numbers of its qubit

  // kRotation: a pair turns as (a, b) -> (c a - sign s b, sign s a + c b)
  uint32_t n_pairs, n_still;
  const uint32_t* pair_a;
  const uint32_t* pair_b;
  DensityNumbers pair_sign;
  const uint32_t* still;      // the offsets that stay as they are
  uint32_t angle;
  double scale;
  uint32_t slot;              // of the vectors of its cosine and sine

  DensitySparse forward, backward;  // kSparse: the matrix, and its transpose

  // kPair: an operation on each of two qubits, and then number i goes to `targets[i]`, times
  // `factors[i]`
  DensityLocal first, second;
  const uint32_t* sources;    // 16 offsets, the digit of the first qubit counting most
  const uint32_t* targets;
  DensityNumbers factors;
};

// Operations on the digits of a few qubits, which run while their numbers are in the cache.
struct DensityTile {
  uint32_t n_vectors;        // 4^digits
  const uint32_t* offsets;   // of the tile's vectors in the state, from its base
  uint32_t n_bases;
  const uint32_t* bases;     // entries of the state with 0 in the digits of the tile
  uint32_t op_begin, op_end;
};

struct DensityLayout {
  uint32_t n_qubits, n_angles, n_measured, n_tiles, n_ops, n_slots;
  uint32_t most_vectors, most_ops, most_factors;  // of a tile, of a tile, of an operation
  const DensityTile* tiles;
  const DensityOp* ops;
  const uint32_t* measured;  // indices of Pauli strings
};

template <class T>
struct DensityRequest {
  const DensityLayout* layout;
  Pool pool;
  Arena arena;
  int64_t batch;
  int64_t max_tasks;   // groups of samples that run at a time; 0: as many as threads
  int64_t checkpoint;  // tiles between two states that the gradient keeps
  const T* angles;     // (batch, n_angles)
  T* values;           // forward: (batch, n_measured)
  const T* upstream;   // backward: (batch, n_measured) ...
  T* d_angles;         // ... and (batch, n_angles)
};

template <class T>
struct DensityKernels {
  int lanes;  // of a vector
  // Bytes that a group of samples takes, the samples side by side in a vector's lanes.
  uint64_t (*task_bytes)(const DensityLayout&, bool backward, int64_t checkpoint, int parts);
  Status (*run)(const DensityRequest<T>&);
};

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_DENSITY_VIEW_H_
