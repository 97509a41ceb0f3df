// In which form a client wants its answer: from the Accept header to one of the forms we write. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "actors/apiserver/router.hpp"
#include "actors/apiserver/status.hpp"

namespace troupe::apiserver {

struct representation {
  enum class form : std::uint8_t { json, yaml, table, partial_metadata };
  form as = form::json;
  bool list = false;          ///< partial_metadata asked for as PartialObjectMetadataList.
  bool beta = false;          ///< Table of meta.k8s.io/v1beta1.
  bool pretty = false;
  include_object include = include_object::metadata;
  friend bool operator==(const representation&, const representation&) = default;
};

/// The first acceptable element of `accept` ("" and */* are JSON); 406 when nothing is. `user_agent` decides about
/// pretty output as upstream does (curl, Wget, Mozilla/5.0).
std::variant<representation, api_error> negotiate(std::string_view accept, std::string_view user_agent,
                                                  const target& asked);
/// For the Content-Type header.
std::string_view content_type(const representation& as);

/// Which discovery document `accept` asks for first: legacy, v2 or v2beta1.
enum class discovery_form : std::uint8_t { legacy, v2, v2beta1 };
discovery_form negotiate_discovery(std::string_view accept);
std::string_view content_type(discovery_form as);

}  // namespace troupe::apiserver
