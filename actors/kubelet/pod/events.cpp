#include "actors/kubelet/pod/events.hpp"

#include <algorithm>
#include <cstdio>

#include "actors/kubelet/pod/wish.hpp"

namespace troupe::kubelet {

event_book::event_book(const json& pod, std::string node) : node_(std::move(node)) {
  ns_ = text_or(dig(pod, "metadata", "namespace"));
  name_ = text_or(dig(pod, "metadata", "name"));
  uid_ = text_or(dig(pod, "metadata", "uid"));
  about_ = {{"kind", "Pod"}, {"apiVersion", "v1"}, {"namespace", ns_}, {"name", name_}, {"uid", uid_}};
  for (const char* list : {"containers", "initContainers"})
    for (const auto& c : dig(pod, "spec", list)) {
      const auto name = text_or(dig(c, "name"));
      fields_[name] = std::string("spec.") + list + "{" + name + "}";
    }
}

event_book event_book::of_node(const std::string& node) {
  event_book out;
  out.node_ = out.name_ = out.uid_ = node;
  out.ns_ = "default";
  out.about_ = {{"kind", "Node"}, {"apiVersion", "v1"}, {"name", node}, {"uid", node}};
  return out;
}

bool event_book::may_speak(wall_time now, int keep) {
  if (!refilled_) refilled_ = now;
  const auto more = std::max<std::int64_t>(0, (now - *refilled_) / refill_every);
  left_ = static_cast<int>(std::min<std::int64_t>(burst, left_ + more));
  *refilled_ += more * refill_every;
  if (left_ <= keep) return false;
  --left_;
  return true;
}

std::optional<event_call> event_book::note(bool warning, const std::string& reason, const std::string& message, const std::string& container, wall_time now) {
  const auto what = reason + "\n" + message + "\n" + container;
  const auto path = "/api/v1/namespaces/" + ns_ + "/events";
  const bool again = known_.contains(what);
  if (!again) {
    if (!may_speak(now, 0)) return std::nullopt;
    if (known_.size() >= known_max) known_.clear();
  }
  auto& one = known_[what];
  ++one.count;   // whether or not it may be said now: the next that is said tells how often it was
  if (again && !may_speak(now, kept_for_news)) return std::nullopt;
  const auto at = to_rfc3339(now);
  if (!again) {
    char hex[32];
    std::snprintf(hex, sizeof hex, ".%016llx", static_cast<unsigned long long>(digest_of(uid_ + what + std::to_string(now.time_since_epoch().count()))));
    one.name = name_ + hex;
    one.first = at;
  }
  auto about = about_;
  if (const auto field = fields_.find(container); field != fields_.end()) about["fieldPath"] = field->second;
  json event{{"apiVersion", "v1"}, {"kind", "Event"}, {"metadata", {{"name", one.name}, {"namespace", ns_}}}, {"involvedObject", std::move(about)},
             {"reason", reason}, {"message", message.substr(0, 1024)}, {"type", warning ? "Warning" : "Normal"}, {"count", one.count},
             {"firstTimestamp", one.first}, {"lastTimestamp", at}, {"source", {{"component", "kubelet"}, {"host", node_}}},
             {"reportingComponent", "kubelet"}, {"reportingInstance", node_}};
  if (!again) return event_call{"POST", path, "application/json", std::move(event)};
  return event_call{"PATCH", path + "/" + one.name, "application/strategic-merge-patch+json", {{"count", one.count}, {"lastTimestamp", at}}, std::move(event)};
}

}  // namespace troupe::kubelet
