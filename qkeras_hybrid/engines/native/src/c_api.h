// The C interface of the library: for Python's ctypes, and for bridges in separate libraries.
//
// A session runs one serialized program and may be used by several threads at once; see session.h
// for what each function computes, and for the shapes. `dtype` is 0 for float32 and 1 for float64,
// and `void*` are numbers of that type. Functions that return an int return 0, or else 1 for an
// invalid argument and 2 for lack of memory; QhError() then says more.
#ifndef QKERAS_HYBRID_NATIVE_C_API_H_
#define QKERAS_HYBRID_NATIVE_C_API_H_

#include <stdint.h>

#define QH_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct QhSession QhSession;

// The numbers that give the arrays their shapes.
typedef struct QhSizes {
  int64_t n_qubits, n_inputs, n_weights, n_observables, n_measured;
} QhSizes;

// The version of the package that this was built for.
QH_EXPORT const char* QhVersion(void);

// The error of the last call of this thread.
QH_EXPORT const char* QhError(void);

// The instruction sets that run here, best first, separated by spaces.
QH_EXPORT const char* QhInstructionSets(void);

// How many threads a call may use, including the calling thread; 0 for one per processor.
QH_EXPORT void QhSetThreads(int threads);
QH_EXPORT int QhThreads(void);

// `lanes` is "auto", "samples" or "amplitudes". Returns null on failure.
QH_EXPORT const QhSession* QhOpen(const char* program, int64_t length, const char* lanes);
QH_EXPORT void QhClose(const QhSession* session);
QH_EXPORT void QhGetSizes(const QhSession* session, QhSizes* sizes);

// The shape of `kept`: where an expectation keeps the states of a batch for its gradient.
QH_EXPORT void QhKeptShape(const QhSession* session, int dtype, int64_t batch, int64_t* places,
                           int64_t* numbers);

// `kept` may be null: nothing is kept.
QH_EXPORT int QhExpectation(const QhSession* session, int dtype, int64_t batch, const void* inputs,
                            const void* weights, void* expectations, void* measured, void* kept,
                            int64_t places, int64_t numbers);
QH_EXPORT int QhExpectationGradient(const QhSession* session, int dtype, int64_t batch,
                                    const void* inputs, const void* weights, const void* measured,
                                    const void* upstream, const void* kept, int64_t places,
                                    int64_t numbers, void* d_inputs, void* d_weights);
QH_EXPORT int QhState(const QhSession* session, int dtype, int64_t batch, const void* inputs,
                      const void* weights, void* state);
QH_EXPORT int QhStateGradient(const QhSession* session, int dtype, int64_t batch,
                              const void* inputs, const void* weights, const void* upstream,
                              void* d_inputs, void* d_weights);
QH_EXPORT int QhSample(const QhSession* session, int dtype, int64_t batch, const void* inputs,
                       const void* weights, int64_t shots, const int64_t* seed, int32_t* bits);

// Anneals a batch of problems of spins on one graph; see annealing.h. `couplings` is of shape
// (n_edges) if `shared_couplings` is not 0, otherwise (batch, n_edges). `start` may be null.
QH_EXPORT int QhAnneal(int64_t n_spins, int64_t n_edges, const int64_t* edges, int64_t batch,
                       const float* biases, const float* couplings, int shared_couplings,
                       int64_t reads, int64_t n_sweeps, const float* inverse_temperatures,
                       int64_t seed, const int8_t* start, int8_t* spins);

// The problem of a quantum approximate optimization algorithm; see qaoa_view.h. `start` may be null
// for the uniform state. Without pairs the mixer is X.
typedef struct QhQaoaProblem {
  int64_t n_qubits, n_layers, n_fields, n_pairs;
  const int64_t* pairs;
  const double* costs;
  const double* start;
  int64_t even;
} QhQaoaProblem;

// The parameters of each sample are its fields, gammas and betas. `values` (the means of the spins,
// then of the cost) and `probabilities`, and their gradients, may be null.
QH_EXPORT int QhQaoa(const QhQaoaProblem* problem, int dtype, int64_t batch,
                     const void* parameters, void* values, void* probabilities, void* keep);
QH_EXPORT int QhQaoaGradient(const QhQaoaProblem* problem, int dtype, int64_t batch,
                             const void* parameters, const void* d_values,
                             const void* d_probabilities, const void* kept, void* d_parameters);

// Runs multiply-adds (see peak.h) on the calling thread with the instruction set in use and returns
// how many floating-point operations that were; 0 if the environment names an instruction set that
// is not there.
QH_EXPORT double QhMultiplyAdds(int dtype, int64_t rounds, double* mean);

// How many floating-point operations (see flops.h) one sample takes in the expectation and in its
// gradient; zeros for a program on density matrices.
QH_EXPORT void QhFlops(const QhSession* session, double* expectation, double* gradient);

#ifdef __cplusplus
}
#endif

#endif  // QKERAS_HYBRID_NATIVE_C_API_H_
