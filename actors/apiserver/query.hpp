// Query strings and options of the API, read as Go's server reads them. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "actors/apiserver/router.hpp"

namespace troupe::apiserver {

/// Resolves percent escapes; nothing when one is broken. '+' is a space only where `plus_is_space`.
std::optional<std::string> unescape(std::string_view text, bool plus_is_space);
/// Fills and checks the options of a request; nothing when they are fine.
std::optional<api_error> read_options(const query_pairs& query, verb what, const schema::kind& kind, options& out);

}  // namespace troupe::apiserver
