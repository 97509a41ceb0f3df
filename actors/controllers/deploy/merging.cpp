#include "actors/controllers/deploy/merging.hpp"

namespace troupe::controllers {

json merge_patch(const json& before, const json& wanted, const json& present) {
  json out = json::object();
  if (before.is_object())
    for (const auto& [key, value] : before.items())
      if (dig(wanted, key).is_null() && present.is_object() && present.contains(key)) out[key] = nullptr;
  for (const auto& [key, value] : wanted.items()) {
    if (value.is_null()) continue;   // as in every manifest: not said
    const auto& was = dig(before, key);
    const auto& is = dig(present, key);
    if (value.is_object()) {
      if (!is.is_object()) {
        out[key] = value;
      } else if (auto inner = merge_patch(was, value, is); !inner.empty()) {
        out[key] = std::move(inner);
      }
    } else if (value.is_array() ? is.is_null() || (value != is && value != was) : value != is) {
      out[key] = value;
    }
  }
  return out;
}

}  // namespace troupe::controllers
