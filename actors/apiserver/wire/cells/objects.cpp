// Cells of access, certificates, quotas, volumes, ingresses and autoscalers, with the logic of Kubernetes' printers.
#include "actors/apiserver/wire/cells.hpp"
#include "actors/apiserver/wire/table.hpp"

namespace troupe::apiserver {
namespace {

void join(std::string& out, const std::string& part, const char* between = ",") {
  if (!part.empty()) out.append(out.empty() ? "" : between).append(part);
}

std::string or_else(const json& value, const char* otherwise) {
  if (value.is_string() && !value.get_ref<const std::string&>().empty()) return value.get<std::string>();
  return value.is_number() ? to_text(value) : std::string(otherwise);
}

std::string subjects(const json& object, std::string_view kind) {
  std::string out;
  for (const auto& each : dig(object, "subjects")) {
    if (dig(each, "kind") != kind) continue;
    const auto name = text_or(dig(each, "name")), ns = text_or(dig(each, "namespace"));
    join(out, kind == "ServiceAccount" && !ns.empty() ? ns + "/" + name : name, ", ");
  }
  return out;
}

/// "Approved,Issued", as far as it got.
std::string request_condition(const json& object) {
  bool approved = false, denied = false, failed = false;
  for (const auto& each : dig(object, "status", "conditions")) {
    approved = approved || dig(each, "type") == "Approved";
    denied = denied || dig(each, "type") == "Denied";
    failed = failed || dig(each, "type") == "Failed";
  }
  std::string out = denied ? "Denied" : approved ? "Approved" : "Pending";
  if (failed) out += ",Failed";
  if (!text_or(dig(object, "status", "certificate")).empty()) out += ",Issued";
  return out;
}

std::string request_duration(const json& object) {
  const auto& seconds = dig(object, "spec", "expirationSeconds");
  return seconds.is_number_integer() ? human_duration(std::chrono::seconds(seconds.get<std::int64_t>())) : std::string("<none>");
}

std::string quota(const json& object, bool limits) {
  std::string out;
  for (const auto& [name, hard] : dig(object, "status", "hard").items())
    if (name.starts_with("limits.") == limits) join(out, name + ": " + or_else(dig(object, "status", "used", name), "0") + "/" + text_or(hard), ", ");
  return out;
}

std::string access_modes(const json& modes) {
  struct pair { const char *mode, *text; };
  std::string out;
  for (const auto& each : {pair{"ReadWriteOnce", "RWO"}, pair{"ReadOnlyMany", "ROX"}, pair{"ReadWriteMany", "RWX"}, pair{"ReadWriteOncePod", "RWOP"}})
    for (const auto& mode : modes)
      if (mode == each.mode) join(out, each.text);
  return out;
}

std::string volume_status(const json& object) {
  return dig(object, "metadata", "deletionTimestamp").is_string() ? "Terminating" : text_or(dig(object, "status", "phase"));
}

std::string volume_claim(const json& object) {
  const auto& claim = dig(object, "spec", "claimRef");
  return claim.is_object() ? text_or(dig(claim, "namespace")) + "/" + text_or(dig(claim, "name")) : std::string();
}

std::string ingress_hosts(const json& object) {
  constexpr std::size_t shown_max = 3;
  std::string out;
  std::size_t more = 0, shown = 0;
  for (const auto& rule : dig(object, "spec", "rules")) {
    const auto host = text_or(dig(rule, "host"));
    if (shown == shown_max) ++more;
    else if (!host.empty()) join(out, host), ++shown;
  }
  if (more > 0) out += " + " + std::to_string(more) + " more...";
  return out.empty() ? "*" : out;
}

std::string ingress_addresses(const json& object) {
  std::string out;
  for (const auto& each : dig(object, "status", "loadBalancer", "ingress")) join(out, text_or(dig(each, "ip"), text_or(dig(each, "hostname"))));
  return out;
}

std::string ingress_parameters(const json& object) {
  const auto& to = dig(object, "spec", "parameters");
  if (!to.is_object()) return "<none>";
  auto out = text_or(dig(to, "kind"));
  const auto group = text_or(dig(to, "apiGroup"));
  if (!group.empty()) out.append(".").append(group);
  return out + "/" + text_or(dig(to, "name"));
}

/// "cpu: <unknown>/80%" for every metric of an autoscaler.
std::string targets(const json& object) {
  std::string out;
  std::size_t at = 0;
  for (const auto& metric : dig(object, "spec", "metrics")) {
    const auto& target = dig(metric, "resource", "target");
    const auto& seen_all = dig(object, "status", "currentMetrics");
    const auto& seen = seen_all.is_array() && at < seen_all.size() ? dig(seen_all[at], "resource", "current") : json();
    ++at;
    if (!target.is_object()) {
      join(out, "<unknown>/<unknown>", ", ");
      continue;
    }
    const bool share = !dig(target, "averageUtilization").is_null();
    const auto* key = share ? "averageUtilization" : "averageValue";
    const std::string unit = share ? "%" : "";
    const auto now = or_else(dig(seen, key), "");
    join(out, text_or(dig(metric, "resource", "name")) + ": " + (now.empty() ? "<unknown>" : now + unit) + "/" + or_else(dig(target, key), "<auto>") + unit, ", ");
  }
  return out.empty() ? "<none>" : out;
}

}  // namespace

json compute_object_cell(std::string_view name, std::string_view argument, const json& object) {
  if (name == "or_na") return or_else(value_at(object, argument), "N/A");
  if (name == "or_unset") return or_else(value_at(object, argument), "<unset>");
  if (name == "reference") return text_or(dig(value_at(object, argument), "kind")) + "/" + text_or(dig(value_at(object, argument), "name"));
  if (name == "subjects") return subjects(object, argument);
  if (name == "csr_condition") return request_condition(object);
  if (name == "csr_duration") return request_duration(object);
  if (name == "quota_requests") return quota(object, false);
  if (name == "quota_limits") return quota(object, true);
  if (name == "access_modes") return access_modes(value_at(object, argument));
  if (name == "volume_status") return volume_status(object);
  if (name == "volume_claim") return volume_claim(object);
  if (name == "name_default") {
    const bool chosen = dig(object, "metadata", "annotations", std::string(argument)) == "true";
    return text_or(dig(object, "metadata", "name")) + (chosen ? " (default)" : "");
  }
  if (name == "ingress_hosts") return ingress_hosts(object);
  if (name == "ingress_addresses") return ingress_addresses(object);
  if (name == "ingress_ports") return dig(object, "spec", "tls").empty() ? "80" : "80, 443";
  if (name == "ingress_parameters") return ingress_parameters(object);
  if (name == "hpa_targets") return targets(object);
  return nullptr;
}

}  // namespace troupe::apiserver
