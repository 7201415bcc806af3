// TensorFlow operations over the kernels.
#include <algorithm>
#include <atomic>
#include <complex>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dispatch.h"
#include "flops.h"
#include "memory.h"
#include "plan.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "tensorflow/core/lib/random/philox_random.h"
#include "view.h"

namespace qkeras_hybrid {
namespace {

using ::tensorflow::DEVICE_CPU;
using ::tensorflow::OpKernel;
using ::tensorflow::OpKernelConstruction;
using ::tensorflow::OpKernelContext;
using ::tensorflow::Tensor;
using ::tensorflow::TensorShape;
using ::tensorflow::errors::InvalidArgument;
using ::tensorflow::errors::ResourceExhausted;
using ::tensorflow::shape_inference::InferenceContext;
using ::tensorflow::shape_inference::ShapeHandle;

// What a sample costs with all lanes full of samples, over what it costs with amplitudes in the
// lanes: measured on AVX-512 with float32. Few qubits don't fill the lanes with amplitudes; from
// about 13 on the states of a lane group no longer fit the caches, and that of one sample does.
double CostRatio(uint32_t n_qubits) {
  constexpr double kRatios[] = {0.2, 0.3, 0.6, 0.85, 0.9, 0.97};
  constexpr uint32_t kFirst = 7;
  if (n_qubits < kFirst) return kRatios[0];
  if (n_qubits >= kFirst + std::size(kRatios)) return 1.3;
  return kRatios[n_qubits - kFirst];
}

// Whether a batch runs faster with amplitudes in the lanes, given how much of it each thread gets.
bool AmplitudeLanesPay(uint32_t n_qubits, int64_t batch, int64_t lanes, int64_t threads) {
  const auto share = [](int64_t count, int64_t among) { return (count + among - 1) / among; };
  const double samples = static_cast<double>(share(share(batch, lanes), threads) * lanes);
  return samples * CostRatio(n_qubits) > static_cast<double>(share(batch, threads));
}

// What all states of a batch may take to be kept for the gradient: computing them anew takes a
// quarter of a step, and more memory than this would be felt.
constexpr int64_t kMaxKeptBytes = int64_t{32} << 20;

// Below this nobody looks how much memory is left.
constexpr uint64_t kSmallBytes = uint64_t{256} << 20;

absl::Status ShapeOf(InferenceContext* c, int index, int rank, ShapeHandle* shape) {
  return c->WithRank(c->input(index), rank, shape);
}

// What shape inference needs of the program.
absl::Status ReadAttribute(InferenceContext* c, std::unique_ptr<const Plan>* plan) {
  std::string bytes, error;
  TF_RETURN_IF_ERROR(c->GetAttr("program", &bytes));
  *plan = Plan::Read(bytes, &error);
  if (*plan == nullptr) return InvalidArgument("The serialized program is not valid: ", error, ".");
  return absl::OkStatus();
}

// Checks inputs and weights, and hands out the program and the batch dimension.
absl::Status CommonShapes(InferenceContext* c, std::unique_ptr<const Plan>* plan,
                          tensorflow::shape_inference::DimensionHandle* batch) {
  TF_RETURN_IF_ERROR(ReadAttribute(c, plan));
  ShapeHandle inputs, weights;
  tensorflow::shape_inference::DimensionHandle unused;
  TF_RETURN_IF_ERROR(ShapeOf(c, 0, 2, &inputs));
  TF_RETURN_IF_ERROR(ShapeOf(c, 1, 1, &weights));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(inputs, 1), (*plan)->n_inputs(), &unused));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(weights, 0), (*plan)->n_weights(), &unused));
  *batch = c->Dim(inputs, 0);
  return absl::OkStatus();
}

absl::Status GradientShapes(InferenceContext* c) {
  std::unique_ptr<const Plan> plan;
  tensorflow::shape_inference::DimensionHandle batch;
  TF_RETURN_IF_ERROR(CommonShapes(c, &plan, &batch));
  bool need_inputs;
  TF_RETURN_IF_ERROR(c->GetAttr("need_inputs", &need_inputs));
  c->set_output(0, need_inputs ? c->Matrix(batch, plan->n_inputs()) : c->Matrix(0, 0));
  c->set_output(1, c->Vector(plan->n_weights()));
  return absl::OkStatus();
}

REGISTER_OP("QkerasHybridExpectation")
    .Input("inputs: T")
    .Input("weights: T")
    .Output("expectations: T")
    .Output("measured: T")
    .Output("kept: T")
    .Attr("T: {float, double}")
    .Attr("program: string")
    .Attr("keep: bool = false")
    .Attr("lanes: {'auto', 'samples', 'amplitudes'} = 'auto'")
    .SetShapeFn([](InferenceContext* c) {
      std::unique_ptr<const Plan> plan;
      tensorflow::shape_inference::DimensionHandle batch;
      TF_RETURN_IF_ERROR(CommonShapes(c, &plan, &batch));
      c->set_output(0, c->Matrix(batch, plan->n_observables()));
      c->set_output(1, c->Matrix(batch, plan->n_measured()));
      c->set_output(2, c->UnknownShapeOfRank(2));
      return absl::OkStatus();
    })
    .Doc("Expectation values of a compiled program, and of its Pauli strings one by one; with "
         "`keep`, the states too unless they are large, for the gradient.");

REGISTER_OP("QkerasHybridExpectationGrad")
    .Input("inputs: T")
    .Input("weights: T")
    .Input("measured: T")
    .Input("upstream: T")
    .Input("kept: n_kept * T")
    .Output("d_inputs: T")
    .Output("d_weights: T")
    .Attr("T: {float, double}")
    .Attr("n_kept: int >= 0 = 0")
    .Attr("program: string")
    .Attr("need_inputs: bool = true")
    .Attr("lanes: {'auto', 'samples', 'amplitudes'} = 'auto'")
    .SetShapeFn(GradientShapes)
    .Doc("The adjoint gradient of QkerasHybridExpectation; d_inputs is empty unless needed. Graphs "
         "of version 0.1 have no `kept`; without it, or if it is empty, states are computed anew.");

REGISTER_OP("QkerasHybridState")
    .Input("inputs: T")
    .Input("weights: T")
    .Output("state: Tcomplex")
    .Attr("T: {float, double}")
    .Attr("Tcomplex: {complex64, complex128}")
    .Attr("program: string")
    .Attr("lanes: {'auto', 'samples', 'amplitudes'} = 'auto'")
    .SetShapeFn([](InferenceContext* c) {
      std::unique_ptr<const Plan> plan;
      tensorflow::shape_inference::DimensionHandle batch;
      TF_RETURN_IF_ERROR(CommonShapes(c, &plan, &batch));
      c->set_output(0, c->Matrix(batch, int64_t{1} << plan->n_qubits()));
      return absl::OkStatus();
    })
    .Doc("Final state vectors of a compiled program.");

REGISTER_OP("QkerasHybridStateGrad")
    .Input("inputs: T")
    .Input("weights: T")
    .Input("upstream: Tcomplex")
    .Output("d_inputs: T")
    .Output("d_weights: T")
    .Attr("T: {float, double}")
    .Attr("Tcomplex: {complex64, complex128}")
    .Attr("program: string")
    .Attr("need_inputs: bool = true")
    .Attr("lanes: {'auto', 'samples', 'amplitudes'} = 'auto'")
    .SetShapeFn(GradientShapes)
    .Doc("The adjoint gradient of QkerasHybridState.");

REGISTER_OP("QkerasHybridSample")
    .Input("inputs: T")
    .Input("weights: T")
    .Input("shots: int64")
    .Input("seed: int64")
    .Output("bits: int32")
    .Attr("T: {float, double}")
    .Attr("program: string")
    .Attr("lanes: {'auto', 'samples', 'amplitudes'} = 'auto'")
    .SetShapeFn([](InferenceContext* c) {
      std::unique_ptr<const Plan> plan;
      tensorflow::shape_inference::DimensionHandle batch, shots;
      ShapeHandle unused;
      TF_RETURN_IF_ERROR(CommonShapes(c, &plan, &batch));
      TF_RETURN_IF_ERROR(ShapeOf(c, 2, 0, &unused));
      TF_RETURN_IF_ERROR(ShapeOf(c, 3, 1, &unused));
      TF_RETURN_IF_ERROR(c->MakeDimForScalarInput(2, &shots));
      c->set_output(0, c->MakeShape({batch, shots, c->MakeDim(plan->n_qubits())}));
      return absl::OkStatus();
    })
    .Doc("Seeded measurements of all qubits of a compiled program.");

// Calls that threads claim one by one. The thread that asks for them claims too, and waits for
// those alone that others have begun: a thread that wakes up late, or is busy elsewhere, costs no
// time. It may even come when all is over, so it shares the ownership of this.
class SharedCalls {
 public:
  SharedCalls(int64_t count, void (*body)(void*, int64_t), void* argument)
      : count_(count), body_(body), argument_(argument) {}

  void Work() {
    int64_t done = 0;
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_; ++done) {
      body_(argument_, i);
    }
    if (done == 0) return;
    // Under the lock, or the last thread could notify before the one that waits does.
    std::lock_guard<std::mutex> lock(mutex_);
    done_ += done;
    if (done_ == count_) all_done_.notify_one();
  }

  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return done_ == count_; });
  }

 private:
  const int64_t count_;
  void (*const body_)(void*, int64_t);
  void* const argument_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
  int64_t done_ = 0;
};

// Runs kernels on TensorFlow's own threads, and on the calling one.
void RunOnPool(void* handle, int64_t count, void (*body)(void*, int64_t), void* argument) {
  auto* const threads = static_cast<tensorflow::thread::ThreadPool*>(handle);
  const auto calls = std::make_shared<SharedCalls>(count, body, argument);
  const int64_t helpers = std::min<int64_t>(count, threads->NumThreads()) - 1;
  for (int64_t i = 0; i < helpers; ++i) threads->Schedule([calls] { calls->Work(); });
  calls->Work();
  calls->Wait();
}

// A kernel with its program.
template <class T>
class ProgramOp : public OpKernel {
 public:
  explicit ProgramOp(OpKernelConstruction* context) : OpKernel(context) {
    std::string bytes, error, lanes;
    OP_REQUIRES_OK(context, context->GetAttr("program", &bytes));
    OP_REQUIRES_OK(context, context->GetAttr("lanes", &lanes));
    plan_ = Plan::Read(bytes, &error);
    OP_REQUIRES(context, plan_ != nullptr,
                InvalidArgument("The serialized program is not valid: ", error, "."));
    const InstructionSet* set = ActiveInstructionSet(&error);
    OP_REQUIRES(context, set != nullptr, InvalidArgument(error));
    kernels_ = &KernelsOf<T>(*set);
    // The layouts are made when first needed, and kept by the plan.
    may_be_samples_ = lanes != "amplitudes" || plan_->n_qubits() < full_lane_bits();
    may_be_amplitudes_ = lanes != "samples" && plan_->n_qubits() >= full_lane_bits();
  }

 protected:
  const Plan& plan() const { return *plan_; }

  const Kernels<T>& kernels() const { return *kernels_; }

  // Checks the tensors that all operations have and makes a request of them.
  absl::Status Start(OpKernelContext* context, Request<T>* request) const {
    const Tensor& inputs = context->input(0);
    const Tensor& weights = context->input(1);
    if (inputs.dims() != 2 || inputs.dim_size(1) != plan_->n_inputs()) {
      return InvalidArgument("Argument `inputs` must have shape (batch, ", plan_->n_inputs(),
                             "), but got ", inputs.shape().DebugString(), ".");
    }
    if (weights.dims() != 1 || weights.dim_size(0) != plan_->n_weights()) {
      return InvalidArgument("Argument `weights` must have shape (", plan_->n_weights(),
                             ",), but got ", weights.shape().DebugString(), ".");
    }
    *request = Request<T>{};
    auto* const workers = context->device()->tensorflow_cpu_worker_threads();
    const bool amplitudes =
        may_be_amplitudes_ &&
        (!may_be_samples_ || AmplitudeLanesPay(plan_->n_qubits(), inputs.dim_size(0),
                                               int64_t{1} << full_lane_bits(),
                                               workers->num_threads));
    request->layout = &LayoutFor(amplitudes);
    request->pool = {workers->workers, workers->num_threads, RunOnPool};
    request->arena = {
        &MemoryPool::Global(),
        [](void* pool, uint64_t bytes) { return static_cast<MemoryPool*>(pool)->Take(bytes); },
        [](void* pool, void* memory) { static_cast<MemoryPool*>(pool)->Give(memory); }};
    request->batch = inputs.dim_size(0);
    request->inputs = inputs.flat<T>().data();
    request->weights = weights.flat<T>().data();
    return absl::OkStatus();
  }

  // Gives the states that an expectation has kept to its gradient, which runs with the lanes that
  // they were made with.
  absl::Status TakeKept(const Tensor& kept, Request<T>* request) const {
    if (kept.NumElements() == 0) return absl::OkStatus();
    for (const bool amplitudes : {false, true}) {
      if (!(amplitudes ? may_be_amplitudes_ : may_be_samples_)) continue;
      const Layout& layout = LayoutFor(amplitudes);
      if (kept.dims() == 2 &&
          kept.dim_size(0) == kernels_->kept_places(layout, request->batch) &&
          kept.dim_size(1) == kernels_->kept_numbers(layout)) {
        request->layout = &layout;
        request->given_kept = kept.flat<T>().data();
        return absl::OkStatus();
      }
    }
    return InvalidArgument("Argument `kept` must be what the expectation of this batch kept, but ",
                           "has shape ", kept.shape().DebugString(), ".");
  }

  absl::Status Run(Request<T> request) const {
    const bool backward = request.d_weights != nullptr;
    const uint64_t task = kernels_->task_bytes(*request.layout, backward);
    const uint64_t shared = kernels_->shared_bytes(*request.layout, request.batch);
    const uint64_t tasks = std::max<int64_t>(
        1, std::min<int64_t>(request.pool.threads, request.batch));
    const uint64_t bytes = shared + task;
    if (shared + tasks * task > kSmallBytes) {
      const uint64_t available = AvailableMemory();
      if (bytes > available) {
        return ResourceExhausted("A program of ", plan_->n_qubits(), " qubits needs ", bytes,
                                 " bytes of memory for one sample at a time, and ", available,
                                 " are available.");
      }
      // Fewer samples at a time, if the memory is not enough for one on each thread.
      request.max_tasks = static_cast<int64_t>(std::min(tasks, (available - shared) / task));
    }
    if (kernels_->run(request) == Status::kOutOfMemory) {
      return ResourceExhausted("There is no memory left for ", bytes, " bytes, which a program of ",
                               plan_->n_qubits(), " qubits needs.");
    }
    return absl::OkStatus();
  }

 private:
  uint32_t full_lane_bits() const { return static_cast<uint32_t>(kernels_->lane_bits); }
  const Layout& LayoutFor(bool amplitudes) const {
    return plan_->ForLanes(amplitudes ? full_lane_bits() : 0, full_lane_bits());
  }

  std::unique_ptr<const Plan> plan_;
  const Kernels<T>* kernels_;
  bool may_be_samples_, may_be_amplitudes_;
};

template <class T>
class ExpectationOp : public ProgramOp<T> {
 public:
  explicit ExpectationOp(OpKernelConstruction* context) : ProgramOp<T>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("keep", &keep_));
  }

  void Compute(OpKernelContext* context) override {
    Request<T> request;
    OP_REQUIRES_OK(context, this->Start(context, &request));
    Tensor *expectations, *measured;
    OP_REQUIRES_OK(context, context->allocate_output(
        0, TensorShape({request.batch, this->plan().n_observables()}), &expectations));
    OP_REQUIRES_OK(context, context->allocate_output(
        1, TensorShape({request.batch, this->plan().n_measured()}), &measured));
    const int64_t places = this->kernels().kept_places(*request.layout, request.batch);
    const int64_t numbers = this->kernels().kept_numbers(*request.layout);
    const bool keep = keep_ && expectations->NumElements() > 0 &&
                      numbers <= kMaxKeptBytes / static_cast<int64_t>(sizeof(T)) / places;
    Tensor* kept;
    OP_REQUIRES_OK(context, context->allocate_output(
        2, keep ? TensorShape({places, numbers}) : TensorShape({0, 0}), &kept));
    if (expectations->NumElements() == 0) return;
    if (keep) request.kept = kept->flat<T>().data();
    request.expectations = expectations->flat<T>().data();
    request.measured = measured->flat<T>().data();
    OP_REQUIRES_OK(context, this->Run(request));
  }

 private:
  bool keep_;
};

// The outputs of both gradients.
template <class T>
class GradientOp : public ProgramOp<T> {
 public:
  explicit GradientOp(OpKernelConstruction* context) : ProgramOp<T>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("need_inputs", &need_inputs_));
  }

 protected:
  // Allocates the outputs; without work to do they are zero and `done` is true.
  absl::Status Allocate(OpKernelContext* context, bool empty, Request<T>* request,
                        bool* done) const {
    Tensor *d_inputs, *d_weights;
    const TensorShape inputs_shape({need_inputs_ ? request->batch : 0,
                                    need_inputs_ ? this->plan().n_inputs() : 0});
    TF_RETURN_IF_ERROR(context->allocate_output(0, inputs_shape, &d_inputs));
    TF_RETURN_IF_ERROR(
        context->allocate_output(1, TensorShape({this->plan().n_weights()}), &d_weights));
    request->d_inputs = need_inputs_ ? d_inputs->flat<T>().data() : nullptr;
    request->d_weights = d_weights->flat<T>().data();
    *done = empty || (d_inputs->NumElements() == 0 && d_weights->NumElements() == 0);
    if (*done) {
      d_inputs->flat<T>().setZero();
      d_weights->flat<T>().setZero();
    }
    return absl::OkStatus();
  }

 private:
  bool need_inputs_;
};

template <class T>
class ExpectationGradOp : public GradientOp<T> {
 public:
  using GradientOp<T>::GradientOp;

  void Compute(OpKernelContext* context) override {
    Request<T> request;
    OP_REQUIRES_OK(context, this->Start(context, &request));
    const Tensor& measured = context->input(2);
    const Tensor& upstream = context->input(3);
    const TensorShape measured_shape({request.batch, this->plan().n_measured()});
    const TensorShape upstream_shape({request.batch, this->plan().n_observables()});
    OP_REQUIRES(context, measured.shape() == measured_shape,
                InvalidArgument("Argument `measured` must have shape ",
                                measured_shape.DebugString(), ", but got ",
                                measured.shape().DebugString(), "."));
    OP_REQUIRES(context, upstream.shape() == upstream_shape,
                InvalidArgument("Argument `upstream` must have shape ",
                                upstream_shape.DebugString(), ", but got ",
                                upstream.shape().DebugString(), "."));
    request.given_measured = measured.flat<T>().data();
    request.upstream = upstream.flat<T>().data();
    if (context->num_inputs() > 4) {
      OP_REQUIRES_OK(context, this->TakeKept(context->input(4), &request));
    }
    bool done;
    OP_REQUIRES_OK(context,
                   this->Allocate(context, upstream.NumElements() == 0, &request, &done));
    if (!done) OP_REQUIRES_OK(context, this->Run(request));
  }
};

template <class T>
class StateOp : public ProgramOp<T> {
 public:
  using ProgramOp<T>::ProgramOp;

  void Compute(OpKernelContext* context) override {
    Request<T> request;
    OP_REQUIRES_OK(context, this->Start(context, &request));
    TensorShape shape;
    OP_REQUIRES_OK(context, shape.AddDimWithStatus(request.batch));
    OP_REQUIRES_OK(context, shape.AddDimWithStatus(int64_t{1} << this->plan().n_qubits()));
    Tensor* state;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &state));
    if (state->NumElements() == 0) return;
    request.state = reinterpret_cast<T*>(state->flat<std::complex<T>>().data());
    OP_REQUIRES_OK(context, this->Run(request));
  }
};

template <class T>
class StateGradOp : public GradientOp<T> {
 public:
  using GradientOp<T>::GradientOp;

  void Compute(OpKernelContext* context) override {
    Request<T> request;
    OP_REQUIRES_OK(context, this->Start(context, &request));
    const Tensor& upstream = context->input(2);
    OP_REQUIRES(context,
                upstream.dims() == 2 && upstream.dim_size(0) == request.batch &&
                    upstream.dim_size(1) == int64_t{1} << this->plan().n_qubits(),
                InvalidArgument("Argument `upstream` must have shape (", request.batch, ", 2**",
                                this->plan().n_qubits(), "), but got ",
                                upstream.shape().DebugString(), "."));
    request.state_upstream =
        reinterpret_cast<const T*>(upstream.flat<std::complex<T>>().data());
    bool done;
    OP_REQUIRES_OK(context,
                   this->Allocate(context, upstream.NumElements() == 0, &request, &done));
    if (!done) OP_REQUIRES_OK(context, this->Run(request));
  }
};

// Draws from the cumulative probabilities of each state; shot k of sample i takes the Philox
// stream's output number i * shots + k, so results depend on the seed alone.
template <class T>
class SampleOp : public ProgramOp<T> {
 public:
  using ProgramOp<T>::ProgramOp;

  void Compute(OpKernelContext* context) override {
    Request<T> request;
    OP_REQUIRES_OK(context, this->Start(context, &request));
    const Tensor& shots_tensor = context->input(2);
    const Tensor& seed_tensor = context->input(3);
    OP_REQUIRES(context, shots_tensor.dims() == 0 && shots_tensor.scalar<int64_t>()() >= 0,
                InvalidArgument("Argument `shots` must be a whole number of at least 0."));
    OP_REQUIRES(context, seed_tensor.dims() == 1 && seed_tensor.dim_size(0) == 2,
                InvalidArgument("Argument `seed` must have shape (2,), but got ",
                                seed_tensor.shape().DebugString(), "."));
    const int64_t shots = shots_tensor.scalar<int64_t>()();
    const auto seed = seed_tensor.flat<int64_t>();
    const int n = static_cast<int>(this->plan().n_qubits());
    TensorShape shape;
    OP_REQUIRES_OK(context, shape.AddDimWithStatus(request.batch));
    OP_REQUIRES_OK(context, shape.AddDimWithStatus(shots));
    OP_REQUIRES_OK(context, shape.AddDimWithStatus(n));
    Tensor* bits;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &bits));
    if (bits->NumElements() == 0) return;

    // Some samples' states at a time.
    const int64_t size = int64_t{1} << n;
    const int64_t slice =
        std::min(request.batch, std::max<int64_t>(request.pool.threads, (1 << 22) / size));
    Tensor states;
    OP_REQUIRES_OK(context, context->allocate_temp(
        tensorflow::DataTypeToEnum<T>::value, TensorShape({slice, size, 2}), &states));
    const int64_t batch = request.batch;
    const T* const inputs = request.inputs;
    auto out = bits->flat_inner_dims<int32_t, 3>();
    auto* const workers = context->device()->tensorflow_cpu_worker_threads()->workers;
    for (int64_t first = 0; first < batch; first += slice) {
      request.batch = std::min(slice, batch - first);
      request.inputs = inputs + first * this->plan().n_inputs();
      request.state = states.flat<T>().data();
      OP_REQUIRES_OK(context, this->Run(request));
      workers->ParallelFor(request.batch, 4 * size + 200 * shots, [&](int64_t from, int64_t to) {
        std::vector<double> cumulative(size);
        for (int64_t i = from; i < to; ++i) {
          const T* state = request.state + i * 2 * size;
          double sum = 0;
          for (int64_t k = 0; k < size; ++k) {
            const double re = state[2 * k], im = state[2 * k + 1];
            cumulative[k] = sum += re * re + im * im;
          }
          tensorflow::random::PhiloxRandom random(seed(0), seed(1));
          random.Skip((first + i) * shots);
          for (int64_t shot = 0; shot < shots; ++shot) {
            const auto four = random();
            const uint64_t word = uint64_t{four[0]} << 32 | four[1];
            const double level = static_cast<double>(word >> 11) * 0x1p-53 * sum;
            // Rounding may take the level to the sum; the last state with weight ends there.
            int64_t state_index = std::upper_bound(cumulative.begin(), cumulative.end(), level) -
                                  cumulative.begin();
            if (state_index == size) {
              state_index =
                  std::lower_bound(cumulative.begin(), cumulative.end(), sum) - cumulative.begin();
            }
            state_index = std::min(state_index, size - 1);
            for (int q = 0; q < n; ++q) {
              out(first + i, shot, q) = static_cast<int32_t>(state_index >> (n - 1 - q) & 1);
            }
          }
        }
      });
    }
  }
};

#define QH_REGISTER(name, kernel)                                                         \
  REGISTER_KERNEL_BUILDER(Name(name).Device(DEVICE_CPU).TypeConstraint<float>("T"),       \
                          kernel<float>);                                                 \
  REGISTER_KERNEL_BUILDER(Name(name).Device(DEVICE_CPU).TypeConstraint<double>("T"),      \
                          kernel<double>)
#define QH_REGISTER_COMPLEX(name, kernel)                                                 \
  REGISTER_KERNEL_BUILDER(Name(name).Device(DEVICE_CPU).TypeConstraint<float>("T")        \
                              .TypeConstraint<std::complex<float>>("Tcomplex"),           \
                          kernel<float>);                                                 \
  REGISTER_KERNEL_BUILDER(Name(name).Device(DEVICE_CPU).TypeConstraint<double>("T")       \
                              .TypeConstraint<std::complex<double>>("Tcomplex"),          \
                          kernel<double>)

QH_REGISTER("QkerasHybridExpectation", ExpectationOp);
QH_REGISTER("QkerasHybridExpectationGrad", ExpectationGradOp);
QH_REGISTER_COMPLEX("QkerasHybridState", StateOp);
QH_REGISTER_COMPLEX("QkerasHybridStateGrad", StateGradOp);
QH_REGISTER("QkerasHybridSample", SampleOp);

#undef QH_REGISTER
#undef QH_REGISTER_COMPLEX

}  // namespace
}  // namespace qkeras_hybrid

// The instruction sets that run here, best first, separated by spaces; for Python's ctypes.
extern "C" __attribute__((visibility("default"))) const char* QkerasHybridInstructionSets() {
  static const auto* const names = [] {
    auto* joined = new std::string();
    for (const auto& set : qkeras_hybrid::InstructionSets()) {
      *joined += (joined->empty() ? "" : " ") + set.name;
    }
    return joined;
  }();
  return names->c_str();
}

// Runs multiply-adds (see peak.h) on the calling thread with the instruction set in use, in
// float64 or float32, and returns how many floating-point operations that were; 0 if the
// environment names an instruction set that is not there. For Python's ctypes.
extern "C" __attribute__((visibility("default"))) double QkerasHybridMultiplyAdds(
    int is_float64, int64_t rounds, double* mean) {
  std::string error;
  const auto* const set = qkeras_hybrid::ActiveInstructionSet(&error);
  if (set == nullptr) return 0;
  return is_float64 ? set->twice.multiply_adds(rounds, mean)
                    : set->single.multiply_adds(rounds, mean);
}

// How many floating-point operations (see flops.h) one sample of a serialized program takes in
// the expectation's and in its gradient's operation. Returns 1, or 0 if the program is not valid.
// For Python's ctypes.
extern "C" __attribute__((visibility("default"))) int QkerasHybridFlops(
    const char* program, int64_t length, double* expectation, double* gradient) {
  std::string error;
  const auto plan = qkeras_hybrid::Plan::Read({program, static_cast<size_t>(length)}, &error);
  if (plan == nullptr) return 0;
  const auto count = qkeras_hybrid::CountFlops(plan->ForLanes(0, 0));
  *expectation = count.expectation;
  *gradient = count.gradient;
  return 1;
}
