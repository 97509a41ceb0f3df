#include "actors/controllers/signing/rules.hpp"

#include <algorithm>
#include <set>

namespace troupe::controllers {
namespace {

constexpr const char* node_prefix = "system:node:";
constexpr const char* node_group = "system:nodes";
constexpr duration least_life = std::chrono::minutes(10);

std::set<std::string> usages_of(const json& request) {
  std::set<std::string> out;
  for (const auto& one : dig(request, "spec", "usages")) out.insert(text_or(one));
  return out;
}
/// Has what is needed, and nothing beyond what is allowed.
bool has_usages(const json& request, const std::string& needed) {
  const auto all = usages_of(request);
  const std::set<std::string> allowed{"key encipherment", "digital signature", needed};
  return all.contains(needed) && std::includes(allowed.begin(), allowed.end(), all.begin(), all.end());
}
bool is_node(const asked_names& names) {
  return names.common_name.starts_with(node_prefix) && names.common_name.size() > std::string(node_prefix).size() && names.organizations == std::vector<std::string>{node_group};
}
bool has_other_names(const asked_names& names) { return names.others || !names.dns_names.empty() || !names.addresses.empty(); }
bool holds(const json& request, const char* condition) {
  for (const auto& c : dig(request, "status", "conditions"))
    if (text_or(dig(c, "type")) == condition) return true;
  return false;
}
error no(const std::string& why) { return fail(errc::invalid, why); }

}  // namespace

std::optional<signer_name> signer_of(const json& request) {
  const auto name = text_or(dig(request, "spec", "signerName"));
  if (name == "kubernetes.io/kube-apiserver-client") return signer_name::client;
  if (name == "kubernetes.io/kube-apiserver-client-kubelet") return signer_name::kubelet_client;
  if (name == "kubernetes.io/kubelet-serving") return signer_name::kubelet_serving;
  return std::nullopt;
}

std::string approving_right(const json& request, const asked_names& names) {
  const bool fits = signer_of(request) == signer_name::kubelet_client && is_node(names) && !has_other_names(names) && has_usages(request, "client auth");
  if (!fits) return {};
  return text_or(dig(request, "spec", "username")) == names.common_name ? "selfnodeclient" : "nodeclient";
}

result<net::tls::leaf_request> leaf_of(signer_name as, const json& request, const asked_names& names) {
  net::tls::leaf_request out;
  out.common_name = names.common_name;
  out.organizations = names.organizations;
  const bool serving = as == signer_name::kubelet_serving;
  const std::string needed = serving ? "server auth" : "client auth";
  if (!has_usages(request, needed)) return no("usages must hold \"" + needed + "\", and beside it only \"key encipherment\" and \"digital signature\"");
  if (names.common_name.empty()) return no("the request's subject has no common name");
  if (as != signer_name::client && !is_node(names)) return no("the subject must be system:node:NAME in the organization system:nodes alone");
  if (std::ranges::find(names.organizations, "system:masters") != names.organizations.end()) return no("nobody gets a certificate of the group system:masters by a request");
  if (serving) {
    if (names.others || (names.dns_names.empty() && names.addresses.empty())) return no("a serving certificate is for names of DNS and addresses, at least one of them, and for nothing else");
    if (text_or(dig(request, "spec", "username")) != names.common_name) return no("only " + names.common_name + " itself can ask for its serving certificate");
    out.use = net::tls::usage::server;
    out.dns_names = names.dns_names;
    out.addresses = names.addresses;
  } else if (as == signer_name::kubelet_client && has_other_names(names)) {
    return no("a client certificate has no other names beside its subject");
  }
  return out;
}

duration validity_of(const json& request, duration most) {
  const auto& asked = dig(request, "spec", "expirationSeconds");
  if (!asked.is_number_integer()) return most;
  return std::clamp<duration>(std::chrono::seconds(asked.get<std::int64_t>()), std::min(least_life, most), most);
}

request_state state_of(const json& request) {
  if (holds(request, "Denied") || holds(request, "Failed") || !text_or(dig(request, "status", "certificate")).empty()) return request_state::over;
  return holds(request, "Approved") ? request_state::approved : request_state::pending;
}

bool is_stale(const json& request, wall_time now) {
  const auto made = parse_rfc3339(text_or(dig(request, "metadata", "creationTimestamp")));
  if (!made.ok()) return false;
  auto last = *made;
  for (const auto& c : dig(request, "status", "conditions"))
    if (const auto at = parse_rfc3339(text_or(dig(c, "lastUpdateTime"))); at.ok()) last = std::max(last, *at);
  if (state_of(request) == request_state::over) return now - last > std::chrono::hours(1);
  return now - *made > std::chrono::hours(24);
}

}  // namespace troupe::controllers
