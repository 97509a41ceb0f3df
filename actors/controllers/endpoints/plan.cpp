#include "actors/controllers/endpoints/plan.hpp"

#include <algorithm>
#include <list>

namespace troupe::controllers {
namespace {

using kind = planned_write::kind;

json target_of(const backend& from) {
  return {{"kind", "Pod"}, {"namespace", from.ns}, {"name", from.pod}, {"uid", from.uid}};
}

json subset_address(const backend& from) {
  json out{{"ip", from.address}, {"targetRef", target_of(from)}};
  if (!from.node.empty()) out["nodeName"] = from.node;
  if (!from.hostname.empty()) out["hostname"] = from.hostname;
  return out;
}

/// Endpoints' ports leave an empty name out.
json subset_ports(const json& ports) {
  json out = ports;
  for (auto& port : out)
    if (port["name"] == "") port.erase("name");
  return out;
}

json subsets_of(const std::vector<backend_group>& groups, bool publishes_all, bool headless, bool& truncated) {
  json out = json::array();
  std::size_t left = endpoints_addresses_max;
  for (const auto& group : groups) {
    if (group.ports.empty() && !headless) continue;   // no port of the Service is a port of these pods
    json ready = json::array(), waiting = json::array();
    for (const auto& b : group.backends) {
      if (b.terminating && !publishes_all) continue;
      if (left == 0) {
        truncated = true;
        break;
      }
      --left;
      (b.ready ? ready : waiting).push_back(subset_address(b));
    }
    json subset = json::object();
    if (!ready.empty()) subset["addresses"] = std::move(ready);
    if (!waiting.empty()) subset["notReadyAddresses"] = std::move(waiting);
    if (subset.empty()) continue;
    if (!group.ports.empty()) subset["ports"] = subset_ports(group.ports);
    out.push_back(std::move(subset));
  }
  return out;
}

json slice_endpoint(const backend& from) {
  json out{{"addresses", json::array({from.address})},
           {"conditions", {{"ready", from.ready}, {"serving", from.serving}, {"terminating", from.terminating}}},
           {"targetRef", target_of(from)}};
  if (!from.node.empty()) out["nodeName"] = from.node;
  if (!from.zone.empty()) out["zone"] = from.zone;
  if (!from.hostname.empty()) out["hostname"] = from.hostname;
  return out;
}

/// What tells one endpoint from another: its address and whose it is.
std::string identity(const json& endpoint) {
  const auto& addresses = dig(endpoint, "addresses");
  return (addresses.is_array() && !addresses.empty() ? text_or(addresses[0]) : std::string()) + " " + text_or(dig(endpoint, "targetRef", "uid"));
}

json slice_labels(const json& service) {
  json out = labels_from(service);
  out[service_label] = text_or(dig(service, "metadata", "name"));
  out[managed_label] = slice_manager;
  return out;
}

json new_slice(const json& service, const std::string& family, const json& ports) {
  const auto name = text_or(dig(service, "metadata", "name"));
  return {{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"},
          {"metadata", {{"generateName", name + "-"}, {"namespace", text_or(dig(service, "metadata", "namespace"))}, {"labels", slice_labels(service)},
                        {"ownerReferences", json::array({{{"apiVersion", "v1"}, {"kind", "Service"}, {"name", name}, {"uid", text_or(dig(service, "metadata", "uid"))},
                                                          {"controller", true}, {"blockOwnerDeletion", true}}})}}},
          {"addressType", family}, {"ports", ports}, {"endpoints", json::array()}};
}

/// A slice on its way: what it was, and what it holds now.
struct draft {
  std::shared_ptr<const json> was;   ///< Null: it is new.
  json ports;
  json endpoints = json::array();
};

/// Slices of one address family.
class slicer {
 public:
  slicer(const json& service, std::string family) : service_(service), family_(std::move(family)) {}

  void take_present(const std::shared_ptr<const json>& slice) {
    const auto& ports = dig(*slice, "ports");
    drafts_.push_back({slice, ports.is_array() ? ports : json::array(), json::array()});
  }

  void place(const backend_group& group) {
    std::map<std::string, json> wanted;
    for (const auto& b : group.backends) {
      auto endpoint = slice_endpoint(b);
      auto key = identity(endpoint);
      wanted.emplace(std::move(key), std::move(endpoint));
    }
    std::vector<draft*> mine;
    for (auto& d : drafts_)
      if (d.ports == group.ports) mine.push_back(&d);
    // What is where it belongs stays there.
    for (auto* d : mine) {
      if (!d->was) continue;
      for (const auto& old : dig(*d->was, "endpoints")) {
        const auto found = wanted.find(identity(old));
        if (found == wanted.end() || d->endpoints.size() >= slice_size_max) continue;
        d->endpoints.push_back(std::move(found->second));
        wanted.erase(found);
      }
    }
    // The fullest with room first, so that few slices change.
    std::ranges::stable_sort(mine, [](const draft* a, const draft* b) { return a->endpoints.size() > b->endpoints.size(); });
    std::size_t at = 0;
    draft* open = nullptr;
    for (auto& [key, endpoint] : wanted) {
      while (at < mine.size() && (mine[at]->endpoints.size() >= slice_size_max)) ++at;
      if (at < mine.size()) open = mine[at];
      else if (!open || open->endpoints.size() >= slice_size_max) open = &fresh(group.ports);
      open->endpoints.push_back(std::move(endpoint));
    }
  }

  std::vector<planned_write> writes() {
    recycle();
    std::vector<planned_write> out;
    for (const auto& d : drafts_) {
      if (!d.was) {
        auto object = new_slice(service_, family_, d.ports);
        object["endpoints"] = d.endpoints;
        out.push_back({kind::create, "", std::move(object)});
        continue;
      }
      auto name = text_or(dig(*d.was, "metadata", "name"));
      if (d.endpoints.empty() && &d != placeholder_) {
        out.push_back({kind::remove, std::move(name), nullptr});
        continue;
      }
      json object = *d.was;
      object["endpoints"] = d.endpoints;
      object["ports"] = d.ports;
      object["metadata"]["labels"] = slice_labels(service_);
      if (object != *d.was) out.push_back({kind::update, std::move(name), std::move(object)});
    }
    return out;
  }

 private:
  draft& fresh(const json& ports) { return drafts_.emplace_back(draft{nullptr, ports, json::array()}); }

  // An emptied slice becomes the new one that another set of ports needs; and one slice is always there, so that clients
  // see a Service without endpoints, not one that nobody has looked at.
  void recycle() {
    const auto emptied = [this] { return std::ranges::find_if(drafts_, [](const draft& d) { return d.was && d.endpoints.empty(); }); };
    for (auto it = drafts_.begin(); it != drafts_.end();) {
      const auto old = it->was ? drafts_.end() : emptied();
      if (old == drafts_.end()) {
        ++it;
        continue;
      }
      old->ports = std::move(it->ports);
      old->endpoints = std::move(it->endpoints);
      it = drafts_.erase(it);
    }
    if (std::ranges::any_of(drafts_, [](const draft& d) { return !d.endpoints.empty(); })) return;
    if (drafts_.empty()) fresh(json::array());
    placeholder_ = &drafts_.front();
    placeholder_->ports = json::array();
  }

  const json& service_;
  std::string family_;
  std::list<draft> drafts_;
  draft* placeholder_ = nullptr;
};

}  // namespace

std::vector<planned_write> plan_endpoints(const json& service, const pod_list& pods, const zone_map& zones, const json* present) {
  const auto& all = dig(service, "spec", "publishNotReadyAddresses");
  bool truncated = false;
  const bool headless = text_or(dig(service, "spec", "clusterIP")) == "None";
  // Endpoints have room for one family: the Service's first.
  auto subsets = subsets_of(gather(service, pods, zones, families_of(service).front()), all.is_boolean() && all.get<bool>(), headless, truncated);
  auto labels = labels_from(service);
  labels[endpoints_managed_label] = endpoints_manager;
  const auto name = text_or(dig(service, "metadata", "name"));
  json object{{"apiVersion", "v1"}, {"kind", "Endpoints"}, {"metadata", {{"name", name}, {"namespace", text_or(dig(service, "metadata", "namespace"))}}}};
  if (present) object = *present;
  object["metadata"]["labels"] = std::move(labels);
  if (subsets.empty()) object.erase("subsets");
  else object["subsets"] = std::move(subsets);
  auto& notes = object["metadata"]["annotations"];
  if (!notes.is_object()) notes = json::object();
  if (truncated) notes["endpoints.kubernetes.io/over-capacity"] = "truncated";
  else notes.erase("endpoints.kubernetes.io/over-capacity");
  if (notes.empty()) object["metadata"].erase("annotations");
  if (present && object == *present) return {};
  return {{present ? kind::update : kind::create, name, std::move(object)}};
}

std::vector<planned_write> plan_slices(const json& service, const pod_list& pods, const zone_map& zones,
                                       const std::vector<std::shared_ptr<const json>>& present) {
  std::vector<planned_write> out;
  const auto families = families_of(service);
  for (const auto& family : families) {
    slicer of(service, family);
    for (const auto& slice : present)
      if (text_or(dig(*slice, "addressType")) == family) of.take_present(slice);
    for (const auto& group : gather(service, pods, zones, family)) {
      if (group.ports.empty() && text_or(dig(service, "spec", "clusterIP")) != "None") continue;
      of.place(group);
    }
    for (auto& write : of.writes()) out.push_back(std::move(write));
  }
  for (const auto& slice : present)
    if (std::ranges::find(families, text_or(dig(*slice, "addressType"))) == families.end())
      out.push_back({kind::remove, text_or(dig(*slice, "metadata", "name")), nullptr});
  return out;
}

}  // namespace troupe::controllers
