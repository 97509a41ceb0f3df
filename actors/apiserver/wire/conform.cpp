// Fits JSON to a message of the schema, as Kubernetes' decoding into Go structs and encoding again would.
#include <cmath>

#include "actors/apiserver/wire/decode.hpp"
#include "actors/model/quantity.hpp"
#include "basis/bytes.hpp"
#include "basis/clock.hpp"

namespace troupe::apiserver {
namespace {

using schema::container;
using schema::field;
using schema::field_type;

constexpr std::size_t unknown_max = 100;

std::string_view type_name(const field& as) {
  if (as.shape == container::list) return "[]";
  if (as.shape == container::map) return "map[string]";
  switch (as.type) {
    case field_type::integer: return "int64";
    case field_type::number: return "float64";
    case field_type::boolean: return "bool";
    case field_type::message: return "struct";
    default: return "string";
  }
}

std::string_view json_name(const json& value) {
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  if (value.is_boolean()) return "bool";
  return "number";
}

bool is_zero(const json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  if (value.is_array() || value.is_object()) return value.empty();
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() == 0;
  return value.is_null();
}

class fitting {
 public:
  explicit fitting(std::vector<std::string>& unknown) : unknown_(unknown) {}

  std::string fault;

  bool object(json& value, const schema::message& as) {
    for (auto it = value.begin(); it != value.end();) {
      const auto* known = as.find(it.key());
      if (!known) {
        if (unknown_.size() < unknown_max) unknown_.push_back(below(it.key()));
        it = value.erase(it);
        continue;
      }
      if (it->is_null()) {
        it = value.erase(it);
        continue;
      }
      auto before = path_.size();
      path_ = below(it.key());
      if (!member(*it, *known)) return false;
      path_.resize(before);
      it = dropped(*it, *known) ? value.erase(it) : std::next(it);
    }
    return true;
  }

 private:
  std::string below(std::string_view key) const {
    return std::string(path_).append(path_.empty() ? "" : ".").append(key);
  }

  /// Go leaves empty values out, unless behind a pointer or a struct.
  static bool dropped(const json& value, const field& as) {
    if (value.is_null()) return true;
    if (!as.has(field::omit_empty)) return false;
    if (as.shape != container::single) return value.empty();
    if (as.has(field::pointer) || as.type == field_type::message || as.type == field_type::any) return false;
    // Types that marshal themselves are structs to Go: kept even when they say nothing.
    if (as.type == field_type::quantity || as.type == field_type::int_or_string) return false;
    return is_zero(value);
  }

  bool mismatch(const json& value, const field& as) {
    fault = "json: cannot unmarshal " + std::string(json_name(value)) + " into Go struct field " + path_ + " of type " +
            std::string(type_name(as));
    return false;
  }

  bool member(json& value, const field& as) {
    if (as.shape == container::single) return single(value, as);
    if (as.shape == container::list ? !value.is_array() : !value.is_object()) return mismatch(value, as);
    auto before = path_.size();
    std::size_t index = 0;
    for (auto it = value.begin(); it != value.end(); ++it, ++index) {
      if (as.shape == container::list) path_.append("[").append(std::to_string(index)).append("]");
      else path_.append(".").append(it.key());
      if (it->is_null() && !zero(*it, as)) return mismatch(*it, as);
      if (!single(*it, as)) return false;
      path_.resize(before);
    }
    return true;
  }

  /// A null element becomes Go's zero value.
  static bool zero(json& value, const field& as) {
    switch (as.type) {
      case field_type::text: value = ""; return true;
      case field_type::base64: value = ""; return true;
      case field_type::integer: value = 0; return true;
      case field_type::boolean: value = false; return true;
      case field_type::message: value = json::object(); return true;
      case field_type::any: return true;
      default: return false;
    }
  }

  bool single(json& value, const field& as) {
    switch (as.type) {
      case field_type::text: return value.is_string() || mismatch(value, as);
      case field_type::boolean: return value.is_boolean() || mismatch(value, as);
      case field_type::integer: return value.is_number_integer() || mismatch(value, as);
      case field_type::number: return value.is_number() || mismatch(value, as);
      case field_type::int_or_string:
        return value.is_number_integer() || value.is_string() || mismatch(value, as);
      case field_type::duration: return value.is_string() || mismatch(value, as);
      case field_type::any: return true;
      case field_type::text_list: return value.is_array() || mismatch(value, as);
      case field_type::message:
        return value.is_object() ? object(value, schema::message_at(as.message_index)) : mismatch(value, as);
      case field_type::quantity: return quantity(value, as);
      case field_type::base64: return base64(value, as);
      case field_type::time:
      case field_type::micro_time: return time(value, as);
    }
    return false;
  }

  bool quantity(json& value, const field& as) {
    if (!value.is_string() && !value.is_number()) return mismatch(value, as);
    auto canonical = model::canonical_quantity(value.is_string() ? value.get_ref<const std::string&>() : value.dump());
    if (canonical) value = std::move(*canonical);
    else fault = canonical.why().note;
    return canonical.ok();
  }

  bool base64(json& value, const field& as) {
    if (!value.is_string()) return mismatch(value, as);
    auto& text = value.get_ref<std::string&>();
    std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
    std::string raw;
    if (from_base64(text, raw)) return true;
    fault = "illegal base64 data at input byte " + std::to_string(text.find_last_not_of('=') + 1);
    return false;
  }

  bool time(json& value, const field& as) {
    if (!value.is_string()) return mismatch(value, as);
    const auto& text = value.get_ref<const std::string&>();
    auto at = parse_rfc3339(text);
    if (!at) {
      fault = "parsing time " + value.dump(-1, ' ', false, json::error_handler_t::replace) +
              " as \"2006-01-02T15:04:05Z07:00\": " + at.why().note;
      return false;
    }
    value = as.type == field_type::time ? to_rfc3339(*at) : to_rfc3339_micro(*at);
    return true;
  }

  std::vector<std::string>& unknown_;
  std::string path_;
};

}  // namespace

std::string conform(json& value, const schema::message& as, std::vector<std::string>& unknown) {
  if (!value.is_object())
    return "json: cannot unmarshal " + std::string(json_name(value)) + " into Go value of type struct";
  fitting fit(unknown);
  return fit.object(value, as) ? std::string() : fit.fault;
}

}  // namespace troupe::apiserver
