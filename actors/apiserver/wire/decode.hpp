// Request bodies: JSON, YAML and protobuf become one JSON value in the form Kubernetes stores, checked against the
// schema table. Pure; nothing throws.
#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/apiserver/router.hpp"
#include "actors/apiserver/status.hpp"

namespace troupe::apiserver {

struct decoded {
  json object;
  std::vector<std::string> warnings;  ///< For Warning headers: unknown and duplicate fields.
};

/// Decodes the body of a create or update. apiVersion and kind are taken from the URL when the body has none; another
/// one is a 400. Unknown and duplicate fields follow `mode`; unknown ones are dropped. Wrong types are a 400.
std::variant<decoded, api_error> decode_body(std::string_view content_type, std::string_view body,
                                             const schema::kind& kind, std::string_view subresource,
                                             field_validation mode);

/// Reads DeleteOptions of a DELETE; an empty body is an empty object. The body wins over the query.
std::variant<json, api_error> decode_delete_options(std::string_view content_type, std::string_view body,
                                                    const options& query);

/// Checks a value against a message of the schema: drops unknown fields (naming them in `unknown` by path), unifies
/// numbers, times and quantities, drops nulls. "" or the reason why it cannot be read.
std::string conform(json& value, const schema::message& as, std::vector<std::string>& unknown);

/// `unknown field "a.b"`, `duplicate field "c"`: the words of warnings.
std::vector<std::string> field_notes(const std::vector<std::string>& unknown,
                                     const std::vector<std::string>& duplicates);
/// The same in one line, as Strict validation refuses.
std::string strict_fault(const std::vector<std::string>& notes);

/// Media type without parameters, lower case, "" for absent.
std::string media_type(std::string_view content_type);

}  // namespace troupe::apiserver
