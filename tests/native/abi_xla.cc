// Compares what jax.cc declares of XLA's interface with the header that jaxlib has. Compiling is the
// test.
#include <cstddef>

#include "bridges/xla_ffi.h"
#include "xla/ffi/api/c_api.h"

namespace xla = qkeras_hybrid::xla;

#define SAME_FIELD(Ours, our, Theirs, their)                                          \
  static_assert(offsetof(xla::Ours, our) == offsetof(Theirs, their) &&                \
                    sizeof(xla::Ours::our) == sizeof(Theirs::their),                  \
                #Ours "." #our " lies elsewhere")
#define SAME_VALUE(ours, theirs) \
  static_assert(static_cast<int>(xla::ours) == static_cast<int>(theirs), #ours " is another number")

SAME_FIELD(CallFrame, extensions, XLA_FFI_CallFrame, extension_start);
SAME_FIELD(CallFrame, api, XLA_FFI_CallFrame, api);
SAME_FIELD(CallFrame, stage, XLA_FFI_CallFrame, stage);
SAME_FIELD(CallFrame, arguments, XLA_FFI_CallFrame, args);
SAME_FIELD(CallFrame, results, XLA_FFI_CallFrame, rets);
SAME_FIELD(CallFrame, attributes, XLA_FFI_CallFrame, attrs);
SAME_FIELD(Buffers, size, XLA_FFI_Args, size);
SAME_FIELD(Buffers, buffers, XLA_FFI_Args, args);
SAME_FIELD(Buffers, buffers, XLA_FFI_Rets, rets);
SAME_FIELD(Buffer, type, XLA_FFI_Buffer, dtype);
SAME_FIELD(Buffer, data, XLA_FFI_Buffer, data);
SAME_FIELD(Buffer, rank, XLA_FFI_Buffer, rank);
SAME_FIELD(Buffer, dimensions, XLA_FFI_Buffer, dims);
SAME_FIELD(Attributes, size, XLA_FFI_Attrs, size);
SAME_FIELD(Attributes, kinds, XLA_FFI_Attrs, types);
SAME_FIELD(Attributes, names, XLA_FFI_Attrs, names);
SAME_FIELD(Attributes, values, XLA_FFI_Attrs, attrs);
SAME_FIELD(Text, data, XLA_FFI_ByteSpan, ptr);
SAME_FIELD(Text, size, XLA_FFI_ByteSpan, len);
SAME_FIELD(Api, version, XLA_FFI_Api, api_version);
SAME_FIELD(Api, new_error, XLA_FFI_Api, XLA_FFI_Error_Create);
SAME_FIELD(Version, major, XLA_FFI_Api_Version, major_version);
SAME_FIELD(Version, minor, XLA_FFI_Api_Version, minor_version);
SAME_FIELD(NewError, message, XLA_FFI_Error_Create_Args, message);
SAME_FIELD(NewError, code, XLA_FFI_Error_Create_Args, errc);
SAME_FIELD(Metadata, version, XLA_FFI_Metadata, api_version);
SAME_FIELD(Metadata, traits, XLA_FFI_Metadata, traits);
SAME_FIELD(MetadataExtension, metadata, XLA_FFI_Metadata_Extension, metadata);

SAME_VALUE(kMetadataExtension, XLA_FFI_Extension_Metadata);
SAME_VALUE(kMajorVersion, XLA_FFI_API_MAJOR);
SAME_VALUE(Stage::kExecute, XLA_FFI_ExecutionStage_EXECUTE);
SAME_VALUE(AttributeKind::kText, XLA_FFI_AttrType_STRING);
SAME_VALUE(DataType::kInt32, XLA_FFI_DataType_S32);
SAME_VALUE(DataType::kUint32, XLA_FFI_DataType_U32);
SAME_VALUE(DataType::kFloat32, XLA_FFI_DataType_F32);
SAME_VALUE(DataType::kFloat64, XLA_FFI_DataType_F64);
SAME_VALUE(DataType::kComplex64, XLA_FFI_DataType_C64);
SAME_VALUE(DataType::kComplex128, XLA_FFI_DataType_C128);
SAME_VALUE(ErrorCode::kInvalidArgument, XLA_FFI_Error_Code_INVALID_ARGUMENT);
SAME_VALUE(ErrorCode::kResourceExhausted, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED);
