#include "actors/kubelet/static_pods/manifest.hpp"

#include <algorithm>
#include <cstdio>

#include "actors/kubelet/pod/sources.hpp"
#include "actors/kubelet/pod/wish.hpp"
#include "basis/yaml.hpp"

namespace troupe::kubelet {
namespace {

constexpr std::size_t name_bytes_max = 253;

bool is_name(const std::string& text) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return !text.empty() && text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), fits) && text.front() != '-' && text.front() != '.' &&
         text.back() != '-' && text.back() != '.';
}

/// 32 hex digits, as upstream's uids of static pods have.
std::string fingerprint(const std::string& text) {
  char out[40];
  std::snprintf(out, sizeof out, "%016llx%016llx", static_cast<unsigned long long>(digest_of("first\n" + text)), static_cast<unsigned long long>(digest_of("second\n" + text)));
  return out;
}

error no(const std::string& why) { return fail(errc::invalid, why); }

result<void> check_containers(const json& spec) {
  const auto& main = dig(spec, "containers");
  if (!main.is_array() || main.empty()) return no("spec.containers: a pod needs at least one container");
  for (const char* list : {"initContainers", "containers"})
    for (const auto& c : dig(spec, list)) {
      if (!is_name(text_or(dig(c, "name")))) return no(std::string("spec.") + list + ": each container needs a name of lower-case letters, digits and '-'");
      if (text_or(dig(c, "image")).empty()) return no(std::string("spec.") + list + ": container \"" + text_or(dig(c, "name")) + "\" has no image");
    }
  return {};
}

/// What only an API can give, a pod that needs none cannot have.
result<void> check_references(const json& pod) {
  const auto needs = needs_of(pod);
  if (!needs.config_maps.empty()) return no("a static pod cannot refer to objects of the API, and this one refers to the ConfigMap \"" + *needs.config_maps.begin() + "\"");
  if (!needs.secrets.empty()) return no("a static pod cannot refer to objects of the API, and this one refers to the Secret \"" + *needs.secrets.begin() + "\"");
  if (!needs.tokens.empty() || !text_or(dig(pod, "spec", "serviceAccountName")).empty()) return no("a static pod cannot have a service account");
  return {};
}

std::string hash_of(const json& mirror) { return text_or(dig(mirror, "metadata", "annotations", annotation_mirror)); }

}  // namespace

std::string pod_key(const json& object) { return text_or(dig(object, "metadata", "namespace")) + "/" + text_or(dig(object, "metadata", "name")); }

result<json> read_manifest(const std::string& file, const std::string& text, const std::string& node, wall_time seen) {
  const auto first = text.find_first_not_of(" \t\r\n");
  auto read = first != std::string::npos && text[first] == '{' ? parse_json(text) : parse_yaml(text);
  if (!read.ok()) return read.why();
  json pod = std::move(*read);
  if (!pod.is_object() || text_or(dig(pod, "kind")) != "Pod" || text_or(dig(pod, "apiVersion")) != "v1") return no("it must be one object of kind Pod and apiVersion v1");
  if (!dig(pod, "metadata").is_object() || !dig(pod, "spec").is_object()) return no("metadata and spec are required");
  const auto name = text_or(dig(pod, "metadata", "name"));
  if (!is_name(name)) return no("metadata.name: it must be lower-case letters, digits, '-' and '.'");
  if (!is_name(name + "-" + node)) return no("metadata.name: with the node's name behind it, it is longer than 253 characters");
  if (auto fits = check_containers(pod["spec"]); !fits.ok()) return fits.why();
  if (auto fits = check_references(pod); !fits.ok()) return fits.why();
  auto& meta = pod["metadata"];
  if (!dig(meta, "annotations").is_object()) meta["annotations"] = json::object();
  for (const char* ours : {"kubernetes.io/config.hash", "kubernetes.io/config.mirror", "kubernetes.io/config.seen", "kubernetes.io/config.source"}) meta["annotations"].erase(ours);
  for (const char* of_the_api : {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "ownerReferences", "managedFields"}) meta.erase(of_the_api);
  pod.erase("status");
  if (text_or(dig(meta, "namespace")).empty()) meta["namespace"] = "default";
  const auto hash = fingerprint(node + "\n" + file + "\n" + to_text(pod));
  meta["name"] = name + "-" + node;
  meta["uid"] = hash;
  meta["annotations"][annotation_hash] = hash;
  meta["annotations"]["kubernetes.io/config.seen"] = to_rfc3339(seen);
  meta["annotations"]["kubernetes.io/config.source"] = "file";
  auto& spec = pod["spec"];
  spec["nodeName"] = node;
  spec["enableServiceLinks"] = false;
  if (!dig(spec, "tolerations").is_array()) spec["tolerations"] = json::array();
  spec["tolerations"].push_back({{"operator", "Exists"}, {"effect", "NoExecute"}});
  return pod;
}

json make_mirror(const json& pod, const std::string& node, const std::string& owner) {
  json out = pod;
  auto& meta = out["metadata"];
  meta["annotations"][annotation_mirror] = meta["uid"];
  meta.erase("uid");
  meta["ownerReferences"] = json::array({{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}, {"uid", owner}, {"controller", true}}});
  return out;
}

std::vector<mirror_step> plan_mirrors(const pod_map& wanted, const pod_map& mirrors, const std::set<std::string>& living) {
  std::vector<mirror_step> out;
  for (const auto& [key, mirror] : mirrors) {
    const auto found = wanted.find(key);
    const auto hash = hash_of(*mirror);
    const bool fits = (found != wanted.end() && text_or(dig(*found->second, "metadata", "uid")) == hash) || living.contains(hash);
    if (!fits || dig(*mirror, "metadata", "deletionTimestamp").is_string()) out.push_back({mirror_step::kind::remove, key, mirror});
  }
  for (const auto& [key, pod] : wanted)
    if (!mirrors.contains(key)) out.push_back({mirror_step::kind::create, key, pod});
  return out;
}

}  // namespace troupe::kubelet
