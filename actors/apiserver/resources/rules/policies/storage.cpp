// Volumes, claims, their classes, and limits: kinds that are stored and served, and that nobody acts on yet.
#include <algorithm>

#include "actors/apiserver/resources/rules/policies/policies.hpp"
#include "actors/model/quantity.hpp"

namespace troupe::apiserver::rules {
namespace {

/// Members of a PersistentVolume's spec that are no source of it.
constexpr const char* volume_words[] = {"accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
                                        "storageClassName", "volumeAttributesClassName", "volumeMode"};

json source_of(json spec) {
  if (!spec.is_object()) return json::object();
  for (auto key : volume_words) spec.erase(key);
  return spec;
}

void check_modes(const json& spec, causes& out) {
  const std::vector<std::string> known{"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"};
  const auto& modes = list_of(spec, "accessModes");
  if (modes.empty()) out.push_back(required_value("spec.accessModes"));
  for (const auto& each : modes)
    if (std::ranges::find(known, text_or(each)) == known.end()) out.push_back(not_supported("spec.accessModes", each, known));
}

void check_volume(const json& spec, causes& out) {
  check_modes(spec, out);
  if (dig(spec, "capacity", "storage").is_null()) out.push_back(required_value("spec.capacity"));
  const auto sources = source_of(spec).size();
  if (sources == 0) out.push_back(required_value("spec", "must specify a volume type"));
  if (sources > 1) out.push_back(forbidden_value("spec", "may not specify more than 1 volume type"));
}

void check_claim(const json& spec, causes& out) {
  check_modes(spec, out);
  const auto& size = dig(spec, "resources", "requests", "storage");
  if (size.is_null()) return out.push_back(required_value("spec.resources[storage]"));
  if (auto milli = model::quantity_milli(text_or(size)); milli.ok() && *milli <= 0)
    out.push_back(invalid_value("spec.resources[storage]", size, "must be greater than zero"));
}

/// min <= default <= max, of what a LimitRange limits.
void check_limits(const json& object, causes& out) {
  const auto& limits = list_of(dig(object, "spec"), "limits");
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const auto at = "spec.limits[" + std::to_string(i) + "]";
    auto ordered = [&](const char* low, const char* high) {
      for (const auto& [name, amount] : dig(limits[i], low).items()) {
        const auto& bound = dig(limits[i], high, name);
        if (!bound.is_string()) continue;
        auto order = model::compare_quantities(text_or(amount), text_or(bound));
        if (order.ok() && *order > 0)
          out.push_back(invalid_value(at + "." + low + "[" + name + "]", amount,
                                      std::string(low) + " value " + text_or(amount) + " is greater than " + high + " value " + text_or(bound)));
      }
    };
    ordered("min", "max");
    ordered("min", "default");
    ordered("default", "max");
    ordered("defaultRequest", "default");
    if (text_or(dig(limits[i], "type")).empty()) out.push_back(required_value(at + ".type"));
  }
}

}  // namespace

bool check_storage(const schema::kind& kind, const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  if (kind.name == "PersistentVolume") return check_volume(spec, out), true;
  if (kind.name == "PersistentVolumeClaim") return check_claim(spec, out), true;
  if (kind.name == "LimitRange") return check_limits(object, out), true;
  if (kind.name == "StorageClass") {
    if (text_or(dig(object, "provisioner")).empty()) out.push_back(required_value("provisioner"));
    return true;
  }
  if (kind.name != "RuntimeClass") return kind.name == "ResourceQuota";
  if (text_or(dig(object, "handler")).empty()) out.push_back(required_value("handler"));
  return true;
}

void check_storage_change(const schema::kind& kind, const json& old, const json& now, causes& out) {
  if (kind.name == "StorageClass") {
    for (auto key : {"parameters", "provisioner"})
      if (dig(old, key) != dig(now, key)) out.push_back(forbidden_value(key, std::string("updates to ") + key + " are forbidden."));
    if (dig(old, "reclaimPolicy") != dig(now, "reclaimPolicy")) out.push_back(forbidden_value("reclaimPolicy", "updates to reclaimPolicy are forbidden."));
  }
  if (kind.name == "PersistentVolume" && source_of(dig(old, "spec")) != source_of(dig(now, "spec")))
    out.push_back(forbidden_value("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"));
  if (kind.name != "PersistentVolumeClaim") return;
  auto fixed = [&](json spec) {
    if (!spec.is_object()) return spec;
    spec.erase("resources");
    if (text_or(dig(old, "spec", "volumeName")).empty()) spec.erase("volumeName");
    return spec;
  };
  if (fixed(dig(old, "spec")) != fixed(dig(now, "spec")))
    out.push_back(forbidden_value("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"));
}

}  // namespace troupe::apiserver::rules
