// APIVersions, APIGroupList, APIGroup and APIResourceList: what clients before aggregated discovery read.
#include <algorithm>

#include "actors/apiserver/discovery/parts.hpp"

namespace troupe::apiserver::discovery {
namespace {

json texts(std::span<const std::string_view> list) {
  json out = json::array();
  for (auto each : list) out.push_back(each);
  return out;
}

/// A group with all its versions; the first in the table is preferred.
json group_json(std::string_view group) {
  json versions = json::array();
  for (const auto& each : served_versions())
    if (each.group == group) versions.push_back({{"groupVersion", each.api_version()}, {"version", each.version}});
  json preferred = versions.front();
  return {{"name", group}, {"versions", std::move(versions)}, {"preferredVersion", std::move(preferred)}};
}

bool has_group(const json& groups, std::string_view name) {
  return std::ranges::any_of(groups, [&](const json& one) { return text_or(dig(one, "name")) == name; });
}

}  // namespace

std::vector<group_version> served_versions() {
  std::vector<group_version> out;
  for (const auto& kind : schema::kinds()) {
    auto known = std::ranges::any_of(
        out, [&](const auto& each) { return each.group == kind.group && each.version == kind.version; });
    if (!known) out.push_back({kind.group, kind.version});
  }
  return out;
}

std::vector<const schema::kind*> kinds_of(const group_version& of) {
  std::vector<const schema::kind*> out;
  for (const auto& kind : schema::kinds())
    if (kind.group == of.group && kind.version == of.version) out.push_back(&kind);
  std::ranges::sort(out, {}, &schema::kind::plural);
  return out;
}

json verb_names(std::uint16_t verbs) {
  static constexpr std::pair<std::uint16_t, const char*> all[] = {
      {schema::verb_create, "create"}, {schema::verb_remove, "delete"},
      {schema::verb_remove_collection, "deletecollection"}, {schema::verb_get, "get"}, {schema::verb_list, "list"},
      {schema::verb_patch, "patch"}, {schema::verb_update, "update"}, {schema::verb_watch, "watch"}};
  json out = json::array();
  for (const auto& [bit, name] : all)
    if (verbs & bit) out.push_back(name);
  return out;
}

std::string legacy_core(const build_facts& facts) {
  return to_text({{"kind", "APIVersions"},
                  {"versions", json::array({"v1"})},
                  {"serverAddressByClientCIDRs",
                   json::array({{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", facts.server_address}}})}});
}

std::string legacy_groups() {
  json groups = json::array();
  for (const auto& each : served_versions())
    if (!each.group.empty() && !has_group(groups, each.group)) groups.push_back(group_json(each.group));
  return to_text({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
}

std::string legacy_group(std::string_view group) {
  for (const auto& each : served_versions()) {
    if (each.group.empty() || each.group != group) continue;
    auto out = group_json(group);
    out["kind"] = "APIGroup";
    out["apiVersion"] = "v1";
    return to_text(out);
  }
  return {};
}

std::string legacy_resources(const group_version& of) {
  json resources = json::array();
  for (const auto* kind : kinds_of(of)) {
    json one = {{"name", kind->plural}, {"singularName", kind->singular}, {"namespaced", kind->namespaced},
                {"kind", kind->name}, {"verbs", verb_names(kind->verbs)}};
    if (!kind->short_names.empty()) one["shortNames"] = texts(kind->short_names);
    if (!kind->categories.empty()) one["categories"] = texts(kind->categories);
    resources.push_back(std::move(one));
    for (const auto& sub : kind->subresources) {
      json part = {{"name", std::string(kind->plural).append("/").append(sub.name)}, {"singularName", ""},
                   {"namespaced", kind->namespaced}, {"kind", sub.kind}, {"verbs", verb_names(sub.verbs)}};
      if (sub.group != kind->group || sub.version != kind->version) {
        part["group"] = sub.group;
        part["version"] = sub.version;
      }
      resources.push_back(std::move(part));
    }
  }
  if (resources.empty()) return {};
  json out = {{"kind", "APIResourceList"}, {"groupVersion", of.api_version()}, {"resources", std::move(resources)}};
  if (!of.group.empty()) out["apiVersion"] = "v1";
  return to_text(out);
}

}  // namespace troupe::apiserver::discovery
