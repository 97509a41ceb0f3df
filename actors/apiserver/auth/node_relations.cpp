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
  bool found = false;
  pods.each(std::string(ns) + "/", [&](const model::document_ptr& pod) {
    if (pod->ns() != ns) return false;
    const json object = model::parse(*pod);
    const json& spec = dig(object, "spec");
    if (!names(dig(spec, "nodeName"), node)) return true;
    if (plural == "pods") found = pod->name() == name;
    else if (plural == "serviceaccounts") found = names(dig(spec, "serviceAccountName"), name);
    else found = pod_uses(spec, plural, name);
    return !found;
  });
  return found;
}

}  // namespace troupe::apiserver
