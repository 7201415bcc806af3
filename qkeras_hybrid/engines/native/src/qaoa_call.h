// A call of the kernels for the quantum approximate optimization algorithm, with its threads and its
// memory.
#ifndef QKERAS_HYBRID_NATIVE_QAOA_CALL_H_
#define QKERAS_HYBRID_NATIVE_QAOA_CALL_H_

#include "qaoa_view.h"
#include "session.h"

namespace qkeras_hybrid {

// Runs a request, after setting its pool, arena and max_tasks.
template <class T>
Result CallQaoa(QaoaRequest<T> request);

}  // namespace qkeras_hybrid

#endif  // QKERAS_HYBRID_NATIVE_QAOA_CALL_H_
