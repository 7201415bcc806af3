#include "c_api.h"

#include <exception>
#include <string>

#include "annealing.h"
#include "dispatch.h"
#include "flops.h"
#include "pool.h"
#include "qaoa_call.h"
#include "session.h"

#define QH_STRING_(x) #x
#define QH_STRING(x) QH_STRING_(x)

struct QhSession {
  std::unique_ptr<const qkeras_hybrid::Session> session;
};

namespace qkeras_hybrid {
namespace {

std::string& LastError() {
  static thread_local std::string error;
  return error;
}

int Report(Result result) {
  LastError() = std::move(result.message);
  return static_cast<int>(result.code);
}

// Calls the float or double version of a function template, `body(T{})`. No exception may leave a C
// function, so a failed small allocation is caught here.
template <class F>
int ForType(int dtype, F body) {
  try {
    return Report(dtype == 1 ? body(double{}) : body(float{}));
  } catch (const std::exception& error) {
    return Report({Code::kResourceExhausted, error.what()});
  }
}

template <class T>
const T* In(const void* numbers) {
  return static_cast<const T*>(numbers);
}

template <class T>
T* Out(void* numbers) {
  return static_cast<T*>(numbers);
}

template <class T>
QaoaRequest<T> QaoaOf(const QhQaoaProblem& problem, int64_t batch, const void* parameters) {
  QaoaRequest<T> request{};
  request.n_qubits = problem.n_qubits;
  request.n_layers = problem.n_layers;
  request.n_fields = problem.n_fields;
  request.n_pairs = problem.n_pairs;
  request.pairs = problem.pairs;
  request.costs = problem.costs;
  request.start = problem.start;
  request.even = problem.even != 0;
  request.batch = batch;
  request.parameters = In<T>(parameters);
  return request;
}

}  // namespace
}  // namespace qkeras_hybrid

using qkeras_hybrid::ForType;
using qkeras_hybrid::In;
using qkeras_hybrid::LastError;
using qkeras_hybrid::Out;

const char* QhVersion() { return QH_STRING(QH_VERSION); }

const char* QhError() { return LastError().c_str(); }

const char* QhInstructionSets() {
  static const auto* const names = [] {
    auto* joined = new std::string();
    for (const auto& set : qkeras_hybrid::InstructionSets()) {
      *joined += (joined->empty() ? "" : " ") + set.name;
    }
    return joined;
  }();
  return names->c_str();
}

void QhSetThreads(int threads) { qkeras_hybrid::ThreadPool::SetThreads(threads); }

int QhThreads() { return qkeras_hybrid::ThreadPool::Threads(); }

const QhSession* QhOpen(const char* program, int64_t length, const char* lanes) {
  try {
    auto session = qkeras_hybrid::Session::Open({program, static_cast<size_t>(length)}, lanes,
                                                &LastError());
    return session == nullptr ? nullptr : new QhSession{std::move(session)};
  } catch (const std::exception& error) {
    LastError() = error.what();
    return nullptr;
  }
}

void QhClose(const QhSession* session) { delete session; }

void QhGetSizes(const QhSession* session, QhSizes* sizes) {
  const qkeras_hybrid::Sizes& given = session->session->sizes();
  *sizes = {given.n_qubits, given.n_inputs, given.n_weights, given.n_observables,
            given.n_measured};
}

void QhKeptShape(const QhSession* session, int dtype, int64_t batch, int64_t* places,
                 int64_t* numbers) {
  *places = *numbers = 0;
  ForType(dtype, [&](auto type) {
    session->session->KeptShape<decltype(type)>(batch, places, numbers);
    return qkeras_hybrid::Result{};
  });
}

int QhExpectation(const QhSession* session, int dtype, int64_t batch, const void* inputs,
                  const void* weights, void* expectations, void* measured, void* kept,
                  int64_t places, int64_t numbers) {
  return ForType(dtype, [&](auto type) {
    using T = decltype(type);
    return session->session->Expectation<T>(batch, In<T>(inputs), In<T>(weights),
                                            Out<T>(expectations), Out<T>(measured),
                                            {places, numbers, Out<T>(kept)});
  });
}

int QhExpectationGradient(const QhSession* session, int dtype, int64_t batch, const void* inputs,
                          const void* weights, const void* measured, const void* upstream,
                          const void* kept, int64_t places, int64_t numbers, void* d_inputs,
                          void* d_weights) {
  return ForType(dtype, [&](auto type) {
    using T = decltype(type);
    return session->session->ExpectationGradient<T>(
        batch, In<T>(inputs), In<T>(weights), In<T>(measured), In<T>(upstream),
        {places, numbers, In<T>(kept)}, Out<T>(d_inputs), Out<T>(d_weights));
  });
}

int QhState(const QhSession* session, int dtype, int64_t batch, const void* inputs,
            const void* weights, void* state) {
  return ForType(dtype, [&](auto type) {
    using T = decltype(type);
    return session->session->State<T>(batch, In<T>(inputs), In<T>(weights), Out<T>(state));
  });
}

int QhStateGradient(const QhSession* session, int dtype, int64_t batch, const void* inputs,
                    const void* weights, const void* upstream, void* d_inputs, void* d_weights) {
  return ForType(dtype, [&](auto type) {
    using T = decltype(type);
    return session->session->StateGradient<T>(batch, In<T>(inputs), In<T>(weights),
                                              In<T>(upstream), Out<T>(d_inputs),
                                              Out<T>(d_weights));
  });
}

int QhSample(const QhSession* session, int dtype, int64_t batch, const void* inputs,
             const void* weights, int64_t shots, const int64_t* seed, int32_t* bits) {
  return ForType(dtype, [&](auto type) {
    using T = decltype(type);
    return session->session->Sample<T>(batch, In<T>(inputs), In<T>(weights), shots, seed, bits);
  });
}

int QhAnneal(int64_t n_spins, int64_t n_edges, const int64_t* edges, int64_t batch,
             const float* biases, const float* couplings, int shared_couplings, int64_t reads,
             int64_t n_sweeps, const float* inverse_temperatures, int64_t seed,
             const int8_t* start, int8_t* spins) {
  return ForType(0, [&](auto) {
    return qkeras_hybrid::Anneal({n_spins, n_edges, batch, reads, n_sweeps, edges, biases,
                                  couplings, shared_couplings != 0, inverse_temperatures, seed,
                                  start, spins});
  });
}

int QhQaoa(const QhQaoaProblem* problem, int dtype, int64_t batch, const void* parameters,
           void* values, void* probabilities, void* keep) {
  return ForType(dtype, [&](auto type) {
    using T = decltype(type);
    auto request = qkeras_hybrid::QaoaOf<T>(*problem, batch, parameters);
    request.values = Out<T>(values);
    request.probabilities = Out<T>(probabilities);
    request.keep = Out<T>(keep);
    return qkeras_hybrid::CallQaoa<T>(request);
  });
}

int QhQaoaGradient(const QhQaoaProblem* problem, int dtype, int64_t batch, const void* parameters,
                   const void* d_values, const void* d_probabilities, const void* kept,
                   void* d_parameters) {
  return ForType(dtype, [&](auto type) {
    using T = decltype(type);
    auto request = qkeras_hybrid::QaoaOf<T>(*problem, batch, parameters);
    request.d_values = In<T>(d_values);
    request.d_probabilities = In<T>(d_probabilities);
    request.kept = In<T>(kept);
    request.d_parameters = Out<T>(d_parameters);
    return qkeras_hybrid::CallQaoa<T>(request);
  });
}

double QhMultiplyAdds(int dtype, int64_t rounds, double* mean) {
  const auto* const set = qkeras_hybrid::ActiveInstructionSet(&LastError());
  if (set == nullptr) return 0;
  return dtype == 1 ? set->twice.states.multiply_adds(rounds, mean)
                    : set->single.states.multiply_adds(rounds, mean);
}

void QhFlops(const QhSession* session, double* expectation, double* gradient) {
  *expectation = *gradient = 0;
  const qkeras_hybrid::Plan* const plan = session->session->plan();
  if (plan == nullptr) return;
  const auto count = qkeras_hybrid::CountFlops(plan->ForLanes(0, 0));
  *expectation = count.expectation;
  *gradient = count.gradient;
}
