// The memory layout of the part of XLA's foreign function interface that jax.cc needs.
//
// Declared here, so that neither the build nor the library depends on a version of jaxlib. The
// interface is the same from jaxlib 0.5 on (versions 0.1 to 0.5 of the interface, which gives its
// size at the head of each structure); tests/native/abi_xla.cc compares this with jaxlib's own header.
#ifndef QKERAS_HYBRID_NATIVE_BRIDGES_XLA_FFI_H_
#define QKERAS_HYBRID_NATIVE_BRIDGES_XLA_FFI_H_

#include <cstddef>
#include <cstdint>

namespace qkeras_hybrid::xla {

struct Extension {
  size_t struct_size;
  int type;
  Extension* next;
};
constexpr int kMetadataExtension = 1;

struct Version {
  size_t struct_size;
  Extension* extensions;
  int major, minor;
};
constexpr int kMajorVersion = 0;

struct Metadata {
  size_t struct_size;
  Version version;
  uint32_t traits;
};

struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct Error;

enum class ErrorCode : int { kInvalidArgument = 3, kResourceExhausted = 8, kInternal = 13 };

struct NewError {
  size_t struct_size;
  Extension* extensions;
  const char* message;
  ErrorCode code;
};

struct Api {
  size_t struct_size;
  Extension* extensions;
  Version version;
  void* internal;
  Error* (*new_error)(NewError*);
};

enum class DataType : int {
  kInt32 = 4,
  kInt64 = 5,
  kUint32 = 8,
  kFloat32 = 11,
  kFloat64 = 12,
  kComplex64 = 15,
  kComplex128 = 18,
};

struct Buffer {
  size_t struct_size;
  Extension* extensions;
  DataType type;
  void* data;
  int64_t rank;
  int64_t* dimensions;
};

// Arguments and results, all of them buffers.
struct Buffers {
  size_t struct_size;
  Extension* extensions;
  int64_t size;
  int* kinds;
  Buffer** buffers;
};

struct Text {
  const char* data;
  size_t size;
};

struct Scalar {
  DataType type;
  void* value;
};

enum class AttributeKind : int { kScalar = 3, kText = 4 };

struct Attributes {
  size_t struct_size;
  Extension* extensions;
  int64_t size;
  AttributeKind* kinds;
  Text** names;
  void** values;
};

enum class Stage : int { kExecute = 3 };

struct CallFrame {
  size_t struct_size;
  Extension* extensions;
  const Api* api;
  void* context;
  Stage stage;
  Buffers arguments;
  Buffers results;
  Attributes attributes;
};

}  // namespace qkeras_hybrid::xla

#endif  // QKERAS_HYBRID_NATIVE_BRIDGES_XLA_FFI_H_
