// Compares what tensorflow.cc declares of TensorFlow's C interface with the headers that TensorFlow
// has: as many arguments of the same sizes. Compiling is the test.
#include <type_traits>

#include "bridges/tensorflow.cc"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_datatype.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

namespace {

template <class A, class B>
constexpr bool SameSize() {
  if constexpr (std::is_void_v<A> || std::is_void_v<B>) {
    return std::is_void_v<A> && std::is_void_v<B>;
  } else {
    return sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>;
  }
}

template <class A, class... As, class B, class... Bs>
constexpr bool Same(A (*)(As...), B (*)(Bs...)) {
  if constexpr (sizeof...(As) != sizeof...(Bs)) {
    return false;
  } else {
    return SameSize<A, B>() && (SameSize<As, Bs>() && ...);
  }
}

#define SAME_FUNCTION(ours, theirs) \
  static_assert(Same(decltype(tf.ours){}, decltype(&theirs){}), #theirs " takes something else")

SAME_FUNCTION(new_status, TF_NewStatus);
SAME_FUNCTION(delete_status, TF_DeleteStatus);
SAME_FUNCTION(set_status, TF_SetStatus);
SAME_FUNCTION(get_code, TF_GetCode);
SAME_FUNCTION(new_op, TF_NewOpDefinitionBuilder);
SAME_FUNCTION(add_attribute, TF_OpDefinitionBuilderAddAttr);
SAME_FUNCTION(add_input, TF_OpDefinitionBuilderAddInput);
SAME_FUNCTION(add_output, TF_OpDefinitionBuilderAddOutput);
SAME_FUNCTION(set_shapes, TF_OpDefinitionBuilderSetShapeInferenceFunction);
SAME_FUNCTION(register_op, TF_RegisterOpDefinition);
SAME_FUNCTION(unknown_shapes, TF_ShapeInferenceContextSetUnknownShape);
SAME_FUNCTION(new_kernel, TF_NewKernelBuilder);
SAME_FUNCTION(constrain_type, TF_KernelBuilder_TypeConstraint);
SAME_FUNCTION(register_kernel, TF_RegisterKernelBuilder);
SAME_FUNCTION(attribute_size, TF_OpKernelConstruction_GetAttrSize);
SAME_FUNCTION(get_text, TF_OpKernelConstruction_GetAttrString);
SAME_FUNCTION(get_bool, TF_OpKernelConstruction_GetAttrBool);
SAME_FUNCTION(get_type, TF_OpKernelConstruction_GetAttrType);
SAME_FUNCTION(fail_construction, TF_OpKernelConstruction_Failure);
SAME_FUNCTION(n_inputs, TF_NumInputs);
SAME_FUNCTION(get_input, TF_GetInput);
SAME_FUNCTION(new_output, TF_AllocateOutput);
SAME_FUNCTION(fail, TF_OpKernelContext_Failure);
SAME_FUNCTION(delete_tensor, TF_DeleteTensor);
SAME_FUNCTION(n_dimensions, TF_NumDims);
SAME_FUNCTION(dimension, TF_Dim);
SAME_FUNCTION(data, TF_TensorData);

static_assert(kFloat == static_cast<int>(TF_FLOAT) && kDouble == static_cast<int>(TF_DOUBLE) &&
              kInt32 == static_cast<int>(TF_INT32) && kInt64 == static_cast<int>(TF_INT64) &&
              kComplex64 == static_cast<int>(TF_COMPLEX64) &&
              kComplex128 == static_cast<int>(TF_COMPLEX128));
static_assert(kInvalidArgument == static_cast<int>(TF_INVALID_ARGUMENT) &&
              kResourceExhausted == static_cast<int>(TF_RESOURCE_EXHAUSTED));

}  // namespace
