// RFC 6902 over RFC 6901 pointers.
#include <charconv>
#include <optional>
#include <vector>

#include "actors/apiserver/patch/patch.hpp"

namespace troupe::apiserver {
namespace {

using tokens = std::vector<std::string>;

result<tokens> parse_pointer(std::string_view text) {
  tokens out;
  if (text.empty()) return out;
  if (text.front() != '/') return {errc::invalid, "path does not begin with a slash: " + std::string(text)};
  while (!text.empty()) {
    text.remove_prefix(1);
    auto part = text.substr(0, text.find('/'));
    text.remove_prefix(part.size());
    std::string token;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i] != '~') {
        token += part[i];
      } else if (i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1')) {
        token += part[++i] == '0' ? '~' : '/';
      } else {
        return {errc::invalid, "broken escape in path"};
      }
    }
    out.push_back(std::move(token));
    if (out.size() > json_depth_max) return {errc::invalid, "path is too long"};
  }
  return out;
}

/// An index below `size`; "-" is `size`. Nothing when it is none.
std::optional<std::size_t> parse_index(const std::string& token, std::size_t size, bool end_allowed) {
  if (token == "-") return end_allowed ? std::optional(size) : std::nullopt;
  std::size_t index = 0;
  auto [end, why] = std::from_chars(token.data(), token.data() + token.size(), index);
  bool leading_zero = token.size() > 1 && token[0] == '0';
  if (token.empty() || why != std::errc() || end != token.data() + token.size() || leading_zero) return std::nullopt;
  if (index > size || (index == size && !end_allowed)) return std::nullopt;
  return index;
}

json* find(json& root, const tokens& path, std::size_t count) {
  auto* at = &root;
  for (std::size_t i = 0; i < count; ++i) {
    if (at->is_object()) {
      auto found = at->find(path[i]);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array()) {
      auto index = parse_index(path[i], at->size(), false);
      if (!index) return nullptr;
      at = &(*at)[*index];
    } else {
      return nullptr;
    }
  }
  return at;
}

error missing(const char* what, std::string_view path) {
  return fail(errc::conflict, std::string(what) + " operation does not apply: doc is missing path: \"" +
                                  std::string(path) + "\": missing value");
}

bool add(json& root, const tokens& path, json value) {
  if (path.empty()) {
    root = std::move(value);
    return true;
  }
  auto* parent = find(root, path, path.size() - 1);
  if (!parent) return false;
  if (parent->is_object()) {
    (*parent)[path.back()] = std::move(value);
    return true;
  }
  if (!parent->is_array()) return false;
  auto index = parse_index(path.back(), parent->size(), true);
  if (!index) return false;
  parent->insert(parent->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return true;
}

bool remove(json& root, const tokens& path) {
  if (path.empty()) {
    root = nullptr;
    return true;
  }
  auto* parent = find(root, path, path.size() - 1);
  if (!parent || !find(root, path, path.size())) return false;
  if (parent->is_object()) return parent->erase(path.back()) == 1;
  auto index = parse_index(path.back(), parent->size(), false);
  if (!index) return false;
  parent->erase(parent->begin() + static_cast<std::ptrdiff_t>(*index));
  return true;
}

bool begins_with(const tokens& path, const tokens& start) {
  return path.size() > start.size() && std::equal(start.begin(), start.end(), path.begin());
}

struct operation {
  std::string what, path_text, from_text;
  tokens path, from;
  const json* value = nullptr;
};

result<operation> read(const json& from) {
  if (!from.is_object()) return {errc::invalid, "an operation is no object"};
  operation out;
  out.what = text_or(dig(from, "op"));
  if (!dig(from, "path").is_string()) return {errc::invalid, "an operation has no path"};
  out.path_text = from["path"].get<std::string>();
  auto path = parse_pointer(out.path_text);
  if (!path) return path.why();
  out.path = std::move(*path);
  bool copies = out.what == "move" || out.what == "copy";
  if (copies) {
    if (!dig(from, "from").is_string()) return {errc::invalid, out.what + " operation has no from"};
    out.from_text = from["from"].get<std::string>();
    auto source = parse_pointer(out.from_text);
    if (!source) return source.why();
    out.from = std::move(*source);
    return out;
  }
  if (out.what == "remove") return out;
  if (out.what != "add" && out.what != "replace" && out.what != "test")
    return {errc::invalid, "Unexpected kind: " + out.what};
  auto value = from.find("value");
  if (value == from.end() && out.what != "test") return {errc::invalid, out.what + " operation has no value"};
  static const json none;
  out.value = value == from.end() ? &none : &*value;
  return out;
}

result<void> move_or_copy(json& target, const operation& step, std::size_t& copied) {
  auto* source = find(target, step.from, step.from.size());
  if (!source) return missing(step.what.c_str(), step.from_text);
  json value = *source;
  if (step.what == "copy") {
    copied += to_text(value).size();
    if (copied > json_patch_copied_bytes_max)
      return {errc::too_large, "Unable to complete the copy, the accumulated size increase of copy is " +
                                   std::to_string(copied) + ", exceeding the limit " +
                                   std::to_string(json_patch_copied_bytes_max)};
  } else {
    if (begins_with(step.path, step.from)) return {errc::invalid, "a value cannot be moved into itself"};
    remove(target, step.from);
  }
  return add(target, step.path, std::move(value)) ? result<void>() : missing(step.what.c_str(), step.path_text);
}

result<void> perform(json& target, const operation& step, std::size_t& copied) {
  if (step.what == "add")
    return add(target, step.path, *step.value) ? result<void>() : missing("add", step.path_text);
  if (step.what == "remove") return remove(target, step.path) ? result<void>() : missing("remove", step.path_text);
  if (step.what == "replace") {
    auto* at = find(target, step.path, step.path.size());
    if (!at) return missing("replace", step.path_text);
    *at = *step.value;
    return {};
  }
  if (step.what == "test") {
    // An absent value equals null, as upstream has it.
    auto* at = find(target, step.path, step.path.size());
    bool equal = at ? *at == *step.value : step.value->is_null();
    if (equal) return {};
    return {errc::conflict, "testing value " + step.path_text + " failed: test failed"};
  }
  return move_or_copy(target, step, copied);
}

}  // namespace

result<void> apply_json_patch(json& target, const json& patch) {
  if (!patch.is_array()) return {errc::invalid, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"};
  if (patch.size() > json_patch_operations_max)
    return {errc::too_large, "The allowed maximum operations in a JSON patch is " +
                                 std::to_string(json_patch_operations_max) + ", got " + std::to_string(patch.size())};
  std::size_t copied = 0;
  for (const auto& each : patch) {
    auto step = read(each);
    if (!step) return step.why();
    if (auto done = perform(target, *step, copied); !done) return done.why();
  }
  return {};
}

void apply_merge_patch(json& target, json patch) {
  if (!patch.is_object()) {
    target = std::move(patch);
    return;
  }
  if (!target.is_object()) target = json::object();
  for (auto& [key, value] : patch.items()) {
    if (value.is_null()) target.erase(key);
    else if (value.is_object()) apply_merge_patch(target[key], std::move(value));
    else target[key] = std::move(value);
  }
}

}  // namespace troupe::apiserver
