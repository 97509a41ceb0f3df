#include "actors/apiserver/auth/node_relations.hpp"

namespace troupe::apiserver {
namespace {

bool names(const json& at, std::string_view name) { return at.is_string() && at.get_ref<const std::string&>() == name; }

bool container_uses(const json& container, std::string_view member, std::string_view name) {
  const std::string from = std::string(member) + "Ref", key = std::string(member) + "KeyRef";
  for (const auto& source : dig(container, "envFrom"))
    if (names(dig(source, from, "name"), name)) return true;
  for (const auto& variable : dig(container, "env"))
    if (names(dig(variable, "valueFrom", key, "name"), name)) return true;
  return false;
}

bool pod_uses(const json& spec, std::string_view plural, std::string_view name) {
  const bool secret = plural == "secrets";
  for (const auto& volume : dig(spec, "volumes")) {
    if (secret ? names(dig(volume, "secret", "secretName"), name) : names(dig(volume, "configMap", "name"), name)) return true;
    for (const auto& source : dig(volume, "projected", "sources"))
      if (names(dig(source, secret ? "secret" : "configMap", "name"), name)) return true;
  }
  if (secret)
    for (const auto& pull : dig(spec, "imagePullSecrets"))
      if (names(dig(pull, "name"), name)) return true;
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"})
    for (const auto& container : dig(spec, list))
      if (container_uses(container, secret ? "secret" : "configMap", name)) return true;
  return false;
}

}  // namespace

bool node_uses(const model::snapshot& pods, std::string_view node, std::string_view plural, std::string_view ns,
               std::string_view name) {
  // Each volume of each pod asks this again and again: only pods of this very node are worth being parsed.
  const auto has = [](const model::document& pod, std::string_view label, std::string_view value) {
    const auto all = pod.kind().selectables;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].label == label) return pod.selectable(i) == value;
    return false;
  };
  const auto of_node = [&](const model::document& pod) { return has(pod, "spec.nodeName", node); };
  if (plural == "pods") {
    const auto pod = pods.find(std::string(ns) + "/" + std::string(name));
    return pod && of_node(*pod);
  }
  bool found = false;
  pods.each(std::string(ns) + "/", [&](const model::document_ptr& pod) {
    if (pod->ns() != ns) return false;
    if (!of_node(*pod)) return true;
    if (plural == "serviceaccounts") found = has(*pod, "spec.serviceAccountName", name);
    else found = pod_uses(dig(model::parse(*pod), "spec"), plural, name);
    return !found;
  });
  return found;
}

}  // namespace troupe::apiserver
