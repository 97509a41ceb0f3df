// APIGroupDiscoveryList (apidiscovery.k8s.io v2 and v2beta1): all groups in one answer.
#include <algorithm>

#include "actors/apiserver/discovery/parts.hpp"

namespace troupe::apiserver::discovery {
namespace {

json response_kind(std::string_view group, std::string_view version, std::string_view kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

json resource_json(const schema::kind& kind) {
  json out = {{"resource", kind.plural},
              {"responseKind", response_kind(kind.group, kind.version, kind.name)},
              {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
              {"singularResource", kind.singular},
              {"verbs", verb_names(kind.verbs)}};
  for (auto each : kind.short_names) out["shortNames"].push_back(each);
  for (auto each : kind.categories) out["categories"].push_back(each);
  for (const auto& sub : kind.subresources)
    out["subresources"].push_back({{"subresource", sub.name},
                                   {"responseKind", response_kind(sub.group, sub.version, sub.kind)},
                                   {"verbs", verb_names(sub.verbs)}});
  return out;
}

}  // namespace

std::string aggregated(bool core, discovery_form as) {
  json items = json::array();
  for (const auto& each : served_versions()) {
    if (each.group.empty() != core) continue;
    json resources = json::array();
    for (const auto* kind : kinds_of(each)) resources.push_back(resource_json(*kind));
    json version = {{"version", each.version}, {"resources", std::move(resources)}, {"freshness", "Current"}};
    // A group is one item with all its versions, the preferred first.
    const auto same = std::ranges::find_if(items, [&](const json& one) { return text_or(dig(one, "metadata", "name")) == each.group; });
    if (!core && same != items.end()) {
      (*same)["versions"].push_back(std::move(version));
      continue;
    }
    json metadata = {{"creationTimestamp", nullptr}};
    if (!each.group.empty()) metadata["name"] = each.group;
    items.push_back({{"metadata", std::move(metadata)}, {"versions", json::array({std::move(version)})}});
  }
  return to_text({{"kind", "APIGroupDiscoveryList"},
                  {"apiVersion", as == discovery_form::v2 ? "apidiscovery.k8s.io/v2" : "apidiscovery.k8s.io/v2beta1"},
                  {"metadata", json::object()},
                  {"items", std::move(items)}});
}

}  // namespace troupe::apiserver::discovery
