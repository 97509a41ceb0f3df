#include "actors/apiserver/auth/pod_admission.hpp"

#include <algorithm>

#include "actors/apiserver/auth/account_tokens.hpp"
#include "basis/bytes.hpp"

namespace troupe::apiserver {
namespace {

bool is_true(const json& value, bool otherwise) { return value.is_boolean() ? value.get<bool>() : otherwise; }

bool has_mount(const json& container) {
  const auto& mounts = dig(container, "volumeMounts");
  return std::any_of(mounts.begin(), mounts.end(), [](const json& one) {
    const auto& path = dig(one, "mountPath");
    return path.is_string() && std::string_view(path.get_ref<const std::string&>()) == account_folder;
  });
}

json token_volume(const std::string& name) {
  const auto life = std::chrono::duration_cast<std::chrono::seconds>(token_life_of_pods).count();
  return {{"name", name},
          {"projected",
           {{"defaultMode", 420},
            {"sources",
             {{{"serviceAccountToken", {{"expirationSeconds", life}, {"path", "token"}}}},
              {{"configMap", {{"name", "kube-root-ca.crt"}, {"items", {{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}},
              {{"downwardAPI", {{"items", {{{"path", "namespace"}, {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}}}}}}}}}}}};
}

/// Adds the volume, and its mount to every container that has none of its own there.
void mount_token(json& pod) {
  auto& spec = pod["spec"];
  const auto uid = text_or(dig(pod, "metadata", "uid"));
  std::string suffix;
  constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";   // as generated names have
  for (std::size_t i = 0, n = 7; i < 5; ++i) {
    for (char c : uid) n = (n * 31 + static_cast<unsigned char>(c) + i) % 1'000'003;
    suffix.push_back(letters[n % letters.size()]);
  }
  const auto name = "kube-api-access-" + suffix;
  bool used = false;
  for (const char* list : {"initContainers", "containers"}) {
    if (!spec.contains(list)) continue;
    for (auto& container : spec[list]) {
      if (has_mount(container)) continue;
      container["volumeMounts"].push_back({{"name", name}, {"readOnly", true}, {"mountPath", account_folder}});
      used = true;
    }
  }
  if (used) spec["volumes"].push_back(token_volume(name));
}

std::optional<api_error> settle_account(const schema::kind& pods, json& pod, const pod_surroundings& around) {
  auto& spec = pod["spec"];
  const auto pod_name = text_or(dig(pod, "metadata", "name")), ns = text_or(dig(pod, "metadata", "namespace"));
  // The mirror of a static pod: its kubelet has no token for it.
  const auto& marks = dig(pod, "metadata", "annotations");
  if (marks.is_object() && marks.contains("kubernetes.io/config.mirror")) return std::nullopt;
  auto name = text_or(dig(spec, "serviceAccountName"));
  if (name.empty()) name = "default";
  spec["serviceAccountName"] = name;
  spec["serviceAccount"] = name;   // the old name of the field, still written by upstream
  const auto account = around.account(ns, name);
  if (!account)
    return forbidden(pods, pod_name, "error looking up service account " + ns + "/" + name + ": serviceaccount \"" + name + "\" not found");
  if (is_true(dig(spec, "automountServiceAccountToken"), is_true(dig(*account, "automountServiceAccountToken"), true))) mount_token(pod);
  if (dig(spec, "imagePullSecrets").empty() && !dig(*account, "imagePullSecrets").empty()) spec["imagePullSecrets"] = dig(*account, "imagePullSecrets");
  return std::nullopt;
}

std::optional<api_error> settle_priority(const schema::kind& pods, json& pod, const pod_surroundings& around) {
  auto& spec = pod["spec"];
  const auto pod_name = text_or(dig(pod, "metadata", "name"));
  const auto name = text_or(dig(spec, "priorityClassName"));
  std::int64_t value = 0;
  std::string preemption = "PreemptLowerPriority";
  std::optional<json> found = name.empty() ? around.default_priority_class() : around.priority_class(name);
  if (found) {
    if (dig(*found, "value").is_number_integer()) value = dig(*found, "value").get<std::int64_t>();
    if (const auto policy = text_or(dig(*found, "preemptionPolicy")); !policy.empty()) preemption = policy;
    spec["priorityClassName"] = text_or(dig(*found, "metadata", "name"));
  } else if (name == "system-cluster-critical") {
    value = 2'000'000'000;
  } else if (name == "system-node-critical") {
    value = 2'000'001'000;
  } else if (!name.empty()) {
    return forbidden(pods, pod_name, "no PriorityClass with name " + name + " was found");
  }
  if (const auto& given = dig(spec, "priority"); given.is_number_integer() && given.get<std::int64_t>() != value)
    return forbidden(pods, pod_name, "the integer value of priority (" + std::to_string(given.get<std::int64_t>()) +
                                         ") must not be provided in pod spec; priority admission controller computed " + std::to_string(value) +
                                         " from the given PriorityClass name");
  spec["priority"] = value;
  if (!spec.contains("preemptionPolicy")) spec["preemptionPolicy"] = preemption;
  return std::nullopt;
}

}  // namespace

std::optional<api_error> admit_pod(const schema::kind& pods, json& pod, const pod_surroundings& around) {
  if (auto no = settle_account(pods, pod, around)) return no;
  return settle_priority(pods, pod, around);
}

std::optional<api_error> admit_token_secret(const schema::kind& secrets, json& secret, const token_surroundings& around) {
  if (text_or(dig(secret, "type")) != "kubernetes.io/service-account-token") return std::nullopt;
  auto& meta = secret["metadata"];
  const auto name = text_or(dig(meta, "name")), ns = text_or(dig(meta, "namespace"));
  const auto wanted = text_or(dig(meta, "annotations", "kubernetes.io/service-account.name"));
  const auto account = around.account(ns, wanted);
  if (!account && !around.fresh) return std::nullopt;   // it goes with its account, and that takes a change or two
  if (!account) return forbidden(secrets, name, "error looking up service account " + ns + "/" + wanted + ": serviceaccount \"" + wanted + "\" not found");
  const auto uid = text_or(dig(*account, "metadata", "uid"));
  meta["annotations"]["kubernetes.io/service-account.uid"] = uid;
  auto& owners = meta["ownerReferences"];
  if (!owners.is_array()) owners = json::array();
  const bool owned = std::any_of(owners.begin(), owners.end(), [&](const json& one) { return text_or(dig(one, "uid")) == uid; });
  if (!owned) owners.push_back({{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"name", wanted}, {"uid", uid}});
  auto& data = secret["data"];
  if (!data.is_object()) data = json::object();
  const auto lacks = [&](const char* key) { return text_or(dig(data, key)).empty(); };
  if (lacks("token")) {
    auto token = around.issue(*account, name, text_or(dig(meta, "uid")));
    if (!token.ok()) return internal_error(token.why().note);
    data["token"] = to_base64(*token);
  }
  if (lacks("ca.crt"))
    if (const auto ca = around.root_ca(ns); !ca.empty()) data["ca.crt"] = to_base64(ca);
  if (lacks("namespace")) data["namespace"] = to_base64(ns);
  return std::nullopt;
}

}  // namespace troupe::apiserver
