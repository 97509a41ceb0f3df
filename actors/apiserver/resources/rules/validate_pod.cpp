// Pods: what must be there, what must fit together, and what may change.
#include <algorithm>
#include <set>

#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/model/quantity.hpp"
#include "basis/ids.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr std::string_view change_words =
    "pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)";

void check_choice(const json& value, const std::string& at, const std::vector<std::string>& allowed, causes& out) {
  if (value.is_null()) return;
  if (std::ranges::find(allowed, text_or(value)) == allowed.end()) out.push_back(not_supported(at, value, allowed));
}

bool is_variable_name(const std::string& name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > 31 && c < 127 && c != '='; });
}

void check_env(const json& container, const std::string& at, causes& out) {
  const auto& env = list_of(container, "env");
  for (std::size_t i = 0; i < env.size(); ++i) {
    auto place = at + ".env[" + std::to_string(i) + "]";
    auto name = text_or(dig(env[i], "name"));
    if (name.empty()) out.push_back(required_value(place + ".name"));
    else if (!is_variable_name(name))
      out.push_back(invalid_value(place + ".name", name,
                                  "a valid environment variable name must consist only of printable ASCII characters "
                                  "other than '='"));
    if (dig(env[i], "valueFrom").is_object() && !text_or(dig(env[i], "value")).empty())
      out.push_back(invalid_value(place + ".valueFrom", "", "may not be specified when `value` is not empty"));
  }
}

void check_ports(const json& container, const std::string& at, causes& out) {
  std::set<std::string> names;
  const auto& ports = list_of(container, "ports");
  for (std::size_t i = 0; i < ports.size(); ++i) {
    auto place = at + ".ports[" + std::to_string(i) + "]";
    auto number = number_or(dig(ports[i], "containerPort"), 0), host = number_or(dig(ports[i], "hostPort"), 0);
    if (number == 0) out.push_back(required_value(place + ".containerPort"));
    else if (number < 1 || number > 65535)
      out.push_back(invalid_value(place + ".containerPort", number, "must be between 1 and 65535, inclusive"));
    if (host < 0 || host > 65535)
      out.push_back(invalid_value(place + ".hostPort", host, "must be between 1 and 65535, inclusive"));
    check_choice(dig(ports[i], "protocol"), place + ".protocol", {"SCTP", "TCP", "UDP"}, out);
    auto name = text_or(dig(ports[i], "name"));
    if (!name.empty() && !names.insert(name).second) out.push_back(duplicate_value(place + ".name", name));
  }
}

void check_mounts(const json& container, const std::string& at, const std::set<std::string>& volumes, causes& out) {
  std::set<std::string> paths;
  const auto& mounts = list_of(container, "volumeMounts");
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    auto place = at + ".volumeMounts[" + std::to_string(i) + "]";
    auto name = text_or(dig(mounts[i], "name")), path = text_or(dig(mounts[i], "mountPath"));
    if (name.empty()) out.push_back(required_value(place + ".name"));
    else if (!volumes.contains(name))
      out.push_back({"FieldValueNotFound", "Not found: " + to_text(json(name)), place + ".name"});
    if (path.empty()) out.push_back(required_value(place + ".mountPath"));
    else if (!paths.insert(path).second) out.push_back(invalid_value(place + ".mountPath", path, "must be unique"));
  }
}

void check_resources(const json& container, const std::string& at, causes& out) {
  const auto &requests = dig(container, "resources", "requests"), &limits = dig(container, "resources", "limits");
  for (const auto* list : {&requests, &limits}) {
    auto place = at + (list == &requests ? ".resources.requests" : ".resources.limits");
    for (const auto& [name, amount] : list->items()) {
      auto milli = model::quantity_milli(text_or(amount));
      if (milli.ok() && *milli < 0)
        out.push_back(invalid_value(place + "[" + name + "]", amount, "must be greater than or equal to 0"));
    }
  }
  for (const auto& [name, amount] : requests.items()) {
    const auto& limit = dig(limits, name);
    if (!limit.is_string()) continue;
    auto order = model::compare_quantities(text_or(amount), text_or(limit));
    if (order.ok() && *order > 0)
      out.push_back(invalid_value(at + ".resources.requests", amount,
                                  "must be less than or equal to " + name + " limit of " + text_or(limit)));
  }
}

void check_container(const json& container, const std::string& at, const std::set<std::string>& volumes, causes& out) {
  auto name = text_or(dig(container, "name")), image = text_or(dig(container, "image"));
  if (name.empty()) out.push_back(required_value(at + ".name"));
  else if (auto why = name_problem(name, schema::name_rule::label); !why.empty())
    out.push_back(invalid_value(at + ".name", name, why));
  if (image.empty()) out.push_back(required_value(at + ".image"));
  else if (image.front() == ' ' || image.back() == ' ')
    out.push_back(invalid_value(at + ".image", image, "must not have leading or trailing whitespace"));
  check_choice(dig(container, "imagePullPolicy"), at + ".imagePullPolicy", {"Always", "IfNotPresent", "Never"}, out);
  check_choice(dig(container, "terminationMessagePolicy"), at + ".terminationMessagePolicy",
               {"FallbackToLogsOnError", "File"}, out);
  check_env(container, at, out);
  check_ports(container, at, out);
  check_mounts(container, at, volumes, out);
  check_resources(container, at, out);
}

std::set<std::string> check_volumes(const json& spec, const std::string& under, causes& out) {
  std::set<std::string> names;
  const auto& volumes = list_of(spec, "volumes");
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    auto at = under + ".volumes[" + std::to_string(i) + "]";
    auto name = text_or(dig(volumes[i], "name"));
    if (name.empty()) out.push_back(required_value(at + ".name"));
    else if (auto why = name_problem(name, schema::name_rule::label); !why.empty())
      out.push_back(invalid_value(at + ".name", name, why));
    if (!names.insert(name).second) out.push_back(duplicate_value(at + ".name", name));
    if (volumes[i].size() > 2) out.push_back(forbidden_value(at, "may not specify more than 1 volume type"));
  }
  return names;
}

void check_containers(const json& spec, const std::string& under, const std::set<std::string>& volumes, causes& out) {
  std::set<std::string> names;
  if (list_of(spec, "containers").empty()) out.push_back(required_value(under + ".containers"));
  for (auto key : {"initContainers", "containers"}) {
    const auto& all = list_of(spec, key);
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto at = std::string(under).append(".").append(key).append("[").append(std::to_string(i)).append("]");
      check_container(all[i], at, volumes, out);
      auto name = text_or(dig(all[i], "name"));
      if (!name.empty() && !names.insert(name).second) out.push_back(duplicate_value(at + ".name", name));
    }
  }
}

/// The pod's spec without what may change.
json fixed_part(const json& pod) {
  json spec = dig(pod, "spec");
  if (!spec.is_object()) return spec;
  for (auto key : {"containers", "initContainers"})
    if (auto found = spec.find(key); found != spec.end() && found->is_array())
      for (auto& each : *found)
        if (each.is_object()) each.erase("image");
  for (auto key : {"activeDeadlineSeconds", "tolerations", "schedulingGates", "terminationGracePeriodSeconds"})
    spec.erase(key);
  return spec;
}

bool contains_all(const json& list, const json& wanted) {
  return std::ranges::all_of(wanted, [&](const json& each) { return std::ranges::find(list, each) != list.end(); });
}

}  // namespace

void check_pod(const json& object, causes& out) { check_pod_spec(dig(object, "spec"), "spec", out); }

void check_pod_spec(const json& spec, const std::string& under, causes& out) {
  auto volumes = check_volumes(spec, under, out);
  check_containers(spec, under, volumes, out);
  check_choice(dig(spec, "restartPolicy"), under + ".restartPolicy", {"Always", "Never", "OnFailure"}, out);
  check_choice(dig(spec, "dnsPolicy"), under + ".dnsPolicy", {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"},
               out);
  auto node = text_or(dig(spec, "nodeName"));
  if (!node.empty())
    if (auto why = name_problem(node, schema::name_rule::subdomain); !why.empty())
      out.push_back(invalid_value(under + ".nodeName", node, why));
  auto account = text_or(dig(spec, "serviceAccountName"));
  if (!account.empty())
    if (auto why = name_problem(account, schema::name_rule::subdomain); !why.empty())
      out.push_back(invalid_value(under + ".serviceAccountName", account, why));
  const auto& deadline = dig(spec, "activeDeadlineSeconds");
  if (deadline.is_number_integer() && deadline.get<std::int64_t>() < 1)
    out.push_back(invalid_value(under + ".activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"));
}

void check_pod_change(const json& old, const json& now, causes& out) {
  const auto &before = dig(old, "spec"), &after = dig(now, "spec");
  if (list_of(before, "containers").size() != list_of(after, "containers").size()) {
    out.push_back(forbidden_value("spec.containers", "pod updates may not add or remove containers"));
    return;
  }
  auto was = number_or(dig(before, "terminationGracePeriodSeconds"), 30);
  auto is = number_or(dig(after, "terminationGracePeriodSeconds"), 30);
  bool grace_changed = was != is && !(was < 0 && is == 1);
  const auto &deadline = dig(before, "activeDeadlineSeconds"), &next = dig(after, "activeDeadlineSeconds");
  bool deadline_changed = deadline.is_number_integer() && (!next.is_number_integer() || next > deadline);
  bool tolerations_changed = !contains_all(list_of(after, "tolerations"), list_of(before, "tolerations"));
  bool gates_added = !contains_all(list_of(before, "schedulingGates"), list_of(after, "schedulingGates"));
  if (deadline_changed)
    out.push_back(invalid_value("spec.activeDeadlineSeconds", next, "must be less than or equal to previous value"));
  if (tolerations_changed)
    out.push_back(
        forbidden_value("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"));
  if (gates_added) out.push_back(forbidden_value("spec.schedulingGates", "only deletion is allowed"));
  if (grace_changed || fixed_part(old) != fixed_part(now))
    out.push_back(forbidden_value("spec", std::string(change_words)));
}

}  // namespace troupe::apiserver::rules
