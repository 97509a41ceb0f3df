// What the schema cannot say about single objects and about changes, kind by kind.
#include <algorithm>
#include <set>

#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/model/selector.hpp"
#include "basis/bytes.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr std::string_view config_key_words =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
constexpr std::string_view frozen = "field is immutable when `immutable` is set";
constexpr std::string_view immutable = "field is immutable";

bool config_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
}

std::string config_key_problem(const std::string& key) {
  if (key.size() > 253) return "must be no more than 253 characters";
  if (key.empty() || !std::ranges::all_of(key, config_character)) return std::string(config_key_words);
  if (key == "." || key == "..") return "must not be '" + key + "'";
  return key.starts_with("..") ? "must not start with '..'" : std::string();
}

std::size_t decoded_size(const std::string& base64) {
  auto padding = base64.size() - (base64.find_last_not_of('=') + 1);
  return base64.size() / 4 * 3 - std::min<std::size_t>(padding, 2);
}

void check_keys(const json& map, const std::string& field, causes& out) {
  if (!map.is_object()) return;
  for (const auto& [key, value] : map.items())
    if (auto why = config_key_problem(key); !why.empty())
      out.push_back(invalid_value(field + "[" + key + "]", key, why));
}

void check_config_map(const json& object, causes& out) {
  const auto &data = dig(object, "data"), &binary = dig(object, "binaryData");
  std::size_t size = 0;
  check_keys(data, "data", out);
  check_keys(binary, "binaryData", out);
  for (const auto& [key, value] : data.items()) {
    if (binary.is_object() && binary.contains(key))
      out.push_back(invalid_value("data[" + key + "]", key, "duplicate of key present in binaryData"));
    size += text_or(value).size();
  }
  for (const auto& [key, value] : binary.items()) size += decoded_size(text_or(value));
  if (size > data_bytes_max) out.push_back(too_long_value("[]", "may not be more than 1048576 bytes"));
}

struct required_key { const char *type, *key; };
constexpr required_key required_keys[] = {{"kubernetes.io/dockercfg", ".dockercfg"},
                                          {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
                                          {"kubernetes.io/ssh-auth", "ssh-privatekey"},
                                          {"kubernetes.io/tls", "tls.crt"},
                                          {"kubernetes.io/tls", "tls.key"}};

void check_secret_type(const json& object, causes& out) {
  auto type = text_or(dig(object, "type"));
  const auto& data = dig(object, "data");
  for (const auto& each : required_keys) {
    if (type != each.type) continue;
    auto field = std::string("data[") + each.key + "]";
    const auto& value = dig(data, each.key);
    if (!value.is_string()) {
      out.push_back(required_value(field));
      continue;
    }
    bool docker = type.starts_with("kubernetes.io/docker");
    std::string raw;
    bool readable = !docker || (from_base64(value.get_ref<const std::string&>(), raw) && parse_json(raw).ok());
    if (!readable)
      out.push_back({"FieldValueInvalid", "Invalid value: \"<secret contents redacted>\": invalid JSON", field});
  }
  if (type == "kubernetes.io/basic-auth" && dig(data, "username").is_null() && dig(data, "password").is_null()) {
    out.push_back(required_value("data[username]"));
    out.push_back(required_value("data[password]"));
  }
  if (type == "kubernetes.io/service-account-token" &&
      text_or(dig(object, "metadata", "annotations", "kubernetes.io/service-account.name")).empty())
    out.push_back(required_value("metadata.annotations[kubernetes.io/service-account.name]"));
}

void check_secret(const json& object, causes& out) {
  std::size_t size = 0;
  const auto& data = dig(object, "data");
  check_keys(data, "data", out);
  for (const auto& [key, value] : data.items()) size += decoded_size(text_or(value));
  if (size > data_bytes_max) out.push_back(too_long_value("data", "may not be more than 1048576 bytes"));
  check_secret_type(object, out);
}

void check_frozen(const json& old, const json& now, std::initializer_list<const char*> fields, causes& out) {
  if (dig(old, "immutable") != true) return;
  if (dig(now, "immutable") != true) out.push_back(forbidden_value("immutable", std::string(frozen)));
  for (auto key : fields)
    if (dig(old, key) != dig(now, key)) out.push_back(forbidden_value(key, std::string(frozen)));
}

void check_event(const json& object, causes& out) {
  auto ns = text_or(dig(object, "metadata", "namespace"));
  auto about = text_or(dig(object, "involvedObject", "namespace"));
  bool cluster_wide = about.empty() && (ns == "default" || ns == "kube-system");
  if (about != ns && !cluster_wide)
    out.push_back(invalid_value("involvedObject.namespace", about, "does not match event.namespace"));
}

void check_lease(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  const auto &seconds = dig(spec, "leaseDurationSeconds"), &transitions = dig(spec, "leaseTransitions");
  if (seconds.is_number_integer() && seconds.get<std::int64_t>() <= 0)
    out.push_back(invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
  if (transitions.is_number_integer() && transitions.get<std::int64_t>() < 0)
    out.push_back(invalid_value("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
}

void check_namespace(const json& object, causes& out) {
  for (const auto& each : list_of(dig(object, "spec"), "finalizers")) {
    auto text = text_or(each);
    auto why = model::label_key_problem(text);
    bool standard = text == "kubernetes" || text == "orphan" || text == "foregroundDeletion";
    if (why.empty() && text.find('/') == std::string::npos && !standard)
      why = "name is neither a standard finalizer name nor is it fully qualified";
    if (!why.empty()) out.push_back(invalid_value("spec.finalizers", each, why));
  }
}

void check_taints(const json& spec, causes& out) {
  std::set<std::pair<std::string, std::string>> seen;
  const auto& taints = list_of(spec, "taints");
  for (std::size_t i = 0; i < taints.size(); ++i) {
    auto at = "spec.taints[" + std::to_string(i) + "]";
    auto key = text_or(dig(taints[i], "key")), effect = text_or(dig(taints[i], "effect"));
    if (auto why = model::label_key_problem(key); !why.empty()) out.push_back(invalid_value(at + ".key", key, why));
    if (auto why = model::label_value_problem(text_or(dig(taints[i], "value"))); !why.empty())
      out.push_back(invalid_value(at + ".value", dig(taints[i], "value"), why));
    if (effect.empty()) out.push_back(required_value(at + ".effect"));
    else if (effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute")
      out.push_back(not_supported(at + ".effect", effect, {"NoExecute", "NoSchedule", "PreferNoSchedule"}));
    if (!seen.emplace(key, effect).second) out.push_back(duplicate_value(at, taints[i]));
  }
}

void check_node_change(const json& old, const json& now, causes& out) {
  const auto& before = dig(old, "spec");
  for (auto key : {"podCIDR", "podCIDRs", "providerID"}) {
    const auto& value = dig(before, key);
    bool was_set = value.is_array() ? !value.empty() : !text_or(value).empty();
    if (was_set && dig(now, "spec", key) != value)
      out.push_back(forbidden_value(std::string("spec.") + key, "node updates may not change " + std::string(key) +
                                                                    " except from \"\" to valid"));
  }
}

}  // namespace

void check_object(const schema::kind& kind, const json& object, causes& out) {
  if (kind.group == "coordination.k8s.io") return check_lease(object, out);
  if (kind.group == "discovery.k8s.io") return check_endpoint_slice(object, out);
  if (check_workload(kind, object, out) || check_policy(kind, object, out)) return;
  if (!kind.group.empty()) return;
  if (kind.name == "ConfigMap") check_config_map(object, out);
  if (kind.name == "Secret") check_secret(object, out);
  if (kind.name == "Event") check_event(object, out);
  if (kind.name == "Namespace") check_namespace(object, out);
  if (kind.name == "Node") check_taints(dig(object, "spec"), out);
  if (kind.name == "Service") check_service(object, out);
  if (kind.name == "Endpoints") check_endpoints(object, out);
  if (kind.name == "Pod") check_pod(object, out);
}

void check_change(const schema::kind& kind, const json& old, const json& now, causes& out) {
  if (kind.group == "discovery.k8s.io" && dig(old, "addressType") != dig(now, "addressType"))
    out.push_back(invalid_value("addressType", dig(now, "addressType"), std::string(immutable)));
  check_workload_change(kind, old, now, out);
  check_policy_change(kind, old, now, out);
  if (!kind.group.empty()) return;
  if (kind.name == "ConfigMap") check_frozen(old, now, {"data", "binaryData"}, out);
  if (kind.name == "Secret") {
    if (dig(old, "type") != dig(now, "type"))
      out.push_back(invalid_value("type", dig(now, "type"), std::string(immutable)));
    check_frozen(old, now, {"data"}, out);
  }
  if (kind.name == "Node") check_node_change(old, now, out);
  if (kind.name == "Service") check_service_change(old, now, out);
  if (kind.name == "Pod") check_pod_change(old, now, out);
}

}  // namespace troupe::apiserver::rules
