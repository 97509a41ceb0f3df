// What a pod gets that its author did not write: its service account's token and secrets, and its priority; and why it is not
// admitted. Upstream's admission plugins ServiceAccount and Priority. Pure.
#pragma once
#include <functional>
#include <optional>

#include "actors/apiserver/status.hpp"

namespace troupe::apiserver {

struct pod_surroundings {
  std::function<std::optional<json>(const std::string& ns, const std::string& name)> account;
  std::function<std::optional<json>(const std::string& name)> priority_class;
  std::function<std::optional<json>()> default_priority_class;
};
/// `pod` has its defaults already. Nothing: it is admitted.
std::optional<api_error> admit_pod(const schema::kind& pods, json& pod, const pod_surroundings& around);

inline constexpr std::string_view account_folder = "/var/run/secrets/kubernetes.io/serviceaccount";

}  // namespace troupe::apiserver
