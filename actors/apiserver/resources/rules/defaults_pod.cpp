// Defaults of pods and of everything inside them.
#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/model/quantity.hpp"

namespace troupe::apiserver::rules {
namespace {

void set_missing(json& object, const char* key, json value) {
  auto& slot = object[key];
  if (slot.is_null()) slot = std::move(value);
}

/// "Always" for an image without a tag or with :latest, else "IfNotPresent"; a digest counts as a tag.
const char* pull_policy(const std::string& image) {
  if (image.find('@') != std::string::npos) return "IfNotPresent";
  auto name = image.substr(image.rfind('/') == std::string::npos ? 0 : image.rfind('/') + 1);
  auto colon = name.rfind(':');
  return colon == std::string::npos || name.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

void probe_defaults(json& container) {
  for (auto key : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    auto found = container.find(key);
    if (found == container.end() || !found->is_object()) continue;
    set_missing(*found, "timeoutSeconds", 1);
    set_missing(*found, "periodSeconds", 10);
    set_missing(*found, "successThreshold", 1);
    set_missing(*found, "failureThreshold", 3);
    if (auto get = found->find("httpGet"); get != found->end() && get->is_object()) {
      set_missing(*get, "path", "/");
      set_missing(*get, "scheme", "HTTP");
    }
  }
}

void hook_defaults(json& container) {
  auto found = container.find("lifecycle");
  if (found == container.end()) return;
  for (auto& hook : *found) {
    if (!hook.is_object() || !hook.contains("httpGet")) continue;
    set_missing(hook["httpGet"], "path", "/");
    set_missing(hook["httpGet"], "scheme", "HTTP");
  }
}

/// Of pods alone, not of templates.
void resource_defaults(json& container) {
  auto& resources = container["resources"];
  auto limits = resources.find("limits");
  if (limits == resources.end()) return;
  json copied = *limits;
  for (const auto& [name, amount] : copied.items()) {
    auto& slot = resources["requests"][name];
    if (slot.is_null()) slot = amount;
  }
}

void container_defaults(json& container, bool host_network) {
  if (!dig(container, "resources").is_object()) container["resources"] = json::object();
  set_missing(container, "imagePullPolicy", pull_policy(text_or(dig(container, "image"))));
  set_missing(container, "terminationMessagePath", "/dev/termination-log");
  set_missing(container, "terminationMessagePolicy", "File");
  if (auto ports = container.find("ports"); ports != container.end())
    for (auto& port : *ports) {
      set_missing(port, "protocol", "TCP");
      if (host_network && port.contains("containerPort")) set_missing(port, "hostPort", port["containerPort"]);
    }
  if (auto env = container.find("env"); env != container.end())
    for (auto& each : *env)
      if (dig(each, "valueFrom", "fieldRef").is_object())
        set_missing(each["valueFrom"]["fieldRef"], "apiVersion", "v1");
  probe_defaults(container);
  hook_defaults(container);
}

void projected_defaults(json& sources) {
  for (auto& source : sources) {
    if (auto token = source.find("serviceAccountToken"); token != source.end() && token->is_object())
      set_missing(*token, "expirationSeconds", 3600);
    if (auto items = dig(source, "downwardAPI", "items"); items.is_array())
      for (auto& item : source["downwardAPI"]["items"])
        if (dig(item, "fieldRef").is_object()) set_missing(item["fieldRef"], "apiVersion", "v1");
  }
}

void volume_defaults(json& volume) {
  if (volume.is_object() && volume.size() <= 1) volume["emptyDir"] = json::object();
  for (auto key : {"configMap", "secret", "downwardAPI", "projected"})
    if (auto found = volume.find(key); found != volume.end() && found->is_object())
      set_missing(*found, "defaultMode", 420);
  if (auto path = volume.find("hostPath"); path != volume.end() && path->is_object()) set_missing(*path, "type", "");
  if (dig(volume, "projected", "sources").is_array()) projected_defaults(volume["projected"]["sources"]);
  if (dig(volume, "downwardAPI", "items").is_array())
    for (auto& item : volume["downwardAPI"]["items"])
      if (dig(item, "fieldRef").is_object()) set_missing(item["fieldRef"], "apiVersion", "v1");
}

struct resource_use {
  bool any = false, all_limited = true;
};

void look_at_resources(const json& container, resource_use& out) {
  for (auto name : {"cpu", "memory"}) {
    const auto& request = dig(container, "resources", "requests", name);
    const auto& limit = dig(container, "resources", "limits", name);
    auto is_set = [](const json& amount) {
      auto milli = model::quantity_milli(text_or(amount, "0"));
      return milli.ok() && *milli != 0;
    };
    if (is_set(request) || is_set(limit)) out.any = true;
    bool equal = is_set(limit) && (request.is_null() || request == limit);
    if (!equal) out.all_limited = false;
  }
}

}  // namespace

void fill_template_defaults(json& pod) {
  auto& spec = pod["spec"];
  if (!spec.is_object()) spec = json::object();
  set_missing(spec, "restartPolicy", "Always");
  set_missing(spec, "dnsPolicy", "ClusterFirst");
  set_missing(spec, "terminationGracePeriodSeconds", 30);
  set_missing(spec, "schedulerName", "default-scheduler");
  set_missing(spec, "securityContext", json::object());
  auto account = text_or(dig(spec, "serviceAccountName"), text_or(dig(spec, "serviceAccount")));
  if (!account.empty()) spec["serviceAccountName"] = spec["serviceAccount"] = account;
  bool host_network = dig(spec, "hostNetwork") == true;
  for (auto key : {"containers", "initContainers", "ephemeralContainers"})
    if (auto found = spec.find(key); found != spec.end())
      for (auto& container : *found)
        if (container.is_object()) container_defaults(container, host_network);
  if (auto volumes = spec.find("volumes"); volumes != spec.end())
    for (auto& volume : *volumes) volume_defaults(volume);
}

void fill_pod_defaults(json& pod) {
  fill_template_defaults(pod);
  auto& spec = pod["spec"];
  set_missing(spec, "enableServiceLinks", true);
  for (auto key : {"containers", "initContainers", "ephemeralContainers"})
    if (auto found = spec.find(key); found != spec.end())
      for (auto& container : *found)
        if (container.is_object()) resource_defaults(container);
}

json initial_pod_status(const json& pod) {
  resource_use use;
  for (auto key : {"containers", "initContainers"})
    for (const auto& each : list_of(dig(pod, "spec"), key)) look_at_resources(each, use);
  return {{"phase", "Pending"}, {"qosClass", !use.any ? "BestEffort" : use.all_limited ? "Guaranteed" : "Burstable"}};
}

}  // namespace troupe::apiserver::rules
