// What a pod gets that its author did not write: its service account's token and secrets, and its priority; and why it is not
// admitted. Upstream's admission plugins ServiceAccount and Priority. And what a Secret gets that asks for its account's token,
// which upstream's token controller gives it a moment later. Pure.
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

struct token_surroundings {
  bool fresh = true;                                                                          ///< The Secret is being made.
  std::function<std::optional<json>(const std::string& ns, const std::string& name)> account;
  std::function<std::string(const std::string& ns)> root_ca;                                  ///< PEM; "" while it is not there.
  /// A token of `account` that is good as long as the Secret is.
  std::function<result<std::string>(const json& account, const std::string& secret, const std::string& uid)> issue;
};
/// A Secret of type kubernetes.io/service-account-token gets what it lacks of token, ca.crt and namespace, and goes with its account.
/// Others stay as they are.
std::optional<api_error> admit_token_secret(const schema::kind& secrets, json& secret, const token_surroundings& around);

inline constexpr std::string_view account_folder = "/var/run/secrets/kubernetes.io/serviceaccount";

}  // namespace troupe::apiserver
