#include "basis/json.hpp"

namespace troupe {
namespace {
// The library recurses while it destroys and dumps, so depth is bounded before a value is built.
bool too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > json_depth_max) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}
}  // namespace

result<json> parse_json(std::string_view text) {
  if (too_deep(text)) return fail(errc::invalid, "JSON is nested deeper than " + std::to_string(json_depth_max));
  try {
    return json::parse(text.begin(), text.end());
  } catch (const json::parse_error& e) {
    return fail(errc::invalid, "not JSON at byte " + std::to_string(e.byte));
  } catch (const std::exception&) {
    return fail(errc::invalid, "not JSON: a number is out of range");
  }
}

std::string to_text(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace troupe
