// Strategic merge patch, step by step as apimachinery's strategicpatch does it on the server (parallel lists are
// merged, nulls that match nothing are ignored).
#include <algorithm>

#include "actors/apiserver/patch/patch.hpp"

namespace troupe::apiserver {
namespace {

namespace schema = model::schema;
using schema::container;
using schema::field;
using schema::field_type;

constexpr std::string_view directive = "$patch", retain_keys = "$retainKeys";
constexpr std::string_view order_prefix = "$setElementOrder/", delete_prefix = "$deleteFromPrimitiveList/";

/// What the schema says about one member; all empty where it says nothing.
struct meta {
  const schema::message* message = nullptr;
  std::string merge_key;
  bool merge = false;  // Lists merge instead of being replaced.
};

meta look_up(const schema::message* as, std::string_view key) {
  const auto* known = as ? as->find(key) : nullptr;
  if (!known) return {};
  meta out;
  // A map's values are members of a nameless object: their own schema is not needed by any field in use.
  if (known->type == field_type::message && known->shape != container::map)
    out.message = &schema::message_at(known->message_index);
  out.merge_key = known->merge_key();
  out.merge = known->has(field::merge);
  return out;
}

/// Drops directives out of a value that is taken as a whole; `keep` becomes false for `$patch: delete`.
json without_directives(json value, bool& keep) {
  keep = true;
  if (value.is_object()) {
    if (auto found = value.find(directive); found != value.end()) {
      if (*found == "delete") {
        keep = false;
        return nullptr;
      }
      value.erase(found);
    }
    value.erase(std::string(retain_keys));
    for (auto it = value.begin(); it != value.end();) {
      bool marker = it.key().starts_with(order_prefix) || it.key().starts_with(delete_prefix);
      bool inner = true;
      if (!marker) *it = without_directives(std::move(*it), inner);
      it = marker || !inner || it->is_null() ? value.erase(it) : std::next(it);
    }
    return value;
  }
  if (!value.is_array()) return value;
  json out = json::array();
  for (auto& each : value) {
    bool inner = true;
    auto kept = without_directives(std::move(each), inner);
    // `- $patch: replace` is an element that only says so.
    if (inner && !(kept.is_object() && kept.empty() && value.size() > 1)) out.push_back(std::move(kept));
  }
  return out;
}

class merger {
 public:
  std::string fault;

  bool map(json& original, json patch, const schema::message* as) {
    if (auto found = patch.find(directive); found != patch.end())
      return map_directive(original, std::move(patch), *found);
    if (!original.is_object()) original = json::object();
    if (!retain(original, patch)) return false;
    if (!set_order(original, patch, as)) return false;
    for (auto& [name, value] : patch.items()) {
      std::string key = name;
      bool deletion = key.starts_with(delete_prefix);
      if (deletion) key.erase(0, delete_prefix.size());
      if (!member(original, key, std::move(value), deletion, as)) return false;
    }
    return true;
  }

 private:
  bool fail(std::string why) {
    if (fault.empty()) fault = std::move(why);
    return false;
  }

  bool map_directive(json& original, json patch, const json& given) {
    auto what = text_or(given);
    patch.erase(std::string(directive));
    bool keep = true;
    if (what == "replace") original = without_directives(std::move(patch), keep);
    else if (what == "delete") original = json::object();
    else return fail("unknown patch type '" + what + "' in map");
    return true;
  }

  bool retain(json& original, json& patch) {
    auto found = patch.find(retain_keys);
    if (found == patch.end()) return true;
    json keys = std::move(*found);
    patch.erase(found);
    if (!keys.is_array()) return fail("invalid patch format of retainKeys");
    auto listed = [&](const std::string& key) { return std::ranges::find(keys, json(key)) != keys.end(); };
    for (const auto& [key, value] : patch.items())
      if (!key.starts_with('$') && !listed(key)) return fail("invalid patch format of retainKeys");
    for (auto it = original.begin(); it != original.end();) it = listed(it.key()) ? std::next(it) : original.erase(it);
    return true;
  }

  bool member(json& original, const std::string& key, json value, bool deletion, const schema::message* as) {
    if (value.is_null()) {
      original.erase(key);
      return true;
    }
    auto found = original.find(key);
    bool same = found != original.end() && found->type() == value.type();
    if (!same) {
      if (deletion) return true;
      bool keep = true;
      auto taken = without_directives(std::move(value), keep);
      if (keep) original[key] = std::move(taken);
      return true;
    }
    auto about = look_up(as, key);
    if (value.is_object()) return map(*found, std::move(value), about.message);
    if (value.is_array()) return list(*found, std::move(value), about, deletion);
    *found = std::move(value);
    return true;
  }

  bool list(json& original, json patch, const meta& about, bool deletion) {
    if (!about.merge) {
      bool keep = true;
      if (!deletion) original = without_directives(std::move(patch), keep);
      return true;
    }
    if (original.empty() && patch.empty()) return true;
    json order = patch, before = original;
    bool objects = (!patch.empty() && patch[0].is_object()) || (!original.empty() && original[0].is_object());
    if (!objects) {
      if (deletion) return remove_plain(original, patch);
      append_plain(original, patch);
      arrange(original, order, before, "");
      return true;
    }
    if (about.merge_key.empty()) return fail("cannot merge lists without merge key");
    if (!merge_objects(original, patch, about)) return false;
    arrange(original, order, before, about.merge_key);
    return true;
  }

  static bool remove_plain(json& original, const json& gone) {
    json out = json::array();
    for (auto& each : original)
      if (std::ranges::find(gone, each) == gone.end()) out.push_back(std::move(each));
    original = std::move(out);
    return true;
  }

  static void append_plain(json& original, const json& added) {
    for (const auto& each : added)
      if (std::ranges::find(original, each) == original.end()) original.push_back(each);
  }

  static json::iterator find_by(json& list, const std::string& key, const json& value) {
    return std::ranges::find_if(list, [&](const json& each) { return dig(each, key) == value; });
  }

  bool merge_objects(json& original, json& patch, const meta& about) {
    const auto& key = about.merge_key;
    json plain = json::array();
    bool replace = false;
    for (auto& each : patch) {
      if (!each.is_object()) return fail("a list of objects has an element that is none");
      auto found = each.find(directive);
      if (found == each.end()) {
        plain.push_back(std::move(each));
        continue;
      }
      auto what = text_or(*found);
      if (what == "replace") {
        replace = true;
      } else if (what == "delete") {
        if (!each.contains(key)) return fail("map: " + to_text(each) + " does not contain declared merge key: " + key);
        for (auto gone = find_by(original, key, each[key]); gone != original.end();
             gone = find_by(original, key, each[key]))
          original.erase(gone);
      } else if (what != "merge") {
        return fail("unknown patch type '" + what + "' in list");
      } else {
        each.erase(std::string(directive));
        plain.push_back(std::move(each));
      }
    }
    if (replace) {
      bool keep = true;
      original = without_directives(std::move(plain), keep);
      return true;
    }
    for (auto& each : plain)
      if (!merge_object(original, each, about)) return false;
    return true;
  }

  bool merge_object(json& original, json& element, const meta& about) {
    auto value = element.find(about.merge_key);
    if (value == element.end())
      return fail("map: " + to_text(element) + " does not contain declared merge key: " + about.merge_key);
    auto found = find_by(original, about.merge_key, *value);
    if (found != original.end()) return map(*found, std::move(element), about.message);
    bool keep = true;
    original.push_back(without_directives(std::move(element), keep));
    return true;
  }

  static std::ptrdiff_t index_of(const json& list, const json& item, const std::string& key) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      bool same = key.empty() ? list[i] == item : dig(list[i], key) == dig(item, key) && !dig(item, key).is_null();
      if (same) return static_cast<std::ptrdiff_t>(i);
    }
    return -1;
  }

  /// Puts what the client named into its order and keeps the server's own elements where they stood before.
  static void arrange(json& merged, const json& order, const json& before, const std::string& key) {
    std::vector<std::pair<std::ptrdiff_t, json>> named;
    std::vector<json> own;
    for (auto& each : merged) {
      auto at = index_of(order, each, key);
      if (at >= 0) named.emplace_back(at, std::move(each));
      else own.push_back(std::move(each));
    }
    std::ranges::stable_sort(named, {}, &std::pair<std::ptrdiff_t, json>::first);
    json out = json::array();
    std::size_t left = 0, right = 0;
    while (left < own.size() || right < named.size()) {
      bool take_own = right >= named.size();
      if (left < own.size() && right < named.size()) {
        auto a = index_of(before, own[left], key), b = index_of(before, named[right].second, key);
        take_own = a >= 0 && b >= 0 && a < b;
      }
      out.push_back(take_own ? std::move(own[left++]) : std::move(named[right++].second));
    }
    merged = std::move(out);
  }

  /// Every element the patch names must stand in the order too, in the same sequence.
  static bool consistent(const json& patch, const json& order, const std::string& key) {
    std::ptrdiff_t last = -1;
    for (const auto& each : patch) {
      if (each.is_object() && each.contains(directive)) continue;
      auto at = index_of(order, each, key);
      if (at < 0 || at < last) return false;
      last = at;
    }
    return true;
  }

  bool set_order(json& original, json& patch, const schema::message* as) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : patch.items())
      if (key.starts_with(order_prefix)) keys.push_back(key);
    for (const auto& marker : keys) {
      json order = std::move(patch[marker]);
      patch.erase(marker);
      auto key = marker.substr(order_prefix.size());
      if (!order.is_array()) return fail("invalid patch format of setElementOrder list");
      auto about = look_up(as, key);
      auto given = patch.find(key);
      bool present = original.contains(key) && original[key].is_array();
      if (given != patch.end() && !given->is_array()) continue;  // null deletes the list
      if (given != patch.end() && !consistent(*given, order, about.merge_key))
        return fail("The order in patch list doesn't match $setElementOrder list");
      if (given == patch.end() && !present) continue;
      json before = present ? original[key] : json::array();
      if (given != patch.end()) {
        json added = std::move(*given);
        patch.erase(key);
        if (!member(original, key, std::move(added), false, as)) return false;
      }
      if (about.merge) arrange(original[key], order, before, about.merge_key);
    }
    return true;
  }
};

}  // namespace

result<void> apply_strategic_patch(json& target, json patch, const schema::message& as) {
  if (!patch.is_object())
    return {errc::invalid, "json: cannot unmarshal into Go value of type map[string]interface {}"};
  merger merge;
  if (!merge.map(target, std::move(patch), &as)) return {errc::invalid, merge.fault};
  return {};
}

}  // namespace troupe::apiserver
