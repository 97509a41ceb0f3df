// The one place that names a JSON library. Objects keep their keys sorted, numbers their kind.
#pragma once
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "basis/result.hpp"

namespace troupe {

using json = nlohmann::json;

inline constexpr std::size_t json_depth_max = 1000;

/// Reads one JSON document; `invalid` names the place of the first fault. Refuses nesting deeper
/// than json_depth_max, invalid UTF-8 and trailing text. Never throws.
result<json> parse_json(std::string_view text);
/// One line, invalid UTF-8 replaced. Never throws.
std::string to_text(const json& value);

/// The member reached by keys one after the other; null JSON when something is missing.
template <class... Keys>
const json& dig(const json& from, const Keys&... keys) {
  static const json nothing;
  const json* at = &from;
  auto step = [&](const auto& key) {
    if (!at->is_object()) return at = &nothing, void();
    auto found = at->find(key);
    at = found == at->end() ? &nothing : &*found;
  };
  (step(keys), ...);
  return *at;
}
/// The text of `value`, or `otherwise` when it is no string.
inline std::string text_or(const json& value, std::string otherwise = {}) {
  return value.is_string() ? value.get<std::string>() : std::move(otherwise);
}

}  // namespace troupe
