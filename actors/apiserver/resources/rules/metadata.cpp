// What holds for the metadata of every kind (apimachinery's validation of ObjectMeta).
#include <algorithm>

#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/model/selector.hpp"
#include "basis/ids.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr std::string_view subdomain_words =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view label_words =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view label_1035_words =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')";

std::string too_long_name(std::size_t most) { return "must be no more than " + std::to_string(most) + " characters"; }

void check_map(const json& map, const std::string& field, bool values, causes& out) {
  if (!map.is_object()) return;
  for (const auto& [key, value] : map.items()) {
    if (auto why = model::label_key_problem(key); !why.empty()) out.push_back(invalid_value(field, key, why));
    if (!values) continue;
    if (auto why = model::label_value_problem(text_or(value)); !why.empty())
      out.push_back(invalid_value(field, value, why));
  }
}

void check_annotations(const json& map, causes& out) {
  if (!map.is_object()) return;
  std::size_t size = 0;
  for (const auto& [key, value] : map.items()) {
    size += key.size() + text_or(value).size();
    std::string lower(key);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (auto why = model::label_key_problem(lower); !why.empty())
      out.push_back(invalid_value("metadata.annotations", key, why));
  }
  if (size > annotations_bytes_max)
    out.push_back(too_long_value("metadata.annotations", "may not be more than 262144 bytes"));
}

void check_owners(const json& owners, causes& out) {
  const std::string field = "metadata.ownerReferences";
  std::string controller;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    auto at = field + "[" + std::to_string(i) + "]";
    for (auto key : {"apiVersion", "kind", "name", "uid"})
      if (text_or(dig(owners[i], key)).empty())
        out.push_back(invalid_value(at + "." + key, "", std::string(key) == "apiVersion" ? "version must not be empty"
                                                                                         : "must not be empty"));
    if (dig(owners[i], "controller") != true) continue;
    auto name = text_or(dig(owners[i], "kind")) + "/" + text_or(dig(owners[i], "name"));
    if (!controller.empty())
      out.push_back(invalid_value(field, owners,
                                  "Only one reference can have Controller set to true. Found \"true\" in "
                                  "references for " +
                                      controller + " and " + name));
    controller = name;
  }
}

}  // namespace

json& metadata_of(json& object) {
  auto& out = object["metadata"];
  if (!out.is_object()) out = json::object();
  return out;
}

std::int64_t number_or(const json& value, std::int64_t otherwise) {
  return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

const json& list_of(const json& object, const char* key) {
  static const json none = json::array();
  const auto& found = dig(object, key);
  return found.is_array() ? found : none;
}

std::string name_problem(std::string_view name, schema::name_rule rule) {
  switch (rule) {
    case schema::name_rule::subdomain:
      if (name.size() > 253) return too_long_name(253);
      return is_dns_subdomain(name) ? std::string() : std::string(subdomain_words);
    case schema::name_rule::label:
      if (name.size() > 63) return too_long_name(63);
      return is_dns_label(name) ? std::string() : std::string(label_words);
    case schema::name_rule::label_1035:
      if (name.size() > 63) return too_long_name(63);
      return is_dns_label(name) && name[0] >= 'a' ? std::string() : std::string(label_1035_words);
    case schema::name_rule::path_segment:
      if (name == "." || name == "..") return "may not be '" + std::string(name) + "'";
      for (char c : {'/', '%'})
        if (name.find(c) != std::string_view::npos) return std::string("may not contain '") + c + "'";
      return {};
  }
  return {};
}

void check_metadata(const schema::kind& kind, const json& metadata, causes& out) {
  auto name = text_or(dig(metadata, "name")), ns = text_or(dig(metadata, "namespace"));
  if (name.empty()) out.push_back(required_value("metadata.name", "name or generateName is required"));
  else if (auto why = name_problem(name, kind.names); !why.empty())
    out.push_back(invalid_value("metadata.name", name, why));
  if (kind.namespaced && ns.empty()) out.push_back(required_value("metadata.namespace"));
  else if (kind.namespaced) {
    if (auto why = name_problem(ns, schema::name_rule::label); !why.empty())
      out.push_back(invalid_value("metadata.namespace", ns, why));
  } else if (!ns.empty()) {
    out.push_back(forbidden_value("metadata.namespace", "not allowed on this type"));
  }
  check_map(dig(metadata, "labels"), "metadata.labels", true, out);
  check_annotations(dig(metadata, "annotations"), out);
  check_owners(list_of(metadata, "ownerReferences"), out);
  for (const auto& each : list_of(metadata, "finalizers"))
    if (auto why = model::label_key_problem(text_or(each)); !why.empty())
      out.push_back(invalid_value("metadata.finalizers", each, why));
}

}  // namespace troupe::apiserver::rules
