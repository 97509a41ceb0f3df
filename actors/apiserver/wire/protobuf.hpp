// Kubernetes' protobuf bodies, read by the schema table: 6b 38 73 00 ("k8s\0"), then runtime.Unknown around the
// object. Pure; bad bytes are an error, never a crash.
#pragma once
#include <string>
#include <string_view>

#include "actors/model/schema/schema.hpp"
#include "basis/json.hpp"

namespace troupe::apiserver {

inline constexpr int protobuf_depth_max = 64;

struct unknown_envelope {
  std::string api_version, kind;
  std::string_view raw;  ///< Inside the bytes that were read.
};
/// Opens the envelope; `invalid` says what is wrong.
result<unknown_envelope> open_envelope(std::string_view body);
/// The message as JSON, zero values of fields that are no pointers left out.
result<json> decode_message(std::string_view raw, const model::schema::message& as);

}  // namespace troupe::apiserver
