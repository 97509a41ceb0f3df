// JSON text to a value, noting members that occur twice. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "basis/json.hpp"

namespace troupe::apiserver {

/// As troupe::parse_json; the last of several equal keys wins and each later one's path is added to `duplicates`
/// (at most duplicates_max).
inline constexpr std::size_t duplicates_max = 100;
result<json> parse_json_strictly(std::string_view text, std::vector<std::string>& duplicates);

}  // namespace troupe::apiserver
